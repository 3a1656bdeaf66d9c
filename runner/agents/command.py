"""Runs a program: the firing as JSON on its standard input, its result in a file or at the end of its output."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from runner import process
from runner.agents.users import choose_identity, hand_over
from runner.execution.lifecycle import Attempt, ErrorType, Outcome, Process
from runner.execution.records import DEEPEST, is_shallow
from runner.ports import Context, Output
from runner.process import Child, Command, Exit, Identity, SpawnError
from runner.schedule.durations import format_duration
from runner.secrets import Mask
from runner.spec.agents import format_size
from runner.spec.models import CommandSpec, Limits, Payload

RESULT_LIMIT = 256 * 1024
"""Bytes that a result may have in `$JOBSD_RESULT`."""

TAIL = 4096
"""Bytes at the end of standard output that are the result where no file was written."""

_PASSED_ON = ("PATH", "HOME", "LANG", "TZ")

_NOT_STARTED = (126, 127)
_FAILED_TO_START = "prlimit: failed to execute "
"""What prlimit says where the program that it should become can't be run."""

_OUT_OF_MEMORY = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGTRAP)
_NO_MEMORY = re.compile(r"memory|bad_alloc|\balloc", re.IGNORECASE)
_NO_FILES = re.compile(r"too many open files|\bEMFILE\b", re.IGNORECASE)


class CommandAgent:
    """Starts programs for command agents whose files lie under one tree.

    Where the runner is root, programs of agents that name no user run only with `allow_root`.
    """

    def __init__(self, tree: Path, grace: float = process.GRACE, *, allow_root: bool = False) -> None:
        self._tree = tree
        self._grace = grace
        self._allow_root = allow_root

    async def run(self, context: Context) -> Outcome:
        """Run the command once; being cancelled, end its whole process tree first."""
        spec = context.attempt.job.agent.spec
        if not isinstance(spec, CommandSpec):
            raise TypeError(f"agent {context.attempt.job.agent.id} has no command")
        with _result_file(context) as result_file:
            try:
                identity = choose_identity(spec.user, allow_root=self._allow_root)
                if identity is not None:
                    hand_over(context.job_dir, identity)
                command = Command(
                    spec.command,
                    self._environment(spec, context, result_file, identity),
                    self._folder(context.attempt, spec),
                    orjson.dumps(_input(context.attempt)),
                    identity,
                    spec.limits,
                )
                child = process.spawn(command, context.attempt.execution)
            except SpawnError as error:
                return Outcome.failed(ErrorType.SPAWN, str(error), {"command": list(spec.command)})
            out, err = _Capture(context, TAIL), _Capture(context, TAIL)
            ended = await self._see_through(child, out, err)
            run = _Run(ended, child.process, spec, out, err, context.secrets.mask)
            return _failure(run) or _success(run, result_file, identity)

    def _folder(self, attempt: Attempt, spec: CommandSpec) -> Path:
        """Where the program starts: the folder of the agent's file, or `cwd` from there."""
        return self._tree / attempt.job.agent.folder / (spec.cwd or "")

    def _environment(
        self, spec: CommandSpec, context: Context, result_file: Path, identity: Identity | None
    ) -> dict[str, str]:
        attempt = context.attempt
        passed = {name: value for name in _PASSED_ON if (value := os.environ.get(name)) is not None}
        if identity is not None:
            passed["HOME"] = identity.home
        own = {name: context.secrets.resolve(value) for name, value in spec.env.items()}
        return {
            **passed,
            **own,
            "JOBSD_JOB": attempt.job.id,
            "JOBSD_ATTEMPT": str(attempt.number),
            "JOBSD_RESULT": str(result_file),
            "JOBSD_JOB_DIR": str(context.job_dir),
        }

    async def _see_through(self, child: Child, out: "_Capture", err: "_Capture") -> Exit:
        """Capture the output until the process has ended, and leave nothing of it behind."""
        try:
            async with asyncio.TaskGroup() as pumps:
                reading = (
                    pumps.create_task(out.pump(child.read_stdout())),
                    pumps.create_task(err.pump(child.read_stderr())),
                )
                try:
                    await child.wait()
                except asyncio.CancelledError:
                    await child.terminate(self._grace)
                    await asyncio.wait(reading)
                    raise
        finally:
            ended = child.close()
        return ended


class _Capture:
    """Takes one stream of a run to its output file, masked, and remembers the end of it."""

    def __init__(self, context: Context, room: int) -> None:
        self._output: Output = context.output
        self._mask: Mask = context.secrets.mask
        self._room = room
        self._tail = b""

    async def pump(self, chunks: AsyncIterator[bytes]) -> None:
        async for chunk in chunks:
            await self._take(self._mask.feed(chunk))
        await self._take(self._mask.flush())

    async def _take(self, data: bytes) -> None:
        if data:
            self._tail = (self._tail + data)[-self._room :]
            await self._output.write(data)

    @property
    def tail(self) -> str:
        """The end of the stream as text, from the start of a line where it was cut."""
        tail = self._tail
        if len(tail) == self._room and b"\n" in tail[:-1]:
            tail = tail[tail.index(b"\n") + 1 :]
        return tail.decode("utf-8", "replace").strip()


