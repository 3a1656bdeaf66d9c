"""The state directory is private, has one writer at a time, and keeps small facts whole."""

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
from datetime import timedelta

import pytest

from runner.errors import StartError, StateInUseError, StorageError
from runner.ports import Pause
from runner.storage.changes import ChangesFile
from runner.storage.state import StateDirectory, write_durably
from runner.testing import START


@pytest.fixture
def state(tmp_path):
    found = StateDirectory(tmp_path / "deep" / ".jobsd")
    found.create()
    return found


@pytest.fixture
def open_umask():
    """A umask that takes nothing away, so that modes are what the code asks for."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# -- layout --------------------------------------------------------------------------------------------------


def test_the_directory_and_what_is_in_it_are_the_owners_alone(open_umask, state):
    with state.lock():
        state.save_pauses({"a": Pause("me", START)})
        changes = ChangesFile(state.changes)
        changes.open()
        changes.close()
    assert {path: mode(path) for path in (state.root, state.outputs, state.jobs)} == {
        state.root: 0o700,
        state.outputs: 0o700,
        state.jobs: 0o700,
    }
    assert mode(state.changes) == mode(state.root / "lock") == mode(state.root / "pauses.json") == 0o600


def test_git_ignores_everything_in_the_directory(state):
    assert (state.root / ".gitignore").read_text() == "*\n"


def test_creating_it_again_changes_nothing(state):
    (state.root / ".gitignore").write_text("mine\n")
    (state.outputs / "01J.log").write_text("x")
    state.create()
    assert (state.root / ".gitignore").read_text() == "mine\n"
    assert names(state.outputs) == ["01J.log"]


def test_a_directory_that_can_not_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    for root, reason in ((tmp_path / "file", "file exists"), (tmp_path / "file" / "x", "not a directory")):
        with pytest.raises(StartError) as refusal:
            StateDirectory(root).create()
        assert str(refusal.value) == f"the state directory {root} can't be used: {reason}"


# -- lock ----------------------------------------------------------------------------------------------------

HOLDER = """
import sys
from pathlib import Path
from runner.storage.state import StateDirectory
with StateDirectory(Path(sys.argv[1])).lock():
    print("locked", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def another_runner(state):
    """A process that holds the lock until its standard input ends."""
    argv = [sys.executable, "-c", HOLDER, str(state.root)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"locked\n"
        yield process


def test_a_second_runner_is_refused_and_told_who_has_the_lock(state):
    with another_runner(state) as other:
        with pytest.raises(StateInUseError) as refusal, state.lock():
            pass
        assert str(refusal.value) == f"another runner (pid {other.pid}) uses the state directory {state.root}"


def test_the_lock_is_free_again_when_its_holder_dies_however_it_dies(state):
    with another_runner(state) as other:
        other.send_signal(signal.SIGKILL)
        other.wait()
        with state.lock():
            assert (state.root / "lock").read_text() == f"{os.getpid()}\n"


def test_the_lock_is_free_again_afterwards(state):
    for _ in range(2):
        with state.lock():
            pass
    with another_runner(state):
        pass


def test_no_process_that_is_started_takes_the_lock_along(state):
    with state.lock():
        child = subprocess.Popen(["sleep", "60"])
    try:
        with another_runner(state):
            pass
    finally:
        child.kill()
        child.wait()


def test_a_lock_that_can_not_be_opened_is_one_clear_error(tmp_path):
    with pytest.raises(StartError) as refusal, StateDirectory(tmp_path / "missing").lock():
        pass
    assert str(refusal.value) == f"{tmp_path}/missing/lock can't be opened: no such file or directory"


# -- pauses --------------------------------------------------------------------------------------------------


def test_without_a_file_nothing_is_paused(state):
    assert state.pauses() == {}


def test_pauses_come_back_as_they_were_saved(state):
    pauses = {
        "weekly": Pause("ann@host", START, "Grüße\n2 lines", START + timedelta(hours=2)),
        "nightly": Pause("bob", START),
    }
    state.save_pauses(pauses)
    assert StateDirectory(state.root).pauses() == pauses
    state.save_pauses({})
    assert state.pauses() == {}
    assert names(state.root) == [".gitignore", "jobs", "outputs", "pauses.json"]


def test_the_file_of_pauses_can_be_read_by_people(state):
    state.save_pauses({"nightly": Pause("bob", START, until=START + timedelta(days=1))})
    assert json.loads((state.root / "pauses.json").read_text()) == {
        "nightly": {"by": "bob", "at": "2026-03-02T08:00:00.000Z", "until": "2026-03-03T08:00:00.000Z"}
    }
    assert (state.root / "pauses.json").read_text().count("\n") > 4


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "Invalid JSON"),
        ('{"nightly": {"by": "bob", ', "Invalid JSON"),
        ("[]", "Input should be an object"),
        ('{"nightly": {"by": "bob"}}', "nightly.at: Field required"),
        ('{"nightly": {"by": "bob", "at": "yesterday"}}', "nightly.at: Input should be a valid datetime"),
        ("\xff", "Invalid JSON"),
    ],
)
def test_a_damaged_file_of_pauses_is_one_clear_error_and_never_taken_for_none(state, text, problem):
    path = state.root / "pauses.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(StartError) as refusal:
        state.pauses()
    message = str(refusal.value)
    assert message.startswith(f"{path} is damaged ({problem}")
    assert message.endswith("); mend or remove it")
    assert "\n" not in message


def test_a_file_of_pauses_that_can_not_be_read_is_one_clear_error(state):
    (state.root / "pauses.json").mkdir()
    with pytest.raises(StartError) as refusal:
        state.pauses()
    assert str(refusal.value) == f"{state.root}/pauses.json can't be read: is a directory"


# -- durable files -------------------------------------------------------------------------------------------


def test_a_file_that_can_not_be_replaced_stays_as_it_was_and_nothing_lies_beside_it(tmp_path):
    (tmp_path / "facts").mkdir()
    with pytest.raises(StorageError) as refusal:
        write_durably(tmp_path / "facts", b"new")
    assert str(refusal.value) == f"can't write {tmp_path}/facts: is a directory"
    assert names(tmp_path) == ["facts"]
    with pytest.raises(StorageError, match="no such file or directory"):
        write_durably(tmp_path / "missing" / "facts", b"new")
