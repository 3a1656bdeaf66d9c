"""Times and slots, as options take them and lines show them."""

from datetime import datetime

import click

from runner.service.views import NextRun


def instant(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    """Read a time in ISO 8601; without an offset it is of the machine's own zone."""
    if value is None:
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not an ISO 8601 time such as 2026-03-29T00:00+01:00") from None
    return read if read.tzinfo else read.astimezone()


def slot_time(run: NextRun) -> str:
    """What the clock shows at a slot, with its offset: `Sun 2026-03-29 03:00 +02:00`."""
    local = datetime.fromisoformat(run.local)
    seconds = ":%S" if local.second else ""
    return f"{local:%a %Y-%m-%d %H:%M{seconds}} {run.local[19:]}"


def slot_remarks(run: NextRun) -> str:
    """What is special about a slot: what a clock change does to it, and the jitter of its start."""
    later = "" if run.jitter_ms is None else f"starts {run.jitter_ms / 1000:.3f} s later"
    return "; ".join(filter(None, (run.note, later)))