@contextlib.contextmanager
def _result_file(context: Context) -> Iterator[Path]:
    """Where the run may write its result; nothing stands there before and afterwards.

    It lies in the job's own folder, as making and removing a folder for each run costs more than the run.
    """
    path = context.job_dir / f".result-{context.attempt.execution}"
    _remove(path)  # of an attempt that died with its runner
    try:
        yield path
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    """Remove what a run left, whatever it is."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        shutil.rmtree(path, ignore_errors=True)


def _input(attempt: Attempt) -> dict[str, Any]:
    return {
        "execution": attempt.execution,
        "job": attempt.job.id,
        "prompt": attempt.job.prompt,
        "event": attempt.payload.value if attempt.payload else None,
        "previous": attempt.previous.value if attempt.previous else None,
    }


@dataclass(frozen=True, slots=True)
class _Run:
    """A run that has ended."""

    ended: Exit
    process: Process
    spec: CommandSpec
    out: _Capture
    err: _Capture
    mask: Mask


def _failure(run: _Run) -> Outcome | None:
    """Why a run failed, with the limit that it exceeded; None for one that did not."""
    ended, limits = run.ended, run.spec.limits
    detail: dict[str, Any]
    if ended.signal is not None:
        name = _signal_name(ended.signal)
        message, detail, kind = f"killed by {name}", {"signal": name}, ErrorType.SIGNAL
    elif ended.code:
        last = run.err.tail.rsplit("\n", 1)[-1][:500] or run.out.tail.rsplit("\n", 1)[-1][:500]
        if limits and ended.code in _NOT_STARTED and last.startswith(_FAILED_TO_START):
            return Outcome.failed(
                ErrorType.SPAWN,
                f"{run.spec.command[0]} can't be run: {last.rpartition(': ')[2].lower()}",
                {"command": list(run.spec.command)},
                run.process,
            )
        message = f"exited with code {ended.code}" + (f": {last}" if last else "")
        detail, kind = {"exit_code": ended.code}, ErrorType.EXIT_CODE
    else:
        return None
    if limits and (exceeded := _exceeded(limits, ended, run.err.tail)):
        message, detail = f"{message} (limits.{exceeded[0]} is {exceeded[1]})", {**detail, "limit": exceeded[0]}
    return Outcome.failed(kind, message, detail, run.process)


def _exceeded(limits: Limits, ended: Exit, said: str) -> tuple[str, str] | None:
    """The limit that a run most likely failed at, and its value; None where nothing points to one.

    The system kills for processor time, so that is known. It refuses memory and files, and how a program then
    ends is its own affair: most say so, and others are stopped by a signal.
    """
    if limits.cpu and (
        ended.signal == signal.SIGXCPU or (ended.signal and ended.cpu >= limits.cpu.total_seconds())
    ):
        return "cpu", format_duration(limits.cpu)
    if limits.memory and (ended.signal in _OUT_OF_MEMORY or _NO_MEMORY.search(said)):
        return "memory", format_size(limits.memory)
    if limits.files and _NO_FILES.search(said):
        return "files", str(limits.files)
    return None


def _success(run: _Run, result_file: Path, identity: Identity | None) -> Outcome:
    try:
        raw = _read_result(result_file, identity)
        result = _masked(raw, run.mask) if raw is not None else Payload(run.out.tail) if run.out.tail else None
    except _BadResultError as error:
        return Outcome.failed(ErrorType.PROTOCOL, str(error), process=run.process)
    return Outcome(result, process=run.process)


def _signal_name(number: int) -> str:
    """A signal's name; real-time signals have numbers only."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class _BadResultError(Exception):
    """The result file can't be taken over."""


def _read_result(result_file: Path, identity: Identity | None) -> bytes | None:
    """The bytes in the result file; None where there is none.

    What stands there was put there by somebody else: a pipe or a device in its place must hold up nobody, and
    what a user of its own can't read must not be read for it by way of a link.
    """
    try:
        with open(result_file, "rb", opener=_open_at_once if identity is None else _open_no_link) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise _BadResultError("$JOBSD_RESULT is not a regular file")
            if identity is not None and found.st_uid != identity.uid:
                raise _BadResultError(f"$JOBSD_RESULT does not belong to the user {identity.name}")
            raw = file.read(RESULT_LIMIT + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _BadResultError(f"$JOBSD_RESULT can't be read: {(error.strerror or 'failed').lower()}") from None
    if len(raw) > RESULT_LIMIT:
        raise _BadResultError(f"the result in $JOBSD_RESULT has more than {RESULT_LIMIT} bytes")
    return raw


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for the other end of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _open_no_link(path: str, flags: int) -> int:
    """Open what is no link, without waiting."""
    return _open_at_once(path, flags | os.O_NOFOLLOW)


def _masked(raw: bytes, mask: Mask) -> Payload:
    """The result as JSON, else as text, with secrets masked: in the text, and in strings that JSON escaped."""
    text = mask.text(raw.decode("utf-8", "replace"))
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError:
        return Payload(text.strip())
    if not is_shallow(data, DEEPEST):
        raise _BadResultError(f"the result in $JOBSD_RESULT has more than {DEEPEST} levels")
    return Payload(mask.data(data))
