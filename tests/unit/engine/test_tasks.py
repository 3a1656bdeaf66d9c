"""Tasks that have a parent, and bugs that stay where they are."""

import asyncio

import pytest

from runner.clock import LoopClock
from runner.engine.tasks import Tasks
from runner.engine.trouble import Trouble
from runner.errors import StorageError
from runner.testing import START

pytestmark = pytest.mark.looptime


def tasks() -> Tasks:
    return Tasks(LoopClock(START), Trouble())


async def test_work_is_waited_for_at_the_end() -> None:
    done = []

    async def work() -> None:
        await asyncio.sleep(5)
        done.append(True)

    made = tasks()
    assert not made.is_open
    async with made.opened():
        assert made.is_open
        made.spawn(work)
    assert done == [True]


@pytest.mark.parametrize("error", [StorageError("no space left"), KeyError("a bug")])
async def test_work_that_fails_ends_nothing_else_and_is_said(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    done = []

    async def fail() -> None:
        raise error

    async def work() -> None:
        await asyncio.sleep(1)
        done.append(True)

    made = tasks()
    async with made.opened():
        made.spawn(fail)
        made.spawn(work)
    assert done == [True]
    assert str(error.args[0]) in capsys.readouterr().out


async def test_what_is_seen_through_goes_on_when_its_caller_goes_away() -> None:
    done = []

    async def work() -> str:
        await asyncio.sleep(5)
        done.append(True)
        return "result"

    made = tasks()
    async with made.opened():
        caller = asyncio.create_task(made.see_through(work()))
        await asyncio.sleep(1)
        caller.cancel()
        assert await made.see_through(work()) == "result"
    assert done == [True, True]
    assert caller.cancelled()


async def test_the_failure_of_what_is_seen_through_is_its_callers() -> None:
    async def fail() -> None:
        raise StorageError("no space left")

    made = tasks()
    async with made.opened():
        with pytest.raises(StorageError):
            await made.see_through(fail())


async def test_what_is_for_later_happens_then_unless_it_is_cancelled_or_all_ends() -> None:
    done = []

    def note(what: str):
        async def work() -> None:
            done.append((what, asyncio.get_running_loop().time()))

        return work

    made = tasks()
    begin = asyncio.get_running_loop().time()
    async with made.opened():
        made.later(5, note("kept"))
        made.later(6, note("cancelled")).cancel()
        made.later(5000, note("dropped"))
        made.later(5000, note("never begun"))
        await asyncio.sleep(10)
    assert done == [("kept", begin + 5)]
    assert asyncio.get_running_loop().time() == begin + 10


async def test_what_has_begun_after_its_delay_is_waited_for() -> None:
    done = []

    async def work() -> None:
        await asyncio.sleep(10)
        done.append(True)

    made = tasks()
    async with made.opened():
        made.later(1, work)
        await asyncio.sleep(2)
    assert done == [True]
