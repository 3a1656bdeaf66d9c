"""How the dispatcher begins and ends: what an earlier runner left, and what this one leaves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from runner.engine.dispatcher import Dispatcher
from runner.errors import StopRequestedError
from runner.execution.lifecycle import ErrorType, Reason, Status, Trigger
from runner.execution.records import Record
from runner.spec.models import Payload
from runner.testing import START, MemoryEngine, Script, build_record, tree

pytestmark = pytest.mark.looptime


def engine(job: str = "mode: manual", records: tuple[Record, ...] = (), **more: str) -> MemoryEngine:
    return MemoryEngine(tree(a=job, **more), records=records, start=START + timedelta(hours=1))


def started(number: int, job: str = "a", **values: object) -> list[Record]:
    return [
        build_record(number=number, job=job, payload=Payload({"n": number}), **values),
        build_record(Status.RUNNING, number=number, job=job, started_at=START, attempt=1),
    ]


def id_of(number: int) -> str:
    return f"{number:026d}"


# -- after a crash -----------------------------------------------------------------------------------------------


async def test_what_ran_when_the_runner_died_is_reaped_and_failed() -> None:
    made = engine(records=(*started(1), build_record(number=2)))
    async with made.running():
        assert made.executor.reaped == [id_of(1)]
        last = made.last(id_of(1))
        assert last is not None
        assert (last.status, last.duration_ms) == (Status.FAILED, 3_600_000)
        assert last.error is not None
        assert last.error.type is ErrorType.RUNNER_LOST


async def test_what_ran_when_the_runner_died_is_retried_where_attempts_remain() -> None:
    made = engine("mode: manual\nretry: {attempts: 2, backoff: 10s}", tuple(started(1)))
    async with made.running():
        retry = made.last(id_of(1))
        assert retry is not None
        assert (retry.status, retry.reason, retry.attempt) == (Status.PENDING, Reason.RETRY, 2)
        assert retry.not_before == START + timedelta(hours=1, seconds=5)
        await asyncio.sleep(4)
        assert made.executor.attempts == []
        assert (await made.ended(id_of(1))).status is Status.COMPLETED
        assert made.executor.attempts[0].payload == Payload({"n": 1})
        assert made.executor.attempts[0].number == 2


async def test_what_was_pending_resumes_in_order_with_its_payload() -> None:
    records = tuple(build_record(number=number, payload=Payload(number)) for number in range(1, 6))
    made = engine(records=records)
    async with made.running():
        await made.ended(id_of(5))
        assert [attempt.payload for attempt in made.executor.attempts] == [Payload(n) for n in range(1, 6)]


async def test_a_retry_keeps_its_time_over_a_restart() -> None:
    not_before = START + timedelta(hours=1, seconds=30)
    retry = build_record(number=1, reason=Reason.RETRY, attempt=2, not_before=not_before)
    made = engine("mode: manual\nretry: {attempts: 2}", (*started(1), retry))
    async with made.running():
        last = await made.ended(id_of(1))
        assert last.started_at == not_before


async def test_recovering_twice_settles_once() -> None:
    first = engine("mode: manual\nretry: {attempts: 3, backoff: 10m}", (*started(1), *started(2)))
    async with first.running():
        await asyncio.sleep(1)
    settled = first.records.lines
    again = MemoryEngine(
        tree(a="mode: manual\nretry: {attempts: 3, backoff: 10m}"),
        records=settled,
        start=START + timedelta(hours=1, minutes=1),
    )
    async with again.running():
        assert again.executor.reaped == []
        assert again.records.lines == settled
        for number in (1, 2):
            await again.ended(id_of(number))
        assert [each.status for each in again.executions()] == [Status.COMPLETED] * 2


async def test_what_waits_for_a_job_that_is_gone_is_held_for_a_minute_and_cancelled() -> None:
    made = engine(records=(build_record(number=1, job="gone"), *started(2, "gone")))
    async with made.running():
        await asyncio.sleep(59)
        assert made.statuses(id_of(1)) == [Status.PENDING]
        await asyncio.sleep(2)
        last = made.last(id_of(1))
        assert last is not None
        assert (last.status, last.reason) == (Status.CANCELLED, Reason.JOB_REMOVED)
        assert made.statuses(id_of(2))[-1] is Status.FAILED


# -- stopping ----------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def at_work(made: MemoryEngine) -> AsyncIterator[Dispatcher]:
    """The engine without its scheduler, so that a test can stop it in its own way."""
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(made.journal.run())
        await made.reconciler.sync()
        carrying = tasks.create_task(made.dispatcher.run())
        await made.dispatcher.recovered.wait()
        yield made.dispatcher
        await carrying
        made.journal.close()
        await writing


async def test_what_ends_within_the_grace_ends_well_and_nothing_new_starts() -> None:
    made = engine()
    async with at_work(made) as dispatcher:
        made.executor.script("a", Script(20))
        running, waiting = await made.run("a"), await made.run("a")
        await asyncio.sleep(1)
        await dispatcher.stop(30)
        assert made.clock.now() == START + timedelta(hours=1, seconds=20)
    assert made.statuses(running.id)[-1] is Status.COMPLETED
    assert made.statuses(waiting.id) == [Status.PENDING]


async def test_what_does_not_end_within_the_grace_was_stopped_and_what_waits_stays_pending() -> None:
    made = engine(b="mode: manual\nretry: {attempts: 2}")
    async with at_work(made) as dispatcher:
        made.executor.script("a", Script(100))
        made.executor.script("b", Script(100))
        failed, waiting, retried = await made.run("a"), await made.run("a"), await made.run("b")
        await asyncio.sleep(1)
        await dispatcher.stop(30)
        assert made.clock.now() == START + timedelta(hours=1, seconds=31)
    for record, status in ((failed, Status.FAILED), (retried, Status.PENDING)):
        last = made.last(record.id)
        assert last is not None
        assert last.status is status
        assert last.error is not None
        assert last.error.type is ErrorType.RUNNER_STOPPED
    assert made.statuses(waiting.id) == [Status.PENDING]
    assert made.executor.running == []


async def test_a_second_wish_to_stop_hastens_the_first() -> None:
    made = engine()
    async with at_work(made) as dispatcher:
        made.executor.script("a", Script(100))
        await made.run("a")
        asyncio.get_running_loop().call_later(
            3, lambda: hastening.append(asyncio.create_task(dispatcher.hasten()))
        )
        hastening: list[asyncio.Task[None]] = []
        await dispatcher.stop(30)
        await hastening[0]
        assert made.clock.now() == START + timedelta(hours=1, seconds=3)


async def test_a_runner_that_stops_takes_no_new_work() -> None:
    made = engine()
    async with at_work(made) as dispatcher:
        await dispatcher.stop(0)
        with pytest.raises(StopRequestedError):
            await made.run("a")


async def test_a_runner_that_has_not_begun_takes_no_work_either() -> None:
    made = engine()
    await made.reconciler.sync()
    with pytest.raises(StopRequestedError):
        await made.run("a")


async def test_those_who_wait_for_a_retry_or_for_a_lost_job_do_not_delay_the_stop() -> None:
    made = engine("mode: manual\nretry: {attempts: 2, backoff: 10h, max_backoff: 10h}", tuple(started(1)))
    async with at_work(made) as dispatcher:
        made.files.files = {"z.yaml": "kind: agent\nid: z\ntype: command\ncommand: [z]\n"}
        await made.reconciler.sync()
        await dispatcher.stop(30)
        assert made.clock.now() == START + timedelta(hours=1)
    assert made.statuses(id_of(1))[-1] is Status.PENDING


async def test_the_next_runner_goes_on_where_this_one_stopped() -> None:
    first = engine()
    async with at_work(first) as dispatcher:
        first.executor.script("a", Script(100))
        records = [await first.run("a") for _ in range(3)]
        await dispatcher.stop(1)
    second = MemoryEngine(tree(a="mode: manual"), records=first.records.lines, start=START + timedelta(hours=2))
    async with second.running():
        await second.ended(records[-1].id)
        assert [each.status for each in reversed(second.executions())] == [
            Status.FAILED,
            Status.COMPLETED,
            Status.COMPLETED,
        ]


async def test_executions_of_other_jobs_wait_for_the_next_runner_where_only_some_are_started() -> None:
    made = engine(b="mode: manual", records=(build_record(number=1, job="b"),))
    made.dispatcher = Dispatcher(made.services, new_id=lambda _: id_of(9), max_running=5, only=frozenset({"a"}))
    made.reconciler._dispatcher = made.dispatcher
    async with made.running():
        record = await made.run("a")
        await made.ended(record.id)
        await asyncio.sleep(120)
        assert made.statuses(id_of(1)) == [Status.PENDING]


async def test_a_slot_that_comes_due_while_the_runner_stops_is_left() -> None:
    made = engine("mode: cron\nschedule: '* * * * *'")
    async with made.running():
        made.executor.script("a", Script(1000))
        await asyncio.sleep(61)
        stopping = asyncio.create_task(made.dispatcher.stop(100))
        await asyncio.sleep(70)
        assert [line.status for line in made.records.lines if line.trigger is Trigger.CRON] == [
            Status.PENDING,
            Status.RUNNING,
        ]
        await stopping
