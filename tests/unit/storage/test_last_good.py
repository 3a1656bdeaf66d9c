"""What was good last outlives the runner, and what can't be read of it hurts nothing else."""

import contextlib
import json
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from runner.storage.last_good import LastGoodFile
from runner.testing import desired, tree

FILES = tree(a="mode: manual", b="mode: cron\nschedule: 0 9 * * *\nfilter: event.x > 1\npayload: {x: 2}") | {
    "defaults.yaml": "kind: defaults\ntimeout: 5m\nlabels: {team: revenue}\n"
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "last-good.jsonl"


@contextlib.contextmanager
def opened(path):
    file = LastGoodFile(path)
    file.open()
    try:
        yield file
    finally:
        file.close()


async def write(path, *states):
    with opened(path) as file:
        for state in states:
            await file.save(state)


def read(path):
    with opened(path) as file:
        return file.known()


def lines(path):
    return path.read_bytes().count(b"\n")


async def test_the_next_runner_finds_jobs_agents_and_defaults_as_they_were(path):
    state = desired(FILES)
    await write(path, state)
    known = read(path)
    assert {name: job.digest for name, job in known.jobs.items()} == {n: j.digest for n, j in state.jobs.items()}
    assert known.agents["robot"] == state.agents["robot"]
    assert known.defaults[""].timeout == timedelta(minutes=5)
    assert known.jobs["b"].sources == state.jobs["b"].sources


async def test_only_what_is_different_is_written(path):
    state = desired(FILES)
    await write(path, state, state)
    before = lines(path)
    assert before == 4
    await write(path, desired(FILES))
    assert lines(path) == before
    await write(path, desired(FILES | {"a.yaml": FILES["a.yaml"] + "description: more\n"}))
    assert lines(path) == before + 1


async def test_what_is_there_no_more_is_dropped_also_by_a_runner_that_has_just_started(path):
    await write(path, desired(FILES))
    left = {name: text for name, text in FILES.items() if name != "a.yaml"}
    await write(path, desired(left))
    assert [*read(path).jobs] == ["b"]


async def test_a_job_that_is_stale_keeps_its_last_good_version(path):
    good = desired(FILES)
    broken = desired(FILES | {"a.yaml": FILES["a.yaml"] + "nonsense: 1\n"}, good)
    assert broken.jobs["a"].stale
    await write(path, good, broken)
    assert lines(path) == 4
    assert read(path).jobs["a"].digest == good.jobs["a"].digest
    assert read(path).jobs["a"].stale == ()


@pytest.mark.parametrize(
    "line", ["", "[]", "{}", '{"kind": "job"}', '{"kind": "dog", "id": "a", "good": {}}', "x"]
)
async def test_a_foreign_line_is_passed_over(path, line):
    await write(path, desired(FILES))
    with path.open("a") as file:
        file.write(f"{line}\n")
    assert sorted(read(path).jobs) == ["a", "b"]


async def test_a_version_that_can_not_be_read_is_said_and_the_others_are_there(path):
    await write(path, desired(FILES))
    with path.open("a") as file:
        file.write(json.dumps({"kind": "job", "id": "a", "good": {"v": 99}}) + "\n")
    with capture_logs() as said:
        known = read(path)
    assert [*known.jobs] == ["b"]
    assert [(line["event"], line["of"]) for line in said] == [("a last good version can't be read", "job a")]
