"""Summarise a day's marketplace revenue against the day before and the same weekday before.

Option in the event: `as_of`, the day to summarise (an ISO date; by default the last one in
`data/revenue.csv`).
Revenue is net: usage and contracts minus refunds.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from agent_io import AgentError, Request, change, deliver, money, read_csv, run, table

DAY_BEFORE = timedelta(days=1)
WEEK_BEFORE = timedelta(days=7)
MOVERS = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a marketplace's daily statement; `amount_usd` is positive, also for a refund."""

    day: date
    marketplace: str
    product: str
    customer: str
    type: str
    amount_usd: Decimal

    @property
    def is_refund(self) -> bool:
        """Whether the amount went back to the customer."""
        return self.type == "refund"

    @property
    def net(self) -> Decimal:
        """What the line adds to revenue."""
        return -self.amount_usd if self.is_refund else self.amount_usd

    @property
    def line(self) -> str:
        """The business line: a product on a marketplace."""
        return f"{self.marketplace} / {self.product}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Net revenue under one name in USD; a day that the data does not cover is `None`."""

    name: str
    net: Decimal
    day_before: Decimal | None
    week_before: Decimal | None

    @property
    def move(self) -> Decimal:
        """The change since the same weekday before, which no weekend distorts."""
        return Decimal() if self.week_before is None else self.net - self.week_before


@dataclass(frozen=True, slots=True)
class Refund:
    """Money that went back to a customer, in USD."""

    marketplace: str
    product: str
    customer: str
    amount_usd: Decimal


