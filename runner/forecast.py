"""What the schedules of many jobs will do together: how often each starts, what collides, and when it is busy.

Jobs with the same rule in the same zone share their slots, and no slot is kept: what stays in memory is a
counter for each minute of the time that is looked at.
"""

import heapq
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Final
from zoneinfo import ZoneInfo

from runner.schedule.cron import Schedule
from runner.schedule.jitter import jitter_of
from runner.schedule.zones import in_utc, next_change, utc_offset

LONGEST: Final = timedelta(days=3653)
"""More time than this is not looked at in one go."""

BUSIEST: Final = 10
"""How many of the minutes with the most starts are told."""

_CHUNK: Final = 16_384
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE: Final = timedelta(minutes=1)
_MILLISECOND: Final = timedelta(milliseconds=1)
_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Subject:
    """A job as far as a forecast knows it: `takes` is how long a run of it lasts, `since` when it begins."""

    id: str
    schedule: Schedule
    takes: timedelta = timedelta(0)
    jitter: timedelta = timedelta(0)
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """The slots of one job, and how many of them find its run before them still going.

    `first` and `last` are starts, which jitter moves away from their slots.
    """

    job: str
    slots: int
    overlaps: int
    takes: timedelta
    first: datetime | None = None
    last: datetime | None = None
    first_overlap: datetime | None = None


@dataclass(frozen=True, slots=True)
class Collision:
    """A minute in which several starts fall, and the jobs that start."""

    minute: datetime
    starts: int
    jobs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What happens in (after, until]: totals by job, busiest minutes first, starts by hour of the day."""

    after: datetime
    until: datetime
    slots: int
    totals: tuple[Total, ...]
    collisions: tuple[Collision, ...]
    hours: tuple[int, ...]


@dataclass(slots=True)
class _Group:
    """Jobs that start at the same instants."""

    subjects: list[Subject]
    count: int = 0
    first: datetime | None = None
    last: datetime | None = None
    gaps: Counter[int] = field(default_factory=Counter)

    @property
    def lead(self) -> Subject:
        return self.subjects[0]

    def starts(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """The instants in (after, until] of the jobs' slots, each with its jitter."""
        lead = self.lead
        slots = lead.schedule.between(max(after, lead.since or after), until)
        if not lead.jitter:
            return slots
        return (slot + jitter_of(lead.id, slot, lead.jitter) for slot in slots)


