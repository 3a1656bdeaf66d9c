"""The tasks of a living thing: each has a parent, and a bug in one does not end the others."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import structlog

from runner.clock import Clock
from runner.engine.trouble import Trouble
from runner.errors import RunnerError

_log = structlog.get_logger()

T = TypeVar("T")


class Tasks:
    """A task group that lives while `opened` is entered; what only sleeps when it closes is dropped."""

    def __init__(self, clock: Clock, trouble: Trouble) -> None:
        self._clock = clock
        self._trouble = trouble
        self._group: asyncio.TaskGroup | None = None
        self._sleepers: set[asyncio.Task[None]] = set()

    @property
    def is_open(self) -> bool:
        """Whether tasks can be started."""
        return self._group is not None

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Own tasks; at the end, wait for those that do something."""
        async with asyncio.TaskGroup() as self._group:
            try:
                yield
            finally:
                for task in self._sleepers:
                    task.cancel()

    def spawn(self, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Start work that nobody waits for; its failure is said in the log."""

        async def guarded() -> None:
            try:
                await work()
            except RunnerError as error:
                self._trouble.say("something failed in the background", error, self._clock.now())
            except Exception:  # noqa: BLE001 - one execution's bug must not end all the others
                _log.exception("bug in the background")

        return self._create(guarded())

    async def see_through(self, work: Awaitable[T]) -> T:
        """Do work that goes on to its end even when the caller (a client that hangs up) is cancelled."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        async def carry() -> None:
            try:
                result = await work
            except Exception as error:  # noqa: BLE001 - it is the caller's, not the task group's
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(result)

        self._create(carry())
        return await done

    def later(self, seconds: float, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Do something after some time, unless the task is cancelled or all is closed before."""

        async def sleep() -> None:
            await self._clock.sleep(seconds)
            self._sleepers.discard(task)
            await work()

        task = self.spawn(sleep)
        self._sleepers.add(task)
        task.add_done_callback(self._sleepers.discard)
        return task

    def _create(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        assert self._group is not None  # noqa: S101 - only called while it is open
        return self._group.create_task(work)
