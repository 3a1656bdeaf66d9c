"""Processes start with what they are given and nothing else, and end together with all that they started."""

import asyncio
import contextlib
import os
import resource
import signal
import time
from itertools import count
from pathlib import Path

import pytest

from runner.leftovers import kill_marked, marked
from runner.process import Answer, Command, Exit, SpawnError, ask, spawn

PATH = "/usr/bin:/bin"
NUMBERS = count(1)


@pytest.fixture
def execution():
    """The id of one run, unlike any other on this machine; whatever carries it is killed after the test."""
    name = f"test-{os.getpid()}-{time.monotonic_ns()}-{next(NUMBERS)}"
    yield name
    kill_marked({name})


def command(cwd, *argv, stdin=b"", **env):
    return Command(argv, {"PATH": PATH, **env}, cwd, stdin)


def script(cwd, text, **env):
    return command(cwd, "sh", "-c", text, **env)


def open_files():
    return sorted(entry.name for entry in Path("/proc/self/fd").iterdir())


async def collect(chunks):
    return b"".join([chunk async for chunk in chunks])


async def see_through(child):
    """Standard output, standard error, and how it ended."""
    try:
        async with asyncio.timeout(15):
            out, err, _ = await asyncio.gather(
                collect(child.read_stdout()), collect(child.read_stderr()), child.wait()
            )
    finally:
        ended = child.close()
    return out, err, ended


@contextlib.asynccontextmanager
async def running(given, execution):
    """A process that is closed at the end."""
    child = spawn(given, execution)
    closed = False

    def close():
        nonlocal closed
        closed = True
        return child.close()

    try:
        yield child, close
    finally:
        if not closed:
            child.close()


def number_in(path):
    """The number in a file, once it is written whole."""
    return lambda: int(path.read_text()) if path.exists() and path.read_text().endswith("\n") else 0


async def test_a_process_has_a_session_of_its_own(tmp_path, execution):
    child = spawn(command(tmp_path, "cut", "-d ", "-f1,5,6", "/proc/self/stat"), execution)
    out, _, _ = await see_through(child)
    assert out.split() == [str(child.process.pid).encode()] * 3


async def test_a_process_has_the_given_environment_and_its_mark_and_nothing_else(tmp_path, execution, monkeypatch):
    monkeypatch.setenv("OF_THE_RUNNER", "private")
    out, _, _ = await see_through(spawn(command(tmp_path, "env", GIVEN="1"), execution))
    assert sorted(out.decode().splitlines()) == ["GIVEN=1", f"JOBSD_EXECUTION={execution}", f"PATH={PATH}"]


async def test_a_process_inherits_no_open_file_but_its_three_streams(tmp_path, execution):
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        out, _, _ = await see_through(spawn(script(tmp_path, "cd /proc/self/fd && echo *"), execution))
    assert set(out.split()) <= {b"0", b"1", b"2", b"3", b"10"}  # the shell opens the folder it lists
    assert str(file.name).encode() not in out


async def test_a_relative_program_starts_at_the_working_directory(tmp_path, execution):
    tool = tmp_path / "bin" / "tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\npwd\n")
    tool.chmod(0o755)
    for name, path in (("bin/tool", PATH), ("./bin/tool", PATH), ("tool", f"{PATH}:bin")):
        out, _, _ = await see_through(spawn(Command([name], {"PATH": path}, tmp_path, b""), execution))
        assert out.decode().strip() == str(tmp_path)


async def test_the_start_of_a_process_is_known_in_ticks_since_boot(tmp_path, execution):
    child = spawn(command(tmp_path, "cut", "-d ", "-f22", "/proc/self/stat"), execution)
    out, _, _ = await see_through(child)
    assert int(out) == child.process.started


# -- how a run ends ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "ended"),
    [
        ("exit 0", Exit(0, None)),
        ("exit 7", Exit(7, None)),
        ("kill -KILL $$", Exit(None, signal.SIGKILL)),
        ("kill -TERM $$", Exit(None, signal.SIGTERM)),
        ("kill -40 $$", Exit(None, 40)),
    ],
)
async def test_the_exit_code_or_the_signal_is_told(tmp_path, execution, text, ended):
    assert (await see_through(spawn(script(tmp_path, text), execution)))[2] == ended