def forecast(
    subjects: Iterable[Subject],
    after: datetime,
    until: datetime,
    zone: ZoneInfo,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Forecast:
    """Look at all slots of the jobs in (after, until]; hours are those of the clock in a zone.

    `progress` is told how many of how many jobs have been looked at.

    Raises:
        ValueError: An instant is naive, or the time ends before it begins or is longer than `LONGEST`.
    """
    after, until = in_utc(after), in_utc(until)
    if not timedelta(0) <= until - after <= LONGEST:
        raise ValueError(f"a forecast covers at most {LONGEST.days} days, and ends after it begins")
    groups = _grouped(subjects)
    base = (after - _EPOCH) // _MINUTE
    longest_jitter = max((group.lead.jitter for group in groups), default=timedelta(0))
    size = (until + longest_jitter - _EPOCH) // _MINUTE - base + 1
    minutes = array("I", bytes(array("I").itemsize * size))
    everybody = sum(len(group.subjects) for group in groups)
    done = 0
    for group in groups:
        _look_at(group, after, until, base, minutes)
        done += len(group.subjects)
        progress(done, everybody)
    totals = [total for group in groups for total in _totals(group, after, until)]
    return Forecast(
        after,
        until,
        slots=sum(total.slots for total in totals),
        totals=tuple(sorted(totals, key=lambda total: total.job)),
        collisions=tuple(_collisions(groups, after, until, base, minutes)),
        hours=_by_hour(minutes, base, zone),
    )


def _grouped(subjects: Iterable[Subject]) -> list[_Group]:
    groups: dict[object, _Group] = {}
    for one in subjects:
        # The jitter depends on the job, so that a job with one is a group by itself.
        alone = one.id if one.jitter else None
        key = (one.schedule.rule, one.schedule.timezone, one.since, alone)
        if key in groups:
            groups[key].subjects.append(one)
        else:
            groups[key] = _Group([one])
    return list(groups.values())


def _look_at(group: _Group, after: datetime, until: datetime, base: int, minutes: "array[int]") -> None:
    """Count a group's slots and the milliseconds between them, and add its starts to the minutes."""
    weight = len(group.subjects)
    overlapping = any(subject.takes for subject in group.subjects)
    starts = group.starts(after, until)
    before: int | None = None
    while chunk := list(islice(starts, _CHUNK)):
        group.first = group.first or chunk[0]
        group.last = chunk[-1]
        group.count += len(chunk)
        times = [round(start.timestamp() * 1000) for start in chunk]
        for time in times:
            minutes[time // 60_000 - base] += weight
        if overlapping:
            chained = times if before is None else [before, *times]
            group.gaps.update(later - earlier for earlier, later in pairwise(chained))
            before = times[-1]


def _totals(group: _Group, after: datetime, until: datetime) -> Iterator[Total]:
    for subject in group.subjects:
        takes = subject.takes / _MILLISECOND
        overlaps = sum(count for gap, count in group.gaps.items() if gap < takes)
        first = _first_overlap(group, subject.takes, after, until) if overlaps else None
        yield Total(subject.id, group.count, overlaps, subject.takes, group.first, group.last, first)


def _first_overlap(group: _Group, takes: timedelta, after: datetime, until: datetime) -> datetime | None:
    starts = pairwise(group.starts(after, until))
    return next((later for earlier, later in starts if later - earlier < takes), None)


def _collisions(
    groups: Sequence[_Group], after: datetime, until: datetime, base: int, minutes: "array[int]"
) -> Iterator[Collision]:
    """The minutes with the most starts, the earlier of equal ones first, and the jobs of each."""
    busiest = heapq.nlargest(BUSIEST, range(len(minutes)), key=minutes.__getitem__)
    for place in busiest:
        if minutes[place] < 2:
            return
        minute = _EPOCH + (base + place) * _MINUTE
        end = minute + _MINUTE - _TICK
        jobs = [
            subject.id
            for group in groups
            if any(
                minute <= start <= end
                for start in group.starts(max(after, minute - group.lead.jitter - _TICK), min(until, end))
            )
            for subject in group.subjects
        ]
        yield Collision(minute, minutes[place], tuple(sorted(jobs)))


def _by_hour(minutes: "array[int]", base: int, zone: ZoneInfo) -> tuple[int, ...]:
    """How many of the starts fall into each hour of the day."""
    hours = [0] * 24
    begin, end = _EPOCH + base * _MINUTE, _EPOCH + (base + len(minutes)) * _MINUTE
    while begin < end:
        change = next_change(zone, begin, end)
        stop = change.at if change else end
        # Minutes of the wall clock, counted from its epoch; what is left of a minute before 1972 is cut off.
        ahead = utc_offset(zone, begin) // _MINUTE
        first, last = (begin - _EPOCH) // _MINUTE, -((_EPOCH - stop) // _MINUTE)
        for start, stretch in _hour_by_hour(first, last, ahead):
            hours[(start + ahead) // 60 % 24] += sum(minutes[start - base : start - base + stretch])
        begin = _EPOCH + last * _MINUTE
    return tuple(hours)


def _hour_by_hour(first: int, last: int, ahead: int) -> Iterator[tuple[int, int]]:
    """The stretches of minutes from first to last in which the wall clock shows one hour: begin and length."""
    while first < last:
        stretch = min(60 - (first + ahead) % 60, last - first)
        yield first, stretch
        first += stretch
