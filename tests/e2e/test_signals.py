"""Signals to the runner and to its runs, and an end at an awkward moment."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

JOBSD = Path(sys.executable).with_name("jobsd")
AGENT = "---\n{kind: agent, id: agent, type: command, command: [sh, -c, '%s']}\n"
UNTIL_GO = "until [ -e ../go ]; do sleep 0.05; done"


def job(command: str, more: str = "") -> str:
    """A job with an agent that runs a shell command without quotes."""
    return f"id: job\nname: Job\nmode: manual\nagent: agent\n{more}" + AGENT % command


def is_(execution: str, status: str):
    return lambda record: (record["id"], record["status"]) == (execution, status)


def steps(place, execution: str) -> list[tuple[str, str | None]]:
    return [(line["status"], line.get("reason")) for line in place.histories()[execution]]


def test_hup_looks_at_the_files_again_also_where_no_event_tells_of_a_change(place):
    outside = place.root / "outside.yaml"
    outside.write_text("id: job\nname: Before\nmode: manual\n")
    (place.jobs / "job.yaml").symlink_to(outside)
    with place.up() as runner, place.client() as client:
        draft = place.root / "draft.yaml"
        draft.write_text("id: job\nname: After\nmode: manual\n")
        draft.rename(outside)
        assert client.job("job").name == "Before"
        runner.send_signal(signal.SIGHUP)
        place.eventually(lambda: client.job("job").name == "After", 10)
        assert runner.poll() is None


def test_term_twice_ends_a_run_at_once_and_a_run_with_attempts_left_goes_on_with_the_next_runner(place):
    place.write("job.yaml", job(UNTIL_GO, "retry: {attempts: 2, backoff: 1s}\n"))
    with place.up() as runner, place.client() as client:
        execution = client.run("job", None).id
        place.await_record(is_(execution, "running"))
        runner.send_signal(signal.SIGTERM)
        place.eventually(lambda: "stopping" in place.log())
        runner.send_signal(signal.SIGTERM)
        assert runner.wait(30) == 0
    last = place.histories()[execution][-1]
    assert (last["status"], last["reason"], last["attempt"]) == ("pending", "retry", 2)
    assert last["error"]["type"] == "runner_stopped"
    assert place.processes() == {}
    (place.root / "go").touch()
    with place.up():
        done = place.await_record(is_(execution, "completed"))
    assert done["attempt"] == 2


def test_a_run_that_ignores_term_is_killed_when_the_runner_is_told_twice_to_stop(place):
    place.write("job.yaml", job('trap "" TERM; while :; do sleep 600; done'))
    with place.up() as runner, place.client() as client:
        execution = client.run("job", None).id
        place.eventually(lambda: len(place.processes(execution)) == 2)
        runner.send_signal(signal.SIGTERM)
        place.eventually(lambda: "stopping" in place.log())
        runner.send_signal(signal.SIGTERM)
        runner.send_signal(signal.SIGINT)
        assert runner.wait(30) == 0
    assert place.ends()[execution]["error"]["type"] == "runner_stopped"
    assert place.processes() == {}


def test_a_retry_that_waits_does_not_hold_up_a_stop_and_is_there_afterwards(place):
    place.write("job.yaml", job("exit 7", "retry: {attempts: 2, backoff: 1h, max_backoff: 1h}\n"))
    with place.up() as runner, place.client() as client:
        execution = client.run("job", None).id
        waiting = place.await_record(lambda r: r["id"] == execution and r.get("reason") == "retry")
        runner.send_signal(signal.SIGTERM)
        assert runner.wait(10) == 0
    assert steps(place, execution) == [("pending", None), ("running", None), ("pending", "retry")]
    with place.up(), place.client() as client:
        known = client.execution(execution)
        assert (known.status, known.attempt) == ("pending", 2)
        assert known.line["not_before"] == waiting["not_before"]
        assert client.cancel(execution).status == "cancelled"


def test_what_was_pending_at_a_stop_runs_afterwards_in_its_order(place):
    place.write("job.yaml", job(UNTIL_GO))
    with place.up() as runner, place.client() as client:
        executions = [client.run("job", None).id for _ in range(5)]
        place.await_record(is_(executions[0], "running"))
        runner.send_signal(signal.SIGTERM)
        place.eventually(lambda: "stopping" in place.log())
        (place.root / "go").touch()
        assert runner.wait(30) == 0
    assert [steps(place, each)[-1][0] for each in executions] == ["completed", *["pending"] * 4]
    with place.up():
        place.await_record(is_(executions[-1], "completed"))
    started = [r["id"] for r in place.records() if r["status"] == "running"]
    assert started == executions


def test_a_run_that_somebody_else_kills_says_by_which_signal(place):
    place.write("job.yaml", job("sleep 600; :"))
    with place.up(), place.client() as client:
        execution = client.run("job", None).id
        (leader,) = place.eventually(
            lambda: [pid for pid, line in place.processes(execution).items() if line.startswith("sh ")]
        )
        os.kill(leader, signal.SIGKILL)
        failed = place.await_record(is_(execution, "failed"))
    assert failed["error"] == {
        "type": "signal",
        "message": "killed by SIGKILL",
        "detail": {"signal": "SIGKILL"},
    }
    assert place.processes() == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_runner_with_nothing_to_do_stops_at_once_and_cleanly(place, number):
    with place.up() as runner:
        runner.send_signal(number)
        assert runner.wait(10) == 0
    assert not (place.state / "jobsd.sock").exists()


@pytest.mark.parametrize("log", ["closed", "full"])
def test_a_runner_whose_log_takes_no_more_lines_goes_on(place, log):
    place.write("job.yaml", job("true"))
    read, write = os.pipe()
    errors = write if log == "closed" else os.open("/dev/full", os.O_WRONLY)
    with subprocess.Popen(
        [JOBSD, "up"], cwd=place.root, env=place._env, stdout=subprocess.PIPE, stderr=errors, text=True
    ) as runner:
        for descriptor in {write, errors}:
            os.close(descriptor)
        try:
            assert "jobsd is up" in runner.stdout.readline()
            os.close(read)
            with place.client() as client:
                place.write("broken.yaml", "name: Broken\nmode: sideways\n")
                place.write("other.yaml", "name: Other\nmode: manual\n")
                place.eventually(lambda: len(client.jobs()) == 2)
                execution = client.run("job", None).id
                place.await_record(is_(execution, "completed"))
            runner.send_signal(signal.SIGTERM)
            assert runner.wait(30) == 0
        finally:
            runner.kill()
