"""List co-sell opportunities that nobody touched for a while, by owner and stage.

Options in the event: `idle_days` (30), and `as_of` (an ISO date; by default the last day in
`data/opportunities.csv`).
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any

from agent_io import Request, deliver, money, read_csv, run, table

# In the order of the pipeline. What is launched or lost is closed, and nobody has to touch it.
OPEN_STAGES = ("Prospect", "Qualified", "Technical Validation", "Business Validation", "Committed")
CLOSED_STAGES = ("Launched", "Closed Lost")


@dataclass(frozen=True, slots=True)
class Opportunity:
    """A deal that the team works on together with a cloud provider."""

    id: str
    partner: str
    customer: str
    owner: str
    stage: str
    amount_usd: Decimal
    last_activity_on: date
    next_step: str


@dataclass(frozen=True, slots=True)
class Stale:
    """An opportunity without activity for `idle_days`."""

    opportunity: Opportunity
    idle_days: int


@dataclass(frozen=True, slots=True)
class Group:
    """The stale opportunities of one owner in one stage, the longest idle first."""

    owner: str
    stage: str
    amount_usd: Decimal
    stale: list[Stale]


@dataclass(frozen=True, slots=True)
class Findings:
    """The whole answer; `added` and `cleared` are ids against the previous run, `None` without one."""

    as_of: date
    idle_days: int
    count: int
    amount_usd: Decimal
    groups: list[Group]
    added: list[str] | None
    cleared: list[str] | None


def parse_opportunity(row: dict[str, str]) -> Opportunity:
    """An opportunity from a row of `opportunities.csv`."""
    if row["stage"] not in OPEN_STAGES + CLOSED_STAGES:
        raise ValueError(f"unknown stage {row['stage']!r}")
    return Opportunity(
        id=row["id"],
        partner=row["partner"],
        customer=row["customer"],
        owner=row["owner"],
        stage=row["stage"],
        amount_usd=Decimal(row["amount_usd"]),
        last_activity_on=date.fromisoformat(row["last_activity_on"]),
        next_step=row["next_step"],
    )


def find(opportunities: Iterable[Opportunity], as_of: date, idle_days: int, previous: dict[str, Any]) -> Findings:
    """The open opportunities without activity for at least `idle_days`."""
    stale = [
        Stale(opportunity, idle)
        for opportunity in opportunities
        if opportunity.stage in OPEN_STAGES and (idle := (as_of - opportunity.last_activity_on).days) >= idle_days
    ]
    ids = {item.opportunity.id for item in stale}
    before = previous_ids(previous)
    return Findings(
        as_of=as_of,
        idle_days=idle_days,
        count=len(stale),
        amount_usd=worth(stale),
        groups=group(stale),
        added=None if before is None else sorted(ids - before),
        cleared=None if before is None else sorted(before - ids),
    )


def group(stale: Iterable[Stale]) -> list[Group]:
    """Groups by owner in alphabetical order, and by stage in the order of the pipeline."""
    groups: dict[tuple[str, str], list[Stale]] = {}
    for item in sorted(stale, key=lambda item: (-item.idle_days, item.opportunity.id)):
        groups.setdefault((item.opportunity.owner, item.opportunity.stage), []).append(item)
    return [
        Group(owner, stage, worth(items), items)
        for (owner, stage), items in sorted(
            groups.items(), key=lambda entry: (entry[0][0], OPEN_STAGES.index(entry[0][1]))
        )
    ]


def worth(stale: Iterable[Stale]) -> Decimal:
    """What stale opportunities are worth together."""
    return sum((item.opportunity.amount_usd for item in stale), Decimal())


def previous_ids(previous: dict[str, Any]) -> set[str] | None:
    """The ids in the previous result, or `None` when there is none, or not one of this agent."""
    try:
        return {item["opportunity"]["id"] for group in previous["groups"] for item in group["stale"]}
    except (KeyError, TypeError):
        return None


def render(findings: Findings) -> list[str]:
    """The report for people."""
    return [
        f"Co-sell opportunities without activity for {findings.idle_days} days, as of {findings.as_of}",
        f"{findings.count} opportunities, worth {money(findings.amount_usd)} USD",
        *render_progress(findings),
        *render_owners(findings.groups),
    ]


def render_progress(findings: Findings) -> list[str]:
    """What came and went since the previous run."""
    if findings.added is None or findings.cleared is None:
        return []
    return [
        f"Since the previous run: {len(findings.added)} added, {len(findings.cleared)} cleared"
        + (f" ({', '.join(findings.cleared)})" if findings.cleared else "")
    ]


def render_owners(groups: list[Group]) -> list[str]:
    """For each owner a heading, and for each stage its opportunities."""
    lines: list[str] = []
    for owner, stages in groupby(groups, key=lambda group: group.owner):
        lines += ["", owner]
        for entry in stages:
            heading = f"  {entry.stage}: {len(entry.stale)}, worth {money(entry.amount_usd)} USD"
            lines += [heading, *render_stale(entry.stale)]
    return lines


def render_stale(stale: Iterable[Stale]) -> list[str]:
    """A line for each opportunity of a group."""
    return table(
        [
            [
                f"    {item.opportunity.id}",
                item.opportunity.customer,
                item.opportunity.partner,
                item.opportunity.next_step,
                f"{item.idle_days} days",
                money(item.opportunity.amount_usd),
            ]
            for item in stale
        ],
        left=4,
    )


def main(request: Request) -> None:
    """Read the data, find what is stale, deliver."""
    request.allow_options("as_of", "idle_days")
    opportunities = read_csv("opportunities.csv", parse_opportunity)
    as_of = request.day("as_of", max(opportunity.last_activity_on for opportunity in opportunities))
    findings = find(opportunities, as_of, request.count("idle_days", 30), request.previous)
    deliver(render(findings), asdict(findings))


if __name__ == "__main__":
    run(main)
