"""Cancelling through the dispatcher: whatever it meets, each execution ends once."""

import asyncio
from collections.abc import Sequence

import pytest

from runner.errors import ConflictError, StorageError, UnknownExecutionError
from runner.execution.lifecycle import ErrorType, Outcome, Reason, Status
from runner.execution.records import Record
from runner.testing import MemoryEngine, Script, tree

pytestmark = pytest.mark.looptime

FAILURE = Outcome.failed(ErrorType.EXIT_CODE, "exit code 1")


def engine(job: str = "mode: manual") -> MemoryEngine:
    return MemoryEngine(tree(a=job))


def slow_disk(engine: MemoryEngine, seconds: float) -> None:
    append = engine.records.append

    async def slowly(records: Sequence[Record]) -> None:
        await asyncio.sleep(seconds)
        await append(records)

    engine.records.append = slowly  # type: ignore[method-assign] - a slow disk


async def test_a_pending_execution_is_cancelled_without_ever_running() -> None:
    made = engine()
    async with made.running():
        made.executor.script("a", Script(10))
        await made.run("a")
        waiting = await made.run("a")
        line = await made.dispatcher.cancel(waiting.id, "bob")
        assert line == made.records.lines[-1]
        assert (line.status, line.reason, line.cancelled_by) == (Status.CANCELLED, Reason.BY_HAND, "bob")
        assert line.finished_at == line.at
        assert made.dispatcher.occupancy("a") == (1, 0)
        await asyncio.sleep(20)
        assert made.statuses(waiting.id) == [Status.PENDING, Status.CANCELLED]


async def test_a_running_execution_is_cancelled_and_the_next_one_starts() -> None:
    made = engine("mode: manual\nretry: {attempts: 3}")
    async with made.running():
        made.executor.script("a", Script(100))
        record, following = await made.run("a"), await made.run("a")
        await asyncio.sleep(5)
        line = await made.dispatcher.cancel(record.id, "bob")
        assert (line.status, line.duration_ms, line.cancelled_by) == (Status.CANCELLED, 5000, "bob")
        assert (await made.ended(following.id)).status is Status.COMPLETED
        assert made.statuses(record.id)[-1] is Status.CANCELLED


async def test_an_execution_that_waits_for_its_retry_is_cancelled_and_never_retried() -> None:
    made = engine("mode: manual\nretry: {attempts: 3, backoff: 1m}")
    async with made.running():
        made.executor.script("a", Script(5, FAILURE))
        record = await made.run("a")
        await asyncio.sleep(10)
        line = await made.dispatcher.cancel(record.id, "bob")
        assert (line.status, line.attempt) == (Status.CANCELLED, 2)
        assert (line.not_before, line.error, line.duration_ms, line.started_at) == (None,) * 4
        await asyncio.sleep(120)
        assert len(made.executor.attempts) == 1


async def test_an_ended_execution_is_a_conflict_and_an_unknown_one_is_unknown() -> None:
    made = engine()
    async with made.running():
        record = await made.run("a")
        await made.ended(record.id)
        with pytest.raises(ConflictError, match="has ended already: completed"):
            await made.dispatcher.cancel(record.id, "bob")
        with pytest.raises(UnknownExecutionError):
            await made.dispatcher.cancel("nothing", "bob")


async def test_two_who_cancel_what_runs_get_the_same_answer() -> None:
    made = engine()
    async with made.running():
        made.executor.script("a", Script(100))
        record = await made.run("a")
        first, second = await asyncio.gather(
            made.dispatcher.cancel(record.id, "bob"), made.dispatcher.cancel(record.id, "carol")
        )
        assert first == second
        assert first.cancelled_by == "bob"
        assert made.statuses(record.id).count(Status.CANCELLED) == 1


async def test_of_two_who_cancel_what_waits_the_second_is_told_that_it_has_ended() -> None:
    made = engine()
    slow_disk(made, 1)
    async with made.running():
        made.executor.script("a", Script(100))
        await made.run("a")
        waiting = await made.run("a")
        first, second = await asyncio.gather(
            made.dispatcher.cancel(waiting.id, "bob"),
            made.dispatcher.cancel(waiting.id, "carol"),
            return_exceptions=True,
        )
        assert isinstance(first, Record)
        assert isinstance(second, ConflictError)


async def test_cancelling_during_the_last_line_is_a_conflict_and_during_the_first_attempt_to_start_works() -> None:
    made = engine()
    slow_disk(made, 1)
    async with made.running():
        made.executor.script("a", Script(10), Script(10))
        record = await made.run("a")
        await asyncio.sleep(0.5)  # its start is on its way to the disk
        assert (await made.dispatcher.cancel(record.id, "bob")).status is Status.CANCELLED
        assert made.executor.attempts == []
        record = await made.run("a")
        await asyncio.sleep(11.5)  # its end is on its way to the disk
        with pytest.raises(ConflictError):
            await made.dispatcher.cancel(record.id, "bob")
        assert made.statuses(record.id) == [Status.PENDING, Status.RUNNING, Status.COMPLETED]


async def test_cancelling_while_a_retry_is_written_down_cancels_the_retry() -> None:
    made = engine("mode: manual\nretry: {attempts: 2, backoff: 1m}")
    slow_disk(made, 1)
    async with made.running():
        made.executor.script("a", Script(10, FAILURE))
        record = await made.run("a")
        await asyncio.sleep(11.5)
        line = await made.dispatcher.cancel(record.id, "bob")
        assert (line.status, line.attempt) == (Status.CANCELLED, 2)
        await asyncio.sleep(60)
        assert made.statuses(record.id) == [Status.PENDING, Status.RUNNING, Status.PENDING, Status.CANCELLED]


async def test_an_execution_whose_cancellation_can_not_be_written_down_still_runs() -> None:
    made = engine()
    async with made.running():
        made.executor.script("a", Script(10))
        await made.run("a")
        waiting = await made.run("a")
        made.records.failing = True
        with pytest.raises(StorageError):
            await made.dispatcher.cancel(waiting.id, "bob")
        made.records.failing = False
        await made.ended(waiting.id)
        assert made.statuses(waiting.id) == [Status.PENDING, Status.RUNNING, Status.COMPLETED]


async def test_an_execution_whose_turn_comes_while_its_cancellation_fails_still_runs() -> None:
    made = engine()
    async with made.running():
        made.executor.script("a", Script(10))
        first, waiting = await made.run("a"), await made.run("a")
        await asyncio.sleep(9.5)
        slow_disk(made, 1)
        made.records.failing = True
        cancelling = asyncio.create_task(made.dispatcher.cancel(waiting.id, "bob"))
        running = asyncio.create_task(made.dispatcher.cancel(first.id, "bob"))
        await asyncio.sleep(0.1)
        # The disk takes the end of the first while the cancellation of the second is refused.
        with pytest.raises(StorageError):
            await cancelling
        made.records.failing = False
        await running
        assert (await made.ended(waiting.id)).status is Status.COMPLETED
