"""The only place where time is read or waited for."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall-clock time in UTC for what is written down, and waiting on the event loop's own time."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC, cut to milliseconds as records hold it."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; returns at once for zero or less."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant in UTC, cut to milliseconds."""
        return datetime.fromtimestamp(time.time_ns() // 1_000_000 / 1000, UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(max(0.0, seconds))


class LoopClock:
    """A virtual clock: wall-clock time is a start instant plus the time of the running event loop.

    Under a loop with faked time (looptime) a day of the runner passes in a moment.
    """

    def __init__(self, start: datetime) -> None:
        self._start = start.timestamp()
        self._offset: float | None = None

    def now(self) -> datetime:
        """The virtual instant in UTC, cut to milliseconds."""
        elapsed = asyncio.get_running_loop().time()
        if self._offset is None:
            self._offset = elapsed
        return datetime.fromtimestamp(int((self._start + elapsed - self._offset) * 1000) / 1000, UTC)

    def step(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an administrator or NTP would."""
        self._start += seconds

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop, whose time may be faked."""
        await asyncio.sleep(max(0.0, seconds))


def monotonic() -> float:
    """Seconds of a clock that never steps, for waiting outside of an event loop."""
    return time.monotonic()


def pause(seconds: float) -> None:
    """Wait outside of an event loop, as the command line does between two looks at a file."""
    time.sleep(seconds)
