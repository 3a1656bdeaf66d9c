"""Report private offers that expire soon, each of them once.

Options in the event: `within_days` (14) and `as_of` (an ISO date; by default the date of the export in
`data/offers.json`).

What was reported is remembered in `$JOBSD_JOB_DIR/reported.json`, because the previous result alone says only
what the last run saw. The memory is replaced atomically, and only after the report is out: a run that dies
in between makes the next one report an offer twice, never not at all. For the same reason a damaged memory
does not stop the job: it is set aside for inspection, the run says so, and everything counts as new.
"""

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from agent_io import AgentError, Request, deliver, money, read_json, run, table

MEMORY = "reported.json"
# Offer ids, each with the expiry date that was reported; an offer whose date was moved is news again.
Memory = dict[str, str]


@dataclass(frozen=True, slots=True)
class Offer:
    """A private offer that waits for a buyer's answer until the end of `expires_on`."""

    id: str
    marketplace: str
    customer: str
    product: str
    owner: str
    amount_usd: Decimal
    expires_on: date
    status: str


@dataclass(frozen=True, slots=True)
class Findings:
    """The whole answer: the expiring offers, apart by whether an earlier run reported them."""

    as_of: date
    within_days: int
    new: list[Offer]
    known: list[Offer]


def parse_export(export: dict[str, Any]) -> tuple[date, list[Offer]]:
    """The date of an export and its offers."""
    try:
        return date.fromisoformat(export["exported_on"]), [parse_offer(item) for item in export["offers"]]
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise AgentError(f"data/offers.json is not an export of offers: {error!r}") from None


def parse_offer(item: dict[str, Any]) -> Offer:
    """An offer of the export."""
    return Offer(
        id=item["id"],
        marketplace=item["marketplace"],
        customer=item["customer"],
        product=item["product"],
        owner=item["owner"],
        amount_usd=Decimal(str(item["amount_usd"])),
        expires_on=date.fromisoformat(item["expires_on"]),
        status=item["status"],
    )


def find(offers: Iterable[Offer], as_of: date, within_days: int, memory: Memory) -> Findings:
    """The open offers that expire from `as_of` to `within_days` later, the most urgent first."""
    expiring = sorted(
        (offer for offer in offers if offer.status == "open" and 0 <= days_left(offer, as_of) <= within_days),
        key=lambda offer: (offer.expires_on, -offer.amount_usd, offer.id),
    )
    return Findings(
        as_of=as_of,
        within_days=within_days,
        new=[offer for offer in expiring if not is_known(offer, memory)],
        known=[offer for offer in expiring if is_known(offer, memory)],
    )


def days_left(offer: Offer, as_of: date) -> int:
    """The days until an offer's last day; negative when that is over."""
    return (offer.expires_on - as_of).days


def is_known(offer: Offer, memory: Memory) -> bool:
    """Whether the offer was reported with this expiry date."""
    return memory.get(offer.id) == offer.expires_on.isoformat()


def remember(memory: Memory, findings: Findings, offers: Iterable[Offer]) -> Memory:
    """The memory after the report, without offers that have left the data, so that it can't outgrow them."""
    reported = {offer.id: offer.expires_on.isoformat() for offer in findings.new}
    present = {offer.id for offer in offers}
    return {key: expiry for key, expiry in sorted((memory | reported).items()) if key in present}


def load_memory(path: Path) -> Memory:
    """What earlier runs reported: nothing when there is no memory yet, or it is damaged and set aside."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError:  # neither UTF-8 nor JSON
        content = None
    if isinstance(content, dict) and all(isinstance(expiry, str) for expiry in content.values()):
        return content
    aside = path.with_suffix(".damaged.json")
    path.replace(aside)
    print(f"warning: {path} is damaged: moved to {aside.name}, every offer counts as new", file=sys.stderr)
    return {}


def save_memory(path: Path, memory: Memory) -> None:
    """Replace the memory at once, durably: whenever the machine stops, one whole version is on disk."""
    draft = path.with_suffix(".tmp")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(memory, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def memory_path() -> Path | None:
    """Where the memory is, or `None` when the script runs outside of a job."""
    folder = os.environ.get("JOBSD_JOB_DIR")
    return Path(folder) / MEMORY if folder else None


def render(findings: Findings) -> list[str]:
    """The report for people."""
    return [
        f"Private offers that expire within {findings.within_days} days, as of {findings.as_of}",
        "",
        *render_offers("New", findings.new, findings.as_of),
        "",
        *render_offers("Reported before", findings.known, findings.as_of),
    ]


def render_offers(title: str, offers: list[Offer], as_of: date) -> list[str]:
    """A heading with number and value, and a line for each offer."""
    if not offers:
        return [f"{title}: none"]
    head = ["  expires on", "offer", "customer", "marketplace", "product", "owner", "days left", "USD"]
    rows = [
        [
            f"  {offer.expires_on}",
            offer.id,
            offer.customer,
            offer.marketplace,
            offer.product,
            offer.owner,
            str(days_left(offer, as_of)),
            money(offer.amount_usd),
        ]
        for offer in offers
    ]
    value = sum((offer.amount_usd for offer in offers), Decimal())
    return [f"{title}: {len(offers)}, worth {money(value)} USD", *table([head, *rows], left=6)]


def main(request: Request) -> None:
    """Find what expires, deliver it, and only then remember it."""
    request.allow_options("as_of", "within_days")
    exported_on, offers = parse_export(read_json("offers.json"))
    path = memory_path()
    memory = load_memory(path) if path else {}
    findings = find(offers, request.day("as_of", exported_on), request.count("within_days", 14), memory)
    deliver(render(findings), asdict(findings))
    if path:
        save_memory(path, remember(memory, findings, offers))


if __name__ == "__main__":
    run(main)
