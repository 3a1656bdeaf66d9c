"""The tests that job files hold: what becomes of an event, and when a schedule is due after a time.

Nothing runs and nothing is looked up: the filter and the schedule are asked as the runner would ask them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from runner.filters import VerdictKind
from runner.filters.explain import Explained, explain
from runner.schedule import Schedule
from runner.schedule.zones import load_zone
from runner.spec.models import EventTest, Job, Mode, ScheduleTest, Test

RUN: Final = "run"

_WORDS: Final = {VerdictKind.PASS: RUN, VerdictKind.REJECT: "filtered", VerdictKind.ERROR: "error"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of an event; `why` says why no filter decides, and `explained` why one decides unexpectedly."""

    expected: str
    got: str
    explained: Explained | None = None
    why: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the event fares as expected."""
        return self.expected == self.got


@dataclass(frozen=True, slots=True)
class Run:
    """One run in a row: where it was expected (None: not any more), where it is, and what a clock change did."""

    expected: datetime
    got: datetime | None
    fits: bool
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs after a time, on the clock of a job's zone; `skipped` says that the clock never shows the time."""

    zone: str
    at: datetime
    runs: tuple[Run, ...]
    skipped: bool = False

    @property
    def passed(self) -> bool:
        """Whether each run is where it was expected."""
        return not self.skipped and all(run.fits for run in self.runs)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One test and what came of it; `name` is the test's own, or its number."""

    job: Job
    test: Test
    name: str
    answer: Verdict | Runs

    @property
    def passed(self) -> bool:
        """Whether all is as expected."""
        return self.answer.passed


def rehearse(job: Job) -> Iterator[Rehearsed]:
    """Make the tests of a job, in the order of its file."""
    for number, test in enumerate(job.tests, start=1):
        name = test.name or f"test {number}"
        answer = _verdict(job, test) if isinstance(test, EventTest) else _runs(job, test)
        yield Rehearsed(job, test, name, answer)


def untested(jobs: Iterable[Job]) -> list[Job]:
    """The jobs that something but a person triggers, and whose files hold no test."""
    return [job for job in jobs if job.mode is not Mode.MANUAL and not job.tests]


def _verdict(job: Job, test: EventTest) -> Verdict:
    if job.mode is Mode.MANUAL:
        return Verdict(test.expect, RUN, why="a manual job asks no filter")
    if job.filter is None:
        return Verdict(test.expect, RUN, why="the job has no filter")
    got = _WORDS[job.filter.check(test.event).kind]
    # Keeping the value of every part takes far longer than the verdict.
    return Verdict(test.expect, got, None if got == test.expect else explain(job.filter, test.event))


def _runs(job: Job, test: ScheduleTest) -> Runs:
    assert job.schedule is not None  # noqa: S101 - such a test of a job without a schedule is an error of the file
    zone = load_zone(job.timezone)
    start = _instant(test.at, zone)
    if start is None:
        return Runs(job.timezone, test.at, (), skipped=True)
    runs = []
    slot: datetime | None = start
    for expected in test.next:
        slot = None if slot is None else job.schedule.after(slot)
        runs.append(_run(job.schedule, zone, expected, slot))
    return Runs(job.timezone, test.at, tuple(runs))


def _run(schedule: Schedule, zone: ZoneInfo, expected: datetime, slot: datetime | None) -> Run:
    if expected.tzinfo is not None:
        expected = expected.astimezone(zone)
    if slot is None:
        return Run(expected, None, fits=False)
    local = slot.astimezone(zone)
    # A time without an offset is what the clock shows, which may be so twice.
    fits = expected == (local if expected.tzinfo else local.replace(tzinfo=None))
    return Run(expected, local, fits, schedule.note(slot))


def _instant(time: datetime, zone: ZoneInfo) -> datetime | None:
    """When a time is: the first moment at which the clock of a zone shows it; None when it never does."""
    if time.tzinfo is not None:
        return time.astimezone(UTC)
    instant = time.replace(tzinfo=zone).astimezone(UTC)
    return instant if instant.astimezone(zone).replace(tzinfo=None) == time else None
