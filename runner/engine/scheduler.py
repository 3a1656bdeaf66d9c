"""The actual state: the jobs that are in force, and a heap of the instants at which they are due."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from runner.clock import Clock
from runner.plan import Action, Add, Remove, Replace
from runner.ports import Pause
from runner.spec.models import Job

LATE = timedelta(seconds=60)
"""A slot that is due for longer is missed; one that is due for less is late and runs."""

_LONGEST_SLEEP = 30.0
"""Seconds after which the wall clock is looked at again, as it may have been stepped."""


_Due = tuple[float, str, int]
"""When (Unix seconds), which job, and the turn of its entry: as a tuple it is compared without any code."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A range of slots that came due while nobody could run them: first, last, and how many."""

    job: Job
    first: datetime
    last: datetime
    count: int


@dataclass(slots=True)
class _Entry:
    job: Job
    since: datetime
    turn: int = 0
    slot: datetime | None = None
    settled: datetime | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """What a look at the clock found: slots to run, oldest first, and ranges that were missed."""

    slots: list[tuple[Job, datetime]] = field(default_factory=list)
    missed: list[Missed] = field(default_factory=list)


class Scheduler:
    """Holds jobs and knows when each is due next. Its idle cost does not depend on their number."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._jobs: dict[str, Job] = {}
        self._heap: list[_Due] = []
        self._pauses: dict[str, Pause] = {}
        self._turns = 0
        self._wake = asyncio.Event()

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
        """When the job is due next; None where it is not scheduled."""
        entry = self._entries.get(job)
        return entry.slot if entry else None

    def soonest(self) -> tuple[str, datetime] | None:
        """The job that is due next, and when; None where nothing is."""
        while self._heap:
            _, job, turn = self._heap[0]
            entry = self._entries.get(job)
            if entry is not None and entry.turn == turn and entry.slot is not None:
                return job, entry.slot
            heapq.heappop(self._heap)
        return None

    def since(self, job: str) -> datetime | None:
        """Since when the job has been in force; None where it is not."""
        entry = self._entries.get(job)
        return entry.since if entry else None

    def enact(self, action: Action, now: datetime) -> None:
        """Apply one change of the plan. A new schedule owns the instants after `now`."""
        match action:
            case Add(job=job):
                self._entries[job.id] = _Entry(job, now)
                self._jobs[job.id] = job
                self._schedule(job.id, now)
            case Replace(job=job, old=old):
                self._entries[job.id].job = job
                self._jobs[job.id] = job
                if job.trigger_key != old.trigger_key:
                    self._schedule(job.id, now)
            case Remove(job=job):
                del self._entries[job.id], self._jobs[job.id]
        self._wake.set()

    def set_pauses(self, pauses: Mapping[str, Pause], now: datetime) -> None:
        """Replace the pauses; slots of a paused job don't exist from its beginning until it ends.

        A slot that is due already stays: it is from before.
        """
        changed = {job for job in (*pauses, *self._pauses) if pauses.get(job) != self._pauses.get(job)}
        self._pauses = dict(pauses)
        for job in changed & self._entries.keys():
            slot = self._entries[job].slot
            if slot is None or slot > now:
                self._schedule(job, now)
        self._wake.set()

    def _schedule(self, job: str, after: datetime) -> None:
        """Put the first slot after an instant into the heap; entries of earlier turns are void.

        What is settled stays settled, also when the wall clock was set back since.
        """
        entry = self._entries[job]
        after = max(after, entry.settled or after)
        self._turns += 1
        entry.turn, entry.slot = self._turns, None
        if entry.job.schedule is None or not entry.job.enabled:
            return
        slot, pause = entry.job.schedule.after(after), self._pauses.get(job)
        if slot is not None and pause is not None and slot > pause.at:
            slot = entry.job.schedule.after(max(after, pause.until)) if pause.until else None
        if slot is None:
            return
        entry.slot = slot
        heapq.heappush(self._heap, (slot.timestamp(), job, entry.turn))
        if len(self._heap) > 2 * len(self._entries) + 64:
            self._sweep()

    def _sweep(self) -> None:
        """Drop void entries, which many edits of jobs that are due far in the future leave behind."""
        turns = {job: entry.turn for job, entry in self._entries.items()}
        self._heap = [due for due in self._heap if turns.get(due[1]) == due[2]]
        heapq.heapify(self._heap)

    def due(self, now: datetime) -> Due:
        """Take out what is due at `now`, and put each job's next slot in."""
        found = Due()
        limit = now.timestamp()
        while self._heap and self._heap[0][0] <= limit:
            _, job, turn = heapq.heappop(self._heap)
            entry = self._entries.get(job)
            if entry is None or entry.turn != turn or entry.slot is None:
                continue
            self._take(entry, entry.slot, now, found)
        return found

    def _take(self, entry: _Entry, slot: datetime, now: datetime, found: Due) -> None:
        assert entry.job.schedule is not None  # noqa: S101 - only scheduled jobs have a slot
        oldest_to_run = now - LATE
        if slot < oldest_to_run:
            first = last = slot
            count = 1
            for later in entry.job.schedule.between(slot, oldest_to_run - timedelta.resolution):
                last, count = later, count + 1
            found.missed.append(Missed(entry.job, first, last, count))
            entry.settled = last
        else:
            found.slots.append((entry.job, slot))
            entry.settled = slot
        self._schedule(entry.job.id, entry.settled)

    async def run(self, fire: Callable[[Due], Awaitable[None]]) -> None:
        """Call `fire` with what is due, whenever something is, until cancelled."""
        while True:
            now = self._clock.now()
            due = self.due(now)
            if due.slots or due.missed:
                await fire(due)
                continue
            self._wake.clear()
            await self._wait(now)

    async def _wait(self, now: datetime) -> None:
        seconds = _LONGEST_SLEEP
        if self._heap:
            seconds = min(seconds, max(0.0, self._heap[0][0] - now.timestamp()))
        sleeper = asyncio.ensure_future(self._clock.sleep(seconds))
        waker = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait([sleeper, waker], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeper.cancel()
            waker.cancel()
