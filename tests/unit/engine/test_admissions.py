"""What can't be written down did not happen: it gives its place back, and the others keep theirs."""

from dataclasses import replace

import pytest

from runner.errors import StorageError
from runner.execution.firing import Firing
from runner.execution.lifecycle import Reason, Status, Trigger
from runner.execution.slots import Range, Slot
from runner.spec.models import Payload
from runner.testing import START, MemoryEngine, tree

pytestmark = pytest.mark.looptime

HOURLY = "mode: cron\nschedule: '0 * * * *'\nconcurrency: {when_full: skip}\n"


@pytest.fixture
def engine() -> MemoryEngine:
    return MemoryEngine(tree(a=HOURLY, b=HOURLY))


def slots(engine: MemoryEngine, **instead: Payload) -> list:
    jobs = [replace(job, payload=instead.get(name)) for name, job in engine.scheduler.jobs.items()]
    return [(job, Slot(START, START)) for job in jobs]


async def test_slots_of_different_jobs_are_written_down_together(engine):
    async with engine.running():
        made = await engine.dispatcher._admissions.admit_slots(slots(engine), lambda: False)
    assert [decision.record.job for decision in made] == ["a", "b"]
    assert [line.scheduled_for for line in engine.records.lines if line.attempt is None] == [START, START]


async def test_a_slot_that_can_not_be_decided_on_costs_no_other_job_its_slot(engine):
    async with engine.running():
        given = slots(engine, a=Payload(2**70))
        made = await engine.dispatcher._admissions.admit_slots(given, lambda: False)
    assert [decision.record.job for decision in made] == ["b"]


async def test_with_a_full_disk_nothing_was_admitted_and_each_place_is_free_again(engine):
    async with engine.running():
        engine.records.failing = True
        assert await engine.dispatcher._admissions.admit_slots(slots(engine), lambda: False) == []
        written: dict = {}
        await engine.dispatcher._admissions.miss([(engine.scheduler.jobs["a"], Range(START, START, 1))], written)
        assert written == {}
        job = engine.scheduler.jobs["a"]
        with pytest.raises(StorageError):
            await engine.dispatcher._admissions.admit(job, Firing("a", Trigger.MANUAL))
        engine.records.failing = False
        assert engine.dispatcher.occupancy("a") == (0, 0)
        assert (await engine.run("a")).status is Status.PENDING


async def test_a_slot_that_is_caught_up_waits_where_another_one_would_be_an_overlap(engine):
    async with engine.running():
        job = engine.scheduler.jobs["a"]
        admit = engine.dispatcher._admissions.admit
        first, second, third = [
            await admit(job, Firing("a", Trigger.CRON, scheduled_for=START, due=START, caught_up=late))
            for late in (False, False, True)
        ]
    assert [first.record.status, third.record.status] == [Status.PENDING, Status.PENDING]
    assert (second.record.status, second.record.reason) == (Status.RATE_LIMITED, Reason.OVERLAP)


async def test_a_runner_that_stops_admits_no_slot_any_more(engine):
    async with engine.running():
        assert await engine.dispatcher._admissions.admit_slots(slots(engine), lambda: True) == []
    assert engine.records.lines == []
