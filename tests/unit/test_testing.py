"""What is offered to tests of plug-ins keeps the promises of the real thing."""

import asyncio
from datetime import timedelta

import pytest

from runner.errors import StorageError
from runner.execution.lifecycle import ErrorType, Outcome, Status, Trigger
from runner.spec.models import Payload
from runner.testing import (
    START,
    MemoryEngine,
    MemoryPayloads,
    MemoryRecords,
    Script,
    build_job,
    build_record,
    desired,
    tree,
)

pytestmark = pytest.mark.looptime


def test_a_job_is_built_from_its_text() -> None:
    job = build_job("name: My Job\nmode: manual\nagent: robot\n")
    assert (job.id, job.agent.id) == ("my-job", "robot")


@pytest.mark.parametrize("text", ["name: A\nmode: never\n", "kind: defaults\n"])
def test_a_text_that_is_not_one_valid_job_is_refused(text: str) -> None:
    with pytest.raises(AssertionError, match="not one valid job"):
        build_job(text)


def test_a_tree_has_a_file_for_each_job_and_its_agent() -> None:
    files = tree(a="mode: manual", long_name="mode: push")
    assert [*files] == ["a.yaml", "long-name.yaml", "agents/robot.yaml"]
    assert [*desired(files).jobs] == ["a", "long-name"]


def test_a_record_is_built_with_an_id_of_the_right_length() -> None:
    record = build_record(Status.FAILED, number=7, actor="x")
    assert (record.id, record.status, record.actor) == ("0" * 25 + "7", Status.FAILED, "x")


async def test_memory_records_take_all_or_nothing_as_a_disk_does() -> None:
    store = MemoryRecords([build_record(number=1)])
    store.failing = True
    with pytest.raises(StorageError):
        await store.append([build_record(number=2)])
    store.failing = False
    with pytest.raises(TypeError):
        await store.append([build_record(number=2), build_record(number=3, payload=Payload(object()))])
    await store.append([build_record(number=4, job="b")])
    assert [int(record.id) for record in store.read()] == [1, 4]
    assert [int(record.id) for record in store.backwards()] == [4, 1]
    assert [int(record.id) for record in store.backwards(job="a")] == [1]
    assert await store.delete("a") == 1
    assert [record.job for record in store.read()] == ["b"]


def test_memory_payloads_give_back_what_they_keep_and_fail_for_what_they_do_not() -> None:
    store = MemoryPayloads()
    assert store.get(store.put("x", b"1")) == b"1"
    with pytest.raises(StorageError):
        store.get("y")


async def test_scripts_are_followed_in_order_and_then_all_ends_well_at_once() -> None:
    engine = MemoryEngine(tree(a="mode: manual\ntimeout: 30s"))
    failure = Outcome.failed(ErrorType.EXIT_CODE, "exit code 1")
    async with engine.running():
        engine.executor.script("a", Script(5, failure), Script(60), Script(outcome=Outcome(Payload(1))))
        ends = [await engine.ended((await engine.run("a")).id) for _ in range(4)]
    assert [end.error.type if end.error else None for end in ends] == [
        ErrorType.EXIT_CODE,
        ErrorType.TIMEOUT,
        None,
        None,
    ]
    assert [end.duration_ms for end in ends] == [5000, 30_000, 0, 0]
    assert [end.result for end in ends] == [None, None, Payload(1), None]


async def test_hours_of_an_engine_pass_in_a_moment() -> None:
    engine = MemoryEngine(tree(a="mode: cron\nschedule: '0 * * * *'"))
    async with engine.running():
        await asyncio.sleep(6 * 3600 + 1)
    starts = [each.record.scheduled_for for each in reversed(engine.executions("a"))]
    assert starts == [START + timedelta(hours=hour) for hour in range(1, 7)]
    assert engine.statuses(engine.executions()[0].id) == [Status.PENDING, Status.RUNNING, Status.COMPLETED]


async def test_an_event_is_fired_as_one_and_an_end_that_was_before_is_known() -> None:
    engine = MemoryEngine(tree(a="mode: push"))
    async with engine.running():
        record = await engine.run("a", {"x": 1}, trigger=Trigger.PUSH)
        assert record.trigger is Trigger.PUSH
        last = await engine.ended(record.id)
        assert await engine.ended(record.id) == last == engine.last(record.id)
    assert engine.last("unknown") is None
