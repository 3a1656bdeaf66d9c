"""A command gets the firing on its standard input, and its result, its output and its end are told as they are."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from runner.agents.command import DEEPEST, RESULT_LIMIT, TAIL, CommandAgent
from runner.execution.lifecycle import Attempt, ErrorType
from runner.leftovers import marked
from runner.ports import Context
from runner.secrets import SecretError, Secrets
from runner.spec.models import Payload
from runner.testing import build_job

SECRET = "hunter2-hunter2"


def failure(outcome):
    assert outcome.failure is not None
    assert "\n" not in outcome.failure.message
    return outcome.failure.type, outcome.failure.message


# -- what a command gets -------------------------------------------------------------------------------------


async def test_standard_input_is_the_firing_as_one_json_object(bench):
    payload, previous = {"a": [1, 2.5, None], "ü": "ß"}, "earlier"
    await bench.run("cat", payload=Payload(payload), previous=Payload(previous))
    assert bench.said.text == (
        f'{{"execution":"{bench.execution}","job":"nightly","prompt":"Do it.",'
        '"event":{"a":[1,2.5,null],"ü":"ß"},"previous":"earlier"}'
    )


async def test_without_payload_and_earlier_result_event_and_previous_are_null(bench):
    await bench.run("cat")
    given = json.loads(bench.said.text)
    assert (given["event"], given["previous"]) == (None, None)


async def test_a_payload_never_reaches_the_arguments_or_the_environment(bench):
    payload = Payload({"text": "$(touch pwned); marker-of-the-payload"})
    await bench.shell("tr '\\0' '\\n' < /proc/$$/environ; tr '\\0' '\\n' < /proc/$$/cmdline", payload=payload)
    assert "marker" not in bench.said.text
    assert not (bench.tree / "pwned").exists()


async def test_the_environment_is_the_agents_own_the_runs_and_four_of_the_runners(bench, monkeypatch):
    for name in list(os.environ):
        if name != "PATH":
            monkeypatch.delenv(name)
    for name, value in {"HOME": "/home/x", "LANG": "C.UTF-8", "TZ": "Europe/Berlin", "OTHER": "no"}.items():
        monkeypatch.setenv(name, value)
    await bench.run("env", number=3, env={"OWN": "yes", "HOME": "/elsewhere"})
    found = dict(line.split("=", 1) for line in bench.said.text.splitlines())
    assert Path(found.pop("JOBSD_RESULT")).parent == bench.job_dir
    assert found == {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "TZ": "Europe/Berlin",
        "HOME": "/elsewhere",
        "OWN": "yes",
        "JOBSD_EXECUTION": bench.execution,
        "JOBSD_JOB": "nightly",
        "JOBSD_ATTEMPT": "3",
        "JOBSD_JOB_DIR": str(bench.job_dir),
    }


async def test_the_folder_of_the_job_is_kept_between_runs(bench):
    await bench.shell('echo remembered > "$JOBSD_JOB_DIR/note"')
    await bench.shell('cat "$JOBSD_JOB_DIR/note"')
    assert bench.said.text == "remembered\n"


async def test_a_command_starts_in_the_folder_of_its_agents_file(bench):
    folder = bench.tree / "team" / "agents"
    folder.mkdir(parents=True)
    (folder / "tool.py").write_text("import os; print(os.getcwd())")
    await bench.run(sys.executable, "tool.py", file="team/agents/all.yaml")
    assert bench.said.text == f"{folder}\n"


async def test_the_working_directory_lies_in_the_folder_of_the_agents_file(bench):
    folder = bench.tree / "team" / "data"
    folder.mkdir(parents=True)
    await bench.run("pwd", file="team/all.yaml", cwd="data")
    assert bench.said.text == f"{folder}\n"


async def test_a_program_that_can_not_be_started_is_an_outcome_that_names_it(bench):
    outcome = await bench.run("./missing", "--flag")
    assert failure(outcome) == (
        ErrorType.SPAWN,
        f"{bench.tree}/missing can't be run: no such file or directory",
    )
    assert outcome.failure.detail == {"command": ["./missing", "--flag"]}
    assert outcome.process is None


async def test_a_working_directory_that_is_missing_is_an_outcome_that_names_it(bench):
    outcome = await bench.run("true", cwd="missing")
    assert failure(outcome)[0] is ErrorType.SPAWN
    assert f"{bench.tree}/missing" in failure(outcome)[1]


# -- the result ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "result"),
    [
        ('{"rows": 3}', {"rows": 3}),
        ("null", None),
        (' [1, "two"] \\n', [1, "two"]),
        ("just words\\n", "just words"),
        ("", ""),
        ("{broken", "{broken"),
        ("NaN", "NaN"),
    ],
)
async def test_the_result_is_what_stands_in_the_result_file_as_json_else_as_text(bench, written, result):
    outcome = await bench.shell(f"echo output; printf '{written}' > \"$JOBSD_RESULT\"")
    assert outcome.failure is None
    assert outcome.result == Payload(result)


async def test_bytes_that_are_no_text_do_not_spoil_a_result(bench):
    outcome = await bench.shell('printf "caf\\351" > "$JOBSD_RESULT"')
    assert outcome.result == Payload("caf\ufffd")


async def test_without_a_result_file_the_result_is_standard_output(bench):
    outcome = await bench.shell("echo one; echo talk >&2; echo two")
    assert outcome.result == Payload("one\ntwo")


async def test_of_long_output_the_result_is_the_end_from_the_start_of_a_line(bench):
    outcome = await bench.shell("seq 100000 200000")
    lines = outcome.result.value.split("\n")
    assert lines[-1] == "200000"
    assert lines == [str(200_001 - len(lines) + index) for index in range(len(lines))]
    assert TAIL - 7 <= len(outcome.result.value) <= TAIL


async def test_a_run_without_any_output_has_no_result(bench):
    assert (await bench.run("true")).result is None


async def test_a_result_as_large_as_allowed_is_taken_and_a_larger_one_is_an_error(bench):
    outcome = await bench.shell(f'head -c {RESULT_LIMIT} /dev/zero | tr "\\0" x > "$JOBSD_RESULT"')
    assert outcome.result == Payload("x" * RESULT_LIMIT)
    outcome = await bench.shell(f'head -c {RESULT_LIMIT + 1} /dev/zero > "$JOBSD_RESULT"')
    assert failure(outcome) == (
        ErrorType.PROTOCOL,
        f"the result in $JOBSD_RESULT has more than {RESULT_LIMIT} bytes",
    )


async def test_a_result_that_no_record_could_hold_is_an_error(bench):
    def nested(levels):
        return "[" * levels + "]" * levels

    outcome = await bench.shell(f"printf '{nested(DEEPEST)}' > \"$JOBSD_RESULT\"")
    assert outcome.failure is None
    outcome = await bench.shell(f"printf '{nested(DEEPEST + 1)}' > \"$JOBSD_RESULT\"")
    assert failure(outcome) == (ErrorType.PROTOCOL, f"the result in $JOBSD_RESULT has more than {DEEPEST} levels")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('mkfifo "$JOBSD_RESULT"', "$JOBSD_RESULT is not a regular file"),
        ('ln -s /dev/zero "$JOBSD_RESULT"', "$JOBSD_RESULT is not a regular file"),
        ('mkdir "$JOBSD_RESULT"', "$JOBSD_RESULT can't be read: is a directory"),
        (
            'ln -s "${JOBSD_RESULT##*/}" "$JOBSD_RESULT"',
            "$JOBSD_RESULT can't be read: too many levels of symbolic links",
        ),
    ],
)
async def test_a_result_file_that_is_none_is_an_error_and_holds_up_nobody(bench, text, reason):
    async with asyncio.timeout(5):
        assert failure(await bench.shell(text)) == (ErrorType.PROTOCOL, reason)


@pytest.mark.parametrize(
    "text",
    [
        'echo x > "$JOBSD_RESULT"',
        'echo x > "$JOBSD_RESULT"; exit 1',
        'mkdir -p "$JOBSD_RESULT/deep"; touch "$JOBSD_RESULT/deep/file"',
        'mkfifo "$JOBSD_RESULT"',
        "true",
    ],
)
async def test_nothing_of_the_result_stays_in_the_folder_of_the_job(bench, text):
    (bench.job_dir / "note").touch()
    await bench.shell(text)
    assert [path.name for path in bench.job_dir.iterdir()] == ["note"]


async def test_what_an_attempt_left_that_died_with_its_runner_is_not_taken_for_the_result(bench):
    await bench.shell('printf "$JOBSD_RESULT"')
    (bench.job_dir / bench.said.text).write_text("stale")
    assert (await bench.run("true")).result is None


async def test_runs_of_one_job_at_the_same_time_have_results_of_their_own(bench):
    execution = bench.execution
    running = []
    for number in range(4):
        bench.execution = f"{execution}-{number}"
        running.append(asyncio.create_task(bench.shell(f'echo {number} > "$JOBSD_RESULT"')))
        await asyncio.sleep(0)
    outcomes = await asyncio.gather(*running)
    assert [outcome.result.value for outcome in outcomes] == [0, 1, 2, 3]


# -- failures ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("echo out; echo first >&2; echo last words >&2; exit 3", "exited with code 3: last words"),
        ("echo only out; exit 4", "exited with code 4: only out"),
        ("exit 5", "exited with code 5"),
    ],
)
async def test_an_exit_code_is_told_with_the_last_line_that_the_run_wrote(bench, text, message):
    outcome = await bench.shell(text)
    assert failure(outcome) == (ErrorType.EXIT_CODE, message)
    assert outcome.failure.detail == {"exit_code": int(message.split(":")[0].split()[-1])}
    assert outcome.result is None


async def test_a_long_last_line_is_cut_in_the_message(bench):
    _, message = failure(await bench.shell("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1"))
    assert message == "exited with code 1: " + "x" * 500


@pytest.mark.parametrize(("number", "name"), [("KILL", "SIGKILL"), ("SEGV", "SIGSEGV"), ("40", "signal 40")])
async def test_a_signal_is_told_by_name(bench, number, name):
    outcome = await bench.shell(f"kill -{number} $$")
    assert failure(outcome) == (ErrorType.SIGNAL, f"killed by {name}")
    assert outcome.failure.detail == {"signal": name}


async def test_a_run_is_known_by_its_process_and_its_start(bench):
    outcome = await bench.shell("echo $$; cut -d' ' -f22 /proc/$$/stat")
    assert [str(outcome.process.pid), str(outcome.process.started)] == bench.said.text.split()


# -- secrets -------------------------------------------------------------------------------------------------


async def test_a_secret_reaches_the_run_and_nothing_that_is_kept_of_it(bench):
    (bench.secrets_dir / "token").write_text(SECRET)
    text = (
        'echo "out $TOKEN"; echo "err $TOKEN" >&2; echo ${#TOKEN};'
        ' printf \'{"t": "%s"}\' "$TOKEN" > "$JOBSD_RESULT"'
    )
    outcome = await bench.shell(text, env={"TOKEN": "${file:token}"})
    assert outcome.result == Payload({"t": "***"})
    assert sorted(bench.said.text.split("\n")) == ["", str(len(SECRET)), "err ***", "out ***"]


async def test_a_secret_is_masked_in_the_result_from_standard_output_and_in_messages(bench):
    bench.environment["TOKEN"] = SECRET
    env = {"HEADER": "Bearer ${env:TOKEN}"}
    assert (await bench.shell('echo "$HEADER"', env=env)).result == Payload("Bearer ***")
    outcome = await bench.shell('echo "no access with $HEADER" >&2; exit 1', env=env)
    assert failure(outcome)[1] == "exited with code 1: no access with Bearer ***"
    outcome = await bench.run("sh", "-c", 'exec sh -c "exit 9"', env=env)
    assert SECRET not in repr(outcome)


async def test_a_secret_that_is_written_in_two_pieces_is_masked(bench, until):
    bench.environment["TOKEN"] = SECRET
    text = 'printf "<%.5s" "$TOKEN"; : > half; until [ -e go ]; do sleep 0.01; done; printf "%s>" "${TOKEN#?????}"'
    running = asyncio.create_task(bench.shell(text, env={"TOKEN": "${env:TOKEN}"}))
    await until((bench.tree / "half").exists)
    (bench.tree / "go").touch()
    assert (await running).result == Payload("<***>")
    assert bench.said.text == "<***>"


async def test_a_secret_that_json_escapes_is_masked_in_the_result(bench):
    (bench.secrets_dir / "token").write_text("a/b-ü-hunter2")
    text = 'printf \'{"t": "a\\\\/b-\\\\u00fc-hunter2"}\' > "$JOBSD_RESULT"'
    outcome = await bench.shell(text, env={"TOKEN": "${file:token}"})
    assert outcome.result == Payload({"t": "***"})


@pytest.mark.parametrize("reference", ["${env:NONE}", "${env:SHORT}", "${file:none}"])
async def test_a_secret_that_can_not_be_resolved_starts_nothing(bench, reference):
    bench.environment["SHORT"] = "tiny"
    with pytest.raises(SecretError) as refusal:
        await bench.shell("touch started", env={"TOKEN": reference})
    assert reference in str(refusal.value)
    assert "tiny" not in str(refusal.value)
    assert not (bench.tree / "started").exists()


# -- being cancelled -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a_cancelled_run_leaves_nothing_behind_however_often_it_is_cancelled(bench, until, lives, times):
    bench.grace = 0.1 if times == 1 else 60
    text = "(setsid sh -c \"trap '' TERM; echo \\$\\$ > leaf; while :; do sleep 60; done\" &); exec sleep 60"
    running = asyncio.create_task(bench.shell(text))
    leaf = bench.tree / "leaf"
    await until(lambda: leaf.exists() and leaf.read_text().endswith("\n"))
    for _ in range(times):
        running.cancel()
        await asyncio.wait([running], timeout=0.05)
    await asyncio.wait([running], timeout=10)
    assert running.cancelled()
    assert not lives(int(leaf.read_text()))
    assert marked({bench.execution}) == []


async def test_what_a_cancelled_run_says_at_last_is_kept(bench, until):
    bench.grace = 10
    text = "trap 'echo tidied up; exit 0' TERM; : > ready; while :; do sleep 0.01; done"
    running = asyncio.create_task(bench.shell(text))
    await until((bench.tree / "ready").exists)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert "tidied up" in bench.said.text


async def test_no_task_and_no_descriptor_outlives_a_run(bench):
    def open_files():
        return sorted(entry.name for entry in Path("/proc/self/fd").iterdir())

    await bench.run("true")
    before = open_files()
    for _ in range(10):
        await bench.shell("echo x; echo y >&2")
        await bench.run("./missing")
    assert open_files() == before
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_agent_of_another_type_is_a_mistake_of_the_caller(bench, tmp_path):
    job = build_job("id: a\nname: A\nmode: manual\n")
    attempt = Attempt("x", 1, job, None, None)
    with pytest.raises(TypeError, match="insulin has no command"):
        await CommandAgent(tmp_path).run(Context(attempt, bench.said, Secrets({}, None), tmp_path))
