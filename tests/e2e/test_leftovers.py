"""Whatever a run starts and however it ends, nothing of it is left, neither a process nor a zombie."""

import contextlib
import os
import signal
import socket
from pathlib import Path

import pytest

GRACE = 10.0
"""Seconds that a run is given between TERM and KILL."""

MARGIN = 5.0
"""Seconds more than that, on a machine that is busy with other things."""

FAMILY = """
    trap '' TERM
    sh -c 'sh -c "sleep 61" & sleep 61' &
    setsid sh -c 'trap "" TERM; while :; do sleep 61; done' &
    (setsid sh -c 'sleep 61' &)
    setsid sh -c '(setsid sh -c "sleep 61" &)'
    env -i sleep 61 &
    until [ "$(grep -lz "^JOBSD_EXECUTION=$JOBSD_EXECUTION$" /proc/[0-9]*/environ 2>/dev/null | wc -l)" -ge 8 ]
    do sleep 0.1; done
    echo settled
"""

AGENTS = f"""
kind: agent
id: lingers
type: command
command:
  - sh
  - -c
  - |{FAMILY}
    while :; do sleep 61; done
---
kind: agent
id: ends
type: command
command:
  - sh
  - -c
  - |{FAMILY}
"""

JOBS = {
    "stopped": "agent: lingers\nmode: manual\n",
    "late": "agent: lingers\nmode: manual\ntimeout: 4s\n",
    "done": "agent: ends\nmode: manual\n",
}


def children(pid: int) -> list[int]:
    """The children of a process, zombies included."""
    return [
        int(each)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for each in (task / "children").read_text().split()
    ]


def sleepers(runner: int) -> list[int]:
    """All processes below a runner."""
    below, found = children(runner), []
    while below:
        found += below
        further = []
        for pid in below:
            with contextlib.suppress(OSError):
                further += children(pid)
        below = further
    return found


@pytest.fixture
def family(place):
    place.write("agents.yaml", AGENTS)
    for job, text in JOBS.items():
        place.write(f"{job}.yaml", f"id: {job}\nname: {job}\n{text}")
    yield place
    for pid in place.processes():  # where a test has failed
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_family_that_ignores_term_forked_and_daemonised_is_gone_after_each_kind_of_end(family):
    with family.up() as runner:
        with family.client() as client:
            started = {job: client.run(job, None) for job in JOBS}
        ids = {job: execution.id for job, execution in started.items()}

        family.await_record(lambda r: r["id"] == ids["done"] and r["status"] == "completed")
        family.eventually(lambda: not family.processes(ids["done"]), MARGIN)

        family.eventually(lambda: "settled" in family.jobsd("logs", ids["stopped"]).out)
        family.jobsd("cancel", ids["stopped"])
        for job, status in (("stopped", "cancelled"), ("late", "failed")):
            ended = family.await_record(
                lambda r, job=job, status=status: (r["id"], r["status"]) == (ids[job], status)
            )
            assert ended["duration_ms"] / 1000 < 30
            assert not family.processes(ids[job])
        assert ended["error"]["type"] == "timeout"

        # Those without a mark were in the session; and what has ended is reaped.
        family.eventually(lambda: not sleepers(runner.pid), MARGIN)


def test_what_a_run_left_is_gone_when_the_runner_has_stopped(family):
    with family.up() as runner:
        with family.client() as client:
            execution = client.run("stopped", None).id
        family.eventually(lambda: "settled" in family.jobsd("logs", execution).out)
        runner.send_signal(signal.SIGTERM)
        family.eventually(lambda: "stopping" in family.log())
        runner.send_signal(signal.SIGTERM)
        assert runner.wait(GRACE + 20) == 0
        assert not family.processes()


@pytest.mark.parametrize("allowed", [False, True])
def test_a_runner_that_is_root_runs_agents_as_root_only_when_told_to(place, allowed):
    place.environment["JOBSD_ALLOW_ROOT_AGENTS"] = ""
    place.write(
        "whoami.yaml",
        "id: who\nname: Who\nagent: whoami\nmode: manual\n---\n"
        "kind: agent\nid: whoami\ntype: command\ncommand: [id, -u]\n",
    )
    with place.up(*(["--allow-root-agents"] if allowed else [])):
        done = place.jobsd("run", "who", "--wait")
        record = place.records()[-1]
        warned = "--allow-root-agents" in place.log() and "whoami" in place.log()
    if allowed or os.geteuid() != 0:
        assert (done.code, record["result"], warned) == (0, str(os.geteuid()), False)
        return
    assert (done.code, record["error"]["type"], warned) == (1, "spawn", True)
    for way in ("--allow-root-agents", "JOBSD_ALLOW_ROOT_AGENTS=1", "'user'"):
        assert way in record["error"]["message"]
        assert way in place.log()
    assert place.log().count("--allow-root-agents") == 1


def test_a_service_manager_is_told_how_the_runner_stands(place):
    place.write("a.yaml", "id: a\nname: A\nmode: manual\n")
    address = f"jobsd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + address)
        manager.settimeout(30)
        place.environment["NOTIFY_SOCKET"] = f"@{address}"
        with place.up() as runner:
            assert manager.recv(4096) == b"READY=1"
            runner.send_signal(signal.SIGHUP)
            assert manager.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert manager.recv(4096) == b"READY=1"
            runner.send_signal(signal.SIGTERM)
            assert manager.recv(4096) == b"STOPPING=1"


def test_a_service_manager_that_does_not_listen_harms_nobody(place):
    place.environment["NOTIFY_SOCKET"] = str(place.root / "nobody")
    with place.up():
        place.eventually(lambda: "the service manager can't be told" in place.log())
