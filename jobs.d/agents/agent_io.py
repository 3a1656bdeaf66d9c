"""What the sample agents share: reading the request and the data, handing over the answer, plain-text tables.

An agent gets one JSON object on standard input. It answers with a report on standard output and, where
`$JOBSD_RESULT` names a file, with a result in JSON there. Each script is `run(main)` around a `main` that
reads, computes with pure functions, and delivers.
"""

import csv
import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

DATA = Path(__file__).parent / "data"
Row = TypeVar("Row")


class AgentError(Exception):
    """Why this run can't succeed, in words for whoever reads its record."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the runner asks: the event's payload, and the result of the job's last completed run."""

    event: dict[str, Any]
    previous: dict[str, Any]

    def allow_options(self, *known: str) -> None:
        """Refuse options that the agent does not have: a misspelt one would otherwise have no effect."""
        unknown = sorted(set(self.event) - set(known))
        if unknown:
            raise AgentError(f"unknown option {', '.join(unknown)} in the event (known: {', '.join(known)})")

    def day(self, name: str, default: date) -> date:
        """An option that is an ISO date."""
        value = self.event.get(name)
        if value is None:
            return default
        try:
            return date.fromisoformat(value)
        except (TypeError, ValueError):
            raise AgentError(f"event.{name} must be a date such as 2026-10-30, not {value!r}") from None

    def count(self, name: str, default: int) -> int:
        """An option that is a whole number from 1 to 10,000."""
        value = self.event.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10_000:
            raise AgentError(f"event.{name} must be a whole number from 1 to 10000, not {value!r}")
        return value


def run(main: Callable[[Request], None]) -> None:
    """Run an agent and exit: 0 when it delivered, 1 with one line on standard error when it can't."""
    try:
        main(parse_request(sys.stdin.read()))
    except (AgentError, OSError, UnicodeError) as error:
        sys.exit(f"error: {error}")


def parse_request(text: str) -> Request:
    """The request in the JSON that the runner sends; everything in it is optional."""
    try:
        message = json.loads(text)
    except ValueError as error:
        raise AgentError(f"standard input is not JSON: {error}") from None
    if not isinstance(message, dict):
        raise AgentError("standard input must be a JSON object")
    event = message.get("event")
    if event is not None and not isinstance(event, dict):
        raise AgentError(f"the event must be a JSON object, not {type(event).__name__}")
    previous = message.get("previous")
    # A first run has no previous result, and that of another agent may be a text: nothing to compare with.
    return Request(event or {}, previous if isinstance(previous, dict) else {})


def read_csv(name: str, parse: Callable[[dict[str, str]], Row]) -> list[Row]:
    """All rows of a CSV file of `data/`, each through `parse`; a bad row is named by its line."""
    rows = []
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, restval="", strict=True)
        for row in reader:
            try:
                rows.append(parse(row))
            except (KeyError, ValueError, ArithmeticError) as error:
                raise AgentError(f"data/{name}, line {reader.line_num}: {error!r}") from None
    if not rows:
        raise AgentError(f"data/{name} has no rows")
    return rows


def read_json(name: str) -> Any:
    """The content of a JSON file of `data/`."""
    try:
        return json.loads((DATA / name).read_text(encoding="utf-8"))
    except ValueError as error:
        raise AgentError(f"data/{name} is not JSON: {error}") from None


def deliver(report: Iterable[str], result: dict[str, Any]) -> None:
    """Print the report, and write the result where the runner wants it."""
    print("\n".join(report), flush=True)
    target = os.environ.get("JOBSD_RESULT")
    if target:
        Path(target).write_text(json.dumps(result, default=plain, indent=2) + "\n", encoding="utf-8")


def plain(value: Any) -> str | float:
    """Dates and amounts as JSON has them."""
    match value:
        case date():
            return value.isoformat()
        case Decimal():
            return float(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def table(rows: list[list[str]], *, left: int = 1) -> list[str]:
    """Lines of text with aligned columns: the first `left` columns to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def money(amount: Decimal) -> str:
    """An amount with thousands separators and cents."""
    return f"{amount:,.2f}"


def change(now: Decimal, before: Decimal | None) -> str:
    """The change from `before` to `now` in percent, where there is something to compare with."""
    if before is None:
        return "no data"
    if before <= 0:
        return "n/a"
    return f"{(now - before) / before * 100:+z.1f}%"
