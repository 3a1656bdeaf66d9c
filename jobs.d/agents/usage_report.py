"""Report metered usage per customer in the last full week against the week before, and what is odd about it.

A week runs from Monday to Sunday. Options in the event: `as_of` (an ISO date; by default the last day in
`data/usage.csv`), and `change_percent` (50), from which a change between the weeks is an anomaly.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

from agent_io import AgentError, Request, change, deliver, read_csv, run, table

WEEK = timedelta(days=7)
# A day is a spike when it exceeds the meter's median day this many times.
SPIKE_FACTOR = 3


@dataclass(frozen=True, slots=True, order=True)
class Meter:
    """What is counted: a dimension of a product at a customer."""

    customer: str
    product: str
    dimension: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a meter counted on one day."""

    meter: Meter
    day: date
    quantity: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What a meter counted in the week and in the week before."""

    meter: Meter
    week: int
    week_before: int


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something odd about a meter; `repeated` when the previous report had it for the week before."""

    meter: Meter
    kind: str
    detail: str
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The whole answer; the week runs from Monday `starts_on` to Sunday `ends_on`."""

    as_of: date
    starts_on: date
    ends_on: date
    usage: list[Usage]
    anomalies: list[Anomaly]


def parse_reading(row: dict[str, str]) -> Reading:
    """A reading from a row of `usage.csv`."""
    meter = Meter(row["customer"], row["product"], row["dimension"])
    return Reading(meter, date.fromisoformat(row["date"]), int(row["quantity"]))


def last_monday(as_of: date) -> date:
    """The first day of the last week that was over at the end of `as_of`."""
    days_since_sunday = (as_of.weekday() + 1) % 7
    return as_of - timedelta(days=days_since_sunday + 6)


def report(readings: list[Reading], as_of: date, change_percent: int, previous: dict[str, Any]) -> Report:
    """The report on the last full week up to `as_of`."""
    check_coverage(readings, as_of)
    monday = last_monday(as_of)
    week, before = by_meter(readings, monday), by_meter(readings, monday - WEEK)
    meters = sorted(week.keys() | before.keys())
    anomalies = [
        Anomaly(meter, kind, detail, repeated=was_reported(meter, kind, monday, previous))
        for meter in meters
        for kind, detail in oddities(week[meter], before[meter], monday, change_percent)
    ]
    usage = [Usage(meter, sum(week[meter].values()), sum(before[meter].values())) for meter in meters]
    return Report(as_of, monday, monday + timedelta(days=6), usage, anomalies)


def check_coverage(readings: Iterable[Reading], as_of: date) -> None:
    """Refuse a day for which the data does not hold the last full week and the week before."""
    days = {reading.day for reading in readings}
    first, last = min(days), max(days)
    if not first <= as_of <= last or last_monday(as_of) - WEEK < first:
        raise AgentError(f"no two full weeks up to {as_of}: the data covers {first} to {last}")


def by_meter(readings: Iterable[Reading], monday: date) -> defaultdict[Meter, Counter[date]]:
    """The daily quantities of each meter in the week that starts on `monday`."""
    weeks: defaultdict[Meter, Counter[date]] = defaultdict(Counter)
    for reading in readings:
        if monday <= reading.day < monday + WEEK:
            weeks[reading.meter][reading.day] += reading.quantity
    return weeks


def oddities(
    week: Mapping[date, int], before: Mapping[date, int], monday: date, change_percent: int
) -> Iterator[tuple[str, str]]:
    """Kind and detail of everything odd about a meter, from its daily quantities in the two weeks."""
    now, then = sum(week.values()), sum(before.values())
    if not now:
        if then:
            yield "silent", f"no usage after {then:,} in the week before"
        return
    if not then:
        yield "new", f"first usage on {min(week)}"
        return
    if abs(now - then) * 100 >= change_percent * then:
        yield ("surge" if now > then else "slump"), f"{change(Decimal(now), Decimal(then))} to {now:,}"
    yield from spikes(week, before)
    missing = [monday + timedelta(days=n) for n in range(7) if monday + timedelta(days=n) not in week]
    if missing:
        yield "gap", "nothing metered on " + ", ".join(f"{day}" for day in missing)


def spikes(week: Mapping[date, int], before: Mapping[date, int]) -> Iterator[tuple[str, str]]:
    """The days of a week that stand out from the days of both weeks."""
    usual = median([*week.values(), *before.values()])
    for day, quantity in sorted(week.items()):
        if quantity > SPIKE_FACTOR * usual:
            yield "spike", f"{quantity:,} on {day}, usual is {usual:,.0f} a day"


def was_reported(meter: Meter, kind: str, monday: date, previous: dict[str, Any]) -> bool:
    """Whether the previous result is about the week before and has this kind of anomaly at this meter."""
    wanted = {"meter": asdict(meter), "kind": kind}
    match previous:
        case {"starts_on": str(starts_on), "anomalies": [*anomalies]} if starts_on == f"{monday - WEEK}":
            return any(isinstance(anomaly, dict) and wanted.items() <= anomaly.items() for anomaly in anomalies)
    return False


def render(answer: Report) -> list[str]:
    """The report for people."""
    return [
        f"Metered usage from {answer.starts_on} to {answer.ends_on}, the last full week as of {answer.as_of}",
        "",
        *render_usage(answer.usage),
        "",
        *render_anomalies(answer.anomalies),
    ]


def render_usage(usage: list[Usage]) -> list[str]:
    """A line for each meter, by customer."""
    head = ["customer", "product", "dimension", "week", "week before", "change"]
    rows = [
        [
            line.meter.customer,
            line.meter.product,
            line.meter.dimension,
            f"{line.week:,}",
            f"{line.week_before:,}",
            change(Decimal(line.week), Decimal(line.week_before)),
        ]
        for line in usage
    ]
    return table([head, *rows], left=3)


def render_anomalies(anomalies: list[Anomaly]) -> list[str]:
    """A line for each anomaly."""
    if not anomalies:
        return ["Anomalies: none"]
    rows = [
        [
            f"  {anomaly.kind}",
            anomaly.meter.customer,
            anomaly.meter.product,
            anomaly.detail + (" (second week running)" if anomaly.repeated else ""),
        ]
        for anomaly in anomalies
    ]
    return [f"Anomalies: {len(anomalies)}", *table(rows, left=4)]


def main(request: Request) -> None:
    """Read the data, report, deliver."""
    request.allow_options("as_of", "change_percent")
    readings = read_csv("usage.csv", parse_reading)
    as_of = request.day("as_of", max(reading.day for reading in readings))
    answer = report(readings, as_of, request.count("change_percent", 50), request.previous)
    deliver(render(answer), asdict(answer))


if __name__ == "__main__":
    run(main)
