"""What runs leave behind is found by group, session and mark; orphans are reaped, and nobody's exit status is."""

import asyncio
import os
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from runner import leftovers
from runner.leftovers import belonging, kill_marked, sweeping
from runner.process import Command, Exit, spawn

PATH = "/usr/bin:/bin"
NUMBERS = count(1)


@pytest.fixture
def execution():
    """The id of one run, unlike any other on this machine; whatever carries it is killed after the test."""
    name = f"sweep-{os.getpid()}-{time.monotonic_ns()}-{next(NUMBERS)}"
    yield name
    kill_marked({name})


@pytest.fixture(params=["children are listed", "children are not listed"])
def kernel(request, monkeypatch):
    """A kernel that lists the children of a process, and one that does not."""
    if request.param == "children are not listed":
        monkeypatch.setattr(leftovers, "_children", lambda: None)
    return request.param


def script(cwd, text):
    return Command(["sh", "-c", text], {"PATH": PATH}, cwd, b"")


async def run_to_its_end(given, execution):
    child = spawn(given, execution)
    try:
        async with asyncio.timeout(15):
            await child.wait()
    finally:
        ended = child.close()
    return ended


def number_in(path):
    """The number in a file, once it is written whole."""
    return lambda: int(path.read_text()) if path.exists() and path.read_text().endswith("\n") else 0


def has_children():
    """Whether this process has any child, zombies included."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def parent_of(pid):
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat[stat.rindex(")") + 2 :].split()[1])


def is_there(pid):
    """Whether a process is there, or its zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


LEFT_BEHIND = {
    "in the background": "sleep 60 & echo $! > leaf",
    "ignores TERM": "sh -c \"trap '' TERM; echo \\$\\$ > leaf; while :; do sleep 60; done\" & {wait}",
    "grandchild": "sh -c 'sleep 60 & echo $! > leaf; wait' & {wait}",
    "own session": "setsid sh -c 'echo $$ > leaf; exec sleep 60' & {wait}",
    "own session, parent died": "(setsid sh -c 'echo $$ > leaf; exec sleep 60' &); {wait}",
    "daemonised": "setsid sh -c '(setsid sh -c \"echo \\$\\$ > leaf; exec sleep 60\" &)'; {wait}",
    "child of one with its own session": (
        "setsid sh -c 'setsid sh -c \"echo \\$\\$ > leaf; sleep 60\" & wait' & {wait}"
    ),
    "own group, no mark": (
        f'{sys.executable} -c \'import os; os.setpgid(0, 0); os.execve("/bin/sh", ["sh", "-c",'
        ' "echo $$ > leaf; exec sleep 60"], {"PATH": "/bin:/usr/bin"})\' & {wait}'
    ),
}


@pytest.mark.parametrize("text", LEFT_BEHIND.values(), ids=LEFT_BEHIND)
async def test_what_a_run_leaves_behind_is_gone_a_moment_after_its_own_end(
    tmp_path, execution, until, kernel, text
):
    async with sweeping():
        waiting = "until [ -s leaf ]; do sleep 0.01; done"
        ended = await run_to_its_end(script(tmp_path, text.replace("{wait}", waiting)), execution)
        assert ended == Exit(0, None)
        leaf = await until(number_in(tmp_path / "leaf"))
        # Neither a process nor a zombie.
        await until(lambda: not is_there(leaf))


@pytest.mark.parametrize("text", LEFT_BEHIND.values(), ids=LEFT_BEHIND)
async def test_what_a_run_started_is_gone_when_it_is_ended(tmp_path, execution, until, lives, text):
    async with sweeping():
        child = spawn(script(tmp_path, text.replace("{wait}", "wait") + "; exec sleep 60"), execution)
        leaf = await until(number_in(tmp_path / "leaf"))
        async with asyncio.timeout(10):
            await child.terminate(grace=0.1)
        assert not lives(leaf)
        child.close()
        await until(lambda: not is_there(leaf))


async def test_what_a_run_leaves_behind_is_gone_when_the_sweeping_ends_at_once(tmp_path, execution, lives):
    async with sweeping():
        await run_to_its_end(script(tmp_path, LEFT_BEHIND["daemonised"].replace("{wait}", "sleep 0.2")), execution)
    assert not lives(number_in(tmp_path / "leaf")())


