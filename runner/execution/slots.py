"""The slot ledger's arithmetic: which slots of a job have no outcome yet, and what is to become of the next one.

A job's settled mark is the last of its slots that has an outcome on record. Every decision is computed anew from
that mark, from the schedules that the job has had, and from the time: so a runner that starts again, a machine
that slept and a clock that was set end up where a runner that was never disturbed would be.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from runner.schedule.cron import FIRST_INSTANT, Schedule
from runner.schedule.jitter import jitter_of
from runner.schedule.span import count_slots, last_slot
from runner.spec.models import CatchUpPolicy, Job

LATE: Final = timedelta(seconds=60)
"""A slot that is due for longer is caught up or missed; one that is due for less is late and runs."""

_TICK: Final = timedelta.resolution


@dataclass(frozen=True, slots=True)
class Segment:
    """A schedule and the instants in (after, until] that it owns; with no `until`, all that come.

    `lost` says that the schedule was changed while nobody looked: its slots are not caught up.
    """

    schedule: Schedule
    after: datetime
    until: datetime | None = None
    lost: bool = False

    def closed(self, now: datetime, *, lost: bool = False) -> "Segment":
        """The segment that ends now, if it has not ended before."""
        return replace(self, until=min(now, self.until) if self.until else now, lost=lost or self.lost)

    def first_after(self, instant: datetime) -> datetime | None:
        """The first of its slots after an instant."""
        slot = self.schedule.after(max(self.after, instant))
        return None if slot is None or (self.until is not None and slot > self.until) else slot


Track = tuple[Segment, ...]
"""The schedules of a job, in the order of the instants that they own; only the last may be without an end."""


@dataclass(frozen=True, slots=True)
class Range:
    """Slots of one job that nobody could run: the first, the last, and how many."""

    first: datetime
    last: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot that is due: when it is to start (with jitter), and whether it is caught up."""

    at: datetime
    start: datetime
    caught_up: bool = False


def first_slot(track: Track, settled: datetime) -> datetime | None:
    """The first slot without an outcome."""
    for segment in track:
        slot = segment.first_after(settled)
        if slot is not None:
            return slot
    return None


def start_of(slot: datetime, job: Job) -> datetime:
    """When a slot starts: no later than the next slot, to which a change of the clock can bring it close."""
    if not job.jitter or job.schedule is None:
        return slot
    start = slot + jitter_of(job.id, slot, job.jitter)
    following = job.schedule.after(slot)
    return start if following is None else min(start, following)


def next_turn(job: Job, track: Track, settled: datetime, now: datetime, up_since: datetime) -> Slot | Range | None:
    """What is to happen first among the slots that are due; None when none is.

    Args:
        job: the definition in force.
        track: its schedules.
        settled: its mark.
        now: the time.
        up_since: since when the runner has been up; what was due by then is caught up or missed.
    """
    slot = first_slot(track, settled)
    if slot is None or (start := start_of(slot, job)) > now:
        return None
    # The last instant of a start that is not just late.
    bound = max(min(up_since, now), now - LATE - _TICK)
    if start > bound:
        return Slot(slot, start)
    last = _last_started(job, track, settled, bound)
    keep = _first_to_catch_up(job, track, last, now)
    if keep is None:
        return _range(track, settled, slot, last)
    if keep > slot:
        return _range(track, settled, slot, _last(track, settled, keep - _TICK))
    return Slot(slot, start, caught_up=True)


def all_due(track: Track, settled: datetime, now: datetime) -> Range | None:
    """All slots without an outcome up to now as one range; None when there is none."""
    slot = first_slot(track, settled)
    return None if slot is None or slot > now else _range(track, settled, slot, _last(track, settled, now))


def _last_started(job: Job, track: Track, settled: datetime, bound: datetime) -> datetime:
    """The last slot whose start is not after the bound: a start comes before the next slot of its job."""
    last = _last(track, settled, bound)
    return last if start_of(last, job) <= bound else _last(track, settled, last - _TICK)


def _first_to_catch_up(job: Job, track: Track, last: datetime, now: datetime) -> datetime | None:
    policy, within = job.catch_up.policy, job.catch_up.within
    if policy is CatchUpPolicy.NONE:
        return None
    oldest = max(now - within - _TICK, *(s.until for s in track if s.lost and s.until), FIRST_INSTANT)
    keep = last if policy is CatchUpPolicy.LATEST else first_slot(track, oldest)
    return keep if keep is not None and oldest < keep <= last else None


def _last(track: Track, settled: datetime, until: datetime) -> datetime:
    for segment in reversed(track):
        end = min(until, segment.until) if segment.until else until
        slot = last_slot(segment.schedule, max(segment.after, settled), end)
        if slot is not None:
            return slot
    raise ValueError(f"no slot in ({settled}, {until}]")


def _range(track: Track, settled: datetime, first: datetime, last: datetime) -> Range:
    count = 0
    for segment in track:
        end = min(last, segment.until) if segment.until else last
        count += count_slots(segment.schedule, max(segment.after, settled), end)
    return Range(first, last, count)


def unsettled(track: Track, settled: datetime) -> Track:
    """The track without the segments that have ended and have no slot after the mark."""
    return tuple(each for each in track if each.until is None or each.first_after(settled) is not None)


def rescheduled(
    track: Track, settled: datetime, now: datetime, schedule: Schedule | None, after: datetime | None = None
) -> Track:
    """The track of a job whose schedule becomes another one (None: no schedule).

    The old one owns the instants up to now; the new one those after now, or after a later instant.
    """
    kept = unsettled(tuple(segment.closed(now) for segment in track), settled)
    if schedule is None:
        return kept
    return (*kept, Segment(schedule, max(after or now, now, settled)))


def resumed(
    track: Track, settled: datetime, now: datetime, schedule: Schedule | None, after: datetime | None = None
) -> Track:
    """The track of a job that an earlier runner left, now that its definition is known again.

    A schedule that is still the same goes on. One that changed meanwhile, nobody knows when, is not caught up.
    The slots of a job that has no schedule any more don't exist.
    """
    if not track or track[-1].until is not None:
        return rescheduled(track, settled, now, schedule, after)
    if schedule == track[-1].schedule and (after is None or track[-1].after >= after):
        return track
    if schedule is None:
        return track[:-1]
    lost = (*track[:-1], track[-1].closed(now, lost=schedule != track[-1].schedule))
    return rescheduled(lost, settled, now, schedule, after)
