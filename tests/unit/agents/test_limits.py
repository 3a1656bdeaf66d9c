"""Limits hold from the first instruction of a program on, and a run that fails at one names it."""

import json
import resource
import sys

import pytest

from runner.execution.lifecycle import ErrorType
from runner.spec.models import Payload

HUNGRY = "held = [bytearray(10_000_000) for _ in range(100)]"
BUSY = "while True: pass"


def failed(outcome):
    assert outcome.failure is not None
    return outcome.failure.type, outcome.failure.message, outcome.failure.detail


async def test_the_limits_are_those_of_the_program_and_of_its_children(bench):
    text = (
        "import json, resource as r; print(json.dumps([r.getrlimit(k) for k in"
        " (r.RLIMIT_DATA, r.RLIMIT_CPU, r.RLIMIT_NOFILE)]))"
    )
    limits = {"memory": "512Mi", "cpu": "1m30s", "files": 64}
    outcome = await bench.run("sh", "-c", f"{sys.executable} -c '{text}'; true", limits=limits)
    assert json.loads(outcome.result.value) == [[512 * 1024**2] * 2, [90, 95], [64, 64]]


async def test_a_limit_that_is_not_given_is_as_the_runners(bench):
    text = "ulimit -n; ulimit -Ht"
    with_limit = await bench.shell(text, limits={"memory": "1G"})
    assert with_limit.result == (await bench.shell(text)).result


async def test_the_runners_own_stricter_limit_stays_in_force(bench):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    outcome = await bench.shell("ulimit -n", limits={"files": 1_000_000_000})
    assert outcome.result == Payload(str(min(hard, 1_000_000_000)))


async def test_a_limited_program_gets_its_arguments_and_its_input_as_any_other(bench):
    outcome = await bench.run(
        "sh", "-c", 'cat >&2; printf "[%s]" "$@"', "sh", "--data=1", "", "a b", limits={"files": 99}
    )
    assert outcome.result == Payload("[--data=1][][a b]")
    assert f'"execution":"{bench.execution}"' in bench.said.text


async def test_a_program_that_asks_for_too_much_memory_fails_and_the_limit_is_named(bench):
    outcome = await bench.run(sys.executable, "-c", HUNGRY, limits={"memory": "200M"})
    assert failed(outcome) == (
        ErrorType.EXIT_CODE,
        "exited with code 1: MemoryError (limits.memory is 200M)",
        {"exit_code": 1, "limit": "memory"},
    )
    assert (await bench.run(sys.executable, "-c", HUNGRY, limits={"memory": "3Gi"})).failure is None


async def test_a_program_that_is_killed_under_a_limit_of_memory_names_it(bench):
    assert failed(await bench.shell("kill -KILL $$", limits={"memory": "512Mi"})) == (
        ErrorType.SIGNAL,
        "killed by SIGKILL (limits.memory is 512Mi)",
        {"signal": "SIGKILL", "limit": "memory"},
    )


async def test_a_program_that_uses_up_its_processor_time_is_stopped_and_the_limit_is_named(bench):
    outcome = await bench.run(sys.executable, "-c", BUSY, limits={"cpu": "1s"})
    assert failed(outcome) == (
        ErrorType.SIGNAL,
        "killed by SIGXCPU (limits.cpu is 1s)",
        {"signal": "SIGXCPU", "limit": "cpu"},
    )


async def test_a_program_that_opens_too_many_files_fails_and_the_limit_is_named(bench):
    text = "held = [open('/dev/null') for _ in range(100)]"
    kind, message, detail = failed(await bench.run(sys.executable, "-c", text, limits={"files": 32}))
    assert kind is ErrorType.EXIT_CODE
    assert message.endswith("Too many open files: '/dev/null' (limits.files is 32)")
    assert detail == {"exit_code": 1, "limit": "files"}


async def test_a_failure_that_has_nothing_to_do_with_a_limit_names_none(bench):
    limits = {"memory": "1G", "cpu": "1m", "files": 99}
    outcome = await bench.shell("echo no such offer >&2; exit 3", limits=limits)
    assert failed(outcome) == (ErrorType.EXIT_CODE, "exited with code 3: no such offer", {"exit_code": 3})
    outcome = await bench.shell("kill -TERM $$", limits=limits)
    assert failed(outcome) == (ErrorType.SIGNAL, "killed by SIGTERM", {"signal": "SIGTERM"})


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("./missing", "no such file or directory"),
        ("./plain", "permission denied"),
        ("./orphan", "no such file or directory"),
    ],
)
async def test_a_program_that_can_not_be_started_within_limits_is_an_error_of_type_spawn(bench, program, reason):
    (bench.tree / "plain").touch(mode=0o644)
    (bench.tree / "orphan").write_text("#!/no/such/interpreter\n")
    (bench.tree / "orphan").chmod(0o755)
    kind, message, _ = failed(await bench.run(program, limits={"files": 99}))
    assert kind is ErrorType.SPAWN
    assert message == f"{program} can't be run: {reason}"


async def test_without_prlimit_limits_are_refused_rather_than_left_out(bench, monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    kind, message, _ = failed(await bench.shell("echo started", limits={"files": 99}))
    assert (kind, message) == (
        ErrorType.SPAWN,
        "limits need the program 'prlimit' of util-linux in the runner's PATH",
    )
    assert (await bench.shell("echo started")).result == Payload("started")
