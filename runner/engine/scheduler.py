"""The actual state: the jobs that are in force, and a heap of the instants at which they are due."""

import asyncio
import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Protocol

from runner.clock import Clock
from runner.engine.backlog import Backlog
from runner.engine.trouble import Trouble
from runner.errors import StorageError
from runner.execution.lifecycle import Status
from runner.execution.records import Record
from runner.execution.slots import (
    Range,
    Slot,
    Track,
    all_due,
    first_slot,
    next_turn,
    rescheduled,
    resumed,
    start_of,
    unsettled,
)
from runner.plan import Action, Add, Remove, Replace
from runner.ports import Pause, TrackStore
from runner.schedule.cron import FIRST_INSTANT, Schedule
from runner.spec.models import Job

LOOK = 5.0
"""Seconds after which the wall clock is looked at again, as it may have been stepped, or the machine slept."""

_AGAIN = timedelta(seconds=1)
"""How long after a slot could not be written down it is tried again."""

_Due = tuple[float, str, int]
"""When (Unix seconds), which job, and the turn of its entry: as a tuple it is compared without any code."""


@dataclass(slots=True, eq=False)
class _Entry:
    """A job, what is settled of it, and when to look at it next; one that is `leaving` is in force no more."""

    job: Job
    since: datetime
    settled: datetime
    track: Track = ()
    turn: int = 0
    slot: datetime | None = None
    leaving: bool = False
    firing: bool = False
    caught_up: str | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """What is to happen now, at most one thing for each job: slots to run, oldest first, and ranges to miss."""

    slots: list[tuple[Job, Slot]] = field(default_factory=list)
    missed: list[tuple[Job, Range]] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.slots or self.missed)


class Firing(Protocol):
    """Who turns what is due into records."""

    async def fire(self, due: Due) -> Mapping[str, Record]:
        """Write down what has become of each; the lines that are durable, by job."""
        ...

    def has_room(self, job: str, before: str | None) -> bool:
        """Whether one more execution of a job could start, and the execution `before` it has ended."""
        ...


