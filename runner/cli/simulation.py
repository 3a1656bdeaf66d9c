"""What the schedules will do together: how often each job starts, what overlaps, and when it is busy."""

import heapq
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import repeat
from typing import Any, Self
from zoneinfo import ZoneInfo

import click
import orjson

from runner.cli.render import duration, json_out, table, when
from runner.cli.session import Session
from runner.cli.times import slot_remarks, slot_time
from runner.clock import SystemClock, monotonic
from runner.daemon import offline
from runner.errors import InvalidRequestError
from runner.execution.instants import format_instant
from runner.execution.lifecycle import Status
from runner.forecast import LONGEST, Forecast, Subject, Total, forecast
from runner.schedule import DurationError, parse_duration
from runner.schedule.zones import UnknownZoneError, load_zone
from runner.service.reading import MOST, Reading
from runner.service.slots import slot_view
from runner.service.views import HistoryQuery, NextRun, to_json
from runner.spec.models import Job

WEEK = timedelta(days=7)

RUNS = 20
"""Of how many of a job's last completed runs the median is how long a run usually takes."""

BAR = 40
"""Characters of the longest bar."""

SHOWN = 5
"""How many jobs of a minute a line of a table names."""

STEP = 1000
"""How many slots are written between two moves of the bar."""

PATIENCE = 1.0
"""Seconds after which a progress bar is shown."""

