"""The local executor turns every failure into an outcome, in time, and leaves nothing behind."""

import asyncio
import contextlib
import os
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest

from runner.agents.command import CommandAgent
from runner.execution.lifecycle import Attempt, ErrorType, Outcome
from runner.executors.local import LocalExecutor
from runner.leftovers import kill_marked, marked
from runner.process import Command, spawn
from runner.secrets import Secrets
from runner.spec.models import Payload
from runner.storage.outputs import Outputs
from runner.testing import desired

NUMBERS = count(1)
SECRET = "hunter2-hunter2"


def job_of(text, timeout="1h", env="{}"):
    state = desired(
        {
            "job.yaml": f"id: nightly\nname: Nightly\nagent: tool\nmode: manual\ntimeout: {timeout}\n---\n"
            f"kind: agent\nid: tool\ntype: command\nenv: {env}\n"
            f"command:\n  - sh\n  - -c\n  - |\n    {text}\n"
        }
    )
    assert not [problem for problem in state.diagnostics if problem.is_error]
    return state.jobs["nightly"]


class Place:
    """A state directory and a tree, and an executor on them."""

    def __init__(self, folder):
        self.tree, self.state = folder / "jobs.d", folder / "state"
        self.tree.mkdir()
        (self.state / "outputs").mkdir(parents=True)
        self.outputs = Outputs(self.state / "outputs", self.state)
        self.execution = f"test-{os.getpid()}-{next(NUMBERS)}"
        self.executor = self.with_agents({"command": CommandAgent(self.tree, grace=0.1, allow_root=True)})

    def with_agents(self, agents):
        secrets = Secrets({"TOKEN": SECRET, "SHORT": "tiny"}, None)
        return LocalExecutor(agents, self.outputs, secrets, self.state / "jobs")

    def attempt(self, text, **given):
        return Attempt(self.execution, 1, job_of(text, **given), None, None)

    def output(self):
        return self.outputs.read(self.execution).decode()


@pytest.fixture
def place(tmp_path):
    """Where runs leave their traces; nothing that they started outlives the test."""
    found = Place(tmp_path)
    yield found
    kill_marked({found.execution})


async def test_a_run_leaves_its_result_its_output_and_a_folder_of_the_jobs_own(place):
    outcome = await place.executor.run(place.attempt('echo hello | tee "$JOBSD_JOB_DIR/note"'))
    assert outcome.result == Payload("hello")
    assert outcome.failure is None
    assert place.output() == "hello\n"
    folder = place.state / "jobs" / "nightly"
    assert (folder / "note").read_text() == "hello\n"
    assert folder.stat().st_mode & 0o777 == 0o700


async def test_a_run_that_takes_too_long_is_stopped_and_failed(place):
    outcome = await place.executor.run(place.attempt("setsid sleep 60 & echo begun; wait", timeout="1s"))
    assert (outcome.failure.type, outcome.failure.message) == (
        ErrorType.TIMEOUT,
        "stopped after its timeout of 1s",
    )
    assert outcome.failure.detail == {"timeout": "1s"}
    assert marked({place.execution}) == []
    assert place.output() == "begun\n"


@pytest.mark.parametrize("name", ["NONE", "SHORT"])
async def test_a_secret_that_can_not_be_resolved_is_an_outcome_without_any_value(place, name):
    outcome = await place.executor.run(place.attempt("echo started", env=f"{{T: '${{env:{name}}}'}}"))
    assert outcome.failure.type is ErrorType.SECRET
    assert f"${{env:{name}}}" in outcome.failure.message
    assert "tiny" not in repr(outcome)
    assert place.output() == ""


async def test_secrets_are_masked_in_what_is_kept(place):
    outcome = await place.executor.run(place.attempt('echo "$T"; exit 1', env="{T: '${env:TOKEN}'}"))
    assert outcome.failure.message == "exited with code 1: ***"
    assert place.output() == "***\n"


async def test_the_secrets_of_one_run_are_unknown_to_the_next(place):
    await place.executor.run(place.attempt("true", env="{T: '${env:TOKEN}'}"))
    outcome = await place.executor.run(place.attempt(f"echo {SECRET}"))
    assert outcome.result == Payload(SECRET)


async def test_a_type_of_agent_that_this_runner_lacks_is_an_outcome(place):
    outcome = await place.with_agents({}).run(place.attempt("true"))
    assert (outcome.failure.type, outcome.failure.message) == (
        ErrorType.AGENT,
        "this runner has no agents of type 'command'",
    )


class Failing:
    """An agent that fails in a way of its own."""

    def __init__(self, error):
        self.error = error

    async def run(self, context) -> Outcome:
        await context.output.write(b"so far\n")
        raise self.error


async def test_an_agent_that_raises_is_a_bug_that_is_not_hidden_and_its_output_is_kept(place):
    for error in (ValueError("a bug"), TimeoutError("its own timeout")):
        with pytest.raises(type(error), match=str(error)):
            await place.with_agents({"command": Failing(error)}).run(place.attempt("true"))
    assert place.output() == "so far\n" * 2


async def test_a_cancelled_run_leaves_nothing_behind_and_keeps_its_output(place, until):
    running = asyncio.create_task(place.executor.run(place.attempt("setsid sleep 60 & echo begun; wait")))
    await until(place.output)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert running.cancelled()
    assert marked({place.execution}) == []
    assert place.output() == "begun\n"


async def test_a_run_that_is_cancelled_while_its_timeout_ends_it_is_cancelled(place, until):
    place.executor = place.with_agents({"command": CommandAgent(place.tree, grace=60, allow_root=True)})
    job = replace(job_of("trap 'echo asked' TERM; while :; do sleep 0.01; done"), timeout=timedelta(seconds=0.2))
    running = asyncio.create_task(place.executor.run(Attempt(place.execution, 1, job, None, None)))
    await until(lambda: "asked" in place.output())
    running.cancel()
    await asyncio.wait([running], timeout=10)
    assert running.cancelled()
    assert marked({place.execution}) == []


async def test_the_attempts_of_one_execution_share_their_output(place):
    await place.executor.run(place.attempt("echo first; exit 1"))
    await place.executor.run(place.attempt("echo second"))
    assert place.output() == "first\nsecond\n"


async def test_reaping_kills_what_an_earlier_runner_left_of_the_executions_only(place, tmp_path, lives):
    def sleeper(execution):
        return spawn(Command(["sleep", "60"], {"PATH": os.environ["PATH"]}, tmp_path, b""), execution)

    left, other = sleeper(place.execution), sleeper(f"{place.execution}-other")
    try:
        await place.executor.reap([])
        assert lives(left.process.pid)
        await place.executor.reap([place.execution])
        assert not lives(left.process.pid)
        assert lives(other.process.pid)
    finally:
        left.close()
        other.close()