class Scheduler:
    """Holds jobs and knows when each is due next. Its idle cost does not depend on their number.

    `mark_of` is what the records tell: the last slot of a job that has its outcome, if any has. What is due by
    `up_since` came due while no runner was there.
    """

    def __init__(
        self,
        clock: Clock,
        store: TrackStore,
        mark_of: Callable[[str], datetime | None],
        up_since: datetime,
        look: float = LOOK,
    ) -> None:
        self._clock = clock
        self._store = store
        self._up_since = up_since
        self._look = look
        self._mark_of = mark_of
        self._trouble = Trouble()
        self._remembered = dict(store.tracks())
        self._unsaved: set[str] = set()
        self._entries: dict[str, _Entry] = {}
        self._jobs: dict[str, Job] = {}
        self._heap: list[_Due] = []
        self._out: set[str] = set()
        self._backlog = Backlog()
        self._pauses: dict[str, Pause] = {}
        self._turns = 0
        self._wake = asyncio.Event()
        self._saving = asyncio.Lock()

    @property
    def jobs(self) -> Mapping[str, Job]:
        """The jobs in force, by id."""
        return MappingProxyType(self._jobs)

    @property
    def pauses(self) -> Mapping[str, Pause]:
        """The pauses in force, by job id; some may be of jobs that are not there at present."""
        return MappingProxyType(self._pauses)

    def paused(self, job: str) -> Pause | None:
        """The pause of a job, unless it has run out."""
        pause = self._pauses.get(job)
        if pause and pause.until and pause.until <= self._clock.now():
            return None
        return pause

    def next_slot(self, job: str) -> datetime | None:
        """The first slot of a job that has no outcome yet; None where it is not scheduled."""
        entry = self._entries.get(job)
        return entry.slot if entry and job in self._jobs else None

    def soonest(self) -> tuple[str, datetime] | None:
        """The job that is due next, and the first slot of its that has no outcome; None where nothing is due."""
        due = [(slot, job) for job in self._out if (slot := self._entries[job].slot) is not None]
        while not due and self._heap:
            _, job, turn = self._heap[0]
            entry = self._entries.get(job)
            if entry is not None and entry.turn == turn and entry.slot is not None:
                return job, entry.slot
            heapq.heappop(self._heap)
        slot, job = min(due, default=(None, ""))
        return (job, slot) if slot is not None else None

    def since(self, job: str) -> datetime | None:
        """Since when the job has been in force; None where it is not."""
        return self._entries[job].since if job in self._jobs else None

    # -- changes ---------------------------------------------------------------------------------------------

    def enact(self, action: Action, now: datetime) -> None:
        """Apply one change of the plan. A new schedule owns the instants after `now`, the old one those before."""
        match action:
            case Add(job=job):
                self._add(job, now)
            case Replace(job=job, old=old):
                entry = self._entries[job.id]
                entry.job = self._jobs[job.id] = job
                if job.trigger_key != old.trigger_key:
                    self._reschedule(entry, now)
                self._plan(entry)
            case Remove(job=job):
                entry = self._entries[job.id]
                del self._jobs[job.id]
                entry.leaving = True
                self._reschedule(entry, now)
                self._plan(entry)
        self._wake.set()

    def _add(self, job: Job, now: datetime) -> None:
        entry = self._entries.get(job.id)
        if entry is None:
            entry = self._entries[job.id] = _Entry(job, now, self._mark_of(job.id) or FIRST_INSTANT)
        entry.job, entry.since, entry.leaving = job, now, False
        self._jobs[job.id] = job
        track = self._remembered.pop(job.id, None)
        if track is None:
            self._reschedule(entry, now)
        else:
            schedule, after = self._in_force(entry, now)
            entry.track = resumed(track, entry.settled, now, schedule, after)
            if entry.track != track:
                self._unsaved.add(job.id)
        self._plan(entry)

    def set_pauses(self, pauses: Mapping[str, Pause], now: datetime) -> None:
        """Replace the pauses; slots of a paused job don't exist from now until the pause ends.

        A slot that is due already stays: it is from before.
        """
        changed = {job for job in (*pauses, *self._pauses) if pauses.get(job) != self._pauses.get(job)}
        self._pauses = dict(pauses)
        for job in changed & self._jobs.keys():
            entry = self._entries[job]
            self._reschedule(entry, now)
            self._plan(entry)
        self._wake.set()

    def _in_force(self, entry: _Entry, now: datetime) -> tuple[Schedule | None, datetime | None]:
        """The schedule that a job has from now on, or from a later instant on, if it has one."""
        pause = self._pauses.get(entry.job.id)
        if entry.leaving or not entry.job.enabled or (pause and pause.until is None):
            return None, None
        return entry.job.schedule, pause.until if pause and pause.until and pause.until > now else None

    def _reschedule(self, entry: _Entry, now: datetime) -> None:
        schedule, after = self._in_force(entry, now)
        track = rescheduled(entry.track, entry.settled, now, schedule, after)
        if track != entry.track:
            entry.track = track
            self._unsaved.add(entry.job.id)

    async def save(self) -> None:
        """Make the schedules durable that changed: only then may a slot of theirs get an outcome."""
        async with self._saving:
            # What no file defined when the first look at all of them was over is gone.
            self._unsaved |= self._remembered.keys()
            self._remembered.clear()
            if self._unsaved:
                await self._save()

    async def _save(self) -> None:
        unsaved, self._unsaved = self._unsaved, set()
        tracks = {job: entry.track if (entry := self._entries.get(job)) else () for job in unsaved}
        try:
            await self._store.save(tracks)
        except asyncio.CancelledError:
            self._unsaved |= unsaved
            raise
        except StorageError as error:
            self._unsaved |= unsaved
            self._trouble.say("can't write down the schedules in force", error, self._clock.now())

    # -- what is due -----------------------------------------------------------------------------------------

    def _plan(self, entry: _Entry, again: datetime | None = None) -> None:
        """Put the first slot without an outcome into the heap; entries of earlier turns are void."""
        self._turns += 1
        entry.turn, job = self._turns, entry.job
        self._backlog.drop(job.id)
        self._out.discard(job.id)
        entry.slot = first_slot(entry.track, entry.settled)
        if entry.firing:
            self._out.add(job.id)
            return
        if entry.slot is None:
            if entry.leaving:
                del self._entries[job.id]
            return
        start = entry.slot if entry.leaving else start_of(entry.slot, job)
        at = max(start, again) if again else start
        heapq.heappush(self._heap, (at.timestamp(), job.id, entry.turn))
        if len(self._heap) > 2 * len(self._entries) + 64:
            self._sweep()

    def _sweep(self) -> None:
        """Drop void entries, which many edits of jobs that are due far in the future leave behind."""
        turns = {job: entry.turn for job, entry in self._entries.items()}
        self._heap = [due for due in self._heap if turns.get(due[1]) == due[2]]
        heapq.heapify(self._heap)

    def due(self, now: datetime, firing: Firing) -> Due:
        """Take out what is to happen now; `settle` puts the jobs back in."""
        found = Due()
        # After the clock was set back, what comes due comes due while the runner is up.
        self._up_since = min(self._up_since, now)
        limit = now.timestamp()
        while self._heap and self._heap[0][0] <= limit:
            _, job, turn = heapq.heappop(self._heap)
            entry = self._entries.get(job)
            if entry is not None and entry.turn == turn:
                self._take(entry, now, found)
        while (next_one := self._backlog.next(now, firing.has_room)) is not None:
            self._take(self._entries[next_one], now, found, its_turn=True)
        return found

    def _take(self, entry: _Entry, now: datetime, found: Due, *, its_turn: bool = False) -> None:
        self._out.add(entry.job.id)
        if entry.leaving:
            turn: Slot | Range | None = all_due(entry.track, entry.settled, now)
        else:
            turn = next_turn(entry.job, entry.track, entry.settled, now, self._up_since)
        match turn:
            case Slot(caught_up=True) if not its_turn:
                self._backlog.add(entry.job.id, turn.at, entry.caught_up)
                return
            case Slot():
                found.slots.append((entry.job, turn))
            case Range():
                found.missed.append((entry.job, turn))
            case None:  # the clock was set back
                self._plan(entry, now + _AGAIN)
                return
        if isinstance(turn, Slot) and turn.caught_up:
            self._backlog.spend(now)
        entry.firing = True

    def settle(self, due: Due, written: Mapping[str, Record], now: datetime) -> None:
        """Move the marks of the jobs whose lines are durable; the others are tried again."""
        for job, slot in due.slots:
            record = written.get(job.id)
            if slot.caught_up and record is not None and record.status is Status.PENDING:
                self._entries[job.id].caught_up = record.id
            self._move(job.id, slot.at if record else None, now)
        for job, missed in due.missed:
            self._move(job.id, missed.last if job.id in written else None, now)

    def _move(self, job: str, settled: datetime | None, now: datetime) -> None:
        entry = self._entries[job]
        entry.firing = False
        if settled is None:
            self._plan(entry, now + _AGAIN)
            return
        entry.settled = max(entry.settled, settled)
        if len(entry.track) > 1:
            entry.track = unsettled(entry.track, entry.settled)
        self._plan(entry)

    def room(self, job: str) -> None:
        """An execution of a job has ended: a slot that waits to be caught up may have its turn."""
        if self._backlog.unblock(job):
            self._wake.set()

    def look_again(self) -> None:
        """Look at the wall clock now: somebody says that it may have been set, or that the machine slept."""
        self._wake.set()

    # -- the loop --------------------------------------------------------------------------------------------

    async def run(self, firing: Firing) -> None:
        """Let what is due be written down, whenever something is, until cancelled."""
        try:
            while True:
                await self.save()
                now = self._clock.now()
                due = self.due(now, firing)
                if due:
                    self.settle(due, await firing.fire(due), self._clock.now())
                    continue
                self._wake.clear()
                await self._wait(now)
        finally:
            await self.save()

    async def _wait(self, now: datetime) -> None:
        seconds = self._look
        if self._heap:
            seconds = min(seconds, max(0.0, self._heap[0][0] - now.timestamp()))
        pace = self._backlog.seconds_to_next(now)
        if pace is not None:
            seconds = min(seconds, pace)
        sleeper = asyncio.ensure_future(self._clock.sleep(seconds))
        waker = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait([sleeper, waker], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeper.cancel()
            waker.cancel()
