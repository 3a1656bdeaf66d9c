"""One run, from the line that says it started to the line that says how it ended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta

import pytest

from runner.clock import LoopClock
from runner.engine.journal import Journal
from runner.engine.runs import Run, Services, definition_of
from runner.errors import StorageError
from runner.execution.ledger import Ledger
from runner.execution.lifecycle import Attempt, ErrorType, Failure, Outcome, Process, Reason, Status
from runner.execution.records import Record
from runner.spec.models import Job, Payload
from runner.testing import START, MemoryPayloads, MemoryRecords, build_job, build_record

pytestmark = pytest.mark.looptime

ONE = f"{1:026d}"
Work = Callable[[Attempt], Awaitable[Outcome]]


def job(more: str = "") -> Job:
    return build_job(f"id: a\nname: A\nmode: manual\nagent: robot\n{more}")


THRICE = job("retry: {attempts: 3, backoff: 10s, max_backoff: 15s}\n")


class Workshop:
    """Everything that a run needs; `work` is what the agent does."""

    def __init__(self) -> None:
        self.store = MemoryRecords()
        self.ledger = Ledger()
        self.journal = Journal(self.store, self.ledger)
        self.payloads = MemoryPayloads()
        self.attempts: list[Attempt] = []
        self.work: Work = self.succeed
        self.services = Services(
            LoopClock(START), self.journal, self.ledger, self, self.payloads, chance=lambda: 0.5
        )

    async def run(self, attempt: Attempt) -> Outcome:
        self.attempts.append(attempt)
        return await self.work(attempt)

    async def reap(self, executions: Sequence[str]) -> None:
        """There is nothing to reap."""

    async def succeed(self, _: Attempt) -> Outcome:
        await asyncio.sleep(2)
        return Outcome(Payload("fine"), usage={"requests": 1}, process=Process(12, 3456))

    async def fail(self, _: Attempt) -> Outcome:
        await asyncio.sleep(2)
        return Outcome.failed(ErrorType.EXIT_CODE, "exit code 1")

    async def pending(self, job: Job | None = None, **values: object) -> Run:
        record = build_record(**values)
        await self.journal.record(record)
        return Run(record, job or THRICE, self.services)

    async def carry(self, run: Run) -> Record:
        last = await run.carry()
        assert last is not None
        assert last == run.last == self.store.lines[-1]
        return last

    @property
    def statuses(self) -> list[str]:
        return [line.status.value for line in self.store.lines]


@pytest.fixture
async def shop() -> AsyncIterator[Workshop]:
    shop = Workshop()
    writing = asyncio.create_task(shop.journal.run())
    yield shop
    shop.journal.close()
    await writing


# -- a run that ends by itself -----------------------------------------------------------------------------------


async def test_a_successful_run_leaves_a_running_and_a_completed_line(shop: Workshop) -> None:
    run = await shop.pending(actor="alice")
    await shop.carry(run)
    _, running, completed = shop.store.lines
    common = {"actor": "alice", "attempt": 1, "started_at": START, "definition": definition_of(THRICE)}
    assert running == build_record(Status.RUNNING, **common)
    end = START + timedelta(seconds=2)
    assert completed == build_record(
        Status.COMPLETED,
        at=end,
        finished_at=end,
        duration_ms=2000,
        result=Payload("fine"),
        usage={"requests": 1},
        pid=12,
        pid_start=3456,
        **common,
    )


async def test_the_start_is_durable_before_the_agent_is_called(shop: Workshop) -> None:
    async def look(_: Attempt) -> Outcome:
        assert shop.statuses == ["pending", "running"]
        return Outcome()

    shop.work = look
    assert (await shop.carry(await shop.pending())).status is Status.COMPLETED


async def test_the_agent_gets_the_payload_the_previous_result_and_the_number_of_the_attempt(
    shop: Workshop,
) -> None:
    await shop.carry(await shop.pending(number=7))
    run = await shop.pending(number=8, payload=Payload(None), attempt=2)
    await shop.carry(run)
    assert shop.attempts[-1] == Attempt(f"{8:026d}", 2, THRICE, Payload(None), Payload("fine"))


async def test_a_large_payload_is_fetched_from_where_it_is_kept(shop: Workshop) -> None:
    shop.payloads.put(ONE, b'{"large": true}')
    await shop.carry(await shop.pending(payload_ref=ONE))
    assert shop.attempts[0].payload == Payload({"large": True})


@pytest.mark.parametrize("kept", [None, b'{"lar'])
async def test_a_payload_that_is_gone_or_damaged_fails_the_run_and_the_agent_is_not_called(
    shop: Workshop, kept: bytes | None
) -> None:
    if kept is not None:
        shop.payloads.put(ONE, kept)
    last = await shop.carry(await shop.pending(job(), payload_ref=ONE))
    assert last.status is Status.FAILED
    assert last.error is not None
    assert last.error.message.startswith("the payload ")
    assert shop.attempts == []


# -- failures ----------------------------------------------------------------------------------------------------


async def test_a_failed_attempt_is_retried_after_a_delay_with_jitter(shop: Workshop) -> None:
    shop.work = shop.fail
    last = await shop.carry(await shop.pending(payload=Payload(1)))
    end = START + timedelta(seconds=2)
    assert (last.status, last.reason, last.attempt, last.at) == (Status.PENDING, Reason.RETRY, 2, end)
    assert last.not_before == end + timedelta(seconds=5)
    assert last.error == Failure(ErrorType.EXIT_CODE, "exit code 1")
    assert (last.started_at, last.finished_at) == (None, None)


async def test_failed_comes_after_the_last_attempt_only(shop: Workshop) -> None:
    shop.work = shop.fail
    second = await shop.carry(await shop.pending(attempt=2))
    assert (second.status, second.attempt) == (Status.PENDING, 3)
    third = await shop.carry(Run(second, THRICE, shop.services))
    assert (third.status, third.attempt, third.reason) == (Status.FAILED, 3, None)
    assert (third.error, third.duration_ms) == (Failure(ErrorType.EXIT_CODE, "exit code 1"), 2000)


async def test_the_line_of_a_new_attempt_says_nothing_of_the_one_before(shop: Workshop) -> None:
    async def fail(_: Attempt) -> Outcome:
        failure = Failure(ErrorType.EXIT_CODE, "exit code 1")
        return Outcome(failure=failure, usage={"requests": 1}, process=Process(1, 2))

    shop.work = fail
    retry = await shop.carry(await shop.pending())
    assert (retry.pid, retry.usage) == (1, {"requests": 1})
    await shop.carry(Run(retry, THRICE, shop.services))
    running = shop.store.lines[-2]
    assert (running.status, running.attempt) == (Status.RUNNING, 2)
    assert (running.pid, running.pid_start, running.usage, running.duration_ms, running.error) == (None,) * 5


async def test_an_agent_that_raises_fails_its_own_run(shop: Workshop) -> None:
    async def crash(_: Attempt) -> Outcome:
        raise ValueError("bad luck")

    shop.work = crash
    last = await shop.carry(await shop.pending(job()))
    assert (last.status, last.error) == (Status.FAILED, Failure(ErrorType.AGENT, "ValueError: bad luck"))


async def test_an_agent_that_cancels_itself_has_failed_and_nobody_stopped_it(shop: Workshop) -> None:
    async def give_up(_: Attempt) -> Outcome:
        raise asyncio.CancelledError

    shop.work = give_up
    last = await shop.carry(await shop.pending(job()))
    assert last.status is Status.FAILED
    assert last.error is not None
    assert last.error.type is ErrorType.AGENT


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(Payload(2**70)),
        Outcome(Payload("\ud800")),
        Outcome(Payload({1: object()})),
        Outcome(usage={"cost": object()}),
        Outcome.failed(ErrorType.AGENT, "\ud800"),
        Outcome.failed(ErrorType.AGENT, "x", {"what": object()}),
    ],
)
async def test_what_an_agent_returns_and_json_can_not_hold_fails_its_own_run(
    shop: Workshop, outcome: Outcome
) -> None:
    async def answer(_: Attempt) -> Outcome:
        return outcome

    shop.work = answer
    last = await shop.carry(await shop.pending(job()))
    assert last.status is Status.FAILED
    assert last.error is not None
    assert last.error.type is ErrorType.AGENT
    assert "JSON" in last.error.message


# -- cancelling --------------------------------------------------------------------------------------------------


async def carrying(run: Run, seconds: float) -> "asyncio.Task[Record | None]":
    task = asyncio.create_task(run.carry())
    await asyncio.sleep(seconds)
    return task


async def test_a_cancelled_run_ends_at_once_and_is_not_retried(shop: Workshop) -> None:
    run = await shop.pending()
    task = await carrying(run, 1)
    run.cancel("bob", Reason.BY_HAND)
    run.cancel("carol", Reason.REPLACED)
    assert run.being_cancelled
    last = await task
    assert last is not None
    assert (last.status, last.reason, last.cancelled_by) == (Status.CANCELLED, Reason.BY_HAND, "bob")
    assert (last.duration_ms, last.error) == (1000, None)


async def test_a_run_that_fails_while_it_is_being_cancelled_is_cancelled(shop: Workshop) -> None:
    async def stubborn(_: Attempt) -> Outcome:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(10)
        return Outcome.failed(ErrorType.SIGNAL, "killed")

    shop.work = stubborn
    run = await shop.pending()
    task = await carrying(run, 1)
    run.cancel("bob", Reason.BY_HAND)
    await task
    assert run.last.status is Status.CANCELLED


async def test_a_run_that_completes_in_spite_of_being_cancelled_is_completed(shop: Workshop) -> None:
    async def unmoved(_: Attempt) -> Outcome:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(10)
        return Outcome(Payload("done"))

    shop.work = unmoved
    run = await shop.pending()
    task = await carrying(run, 1)
    run.cancel("bob", Reason.BY_HAND)
    await task
    assert (run.last.status, run.last.cancelled_by) == (Status.COMPLETED, None)


async def test_a_run_that_is_cancelled_before_its_start_never_calls_the_agent(shop: Workshop) -> None:
    run = await shop.pending()
    run.cancel("bob", Reason.REPLACED)
    await shop.carry(run)
    assert shop.statuses == ["pending", "running", "cancelled"]
    assert shop.attempts == []


async def test_a_run_whose_execution_was_cancelled_first_does_not_start(shop: Workshop) -> None:
    run = await shop.pending()
    await shop.journal.record(build_record(Status.CANCELLED))
    assert await run.carry() is None
    assert shop.statuses == ["pending", "cancelled"]


async def test_a_run_starts_after_all_when_the_rival_that_was_first_could_not_be_written_down(
    shop: Workshop,
) -> None:
    run = await shop.pending()
    shop.store.failing = True
    cancelling = asyncio.create_task(shop.journal.record(build_record(Status.CANCELLED)))
    await asyncio.sleep(0)
    carrying = asyncio.create_task(run.carry())
    with pytest.raises(StorageError):
        await cancelling
    shop.store.failing = False
    await carrying
    assert shop.statuses == ["pending", "running", "completed"]


# -- stopping ----------------------------------------------------------------------------------------------------


async def test_a_run_that_is_stopped_with_the_runner_has_failed_since_the_runner_was_stopped(
    shop: Workshop,
) -> None:
    run = await shop.pending(job())
    task = await carrying(run, 1)
    run.stop()
    await task
    assert run.last.status is Status.FAILED
    assert run.last.error is not None
    assert run.last.error.type is ErrorType.RUNNER_STOPPED


async def test_a_run_that_is_stopped_with_the_runner_is_retried_while_attempts_remain(shop: Workshop) -> None:
    run = await shop.pending()
    task = await carrying(run, 1)
    run.stop()
    await task
    assert (run.last.status, run.last.reason, run.last.attempt) == (Status.PENDING, Reason.RETRY, 2)
    assert run.last.error is not None
    assert run.last.error.type is ErrorType.RUNNER_STOPPED


async def test_a_run_that_is_stopped_before_its_start_stays_pending(shop: Workshop) -> None:
    run = await shop.pending()
    run.stop()
    assert await run.carry() is None
    assert shop.statuses == ["pending"]


async def test_a_run_whose_own_task_is_cancelled_ends_the_agent_with_it(shop: Workshop) -> None:
    ended = []

    async def work(_: Attempt) -> Outcome:
        try:
            await asyncio.sleep(10)
        finally:
            ended.append(True)
        return Outcome()

    shop.work = work
    task = await carrying(await shop.pending(), 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]


# -- the disk ----------------------------------------------------------------------------------------------------


async def test_a_start_that_can_not_be_written_down_did_not_happen(shop: Workshop) -> None:
    run = await shop.pending()
    shop.store.failing = True
    with pytest.raises(StorageError):
        await run.carry()
    assert shop.attempts == []
    assert shop.ledger.status_of(ONE) is Status.PENDING


async def test_an_end_is_written_down_when_the_disk_is_back(shop: Workshop) -> None:
    run = await shop.pending()
    task = await carrying(run, 1)
    shop.store.failing = True
    await asyncio.sleep(30)
    assert not task.done()
    shop.store.failing = False
    last = await task
    assert last is not None
    assert (last.status, last.duration_ms) == (Status.COMPLETED, 2000)