async def test_standard_output_and_standard_error_arrive_whole_and_apart(tmp_path, execution):
    out, err, _ = await see_through(
        spawn(script(tmp_path, "head -c 3000000 /dev/zero; head -c 2000000 /dev/zero >&2"), execution)
    )
    assert (len(out), len(err)) == (3_000_000, 2_000_000)


async def test_a_run_that_closes_its_output_early_is_still_waited_for(tmp_path, execution, until):
    text = "exec >&- 2>&-; : > closed; until [ -e go ]; do sleep 0.01; done; exit 3"
    child = spawn(script(tmp_path, text), execution)
    seeing = asyncio.create_task(see_through(child))
    await until((tmp_path / "closed").exists)
    assert not seeing.done()
    (tmp_path / "go").touch()
    assert await seeing == (b"", b"", Exit(3, None))


@pytest.mark.parametrize(
    "background",
    ["setsid sleep 60", "setsid sh -c 'while :; do echo more; sleep 0.05; done'", "setsid yes"],
    ids=["silent", "now and then", "without end"],
)
async def test_a_background_child_that_holds_the_pipe_does_not_keep_the_run_open(tmp_path, execution, background):
    out, _, ended = await see_through(spawn(script(tmp_path, f"{background} & echo done"), execution))
    assert b"done\n" in out
    assert ended == Exit(0, None)


async def test_a_child_in_the_background_may_still_write_its_last_words(tmp_path, execution):
    os.mkfifo(tmp_path / "words")
    text = "sed s/first/last/ < words & echo first > words"
    out, _, _ = await see_through(spawn(script(tmp_path, text), execution))
    assert out == b"last\n"


async def test_children_of_the_group_that_a_run_leaves_behind_are_killed(tmp_path, execution, until, lives):
    await see_through(spawn(script(tmp_path, "sleep 60 & echo $! > pid"), execution))
    pid = number_in(tmp_path / "pid")()
    await until(lambda: not lives(pid))


async def test_no_zombie_is_left(tmp_path, execution):
    child = spawn(command(tmp_path, "true"), execution)
    await see_through(child)
    with pytest.raises(ProcessLookupError):
        os.kill(child.process.pid, 0)


async def test_no_descriptor_is_left_after_many_runs(tmp_path, execution):
    await see_through(spawn(command(tmp_path, "true"), execution))
    before = open_files()
    for _ in range(20):
        await see_through(spawn(command(tmp_path, "true", stdin=b"x"), execution))
        with pytest.raises(SpawnError):
            spawn(command(tmp_path, "./missing"), execution)
    assert open_files() == before


# -- standard input ------------------------------------------------------------------------------------------


async def test_standard_input_is_readable_to_its_end(tmp_path, execution):
    text = '{"prompt": "Grüße"}'.encode()
    out, _, _ = await see_through(spawn(command(tmp_path, "cat", stdin=text), execution))
    assert out == text


async def test_a_large_standard_input_is_readable(tmp_path, execution):
    out, _, _ = await see_through(spawn(command(tmp_path, "wc", "-c", stdin=bytes(10_000_000)), execution))
    assert int(out) == 10_000_000


async def test_a_large_standard_input_that_nobody_reads_holds_up_nobody(tmp_path, execution):
    _, _, ended = await see_through(spawn(command(tmp_path, "true", stdin=bytes(10_000_000)), execution))
    assert ended == Exit(0, None)


# -- what can't be started -----------------------------------------------------------------------------------


