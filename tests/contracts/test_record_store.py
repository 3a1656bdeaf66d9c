"""What every store of records promises, whatever it is made of."""

import contextlib

import pytest

from runner.execution.lifecycle import Status
from runner.storage.records import JsonlRecords
from runner.testing import MemoryRecords, build_record


@contextlib.contextmanager
def on_disk(tmp_path):
    records = JsonlRecords(tmp_path / "executions.jsonl")
    records.open()
    yield records
    records.close()


@pytest.fixture(params=["memory", "disk"])
def store(request, tmp_path):
    if request.param == "memory":
        yield MemoryRecords()
        return
    with on_disk(tmp_path) as records:
        yield records


def line(execution, job="a", status=Status.PENDING):
    return build_record(status, id=execution, job=job)


async def test_records_are_read_in_the_order_in_which_they_were_appended(store):
    first, second, third = line("01"), line("02", "b"), line("01", status=Status.RUNNING)
    await store.append([first, second])
    await store.append([third])
    assert list(store.read()) == [first, second, third]
    assert list(store.backwards()) == [third, second, first]


async def test_records_of_one_job_or_one_execution_can_be_read_alone(store):
    lines = [line("01"), line("02", "b"), line("01", status=Status.RUNNING)]
    await store.append(lines)
    assert [record.id for record in store.backwards(job="b")] == ["02"]
    assert [record.status for record in store.backwards(execution="01")] == [Status.RUNNING, Status.PENDING]
    assert list(store.backwards(job="c")) == []


async def test_a_deleted_job_leaves_nothing_and_the_others_all(store):
    await store.append([line("01"), line("02", "b"), line("01", status=Status.RUNNING)])
    assert await store.delete("a") == 2
    assert [record.id for record in store.read()] == ["02"]
    await store.append([line("03")])
    assert [record.id for record in store.read()] == ["02", "03"]


async def test_an_empty_store_has_no_records(store):
    assert list(store.read()) == []
    assert list(store.backwards()) == []
