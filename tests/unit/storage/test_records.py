"""The log of records in segments: rotation, checkpoints and deletion, and a crash at any step of them."""

import asyncio
import contextlib
import gzip
import os
from collections import Counter
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from runner.engine.journal import Journal
from runner.errors import StorageError
from runner.execution.checkpoint import freeze
from runner.execution.ledger import fold
from runner.execution.lifecycle import Status
from runner.execution.records import to_line
from runner.spec.models import Payload
from runner.storage import jsonl, segments
from runner.storage.records import JsonlRecords, Rotation
from runner.storage.retention import Limits
from runner.storage.verify import Verification
from runner.testing import START, build_record

SMALL = Rotation(size=600)


class DiedError(BaseException):
    """The process is gone: nothing that it would still do is done."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "executions.jsonl"


def life(number, job="a"):
    """The lines of an execution that ended well."""
    at = START + timedelta(hours=number)
    return [
        build_record(number=number, job=job, at=at, payload=Payload({"n": number})),
        build_record(Status.RUNNING, number=number, job=job, at=at, started_at=at, attempt=1),
        build_record(Status.COMPLETED, number=number, job=job, at=at, finished_at=at, result=Payload("x" * 50)),
    ]


def many(count, jobs="ab"):
    return [line for number in range(1, count + 1) for line in life(number, jobs[number % len(jobs)])]


class Runner:
    """What a runner does with its records."""

    def __init__(self, path, rotation=SMALL):
        self.forgotten = set()
        self.store = JsonlRecords(path, self.forgotten.update, rotation)
        self.store.open()
        self.ledger = self.store.ledger()

    async def write(self, records):
        await self.store.append(records)
        for record in records:
            self.ledger.apply(record)
        await self.store.applied()

    async def write_all(self, records, acknowledged=None):
        for record in records:
            await self.write([record])
            if acknowledged is not None:
                acknowledged.append(record)

    def close(self):
        self.store.close()


def known(ledger):
    return {job: freeze(ledger, job) for job in ledger.jobs()}, [*ledger.open()], ledger.latest


def files(path):
    return sorted(each.name for each in path.parent.iterdir() if each.name.startswith("executions"))


def problems(path):
    return [*Verification(path.parent, path).problems()]


class Calls:
    """Lets a process die right before its n-th change of the file system, and all others fail from then on."""

    def __init__(self, patch):
        self.left = None
        for owner, name in (
            (Path, "rename"), (Path, "replace"), (Path, "unlink"), (os, "fsync"), (os, "fdatasync"), (os, "write"),
            (os, "ftruncate"),
        ):  # fmt: skip
            patch.setattr(owner, name, self._wrapped(getattr(owner, name)))

    def _wrapped(self, real):
        def call(*arguments, **named):
            if self.left is not None:
                self.left -= 1
                if self.left < 0:
                    raise DiedError
            return real(*arguments, **named)

        return call


# -- rotation ------------------------------------------------------------------------------------------------


async def test_a_file_that_is_full_becomes_a_compressed_segment_named_by_the_first_execution_in_it(path):
    runner = Runner(path)
    lines = many(4)
    await runner.write_all(lines)
    runner.close()
    closed = [name for name in files(path) if name.endswith(".gz")]
    assert len(closed) >= 2
    assert closed[0] == f"executions-{1:026d}.jsonl.gz"
    raw = b"".join(gzip.decompress(path.with_name(name).read_bytes()) for name in closed) + path.read_bytes()
    assert raw == b"".join(map(to_line, lines))
    assert not [name for name in files(path) if name.endswith(".jsonl") and name != path.name]
    assert problems(path) == []


async def test_the_journal_gives_the_moments_for_rotation_and_checkpoint(path):
    store = JsonlRecords(path, rotation=SMALL)
    store.open()
    journal = Journal(store, store.ledger())
    writing = asyncio.ensure_future(journal.run())
    for record in many(5):
        await journal.record(record)
    journal.close()
    await writing
    store.close()
    assert len([*path.parent.glob("*.gz")]) >= 2
    assert [*JsonlRecords(path).read()] == many(5)
    assert known(JsonlRecords(path).ledger()) == known(fold(many(5)))


async def test_a_log_is_read_in_both_directions_and_by_job_and_execution_across_segments(path, monkeypatch):
    monkeypatch.setattr(segments, "MEMBER", 500)
    runner = Runner(path, Rotation(size=2000))
    lines = many(12, "aab")
    await runner.write_all(lines)
    runner.close()
    store = JsonlRecords(path)
    assert [*store.read()] == lines
    assert [*store.backwards()] == lines[::-1]
    for job in "abc":
        assert [*store.backwards(job=job)] == [line for line in reversed(lines) if line.job == job]
    for number in range(14):
        wanted = [line for line in lines if line.id == f"{number:026d}"]
        assert store.of_execution(f"{number:026d}") == wanted
        assert [*store.backwards(execution=f"{number:026d}")] == wanted[::-1]


async def test_an_execution_is_found_without_reading_segments_where_it_can_not_be(path):
    runner = Runner(path, Rotation(size=900))
    lines = many(9)
    await runner.write_all([*lines, build_record(number=10)])
    runner.close()
    names = sorted(path.parent.glob("*.gz"))
    names[0].write_bytes(b"nobody reads this")
    store = JsonlRecords(path)
    assert store.of_execution(f"{10:026d}") == [build_record(number=10)]
    assert store.of_execution(f"{6:026d}") == [line for line in lines if line.id == f"{6:026d}"]


async def test_without_room_for_a_new_file_after_the_rename_the_next_append_makes_it(path, monkeypatch):
    runner = Runner(path)
    lines = many(3)
    await runner.write_all(lines[:2])
    with monkeypatch.context() as patch:
        patch.setattr(jsonl.JsonLines, "open", no_room)
        await runner.write(lines[2:3])
        assert not path.exists()
        with pytest.raises(StorageError):
            await runner.store.append(lines[3:4])
    await runner.write_all(lines[3:])
    runner.close()
    assert [*JsonlRecords(path).read()] == lines
    assert known(JsonlRecords(path).ledger()) == known(fold(lines))


def no_room(log):
    raise StorageError(f"can't open {log.path}: no space left on device")


async def test_an_index_that_is_missing_or_of_another_file_is_made_anew(path):
    runner = Runner(path)
    lines = many(6)
    await runner.write_all(lines)
    runner.close()
    indexes = sorted(path.parent.glob("*.index.json"))
    indexes[0].unlink()
    indexes[1].write_bytes(b'{"size": 1}')
    assert [*JsonlRecords(path).backwards(job="a")] == [line for line in reversed(lines) if line.job == "a"]


async def test_a_copy_that_somebody_made_is_no_segment_and_is_left_alone(path):
    copy = path.with_name("executions-copy.jsonl")
    copy.write_bytes(to_line(build_record(number=1)))
    runner = Runner(path)
    await runner.write_all(many(3))
    runner.close()
    assert [*JsonlRecords(path).read()] == many(3)
    assert copy.exists()


async def test_names_of_segments_rise_even_when_ids_do_not(path):
    runner = Runner(path)
    lines = [*life(9), *life(5), *life(2), build_record(number=11)]
    await runner.write_all(lines)
    runner.close()
    assert [*JsonlRecords(path).read()] == lines
    assert JsonlRecords(path).of_execution(f"{5:026d}") == life(5)


async def test_a_file_whose_first_line_is_old_is_closed(path):
    runner = Runner(path, Rotation(age=timedelta(hours=3)))
    await runner.write_all(many(3))
    assert files(path) == [path.name]
    await runner.write_all(life(4))
    runner.close()
    assert len([name for name in files(path) if name.endswith(".gz")]) == 1


# -- checkpoints ---------------------------------------------------------------------------------------------


async def test_a_start_from_the_checkpoint_knows_what_a_start_from_the_whole_log_knows(path):
    lines = many(9)
    for cut in range(0, len(lines), 4):
        runner = Runner(path)
        await runner.write_all(lines[cut : cut + 4])
        assert known(runner.ledger) == known(fold(lines[: cut + 4]))
        runner.close()
    assert known(JsonlRecords(path).ledger()) == known(fold(lines))


async def test_a_start_reads_only_the_lines_after_the_checkpoint(path):
    runner = Runner(path)
    await runner.write_all(many(6))
    runner.close()
    for segment in path.parent.glob("*.gz"):
        segment.write_bytes(b"nobody reads this")
    assert known(JsonlRecords(path).ledger()) == known(fold(many(6)))


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"v": 99}', b"[]", b"\xff"])
async def test_without_a_usable_checkpoint_the_whole_log_is_read(path, damage):
    runner = Runner(path)
    await runner.write_all(many(5))
    runner.close()
    path.with_name("checkpoint.json").write_bytes(damage)
    assert known(JsonlRecords(path).ledger()) == known(fold(many(5)))


async def test_a_checkpoint_of_another_log_is_not_used(path):
    runner = Runner(path, Rotation())
    await runner.write_all(many(4))
    runner.close()
    path.write_bytes(b"".join(to_line(line) for line in many(8)[3:]))
    assert known(JsonlRecords(path).ledger()) == known(fold(many(8)[3:]))


async def test_no_checkpoint_covers_what_the_ledger_has_not_taken_in(path):
    runner = Runner(path, Rotation())
    await runner.write_all(many(2))
    await runner.store.append(life(3))  # the runner ends before it gets to know that this is durable
    runner.close()
    assert known(JsonlRecords(path).ledger()) == known(fold([*many(2), *life(3)]))


# -- crashes -------------------------------------------------------------------------------------------------


async def test_a_crash_at_any_step_of_rotation_and_checkpoint_loses_nothing_acknowledged(tmp_path):
    lines = many(4)
    with pytest.MonkeyPatch.context() as patch:
        calls = Calls(patch)
        for step in range(1000):
            path = tmp_path / str(step) / "executions.jsonl"
            path.parent.mkdir()
            runner = Runner(path)
            acknowledged = []
            calls.left = step
            try:
                await runner.write_all(lines, acknowledged)
                runner.close()
            except DiedError:
                pass
            survived, calls.left = calls.left >= 0, None
            runner.store._thread.shutdown()
            runner.store._chores.shutdown()

            after = Runner(path)
            read = [*after.store.read()]
            assert read == lines[: len(read)]
            assert len(read) >= len(acknowledged)
            assert known(after.ledger) == known(fold(read))
            await after.write_all(lines[len(read) :])
            after.close()
            assert [*JsonlRecords(path).read()] == lines
            assert known(JsonlRecords(path).ledger()) == known(fold(lines))
            assert problems(path) == []
            if survived:
                break
    assert 20 < step < 999


async def test_a_crash_at_any_step_of_deleting_leaves_all_or_nothing(tmp_path):
    lines = many(6)
    others = [line for line in lines if line.job != "a"]
    seen = Counter()
    with pytest.MonkeyPatch.context() as patch:
        calls = Calls(patch)
        for step in range(1000):
            path = tmp_path / str(step) / "executions.jsonl"
            path.parent.mkdir()
            runner = Runner(path, Rotation(size=1500))
            await runner.write_all(lines)
            runner.store._chores.submit(int).result()
            calls.left = step
            with contextlib.suppress(DiedError):
                assert await runner.store.delete("a") == len(lines) - len(others)
            survived, calls.left = calls.left >= 0, None
            runner.store._thread.shutdown()
            runner.store._chores.shutdown()

            after = Runner(path, Rotation(size=1500))
            read = [*after.store.read()]
            assert read in (lines, others)
            assert known(after.ledger)[0].keys() == {line.job for line in read}
            after.close()
            seen[len(read)] += 1
            raw = b"".join(
                gzip.decompress(each.read_bytes()) if each.suffix == ".gz" else each.read_bytes()
                for each in path.parent.glob("executions*.jsonl*")
            )
            assert (b'"job":"a"' in raw) is (read == lines)
            assert (
                orjson.loads(path.with_name("tombstones.json").read_bytes() if seen[len(others)] else b"{}") == {}
            )
            if read == others:
                assert {line.id for line in lines if line.job == "a"} <= runner.forgotten | after.forgotten
            assert problems(path) == []
            if survived:
                break
    assert min(seen.values()) >= 1
    assert len(seen) == 2


# -- deleting ------------------------------------------------------------------------------------------------


async def test_the_id_of_a_deleted_job_can_be_used_again(path):
    runner = Runner(path)
    await runner.write_all(many(4))
    await runner.store.delete("a")
    await runner.write_all(life(7))
    runner.close()
    store = JsonlRecords(path)
    assert [*store.read()] == [*(line for line in many(4) if line.job == "b"), *life(7)]
    assert store.ledger().history("a").counts == {Status.COMPLETED: 1}


# -- retention -----------------------------------------------------------------------------------------------


async def kept(path, limits, hours=100):
    runner = Runner(path)
    await runner.write_all([*many(12), build_record(number=13, job="c"), *life(14), *life(15)])
    runner.store._chores.submit(int).result()
    await runner.store.retain(limits, START + timedelta(hours=hours))
    runner.close()
    assert problems(path) == []
    left = [*JsonlRecords(path).read()]
    assert {line.id for line in many(12)} - {line.id for line in left} <= runner.forgotten
    return left


async def test_without_limits_everything_is_kept(path):
    assert len(await kept(path, Limits())) == 43


async def test_of_each_job_so_many_executions_are_kept_at_least(path):
    left = await kept(path, Limits(count=2))
    started = Counter(line.job for line in left if line.status is Status.PENDING)
    assert all(count >= 2 for job, count in started.items() if job != "c")
    assert len(left) < 30


async def test_of_each_job_so_many_bytes_are_kept_at_least(path):
    left = await kept(path, Limits(bytes=1000))
    for job in "ab":
        assert sum(len(to_line(line)) for line in left if line.job == job) >= 1000
    assert len(left) < 43


async def test_what_is_old_goes_but_never_an_execution_that_is_open(path):
    left = await kept(path, Limits(age=timedelta(days=365)))  # names of these segments are of 1970
    assert build_record(number=13, job="c") in left
    assert len(left) < 20