@pytest.fixture
def tools(tmp_path):
    """A folder with things that can't be run."""
    (tmp_path / "folder").mkdir()
    for name, text in {
        "plain": "#!/bin/sh\n",
        "orphan": "#!/no/such/interpreter\n",
        "bare": "echo no first line\n",
    }.items():
        (tmp_path / name).write_text(text)
    for name in ("orphan", "bare"):
        (tmp_path / name).chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["no-such-program"], f"no program 'no-such-program' in the PATH '{PATH}'"),
        (["./missing"], "{cwd}/missing can't be run: no such file or directory"),
        (["./plain"], "{cwd}/plain can't be run: permission denied"),
        (["./folder"], "{cwd}/folder can't be run: it is a directory"),
        (["./orphan"], "{cwd}/orphan can't be run: the interpreter that its first line names is missing"),
        (
            ["./bare"],
            "{cwd}/bare can't be run: exec format error; a script needs a first line such as #!/bin/sh",
        ),
        (["/bin/echo", "nu\0l"], "/bin/echo can't be run: embedded null byte"),
        (["nu\0l"], f"no program 'nu\\x00l' in the PATH '{PATH}'"),
        (["/bin/echo", "\ud800"], "/bin/echo can't be run: 'utf-8' codec can't encode character"),
        (["/bin/echo", "x" * 200_000], "/bin/echo can't be run: argument list too long"),
        (["/bin/echo", *["x" * 1000] * 10_000], "/bin/echo can't be run: argument list too long"),
    ],
)
async def test_what_can_not_be_started_is_one_clear_error(tools, execution, argv, message):
    with pytest.raises(SpawnError) as refusal:
        spawn(command(tools, *argv), execution)
    assert str(refusal.value).startswith(message.format(cwd=tools))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("cwd", "reason"), [("missing", "no such file or directory"), ("plain", "not a directory")]
)
async def test_a_working_directory_that_is_none_is_named(tools, execution, cwd, reason):
    with pytest.raises(SpawnError) as refusal:
        spawn(command(tools / cwd, "/bin/true"), execution)
    assert str(refusal.value) == f"/bin/true can't be started in {tools / cwd}: {reason}"


async def test_a_variable_that_is_none_is_one_clear_error_without_its_value(tmp_path, execution):
    with pytest.raises(SpawnError) as refusal:
        spawn(command(tmp_path, "/bin/true", TOKEN="se\0cret"), execution)
    assert str(refusal.value) == "/bin/true can't be run: embedded null byte"


async def test_a_system_without_room_for_more_open_files_is_one_clear_error_that_leaves_nothing(
    tmp_path, execution
):
    await see_through(spawn(command(tmp_path, "true"), execution))
    before = open_files()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    refused = 0
    for room in range(10):
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + room, hard))
        try:
            child = spawn(command(tmp_path, "sleep", "60"), execution)
        except SpawnError as error:
            assert "too many open files" in str(error)  # noqa: PT017 - it may also start
            refused += 1
        else:
            child.close()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert open_files() == before
        assert marked({execution}) == []
    assert 2 <= refused < 10


# -- ending a whole tree -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "echo $$ > leaf; exec sleep 60",
        "trap '' TERM; echo $$ > leaf; while :; do sleep 60; done",
        "(sleep 60 & echo $! > leaf; wait) & wait",
        "setsid sh -c 'echo $$ > leaf; exec sleep 60' & wait",
        "(setsid sh -c 'echo $$ > leaf; exec sleep 60' &); exec sleep 60",
        "setsid sh -c \"trap '' TERM; echo \\$\\$ > leaf; while :; do sleep 60; done\" & wait",
        "setsid sh -c \"trap '' TERM; echo \\$\\$ > leaf; while :; do (exec sleep 60 &); sleep 0.01; done\"",
        "echo $$ > leaf; kill -STOP $$",
    ],
    ids=[
        "plain",
        "ignores TERM",
        "grandchild",
        "own session",
        "own session, parent died",
        "own session, ignores TERM",
        "own session, forks on and on",
        "stopped",
    ],
)
async def test_after_terminate_nothing_of_the_tree_is_left(tmp_path, execution, until, lives, text):
    async with running(script(tmp_path, text), execution) as (child, _):
        leaf = await until(number_in(tmp_path / "leaf"))
        async with asyncio.timeout(10):
            await child.terminate(grace=0.1)
        assert not lives(child.process.pid)
        assert not lives(leaf)
        assert marked({execution}) == []


