"""Tables, lines and JSON for the terminal. Data goes to standard output, talk to standard error."""

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
import orjson
from rich.cells import cell_len

from runner.cli.diagnostics import visible
from runner.service.views import ExecutionView, JobView, PauseView, View, to_json

LONGEST_REASON = 120
"""Characters of an error's message that a line shows."""

_COLORS = {
    "completed": "green",
    "failed": "red",
    "running": "cyan",
    "pending": "blue",
    "cancelled": "yellow",
    "rate_limited": "yellow",
    "filtered": "bright_black",
    "active": "green",
    "paused": "yellow",
    "disabled": "bright_black",
    "stale": "red",
}


def json_out(data: View | Sequence[View] | dict[str, Any] | list[Any]) -> None:
    """One JSON document on standard output: an object for one thing, an array for a list."""
    if isinstance(data, View):
        plain: Any = to_json(data)
    elif isinstance(data, dict):
        plain = data
    else:
        plain = [to_json(item) if isinstance(item, View) else item for item in data]
    click.echo(orjson.dumps(plain, option=orjson.OPT_INDENT_2).decode())


def json_line(view: View) -> None:
    """One JSON object on one line, for what is followed."""
    click.echo(orjson.dumps(to_json(view)).decode())


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A plain table; colours and the terminal's width only on a terminal."""
    if sys.stdout.isatty():
        _print_table(headers, rows)
        return
    lines = [list(headers), *([visible(value) for value in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (value + " " * (width - cell_len(value)) for value, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def _print_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    # All of rich takes longer to load than a runner to answer, and only a terminal needs it.
    from rich.console import Console  # noqa: PLC0415 - only a table on a terminal needs it
    from rich.table import Table  # noqa: PLC0415 - only a table on a terminal needs it
    from rich.text import Text  # noqa: PLC0415 - only a table on a terminal needs it

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        grid.add_column(header, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(visible(value), style=_COLORS.get(value, "")) for value in row))
    Console(highlight=False, emoji=False, markup=False).print(grid)


def status_text(status: str, *, color: bool) -> str:
    """A status in its colour."""
    return click.style(status, fg=_COLORS.get(status)) if color else status


def when(instant: datetime | None, timezone: str | None = None, *, exact: bool = False) -> str:
    """A time for people, in a zone: `Wed 2026-10-28 09:00 CET`; seconds where there are any, or always."""
    if instant is None:
        return "-"
    local = instant.astimezone(ZoneInfo(timezone)) if timezone else instant.astimezone()
    seconds = ":%S" if exact or local.second else ""
    return local.strftime(f"%a %Y-%m-%d %H:%M{seconds} %Z")


def duration(milliseconds: int | None) -> str:
    """A length of time for people: `340 ms`, `2.1 s`, `3m05s`, `2h07m`."""
    if milliseconds is None:
        return "-"
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    return f"{minutes // 60}h{minutes % 60:02d}m"


def last_of(job: JobView) -> str:
    """How a job's newest execution stands, in a word."""
    return job.last.status.value if job.last else "-"


def why(execution: ExecutionView) -> str:
    """Why an execution has its status, in a few words."""
    if execution.error is not None:
        return _short(f"{execution.error.type.value}: {execution.error.message}")
    if execution.filter is not None and execution.filter.message:
        return _short(f"filter: {execution.filter.message}")
    if execution.cancelled_by is not None:
        return f"{execution.reason.value if execution.reason else 'by_hand'}, by {execution.cancelled_by}"
    if execution.count is not None:
        return f"{execution.count} slots missed"
    return execution.reason.value if execution.reason else ""


def _short(text: str) -> str:
    """The first line of a text, cut where a table would burst; the record has all of it."""
    line = text.split("\n", 1)[0]
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…"


def pause_text(pause: PauseView) -> str:
    """Who paused a job, when, until when and why."""
    until = f" until {when(pause.until)}" if pause.until else ""
    reason = f": {pause.reason}" if pause.reason else ""
    return f"by {pause.by} at {when(pause.at)}{until}{reason}"


def execution_row(execution: ExecutionView) -> tuple[str, ...]:
    """A row of the history."""
    return (
        execution.id,
        execution.job,
        execution.status.value,
        when(execution.created_at, exact=True),
        duration(execution.duration_ms),
        execution.trigger.value,
        why(execution),
    )


EXECUTION_HEADERS = ("EXECUTION", "JOB", "STATUS", "AT", "TOOK", "TRIGGER", "WHY")
