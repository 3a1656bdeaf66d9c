"""A log is appended to all or nothing, repaired when it is opened, and followed whatever happens to it."""

import contextlib
import fcntl
import itertools
import os
import resource
import stat
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from queue import Queue

import pytest

from runner.errors import StorageError
from runner.execution.lifecycle import Status, Trigger
from runner.execution.records import Record, to_line
from runner.spec.models import Mode, Payload
from runner.storage import jsonl
from runner.storage.jsonl import JsonLines
from runner.storage.records import JsonlRecords
from runner.testing import START

FULL = "no space left on device"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "executions.jsonl"


@contextlib.contextmanager
def opened(path):
    log = JsonLines(path)
    log.open()
    try:
        yield log
    finally:
        log.close()


def record(number, job="nightly", **given):
    values = {
        "id": f"{number:026d}",
        "job": job,
        "name": "Nightly",
        "agent": "tool",
        "mode": Mode.MANUAL,
        "trigger": Trigger.MANUAL,
        "status": Status.PENDING,
        "at": START,
    }
    return Record(**(values | given))


@contextlib.contextmanager
def largest_file(size):
    """No file of this process may grow beyond a size: writing more is cut short, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# -- opening -------------------------------------------------------------------------------------------------


def test_a_new_log_is_its_owners_alone_whatever_the_umask(path):
    before = os.umask(0)
    try:
        with opened(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


@pytest.mark.parametrize("block", [1, 3, 1024])
@pytest.mark.parametrize(
    ("found", "kept"),
    [
        (b"", b""),
        (b"one\n", b"one\n"),
        (b"one\ntw", b"one\n"),
        (b"one\ntwo\n" + b"x" * 50, b"one\ntwo\n"),
        (b"torn", b""),
        (b"\n", b"\n"),
    ],
)
def test_opening_cuts_off_what_follows_the_last_line_end_and_says_how_much(path, monkeypatch, block, found, kept):
    monkeypatch.setattr(jsonl, "_BLOCK", block)
    path.write_bytes(found)
    log = JsonLines(path)
    assert log.open() == len(found) - len(kept)
    log.append([b"next\n"])
    log.close()
    assert path.read_bytes() == kept + b"next\n"


def test_a_log_that_can_not_be_opened_is_one_clear_error(tmp_path):
    for name, reason in (("missing/log", "no such file or directory"), ("folder", "is a directory")):
        (tmp_path / "folder").mkdir(exist_ok=True)
        with pytest.raises(StorageError) as refusal:
            JsonLines(tmp_path / name).open()
        assert str(refusal.value) == f"can't open {tmp_path / name}: {reason}"


def test_a_log_that_is_not_open_takes_nothing(path):
    log = JsonLines(path)
    with pytest.raises(StorageError, match="is not open"):
        log.append([b"one\n"])
    log.open()
    log.close()
    with pytest.raises(StorageError, match="is not open"):
        log.append([b"one\n"])
    assert path.read_bytes() == b""


# -- appending -----------------------------------------------------------------------------------------------


def test_appended_lines_are_there_in_order(path):
    with opened(path) as log:
        log.append([b"one\n", b"two\n"])
        log.append([])
        log.append([b"three\n"])
    assert list(log.lines()) == [b"one", b"two", b"three"]


@pytest.mark.parametrize("room", range(13))
def test_an_append_that_does_not_fit_leaves_the_log_as_it_was(path, room):
    with opened(path) as log:
        log.append([b"before\n"])
        with largest_file(7 + room), pytest.raises(StorageError) as refusal:
            log.append([b"one\n", b"two\n", b"three\n"])
        assert str(refusal.value).startswith(f"can't write {path}: ")
        assert path.read_bytes() == b"before\n"
        log.append([b"after\n"])
    assert path.read_bytes() == b"before\nafter\n"


def test_an_append_on_a_full_disk_leaves_the_log_as_it_was(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk can't be mounted: {mounted.stderr.decode().strip()}")
    try:
        with opened(disk / "log") as log:
            log.append([b"x" * 999 + b"\n"])
            with pytest.raises(StorageError, match=FULL):
                log.append([b"y" * 9_999 + b"\n"] * 10)
            assert (disk / "log").stat().st_size == 1000
            log.append([b"after\n"])
            assert list(log.lines()) == [b"x" * 999, b"after"]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_half_a_line_that_can_not_be_taken_back_yet_never_takes_the_next_one_with_it():
    descriptor = os.memfd_create("log", os.MFD_ALLOW_SEALING)
    log = JsonLines(Path(f"/proc/self/fd/{descriptor}"))
    log._descriptor = os.open(log.path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    log.append([b"one\n"])
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    with largest_file(6), pytest.raises(StorageError):
        log.append([b"two\n"])
    assert log.path.read_bytes() == b"one\ntw"
    with pytest.raises(StorageError, match="operation not permitted"):
        log.append([b"three\n"])
    assert log.path.read_bytes() == b"one\ntw"
    log.close()
    os.close(descriptor)


# -- reading -------------------------------------------------------------------------------------------------


def test_a_log_that_is_missing_has_no_lines(path):
    assert list(JsonLines(path).lines()) == []
    assert list(JsonLines(path).backwards()) == []


def test_a_torn_last_line_is_read_in_neither_direction(path):
    path.write_bytes(b"one\ntwo\nthr")
    assert list(JsonLines(path).lines()) == [b"one", b"two"]
    assert list(JsonLines(path).backwards()) == [b"two", b"one"]


def test_reading_backwards_reads_no_more_than_it_is_asked_for(path, monkeypatch):
    monkeypatch.setattr(jsonl, "_BLOCK", 64)
    with path.open("wb") as file:
        file.write(b"first\n")
        file.truncate(1 << 40)  # a hole that nobody could read through
        file.seek(0, os.SEEK_END)
        file.write(b"\nlast but one\nlast\n")
    assert list(itertools.islice(JsonLines(path).backwards(), 2)) == [b"last", b"last but one"]


# -- rewriting -----------------------------------------------------------------------------------------------


def test_rewriting_removes_the_unwanted_lines_for_good_and_goes_on(path):
    with opened(path) as log:
        log.append([b"keep 1\n", b"drop 2\n", b"keep 3\n", b"drop 4\n"])
        assert log.rewrite(lambda line: line.startswith(b"keep")) == 2
        log.append([b"keep 5\n"])
    assert path.read_bytes() == b"keep 1\nkeep 3\nkeep 5\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_log_that_is_not_open_can_be_rewritten(path):
    path.write_bytes(b"a\nb\n")
    log = JsonLines(path)
    assert log.rewrite(lambda line: line != b"a") == 1
    assert path.read_bytes() == b"b\n"
    with pytest.raises(StorageError, match="is not open"):
        log.append([b"c\n"])


def test_rewriting_that_does_not_fit_leaves_the_log_as_it_was(path):
    with opened(path) as log:
        log.append([b"x" * 99 + b"\n"] * 10)
        with largest_file(500), pytest.raises(StorageError) as refusal:
            log.rewrite(lambda line: True)
        assert str(refusal.value).startswith(f"can't rewrite {path}: ")
        log.append([b"after\n"])
    assert list(log.lines()) == [b"x" * 99] * 10 + [b"after"]
    assert list(path.parent.iterdir()) == [path]


# -- following -----------------------------------------------------------------------------------------------


@pytest.fixture
def followed(path, monkeypatch):
    """What a follower sees when it finds one more thing done each time that it looks."""

    def follow(*steps):
        remaining = iter([*steps, *[lambda: None] * 3, None])

        def pause(_):
            step = next(remaining)
            if step is None:
                raise EOFError
            step()

        monkeypatch.setattr(jsonl, "pause", pause)
        seen = []
        with contextlib.suppress(EOFError):
            for line in JsonLines(path).follow():
                seen.append(line)  # noqa: PERF402 - what was seen before the end counts
        return seen

    return follow


def test_a_follower_sees_what_is_appended_from_now_on(path, followed):
    with opened(path) as log:
        log.append([b"before\n"])
        seen = followed(lambda: log.append([b"one\n", b"two\n"]), lambda: log.append([b"three\n"]))
    assert seen == [b"one", b"two", b"three"]


def test_a_follower_sees_no_half_line(path, followed):
    with path.open("ab", buffering=0) as file:
        seen = followed(
            lambda: file.write(b"on"),
            lambda: file.write(b"e\ntwo\nthr"),
            lambda: file.write(b"ee\nfo"),
        )
    assert seen == [b"one", b"two", b"three"]


def test_a_follower_waits_for_a_log_that_is_not_there_yet_and_sees_it_whole(path, followed):
    assert followed(lambda: None, lambda: path.write_bytes(b"one\ntwo\n")) == [b"one", b"two"]


@pytest.mark.parametrize("block", [4, 1024])
def test_a_follower_goes_on_in_a_log_that_was_rewritten_without_repeating_anything(
    path, followed, monkeypatch, block
):
    monkeypatch.setattr(jsonl, "_BLOCK", block)
    with opened(path) as log:

        def append(*lines):
            return lambda: log.append([line + b"\n" for line in lines])

        def rewrite(keep=lambda line: line.startswith(b"keep")):
            return lambda: log.rewrite(keep)

        append(b"keep 0", b"drop 0")()
        seen = followed(
            append(b"drop 1", b"keep 1", b"drop 2"),
            rewrite(),
            append(b"keep 2"),
            rewrite(),
            rewrite(),
            append(b"drop 3", b"keep 3"),
            rewrite(lambda line: False),
            append(b"keep 4"),
            rewrite(lambda line: False),
        )
    assert seen == [b"drop 1", b"keep 1", b"drop 2", b"keep 2", b"drop 3", b"keep 3", b"keep 4"]


def test_a_follower_misses_nothing_that_was_appended_around_a_rewriting(path, followed):
    with opened(path) as log:

        def at_once():
            log.append([b"keep 1\n", b"drop 1\n"])
            log.rewrite(lambda line: line.startswith(b"keep"))
            log.append([b"keep 2\n"])

        log.append([b"keep 0\n"])
        seen = followed(at_once)
    assert seen == [b"keep 1", b"drop 1", b"keep 2"]


def test_a_follower_goes_on_in_a_new_log_after_a_rotation(path, followed):
    path.write_bytes(b"one\n")

    def append(line):
        with path.open("ab") as file:
            file.write(line)

    seen = followed(
        lambda: append(b"two\n"),
        lambda: path.rename(path.with_name("executions-1.jsonl")),
        lambda: None,
        lambda: append(b"three\n"),
        lambda: append(b"four\n"),
    )
    assert seen == [b"two", b"three", b"four"]


def test_a_follower_passes_over_what_was_taken_back(path, followed):
    path.write_bytes(b"one\ntorn by a runner that died")
    with contextlib.ExitStack() as stack:
        log = JsonLines(path)
        stack.callback(log.close)
        seen = followed(log.open, lambda: log.append([b"two\n"]))
    assert seen == [b"two"]


def test_a_follower_leaves_no_file_open(path, followed):
    path.write_bytes(b"one\n")
    before = len(list(Path("/proc/self/fd").iterdir()))
    followed(lambda: path.rename(path.with_name("old")), lambda: path.write_bytes(b"two\n"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_follower_in_another_thread_sees_a_line_soon(path):
    seen = Queue()
    path.touch()
    lines = JsonLines(path).follow()
    ahead = threading.Thread(target=lambda: seen.put(next(lines)))
    ahead.start()
    deadline = time.monotonic() + 10
    while seen.empty() and time.monotonic() < deadline:
        with opened(path) as log:
            log.append([b"one\n"])
        ahead.join(0.05)
    assert seen.get_nowait() == b"one"
    ahead.join()
    lines.close()


# -- records -------------------------------------------------------------------------------------------------


@pytest.fixture
def records(path):
    store = JsonlRecords(path)
    store.open()
    yield store
    store.close()


async def test_records_come_back_as_they_were_written(records):
    written = [record(1), record(2, job="other", payload=Payload({"a": None})), record(1, status=Status.RUNNING)]
    await records.append(written)
    assert list(records.read()) == written
    assert list(records.backwards()) == written[::-1]


async def test_records_of_one_job_or_execution_are_found(records):
    decoy = record(3, job="other", payload=Payload({"job": "nightly", "id": f"{1:026d}"}))
    written = [record(1), record(2), decoy, record(1, status=Status.RUNNING)]
    await records.append(written)
    assert list(records.backwards(job="nightly")) == [written[3], written[1], written[0]]
    assert list(records.backwards(execution=f"{1:026d}")) == [written[3], written[0]]
    assert list(records.backwards(job="other")) == [decoy]
    assert list(records.backwards(job="none")) == []


async def test_lines_that_are_no_records_are_passed_over(records, path):
    await records.append([record(1)])
    with path.open("ab") as file:
        file.write(b"\n{}\nnot json\n\xff\xfe\n[1]\nnull\n")
    await records.append([record(2)])
    assert list(records.read()) == [record(1), record(2)]
    assert list(records.backwards()) == [record(2), record(1)]


async def test_deleting_a_job_removes_its_lines_and_no_others(records, path):
    decoy = record(3, job="other", payload=Payload({"job": "nightly"}))
    longer = record(4, job="nightly-2")
    await records.append([record(1), decoy, record(2), longer])
    with path.open("ab") as file:
        file.write(b'{"job":"nightly","but":"no record"}\n')
    assert await records.delete("nightly") == 2
    assert list(records.read()) == [decoy, longer]
    assert b"but" in path.read_bytes()
    assert to_line(record(1)) not in path.read_bytes()
    await records.append([record(5)])
    assert list(records.read()) == [decoy, longer, record(5)]


async def test_a_group_of_records_is_on_disk_when_it_is_acknowledged(records, path):
    group = [replace(record(number), attempt=1) for number in range(100)]
    await records.append(group)
    assert path.read_bytes() == b"".join(map(to_line, group))


async def test_records_that_can_not_be_written_are_an_error_and_the_next_ones_go_on(records, path):
    await records.append([record(1)])
    with largest_file(path.stat().st_size + 10), pytest.raises(StorageError):
        await records.append([record(2), record(3)])
    await records.append([record(4)])
    assert list(records.read()) == [record(1), record(4)]