async def test_what_obeys_term_is_given_the_time_to_tidy_up(tmp_path, execution, until):
    text = "trap 'echo tidy; exit 5' TERM; : > ready; while :; do sleep 0.01; done"
    child = spawn(script(tmp_path, text), execution)
    seeing = asyncio.create_task(see_through(child))
    await until((tmp_path / "ready").exists)
    await child.terminate(grace=10)
    out, _, ended = await seeing
    assert (out, ended) == (b"tidy\n", Exit(5, None))


async def test_nothing_is_left_when_the_patience_of_terminate_is_cut_short(tmp_path, execution, until, lives):
    text = "(setsid sh -c \"trap '' TERM; echo \\$\\$ > leaf; while :; do sleep 60; done\" &); exec sleep 60"
    async with running(script(tmp_path, text), execution) as (child, close):
        leaf = await until(number_in(tmp_path / "leaf"))
        ending = asyncio.create_task(child.terminate(grace=60))
        await child.wait()
        ending.cancel()
        await asyncio.wait([ending])
        assert lives(leaf)
        assert close() == Exit(None, signal.SIGTERM)
        assert marked({execution}) == []


async def test_closing_a_run_that_goes_on_ends_it(tmp_path, execution, until, lives):
    text = "setsid sh -c 'echo $$ > leaf; exec sleep 60' & exec sleep 60"
    async with running(script(tmp_path, text), execution) as (child, close):
        await until(number_in(tmp_path / "leaf"))
        assert close() == Exit(None, signal.SIGKILL)
        assert not lives(child.process.pid)
        assert marked({execution}) == []


async def test_a_reader_that_lets_go_after_the_end_harms_no_other_file(tmp_path, execution, until):
    child = spawn(command(tmp_path, "sleep", "60"), execution)
    reading = asyncio.create_task(collect(child.read_stdout()))
    await asyncio.sleep(0)
    child.close()
    pipes = [os.pipe() for _ in range(4)]
    seen = []
    for number, (end, _) in enumerate(pipes):
        asyncio.get_running_loop().add_reader(end, seen.append, number)
    reading.cancel()
    await asyncio.wait([reading])
    for _, end in pipes:
        os.write(end, b"x")
    await until(lambda: set(seen) == {0, 1, 2, 3})
    for end, other in pipes:
        asyncio.get_running_loop().remove_reader(end)
        os.close(end)
        os.close(other)


# -- finding what an earlier runner left ---------------------------------------------------------------------


async def test_marked_names_the_processes_of_the_given_executions_only(tmp_path, execution, until):
    other = f"{execution}-other"
    async with (
        running(command(tmp_path, "sleep", "60"), execution) as (mine, _),
        running(command(tmp_path, "sleep", "60"), other) as (theirs, _),
    ):
        await until(lambda: len(marked({execution, other})) == 2)
        assert marked({execution}) == [mine.process.pid]
        assert sorted(marked({execution, other})) == sorted([mine.process.pid, theirs.process.pid])
        assert marked(set()) == []
        assert marked({execution[:-1]}) == []


async def test_kill_marked_leaves_nothing_of_an_execution_and_everything_else(tmp_path, execution, until, lives):
    other = f"{execution}-other"
    async with (
        running(script(tmp_path, "trap '' TERM; setsid sleep 60 & sleep 60"), execution) as (mine, _),
        running(command(tmp_path, "sleep", "60"), other) as (theirs, _),
    ):
        await until(lambda: len(marked({execution})) == 3)
        await asyncio.to_thread(kill_marked, {execution})
        assert not lives(mine.process.pid)
        assert marked({execution}) == []
        assert lives(theirs.process.pid)


def test_a_program_that_is_asked_answers_with_its_code_and_both_outputs(tmp_path):
    script = "pwd; echo $A >&2; cat; exit 3"

    assert ask(("sh", "-c", script), tmp_path, {"A": "b"}) == Answer(3, f"{tmp_path}\n".encode(), b"b\n")


def test_a_program_that_is_not_there_can_not_be_asked(tmp_path):
    with pytest.raises(SpawnError, match="no-such-program"):
        ask(("no-such-program",), tmp_path, {})
