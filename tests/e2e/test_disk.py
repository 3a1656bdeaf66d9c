"""A full disk, no more descriptors, no more processes: nothing acknowledged is lost, and it passes."""

import contextlib
import os
import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from runner.client import Client, RefusedError
from runner.spec.models import Payload

SIZE = 4 * 1024 * 1024
DESCRIPTORS = 64
PROCESSES = 40
SECOND = timedelta(seconds=1)

ECHO = """
id: hand
name: By hand
mode: manual
agent: echo
---
kind: agent
id: echo
type: command
command: [cat]
"""

TICK = """
id: tick
name: Tick
mode: cron
schedule: "@every 1s"
agent: echo
"""

WAITING = """
id: waiting
name: Waiting
mode: manual
agent: waiting
concurrency: {limit: 100}
---
kind: agent
id: waiting
type: command
command: [sh, -c, "until [ -e go ]; do sleep 0.1; done; echo went"]
"""


VICTIM = """
id: victim
name: Victim
mode: manual
agent: victim
---
kind: agent
id: victim
type: command
command: [sh, -c, "setsid sleep 600 & sleep 600; :"]
"""


class Disk:
    """A small file system that can be filled to its last byte."""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no room at all."""
        with self._ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1024))

    def make_room(self) -> None:
        """Take it back."""
        self._ballast.unlink()


@pytest.fixture
def disk(place) -> Iterator[Disk]:
    """The state directory on a file system of its own."""
    place.state.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={SIZE},mode=700", "none"]
    mounted = subprocess.run(["mount", *options, place.state], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"mounting is not allowed here: {mounted.stderr.strip()}")
    try:
        yield Disk(place.state)
    finally:
        subprocess.run(["umount", "--lazy", place.state], check=True)


def refusal(call: Callable[[], object]) -> RefusedError | None:
    try:
        call()
    except RefusedError as error:
        return error
    return None


def hand(client: Client) -> str | None:
    """Trigger the job: its execution, or None when the disk had no room for it."""
    execution: list[str] = []
    error = refusal(lambda: execution.append(client.run("hand", Payload("x" * 500)).id))
    assert error is None or (error.status, error.exit_code) == (507, 1), error
    return execution[0] if execution else None


def test_a_full_disk_refuses_what_it_can_not_record_and_loses_nothing_that_was_acknowledged(place, disk):
    place.write("jobs.yaml", f"{ECHO}---{TICK}---{WAITING}")
    with place.up() as runner, place.client() as client:
        waiting = client.run("waiting", None).id
        place.await_record(lambda r: r["id"] == waiting and r["status"] == "running")
        acknowledged = [hand(client)]
        disk.fill()
        before = len(place.log().splitlines())
        refused = [place.eventually(lambda: refusal(lambda: hand_or_raise(client)))]
        (place.jobs / "go").touch()  # the run ends now, and can't say so
        until = time.monotonic() + 4
        while time.monotonic() < until:
            refused.append(refusal(lambda: hand_or_raise(client)))
        by_hand = place.jobsd("run", "hand")
        status = place.jobsd("status")
        said = place.log().splitlines()[before:]
        disk.make_room()
        acknowledged.append(place.eventually(lambda: hand(client)))
        place.await_record(lambda r: r["id"] == waiting and r["status"] == "completed")
        after = client.status().next.scheduled_for
        place.eventually(lambda: ticked_since(client, after))
        client.pause("tick", None, None)
        place.eventually(lambda: not any(job.running or job.pending for job in client.jobs()))
        assert runner.poll() is None
    assert len(refused) > 10
    assert all(error is None or error.status == 507 for error in refused)
    assert "no space left on device" in str(refused[0])
    assert (by_hand.code, by_hand.out, by_hand.err.count("\n")) == (1, "", 1), by_hand.err
    assert "no space left on device" in by_hand.err
    assert status.code == 0, status.err
    ends = place.ends()
    assert {*acknowledged, waiting} <= ends.keys()
    assert place.histories().keys() == ends.keys()
    assert len(said) <= 10, "\n".join(said)
    slots = place.slots("tick", SECOND)
    assert slots == [slots[0] + n * SECOND for n in range(len(slots))], "a slot is on record twice, or never"


def hand_or_raise(client: Client) -> None:
    client.run("hand", Payload("x" * 500))


def ticked_since(client: Client, instant: datetime) -> bool:
    last = client.job("tick").last
    return last is not None and last.at >= instant


@contextlib.contextmanager
def idle_connections(place, runner) -> Iterator[None]:
    """So many connections, and none more, that the runner has no descriptor left for anything else."""

    def used() -> int:
        return len([*Path(f"/proc/{runner.pid}/fd").iterdir()])

    with contextlib.ExitStack() as stack:
        while (before := used()) < DESCRIPTORS:
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.connect(str(place.state / "jobsd.sock"))
            place.eventually(lambda before=before: used() > before)
        yield


LIMITED = ["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}"]


def test_a_runner_out_of_descriptors_fails_what_it_can_not_start_and_recovers(place):
    place.write("jobs.yaml", f"{ECHO}---{WAITING}")
    with place.up("--max-running", "60", under=LIMITED) as runner, place.client() as client:
        burst = [client.run("waiting", None).id for _ in range(60)]
        failed = place.await_record(lambda r: r["status"] == "failed")
        (place.jobs / "go").touch()
        place.eventually(lambda: not client.job("waiting").running)
        recovered = client.run("hand", None).id
        place.await_record(lambda r: r["id"] == recovered and r["status"] == "completed")
        assert runner.poll() is None
    ends = place.ends()
    assert {*burst, recovered} == ends.keys()
    assert failed["error"]["type"] == "spawn"
    assert "too many open files" in failed["error"]["message"]
    kinds = {(end["status"], end.get("error", {}).get("type")) for end in ends.values()}
    assert kinds == {("completed", None), ("failed", "spawn")}
    assert place.processes() == {}


def test_what_a_run_started_is_gone_after_a_cancel_even_when_no_descriptor_is_left(place):
    place.write("jobs.yaml", VICTIM)
    with place.up(under=LIMITED) as runner, place.client() as client:
        victim = client.run("victim", None).id
        place.eventually(lambda: len(place.processes(victim)) >= 3)
        with idle_connections(place, runner):
            assert [each.id for each in client.cancel_job("victim")] == [victim]
            assert place.processes(victim) == {}
            with socket.socket(socket.AF_UNIX) as one_more:
                one_more.connect(str(place.state / "jobsd.sock"))
                place.eventually(lambda: "can't take a connection" in place.log())
    assert place.ends()[victim]["status"] == "cancelled"
    assert place.log().count("can't take a connection") == 1
    assert "Traceback" not in place.log()


@pytest.fixture
def as_somebody_else(place) -> list[str]:
    """How to start a program as a user whose number of processes is bounded, as root's never is.

    It may read what root may, so that the same interpreter serves.
    """
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    user = random.SystemRandom().randrange(60_000, 65_000)
    for path in (place.root, *place.root.rglob("*")):
        os.chown(path, user, user)
    rights = "-all,+dac_override"
    return [
        "prlimit",
        f"--nproc={PROCESSES}:{PROCESSES}",
        *("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"),
        *(f"--inh-caps={rights}", f"--ambient-caps={rights}", f"--bounding-set={rights}"),
    ]


def test_a_runner_that_may_start_no_more_processes_says_so_and_recovers(place, as_somebody_else):
    place.write("jobs.yaml", f"{ECHO}---{WAITING}")
    with place.up("--max-running", "60", under=as_somebody_else) as runner, place.client() as client:
        burst = [client.run("waiting", None).id for _ in range(60)]
        failed = place.await_record(lambda r: r["status"] == "failed" and r["error"]["type"] == "spawn")
        assert client.status().running > 0
        (place.jobs / "go").touch()
        place.eventually(lambda: not client.job("waiting").running)
        recovered = client.run("hand", None).id
        place.await_record(lambda r: r["id"] == recovered and r["status"] == "completed")
        assert runner.poll() is None
    ends = place.ends()
    assert {*burst, recovered} == ends.keys()
    assert "resource temporarily unavailable" in failed["error"]["message"]
    assert place.processes() == {}
