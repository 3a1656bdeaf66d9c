"""What tests with real processes, files and sockets wait with."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")

PATIENCE = 15.0
"""Seconds after which a state that was waited for counts as never reached."""


@pytest.fixture
def until() -> Callable[[Callable[[], T]], Awaitable[T]]:
    """Wait until a condition holds; what it returned. It is looked at again and again, in the event loop."""

    async def wait(condition: Callable[[], T]) -> T:
        async with asyncio.timeout(PATIENCE):
            while not (found := condition()):  # noqa: ASYNC110 - what happens in a file sets no event
                await asyncio.sleep(0.005)
        return found

    return wait


@pytest.fixture
def lives() -> Callable[[int], bool]:
    """Whether a process is there and no zombie."""

    def look(pid: int) -> bool:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return False
        return stat[stat.rindex(")") + 2] not in "ZX"

    return look
