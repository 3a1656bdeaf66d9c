"""Runs a program: the firing as JSON on its standard input, its result in a file or at the end of its output."""

import asyncio
import contextlib
import os
import shutil
import signal
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import orjson

from runner import process
from runner.execution.lifecycle import Attempt, ErrorType, Outcome, Process
from runner.execution.records import DEEPEST, is_shallow
from runner.ports import Context, Output
from runner.process import Child, Command, Exit, SpawnError
from runner.secrets import Mask
from runner.spec.models import CommandSpec, Payload

RESULT_LIMIT = 256 * 1024
"""Bytes that a result may have in `$JOBSD_RESULT`."""

TAIL = 4096
"""Bytes at the end of standard output that are the result where no file was written."""

_PASSED_ON = ("PATH", "HOME", "LANG", "TZ")


class CommandAgent:
    """Starts programs for command agents whose files lie under one tree."""

    def __init__(self, tree: Path, grace: float = process.GRACE) -> None:
        self._tree = tree
        self._grace = grace

    async def run(self, context: Context) -> Outcome:
        """Run the command once; being cancelled, end its whole process tree first."""
        spec = context.attempt.job.agent.spec
        if not isinstance(spec, CommandSpec):
            raise TypeError(f"agent {context.attempt.job.agent.id} has no command")
        with _result_file(context) as result_file:
            command = Command(
                spec.command,
                self._environment(spec, context, result_file),
                self._folder(context.attempt, spec),
                orjson.dumps(_input(context.attempt)),
            )
            try:
                child = process.spawn(command, context.attempt.execution)
            except SpawnError as error:
                return Outcome.failed(ErrorType.SPAWN, str(error), {"command": list(spec.command)})
            out, err = _Capture(context, TAIL), _Capture(context, TAIL)
            ended = await self._see_through(child, out, err)
            return _outcome(ended, child.process, result_file, out, err, context.secrets.mask)

    def _folder(self, attempt: Attempt, spec: CommandSpec) -> Path:
        """Where the program starts: the folder of the agent's file, or `cwd` from there."""
        return self._tree / attempt.job.agent.folder / (spec.cwd or "")

    def _environment(self, spec: CommandSpec, context: Context, result_file: Path) -> dict[str, str]:
        attempt = context.attempt
        passed = {name: value for name in _PASSED_ON if (value := os.environ.get(name)) is not None}
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


def _outcome(
    ended: Exit, process_: Process, result_file: Path, out: _Capture, err: _Capture, mask: Mask
) -> Outcome:
    if ended.signal is not None:
        name = _signal_name(ended.signal)
        message = f"killed by {name}"
        return Outcome.failed(ErrorType.SIGNAL, message, {"signal": name}, process_)
    if ended.code:
        last = err.tail.rsplit("\n", 1)[-1][:500] or out.tail.rsplit("\n", 1)[-1][:500]
        message = f"exited with code {ended.code}" + (f": {last}" if last else "")
        return Outcome.failed(ErrorType.EXIT_CODE, message, {"exit_code": ended.code}, process_)
    try:
        raw = _read_result(result_file)
        result = _masked(raw, mask) if raw is not None else Payload(out.tail) if out.tail else None
    except _BadResultError as error:
        return Outcome.failed(ErrorType.PROTOCOL, str(error), process=process_)
    return Outcome(result, process=process_)


def _signal_name(number: int) -> str:
    """A signal's name; real-time signals have numbers only."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class _BadResultError(Exception):
    """The result file can't be taken over."""


def _read_result(result_file: Path) -> bytes | None:
    """The bytes in the result file; None where there is none.

    What stands there was put there by somebody else: a pipe or a device in its place must hold up nobody.
    """
    try:
        with open(result_file, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _BadResultError("$JOBSD_RESULT is not a regular file")
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
