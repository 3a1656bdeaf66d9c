"""Whose turn it is among the jobs that have slots to catch up: the oldest slot first, a few starts a second."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

PACE = timedelta(seconds=0.1)
"""The time between two starts of slots that are caught up, over the whole runner."""


@dataclass(frozen=True, slots=True)
class _Head:
    slot: datetime
    before: str | None
    turn: int


class Backlog:
    """Jobs whose first slot without an outcome waits to be caught up.

    A job that has no room is set aside until `unblock` says that it may have some.
    """

    def __init__(self) -> None:
        self._heads: dict[str, _Head] = {}
        self._heap: list[tuple[datetime, str, int]] = []
        self._blocked: set[str] = set()
        self._turns = 0
        self._not_before: datetime | None = None

    def add(self, job: str, slot: datetime, before: str | None) -> None:
        """Let a slot of a job wait for its turn, until the execution `before` it has ended."""
        self._turns += 1
        self._heads[job] = _Head(slot, before, self._turns)
        self._blocked.discard(job)
        heapq.heappush(self._heap, (slot, job, self._turns))

    def drop(self, job: str) -> None:
        """Nothing of this job waits here any more."""
        if self._heads.pop(job, None) is not None:
            self._blocked.discard(job)

    def unblock(self, job: str) -> bool:
        """A job may have room again; whether it waits here."""
        if job not in self._blocked:
            return False
        head = self._heads[job]
        self.add(job, head.slot, head.before)
        return True

    def next(self, now: datetime, has_room: Callable[[str, str | None], bool]) -> str | None:
        """Take out the job whose turn it is now, if it is anyone's."""
        if self._wait_of(now) > timedelta(0):
            return None
        while self._heap:
            _, job, turn = heapq.heappop(self._heap)
            head = self._heads.get(job)
            if head is None or head.turn != turn:
                continue
            if has_room(job, head.before):
                del self._heads[job]
                return job
            self._blocked.add(job)
        return None

    def spend(self, now: datetime) -> None:
        """A slot is being caught up: the next one has to wait."""
        self._not_before = now + PACE

    def seconds_to_next(self, now: datetime) -> float | None:
        """How long until somebody may have a turn; None where nobody waits for one."""
        return self._wait_of(now).total_seconds() if self._heap else None

    def _wait_of(self, now: datetime) -> timedelta:
        """How long to wait; nothing when the clock was set back since the last turn."""
        wait = self._not_before - now if self._not_before else timedelta(0)
        return wait if timedelta(0) < wait <= PACE else timedelta(0)
