"""Who waits and who runs, job by job, and whose turn is next: fair among jobs, first come first served within."""

import heapq
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from runner.execution.admission import Occupancy
from runner.execution.ledger import remember_admission
from runner.execution.lifecycle import Trigger
from runner.execution.records import Record

_SLACK = 64
"""Entries of the ready heap that may be void before it is built anew."""


@dataclass(slots=True, eq=False)
class Waiting:
    """A pending execution: it may start once its line is durable and its retry delay is over.

    `turn` is its place in the queue of its lane.
    """

    record: Record
    ready: bool = False
    turn: int = 0

    @property
    def is_slot(self) -> bool:
        """Whether it is an instant of the schedule rather than an event or a person's wish."""
        return self.record.trigger is Trigger.CRON


@dataclass(slots=True)
class Lane:
    """One job's executions that have not ended, and when its latest ones were admitted.

    Everything here takes about as long with a thousand executions in the queue as with one.
    """

    admitted: "array[float]"
    waiting: dict[str, Waiting] = field(default_factory=dict)
    running: dict[str, Record] = field(default_factory=dict)
    _slots: int = 0
    _turns: int = 0
    _ready: list[tuple[int, Waiting]] = field(default_factory=list)

    @property
    def occupancy(self) -> Occupancy:
        """How full the lane is."""
        return Occupancy(len(self.running), self._slots, len(self.waiting) - self._slots)

    def admitted_after(self, start: datetime) -> int:
        """How many executions were admitted after an instant."""
        return len(self.admitted) - bisect_right(self.admitted, start.timestamp())

    def reserve(self, waiting: Waiting) -> None:
        """Take a place in the queue and in the window of the rate limit."""
        remember_admission(self.admitted, waiting.record.at)
        self.add(waiting)

    def give_back(self, waiting: Waiting) -> None:
        """Undo `reserve`, as the execution could not be written down."""
        del self.admitted[bisect_right(self.admitted, waiting.record.at.timestamp()) - 1]
        self.remove(waiting.record.id)

    def add(self, waiting: Waiting) -> None:
        """Put an execution at the end of the queue."""
        self._turns += 1
        waiting.turn = self._turns
        self.waiting[waiting.record.id] = waiting
        self._slots += waiting.is_slot
        if waiting.ready:
            self.make_ready(waiting)

    def make_ready(self, waiting: Waiting) -> None:
        """Say that an execution may start; what has left the queue meanwhile stays out."""
        waiting.ready = True
        if self.waiting.get(waiting.record.id) is not waiting:
            return
        heapq.heappush(self._ready, (waiting.turn, waiting))
        if len(self._ready) > 2 * len(self.waiting) + _SLACK:
            self._ready = [(each.turn, each) for each in self.waiting.values() if each.ready]
            heapq.heapify(self._ready)

    def find(self, execution: str) -> Waiting | None:
        """The waiting execution with this id."""
        return self.waiting.get(execution)

    def remove(self, execution: str) -> Waiting | None:
        """Take an execution out of the queue; None where it does not wait."""
        waiting = self.waiting.pop(execution, None)
        if waiting is not None:
            self._slots -= waiting.is_slot
        return waiting

    def next_ready(self) -> Waiting | None:
        """The first in the queue that may start now."""
        while self._ready:
            waiting = self._ready[0][1]
            if self.waiting.get(waiting.record.id) is waiting:
                return waiting
            heapq.heappop(self._ready)
        return None


class Lanes:
    """All lanes, and a ring of those that may have something to start."""

    def __init__(self, window_of: Callable[[str], "array[float]"]) -> None:
        self._window_of = window_of
        self._lanes: dict[str, Lane] = {}
        self._ring: deque[str] = deque()
        self._in_ring: set[str] = set()
        self.running = 0

    @property
    def waiting(self) -> int:
        """How many executions of all jobs wait."""
        return sum(len(lane.waiting) for lane in self._lanes.values())

    def __getitem__(self, job: str) -> Lane:
        lane = self._lanes.get(job)
        if lane is None:
            lane = self._lanes[job] = Lane(self._window_of(job))
        return lane

    def get(self, job: str) -> Lane | None:
        """The lane of a job, if it ever had an execution."""
        return self._lanes.get(job)

    def drop(self, job: str) -> None:
        """Forget a deleted job."""
        self._lanes.pop(job, None)

    def offer(self, job: str) -> None:
        """Say that a job may have something to start."""
        if job not in self._in_ring:
            self._in_ring.add(job)
            self._ring.append(job)

    def start(self, lane: Lane, waiting: Waiting) -> None:
        """Move an execution from the queue to those that run."""
        lane.remove(waiting.record.id)
        lane.running[waiting.record.id] = waiting.record
        self.running += 1

    def end(self, job: str, execution: str) -> None:
        """Free the place of an execution that ran."""
        lane = self._lanes.get(job)
        if lane and lane.running.pop(execution, None) is not None:
            self.running -= 1
            self.offer(job)

    def startable(self, limit_of: Callable[[str], int], most: int) -> Iterator[tuple[Lane, Waiting]]:
        """What may start now, one of each job in turn, until `most` run in all.

        The caller starts each (`start`) before it asks for the next. `limit_of` gives a job's concurrency
        limit, 0 where nothing of it may start at present.
        """
        while self._ring and self.running < most:
            job = self._ring.popleft()
            self._in_ring.discard(job)
            lane = self._lanes.get(job)
            waiting = lane.next_ready() if lane else None
            if lane is None or waiting is None or len(lane.running) >= limit_of(job):
                continue
            yield lane, waiting
            self.offer(job)

    def open(self) -> Iterator[tuple[str, Lane]]:
        """All lanes with anything in them."""
        return ((job, lane) for job, lane in self._lanes.items() if lane.waiting or lane.running)
