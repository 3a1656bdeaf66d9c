"""The log of changes is appended to, closed when it is large or old, and says the same wherever it was closed."""

import gzip
import json
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from runner.execution.instants import format_instant
from runner.storage.changes import ChangesFile
from runner.storage.records import Rotation
from runner.testing import START

SMALL = Rotation(size=1)


def line(change, job, at=START, **more):
    return {"at": format_instant(at), "change": change, "job": job, **more}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "changes.jsonl"


@pytest.fixture
def opened(path):
    """How to open the file; all are closed at the end."""
    files = []

    def opening(rotation=None):
        changes = ChangesFile(path, rotation)
        changes.open()
        files.append(changes)
        return changes

    yield opening
    for changes in files:
        changes.close()


def names(path):
    return sorted(each.name for each in path.parent.iterdir())


def read(path):
    """The jobs of all lines but those in files that were closed just now."""
    raw = b"".join(gzip.decompress(each.read_bytes()) for each in sorted(path.parent.glob("changes-*.gz")))
    return [json.loads(each)["job"] for each in (raw + path.read_bytes()).splitlines()]


def test_changes_are_appended_one_line_each(path, opened):
    changes = opened()
    changes.append([{"change": "added", "job": "a"}, {"change": "removed", "job": "b"}])
    changes.append([])
    changes.append(iter([{"change": "added", "job": "c"}]))
    assert read(path) == ["a", "b", "c"]


def test_it_is_known_when_a_job_vanished_that_has_not_come_back(opened):
    changes = opened()
    for job, change in (("a", "added"), ("a", "removed"), ("b", "removed"), ("b", "added"), ("c", "added")):
        changes.append([line(change, job)])
    changes.append([{"at": "then", "change": "removed", "job": "d"}, {"change": "removed"}])
    assert changes.removed() == {"a": START}


def test_it_is_known_what_was_in_force(opened):
    changes = opened()
    changes.append([line("added", "a", new="1"), line("added", "b", new="2"), line("added", "c", new="3")])
    changes.append(
        [line("replaced", "a", old="1", new="4"), line("stale", "b", old="2"), line("removed", "c", old="3")]
    )
    assert changes.known() == {"a": "4", "b": "2"}


def test_a_large_file_is_closed_by_its_name_in_time_and_compressed_when_there_is_time(path, opened):
    changes = opened(SMALL)
    changes.append([line("added", "a")])
    changes.append([line("added", "b")])  # in the same millisecond
    changes.append([line("added", "c", START + timedelta(seconds=1))])
    closed = [name for name in names(path) if name.startswith("changes-")]
    assert len(closed) == 3
    assert all(name.endswith(".jsonl") for name in closed)
    changes.tidy()
    assert names(path) == [*(f"{name}.gz" for name in closed), "changes.json", "changes.jsonl"]
    assert read(path) == ["a", "b", "c"]


def test_a_file_is_closed_when_its_first_line_is_old_also_after_a_restart(path, opened):
    old = Rotation(age=timedelta(days=7))
    opened(old).append([line("added", "a")])
    changes = opened(old)
    changes.append([line("added", "b", START + timedelta(days=6))])
    assert read(path) == ["a", "b"]
    changes.append([line("added", "c", START + timedelta(days=7))])
    assert path.read_bytes() == b""
    changes.append([line("added", "d", START + timedelta(days=8))])
    assert read(path) == ["d"]


@pytest.mark.parametrize("tidied", [(), (1,), (5,), (1, 3), range(6)])
@pytest.mark.parametrize("restarted", [False, True])
def test_what_is_known_does_not_depend_on_where_the_file_was_closed(path, opened, tidied, restarted):
    changes = opened(SMALL)
    steps = [
        line("added", "a", new="1"),
        line("added", "b", new="2"),
        line("removed", "a", START + timedelta(hours=1), old="1"),
        line("removed", "b", START + timedelta(hours=2), old="2"),
        line("added", "b", START + timedelta(hours=3), new="3"),
        line("replaced", "b", START + timedelta(hours=4), old="3", new="4"),
    ]
    for number, step in enumerate(steps):
        changes.append([step])
        if number in tidied:
            changes.tidy()
    found = opened() if restarted else changes
    assert found.known() == {"b": "4"}
    assert found.removed() == {"a": START + timedelta(hours=1)}


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"known": 1}'])
def test_a_damaged_summary_is_made_anew_from_the_segments(path, opened, damage):
    changes = opened(SMALL)
    changes.append([line("added", "a", new="1")])
    changes.tidy()
    path.with_name("changes.json").write_bytes(damage)
    assert changes.known() == {"a": "1"}
    changes.tidy()
    assert changes.known() == {"a": "1"}
    assert json.loads(path.with_name("changes.json").read_bytes())["known"] == {"a": "1"}


def test_a_file_that_cannot_be_closed_is_said_and_the_next_change_is_written(path, opened):
    changes = opened(Rotation(age=timedelta(0)))
    path.unlink()
    with capture_logs() as logs:
        changes.append([line("added", "a")])
    assert [log["event"] for log in logs] == ["the log of changes can't be rotated"]
    changes.append([line("added", "b")])
    changes.tidy()
    assert read(path) == ["b"]