_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for, as the options say it."""

    jobs: tuple[str, ...]
    start: datetime | None
    end: datetime | None
    duration: str | None
    zone: str
    slots: bool


@dataclass(frozen=True, slots=True)
class _Cast:
    """The jobs that are looked at, and those that are left out with the reason."""

    jobs: Mapping[str, Job]
    subjects: tuple[Subject, ...]
    left_out: Mapping[str, str]


def answer(session: Session, asked: Question) -> None:
    """Look at all slots of a stretch of time, and show what there is to know of them.

    Raises:
        InvalidRequestError: when an option makes no sense.
        UnknownJobError: when a job that is named is not in force.
    """
    zone, takes = _zone(asked.zone), _takes(asked.duration)
    after = asked.start or SystemClock().now()
    until = asked.end or after + WEEK
    if not timedelta(0) <= until - after <= LONGEST:
        raise InvalidRequestError(f"--to must be after --from, and at most {LONGEST.days} days after it")
    reader = offline(session.settings)
    if not asked.jobs:
        _tell_broken(reader)
    cast = _cast(reader, asked.jobs, takes)
    with _Progress("counting") as progress:
        found = forecast(cast.subjects, after, until, zone, progress.tell)
    show = _show_json if session.json else _show_text
    with _Progress("writing") as progress:
        slots = progress.along(_slots(cast, after, until), found.slots) if asked.slots else None
        show(found, cast, zone, slots)


def _zone(name: str) -> ZoneInfo:
    try:
        return load_zone(name)
    except UnknownZoneError as error:
        advice = f"; {error.mistake.help}" if error.mistake.help else ""
        raise InvalidRequestError(f"--tz: {error.mistake.message}{advice}") from None


def _takes(text: str | None) -> timedelta | None:
    try:
        return None if text is None else parse_duration(text)
    except DurationError as error:
        raise InvalidRequestError(f"--duration: {error.mistakes[0].message}") from None


def _tell_broken(reader: Reading) -> None:
    """Say which files have errors, since what they hold is not looked at."""
    for problem in reader.status().diagnostics:
        if problem.severity == "error":
            place = f"{problem.path}:{problem.line}" if problem.line else problem.path
            click.echo(f"jobsd: left out: {place}: {problem.message}", err=True)


def _cast(reader: Reading, names: tuple[str, ...], takes: timedelta | None) -> _Cast:
    """The cron jobs, or the jobs that are named; each takes the given time, or what it took so far."""
    views = {view.id: view for view in reader.jobs()}
    wanted = {name: reader.find(name) for name in names or views}
    usual = {} if takes is not None else _usual(reader)
    jobs, subjects, left_out = {}, [], {}
    for name, job in sorted(wanted.items()):
        pause = views[name].paused
        if job.schedule is None:
            if names:
                left_out[name] = f"of mode {job.mode.value}: it has no schedule"
        elif not job.enabled:
            left_out[name] = "disabled"
        elif pause and pause.until is None:
            left_out[name] = "paused"
        else:
            since = pause.until if pause else None
            length = usual.get(name, timedelta(0)) if takes is None else takes
            jobs[name] = job
            subjects.append(Subject(name, job.schedule, length, job.jitter, since))
    return _Cast(jobs, tuple(subjects), left_out)


def _usual(reader: Reading) -> dict[str, timedelta]:
    """How long a run of each job usually takes, as far as the last records say."""
    lengths: defaultdict[str, list[int]] = defaultdict(list)
    for execution in reader.executions(HistoryQuery(statuses=frozenset({Status.COMPLETED}), limit=MOST)):
        known = lengths[execution.job]
        if execution.duration_ms is not None and len(known) < RUNS:
            known.append(execution.duration_ms)
    return {job: timedelta(milliseconds=statistics.median(known)) for job, known in lengths.items() if known}


def _slots(cast: _Cast, after: datetime, until: datetime) -> Iterator[NextRun]:
    """All slots of all jobs in the order of time, each made when it is asked for."""
    of_jobs = (
        zip(one.schedule.between(max(after, one.since or after), until), repeat(one.id)) for one in cast.subjects
    )
    return (slot_view(cast.jobs[job], slot) for slot, job in heapq.merge(*of_jobs))


class _Progress:
    """A bar on standard error, where that is a terminal and somebody has waited for a while."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = monotonic()
        self._shown = ExitStack()
        self._update: Callable[[int, int], None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.close()

    def tell(self, done: int, everything: int) -> None:
        """Show how far it is."""
        if self._update is None and sys.stderr.isatty() and monotonic() - self._began > PATIENCE:
            self._update = self._bar(everything)
        if self._update is not None:
            self._update(done, everything)

    def along(self, slots: Iterator[NextRun], everything: int) -> Iterator[NextRun]:
        """The slots, telling how many are through; not where they are shown on a terminal, beside the bar."""
        for number, slot in enumerate(slots):
            if number % STEP == 0 and not sys.stdout.isatty():
                self.tell(number, everything)
            yield slot

    def _bar(self, everything: int) -> Callable[[int, int], None]:
        from rich.console import Console  # noqa: PLC0415 - most answers come before anybody waits
        from rich.progress import Progress  # noqa: PLC0415

        bar = self._shown.enter_context(Progress(console=Console(stderr=True), transient=True))
        task = bar.add_task(self._what, total=everything)
        return lambda done, _: bar.update(task, completed=done)


def _show_json(found: Forecast, cast: _Cast, zone: ZoneInfo, slots: Iterator[NextRun] | None) -> None:
    answer: dict[str, Any] = {
        "from": format_instant(found.after),
        "until": format_instant(found.until),
        "timezone": zone.key,
        "total": found.slots,
        "jobs": [_total_to_json(total) for total in found.totals],
        "collisions": [
            {"minute": format_instant(each.minute), "starts": each.starts, "jobs": list(each.jobs)}
            for each in found.collisions
        ],
        "hours": list(found.hours),
        "left_out": [{"job": job, "why": why} for job, why in cast.left_out.items()],
    }
    if slots is None:
        json_out(answer)
        return
    # There may be millions of slots: they are written one a line, as they come.
    click.echo(orjson.dumps(answer).decode().removesuffix("}") + ',"slots":[', nl=False)
    for number, slot in enumerate(slots):
        click.echo((",\n" if number else "\n") + orjson.dumps(to_json(slot)).decode(), nl=False)
    click.echo("\n]}")


def _total_to_json(total: Total) -> dict[str, Any]:
    facts = {
        "job": total.job,
        "slots": total.slots,
        "duration_ms": total.takes // _MILLISECOND,
        "overlaps": total.overlaps,
        "first": total.first and format_instant(total.first),
        "last": total.last and format_instant(total.last),
        "first_overlap": total.first_overlap and format_instant(total.first_overlap),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _show_text(found: Forecast, cast: _Cast, zone: ZoneInfo, slots: Iterator[NextRun] | None) -> None:
    stretch = f"{when(found.after, zone.key)} to {when(found.until, zone.key)}"
    click.echo(f"{stretch}: {_counted(found.slots, 'slot')} of {_counted(len(found.totals), 'job')}")
    if found.totals:
        click.echo()
        table(("JOB", "SLOTS", "TAKES", "OVERLAPS", "FIRST", "LAST"), (_row(each, cast) for each in found.totals))
    if found.collisions:
        click.echo("\nMinutes with the most starts")
        minutes = ((when(each.minute, zone.key), str(each.starts), _some(each.jobs)) for each in found.collisions)
        table(("AT", "STARTS", "JOBS"), minutes)
    if found.slots:
        click.echo(f"\nStarts by hour of the day, {zone.key}")
        _show_hours(found.hours)
    if cast.left_out:
        click.echo("\nLeft out")
        table(("JOB", "WHY"), cast.left_out.items())
    if slots is not None:
        click.echo("\nSlots")
        _show_slots(cast, slots)


def _row(total: Total, cast: _Cast) -> tuple[str, ...]:
    zone = cast.jobs[total.job].timezone
    overlaps = f"{total.overlaps}, first {when(total.first_overlap, zone)}" if total.overlaps else "0"
    takes = duration(total.takes // _MILLISECOND) if total.takes else "-"
    return total.job, str(total.slots), takes, overlaps, when(total.first, zone), when(total.last, zone)


def _some(jobs: Sequence[str]) -> str:
    more = f" and {len(jobs) - SHOWN} more" if len(jobs) > SHOWN else ""
    return ", ".join(jobs[:SHOWN]) + more


def _show_hours(hours: Sequence[int]) -> None:
    """A bar for each hour, as long as its share of the largest; an hour with starts has at least a bit of one."""
    most = max(hours)
    for hour, starts in enumerate(hours):
        bar = "█" * -(-starts * BAR // most)
        click.echo(f"{hour:02} {bar:{BAR}} {starts:,}")


def _show_slots(cast: _Cast, slots: Iterator[NextRun]) -> None:
    """A line for each slot: there may be too many for a table that fits its columns to them."""
    width = max(map(len, cast.jobs), default=0)
    for slot in slots:
        click.echo(f"{slot_time(slot)}  {slot.job:{width}}  {slot_remarks(slot)}".rstrip())


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