async def test_what_other_runs_and_others_started_is_left_alone(tmp_path, execution, until, lives, kernel):
    other = f"{execution}-other"
    async with sweeping():
        beside = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
        running = spawn(
            script(tmp_path, "(setsid sh -c 'echo $$ > other; exec sleep 60' &); exec sleep 60"), other
        )
        theirs = await until(number_in(tmp_path / "other"))
        try:
            text = "setsid sh -c 'echo $$ > leaf; exec sleep 60' & until [ -s leaf ]; do sleep 0.01; done"
            await run_to_its_end(script(tmp_path, text), execution)
            leaf = number_in(tmp_path / "leaf")()
            await until(lambda: not is_there(leaf))
            await until(lambda: not leftovers._runs.ended)
            assert [lives(pid) for pid in (beside.pid, running.process.pid, theirs)] == [True] * 3
        finally:
            running.close()
            beside.kill()
            await beside.wait()
        await until(lambda: not is_there(theirs))


async def test_the_next_attempt_of_an_execution_is_left_alone(tmp_path, execution, until, lives, kernel):
    async with sweeping():
        first = script(tmp_path, "setsid sh -c 'echo $$ > leaf; exec sleep 60' & until [ -s leaf ]; do :; done")
        await run_to_its_end(first, execution)
        leaf = number_in(tmp_path / "leaf")()
        second = spawn(script(tmp_path, "setsid sh -c 'echo $$ > next; exec sleep 60' & wait"), execution)
        try:
            following = await until(number_in(tmp_path / "next"))
            await until(lambda: not leftovers._runs.ended)
            assert lives(second.process.pid)
            assert lives(following)
        finally:
            second.close()
        await until(lambda: not is_there(leaf))
        await until(lambda: not is_there(following))


async def test_an_orphan_that_ends_while_runs_go_on_stays_no_zombie(tmp_path, execution, until, kernel):
    async with sweeping():
        text = "(setsid sh -c 'echo $$ > orphan; until [ -e go ]; do sleep 0.01; done' &); exec sleep 60"
        child = spawn(script(tmp_path, text), execution)
        try:
            orphan = await until(number_in(tmp_path / "orphan"))
            (tmp_path / "go").touch()
            await until(lambda: not is_there(orphan))
            assert is_there(child.process.pid)
        finally:
            child.close()


async def test_an_orphan_is_reaped_also_behind_a_run_that_has_ended_and_is_still_waited_for(
    tmp_path, execution, until
):
    async with sweeping():
        other = f"{execution}-other"
        waited = spawn(script(tmp_path, "exit 7"), other)
        text = "(setsid sh -c 'echo $$ > orphan; until [ -e go ]; do sleep 0.01; done' &); exec sleep 60"
        child = spawn(script(tmp_path, text), execution)
        try:
            await waited.wait()
            orphan = await until(number_in(tmp_path / "orphan"))
            (tmp_path / "go").touch()
            await until(lambda: not is_there(orphan))
            assert is_there(waited.process.pid)
        finally:
            child.close()
            assert waited.close() == Exit(7, None)


async def test_no_exit_status_is_ever_stolen(tmp_path, execution):
    async def one(number):
        text = f"(setsid sleep 0.0{number % 7} &); (setsid true &); exit {number % 100}"
        return await run_to_its_end(script(tmp_path, text), f"{execution}-{number}")

    async with sweeping():
        for _ in range(3):
            ended = await asyncio.gather(*(one(number) for number in range(40)))
            assert ended == [Exit(number % 100, None) for number in range(40)]
    assert not has_children()


async def test_a_run_that_clears_its_environment_is_known_by_its_session(tmp_path, execution, until):
    child = spawn(script(tmp_path, "env -i sleep 60 & echo $! > leaf; wait"), execution)
    try:
        leaf = await until(number_in(tmp_path / "leaf"))
        assert belonging(leftovers.Run(child.process.pid, execution)) == [leaf]
    finally:
        child.close()


async def test_afterwards_orphans_are_handed_to_others_again(tmp_path, execution):
    async with sweeping():
        pass
    text = "(setsid sh -c 'echo $$ > orphan; exec sleep 60' &); until [ -s orphan ]; do :; done"
    await run_to_its_end(script(tmp_path, text), execution)
    assert parent_of(number_in(tmp_path / "orphan")()) != os.getpid()