@dataclass(frozen=True, slots=True)
class Progress:
    """How the total compares with the previous report; both may be of the same day."""

    previous_as_of: str
    change_usd: Decimal


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole answer: what the report prints and the result holds."""

    as_of: date
    total: Comparison
    marketplaces: list[Comparison]
    products: list[Comparison]
    movers: list[Comparison]
    refunds: list[Refund]
    since_previous: Progress | None


def parse_entry(row: dict[str, str]) -> Entry:
    """An entry from a row of `revenue.csv`."""
    if row["type"] not in {"usage", "contract", "refund"}:
        raise ValueError(f"unknown type {row['type']!r}")
    return Entry(
        day=date.fromisoformat(row["date"]),
        marketplace=row["marketplace"],
        product=row["product"],
        customer=row["customer"],
        type=row["type"],
        amount_usd=Decimal(row["amount_usd"]),
    )


def summarise(entries: list[Entry], as_of: date, previous: dict[str, Any]) -> Summary:
    """The summary of the day `as_of`."""
    days = {entry.day for entry in entries}
    if as_of not in days:
        raise AgentError(f"no revenue on {as_of}: the data covers {min(days)} to {max(days)}")
    total = compare(entries, as_of, lambda _: "Total")[0]
    lines = compare(entries, as_of, lambda entry: entry.line)
    return Summary(
        as_of=as_of,
        total=total,
        marketplaces=compare(entries, as_of, lambda entry: entry.marketplace),
        products=compare(entries, as_of, lambda entry: entry.product),
        movers=biggest_movers(lines),
        refunds=refunds_of(entries, as_of),
        since_previous=progress(total.net, previous),
    )


def compare(entries: list[Entry], as_of: date, name: Callable[[Entry], str]) -> list[Comparison]:
    """Net revenue of `as_of` and of the two days to compare with, by `name`, the largest first."""
    day_before, week_before = as_of - DAY_BEFORE, as_of - WEEK_BEFORE
    covered = {entry.day for entry in entries}
    compared = [entry for entry in entries if entry.day in {as_of, day_before, week_before}]
    net: dict[tuple[str, date], Decimal] = defaultdict(Decimal)
    for entry in compared:
        net[name(entry), entry.day] += entry.net

    def on(day: date, heading: str) -> Decimal | None:
        return net[heading, day] if day in covered else None

    comparisons = [
        Comparison(heading, net[heading, as_of], on(day_before, heading), on(week_before, heading))
        for heading in {name(entry) for entry in compared}
    ]
    return sorted(comparisons, key=lambda line: (-line.net, line.name))


def biggest_movers(lines: Iterable[Comparison]) -> list[Comparison]:
    """The business lines that moved most since the same weekday before, in either direction."""
    moved = [line for line in lines if line.move]
    return sorted(moved, key=lambda line: (-abs(line.move), line.name))[:MOVERS]


def refunds_of(entries: Iterable[Entry], day: date) -> list[Refund]:
    """The refunds of a day, the largest first."""
    refunds = [
        Refund(entry.marketplace, entry.product, entry.customer, entry.amount_usd)
        for entry in entries
        if entry.is_refund and entry.day == day
    ]
    return sorted(refunds, key=lambda refund: -refund.amount_usd)


def progress(net: Decimal, previous: dict[str, Any]) -> Progress | None:
    """The change since the previous report, or `None` when there is none to compare with."""
    match previous:
        case {"as_of": str(day), "total": {"net": int() | float() as before}}:
            return Progress(day, net - Decimal(str(before)))
    return None


def render(summary: Summary) -> list[str]:
    """The report for people."""
    return [
        f"Marketplace revenue as of {summary.as_of:%A %Y-%m-%d} (USD, net of refunds)",
        "",
        *render_comparisons(summary),
        "",
        *render_movers(summary),
        "",
        *render_refunds(summary.refunds),
        "",
        render_progress(summary),
    ]


def render_comparisons(summary: Summary) -> list[str]:
    """One table of the total, the marketplaces and the products."""
    head = ["", "net", f"vs {summary.as_of - DAY_BEFORE}", f"vs {summary.as_of - WEEK_BEFORE}"]
    lines = [summary.total, *summary.marketplaces, *summary.products]
    rows = [
        [line.name, money(line.net), change(line.net, line.day_before), change(line.net, line.week_before)]
        for line in lines
    ]
    text = table([head, *rows])
    products = 2 + len(summary.marketplaces)
    return [*text[:2], "", *text[2:products], "", *text[products:]]


def render_movers(summary: Summary) -> list[str]:
    """The biggest movers with the money that they moved."""
    baseline = summary.as_of - WEEK_BEFORE
    if summary.total.week_before is None:
        return [f"Biggest movers: the data does not cover {baseline:%A %Y-%m-%d}"]
    rows = [
        [f"  {line.name}", f"{line.move:+,.2f}", change(line.net, line.week_before)] for line in summary.movers
    ]
    return [f"Biggest movers since {baseline:%A %Y-%m-%d}", *table(rows or [["  none"]])]


def render_refunds(refunds: list[Refund]) -> list[str]:
    """The refunds and their sum."""
    if not refunds:
        return ["Refunds: none"]
    total = sum((refund.amount_usd for refund in refunds), Decimal())
    rows = [
        [f"  {refund.customer}", refund.marketplace, refund.product, money(refund.amount_usd)]
        for refund in refunds
    ]
    return [f"Refunds: {money(total)}", *table(rows, left=3)]


def render_progress(summary: Summary) -> str:
    """What changed since the previous report, in a sentence."""
    since = summary.since_previous
    if since is None:
        return "This is the first report."
    if since.previous_as_of == f"{summary.as_of}" and not since.change_usd:
        return "Nothing changed since the previous report, which was of the same day."
    return f"Since the previous report (as of {since.previous_as_of}): {since.change_usd:+,.2f} in total."


def main(request: Request) -> None:
    """Read the data, summarise, deliver."""
    request.allow_options("as_of")
    entries = read_csv("revenue.csv", parse_entry)
    as_of = request.day("as_of", max(entry.day for entry in entries))
    summary = summarise(entries, as_of, request.previous)
    deliver(render(summary), asdict(summary))


if __name__ == "__main__":
    run(main)
