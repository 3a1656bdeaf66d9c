"""Which parts of a log no limit wants any more: shares of jobs in closed segments, the oldest first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ulid import ULID

from runner.storage.segments import Segment

WORTH = 4
"""A segment is written anew when at least this part of it (one n-th) goes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What of each job is kept at least: so many executions, what is so young, so many bytes. None: all."""

    count: int | None = None
    age: timedelta | None = None
    bytes: int | None = None

    def __bool__(self) -> bool:
        """Whether anything is limited."""
        return (self.count, self.age, self.bytes) != (None, None, None)


@dataclass(frozen=True, slots=True)
class Surplus:
    """A segment, and the jobs whose lines in it can go."""

    segment: Segment
    jobs: frozenset[str]


def surplus(segments: Sequence[Segment], limits: Limits, now: datetime) -> Iterator[Surplus]:
    """What can go of compressed segments, given oldest first. What is newer than all of them counts for nothing.

    Each limit alone lets a share go: when the newer segments hold as many executions or bytes of the job as are
    kept, or when the segment after it began before the age.
    """
    executions: dict[str, int] = {}
    sizes: dict[str, int] = {}
    ends = [segment.name for segment in segments[1:]]
    for number in range(len(segments) - 1, -1, -1):
        segment = segments[number]
        shares = segment.shares()
        old = number < len(ends) and limits.age is not None and _began(ends[number], now) < now - limits.age
        jobs = frozenset(
            job
            for job in shares
            if old
            or (limits.count is not None and executions.get(job, 0) >= limits.count)
            or (limits.bytes is not None and sizes.get(job, 0) >= limits.bytes)
        )
        for job, share in shares.items():
            executions[job] = executions.get(job, 0) + share.executions
            sizes[job] = sizes.get(job, 0) + share.bytes
        going = sum(shares[job].bytes for job in jobs)
        if jobs and going * WORTH >= sum(share.bytes for share in shares.values()):
            yield Surplus(segment, jobs)


def _began(name: str, now: datetime) -> datetime:
    """When a segment began, as its name says."""
    try:
        return ULID.from_str(name).datetime.astimezone(UTC)
    except (ValueError, OverflowError):
        return now
