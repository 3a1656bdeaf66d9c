"""The only place where a process starts and where a process tree ends."""

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.clock import monotonic, pause
from runner.execution.lifecycle import Process

MARK = "JOBSD_EXECUTION"
"""The environment variable by which every process of a run is known."""

GRACE = 10.0
"""Seconds between TERM and KILL."""

_CHUNK = 65536
_DRAIN = 0.2
"""Seconds after the end of the process after which a pipe that a background child holds open is given up."""

_LATE_BYTES = 1024 * 1024
"""Bytes read after the end of the process at most: more than a pipe holds, so they come from somebody else."""

_PATIENCE = 5.0
"""Seconds to wait for the end of processes after KILL; one that hangs in the kernel may take longer."""

_LOOK = 0.05
"""Seconds between two looks at what is left of a process tree."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run: `argv[0]` is looked up in the PATH of `env`, relative paths start at `cwd`."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    stdin: bytes


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: an exit code, or the number of the signal that killed it."""

    code: int | None
    signal: int | None


class SpawnError(Exception):
    """The process could not be started; the message says what and why."""


def _started_at(pid: int) -> int:
    """Start of a process in clock ticks since boot (field 22 of /proc/PID/stat), 0 when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    return int(stat[stat.rindex(b")") + 2 :].split()[19])


def marked(executions: Collection[str]) -> list[int]:
    """The ids of all live processes that carry the mark of an execution, whoever their parent is."""
    needles = {f"{MARK}={execution}".encode() for execution in executions}
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - several times as fast
    return [pid for pid in pids if not needles.isdisjoint(_environment(pid))]


def _environment(pid: int) -> list[bytes]:
    """The variables that a process was started with; none of one that is gone or somebody else's."""
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:  # noqa: PTH123 - several times as fast
            return file.read().split(b"\0")
    except OSError:
        return []


def kill_marked(executions: Collection[str], patience: float = _PATIENCE) -> None:
    """Kill all processes of executions, and wait until they are gone, `patience` seconds at most."""
    deadline = monotonic() + patience
    while (left := marked(executions)) and monotonic() < deadline:
        _signal(left, signal.SIGKILL)
        pause(0.01)


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _signal_group(group: int, number: signal.Signals) -> bool:
    """Signal a process group; whether there was one."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _resolve(argv0: str, command: Command) -> str:
    """The program's path: with a slash relative to `cwd`, else found in the PATH of the new environment."""
    if "/" in argv0:
        return str(command.cwd / argv0)
    for folder in command.env.get("PATH", os.defpath).split(":"):
        candidate = Path(command.cwd, folder, argv0)
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate)
    raise SpawnError(f"no program {argv0!r} in the PATH {command.env.get('PATH', os.defpath)!r}")


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Child:
    """A started process with its two output pipes; `close` leaves nothing of it."""

    def __init__(self, process: subprocess.Popen[bytes], pidfd: int, execution: str) -> None:
        self._process = process
        self._execution = execution
        self._pidfd = pidfd
        self._exited = asyncio.get_running_loop().create_future()
        self._drained_at = 0.0
        self._ending = False
        self._closed = False
        asyncio.get_running_loop().add_reader(self._pidfd, self._note_exit)
        self.process = Process(process.pid, _started_at(process.pid))

    def _note_exit(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        self._drained_at = monotonic() + _DRAIN
        _set(self._exited)

    async def wait(self) -> None:
        """Wait until the process has ended. It stays a zombie, so its id stays its own, until it is closed."""
        await asyncio.shield(self._exited)

    async def read_stdout(self) -> AsyncIterator[bytes]:
        """Chunks of standard output until its end, or until a moment after the process has ended."""
        assert self._process.stdout is not None  # noqa: S101 - Popen was given PIPE
        async for chunk in self._read(self._process.stdout.fileno()):
            yield chunk

    async def read_stderr(self) -> AsyncIterator[bytes]:
        """Chunks of standard error, like `read_stdout`."""
        assert self._process.stderr is not None  # noqa: S101 - Popen was given PIPE
        async for chunk in self._read(self._process.stderr.fileno()):
            yield chunk

    async def _read(self, descriptor: int) -> AsyncIterator[bytes]:
        os.set_blocking(descriptor, False)
        late_bytes = 0
        while late_bytes < _LATE_BYTES:
            try:
                chunk = os.read(descriptor, _CHUNK)
            except BlockingIOError:
                if not await self._readable(descriptor):
                    return
                continue
            if not chunk:
                return
            if self._exited.done():
                late_bytes += len(chunk)
            yield chunk

    async def _readable(self, descriptor: int) -> bool:
        """Wait for more output; False when the process ended a moment ago and nothing is there.

        A background child may hold the pipe open long after the run is over, and even write to it now and
        then: that must not keep it running.
        """
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        loop.add_reader(descriptor, _set, ready)
        try:
            if not self._exited.done():
                await asyncio.wait([ready, self._exited], return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                await asyncio.wait([ready], timeout=max(0.0, self._drained_at - monotonic()))
            return ready.done()
        finally:
            if not self._closed:  # afterwards the number may be another file's
                loop.remove_reader(descriptor)

    async def terminate(self, grace: float = GRACE) -> None:
        """End the whole tree: TERM to the group and to all that carry the mark, KILL after `grace` seconds."""
        self._ending = True
        deadline = monotonic() + grace
        self._signal_all(signal.SIGTERM)
        while not await self._is_gone() and monotonic() < deadline:
            await self._moment()
        deadline = monotonic() + _PATIENCE
        while not await self._is_gone() and monotonic() < deadline:
            self._signal_all(signal.SIGKILL)  # again, for what was forked meanwhile
            await self._moment()
        await self.wait()
        self._ending = False

    def _lives(self) -> bool:
        return not self._exited.done() or bool(self._others())

    async def _is_gone(self) -> bool:
        """Whether nothing is left, at two looks: in the midst of an exec a process shows no mark."""
        if self._lives():
            return False
        await self._moment()
        return not self._lives()

    async def _moment(self) -> None:
        """Wait for the end of the process, or for as long as its children are given between two looks."""
        if self._exited.done():
            await asyncio.sleep(_LOOK)
        else:
            await asyncio.wait([self._exited], timeout=_LOOK)

    def _others(self) -> list[int]:
        return [pid for pid in marked({self._execution}) if pid != self._process.pid]

    def _signal_all(self, number: signal.Signals) -> None:
        _signal_group(self._process.pid, number)
        _signal(self._others(), number)

    def close(self) -> Exit:
        """Kill what is left of the group, reap the process, and free everything; how it ended.

        Where the process had not ended, or `terminate` was cut short, nothing of the tree is left alive.
        The leader is a zombie until here, so the number of its group can't be anybody else's.
        """
        self._closed = True
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._pidfd)
        _signal_group(self._process.pid, signal.SIGKILL)
        if self._ending or not self._exited.done():
            kill_marked({self._execution})
        status = self._process.wait()
        os.close(self._pidfd)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                loop.remove_reader(pipe)
                pipe.close()
        return Exit(None, -status) if status < 0 else Exit(status, None)


def spawn(command: Command, execution: str) -> Child:
    """Start a process in a session of its own, marked with the execution's id.

    Standard input is a file in memory, so that a program that never reads it holds up nobody.

    Raises:
        SpawnError: when the program is missing, not executable, or the system has no room for it.
    """
    program = _resolve(command.argv[0], command)
    try:
        process = _start(program, command, execution)
    except OSError as error:
        raise SpawnError(_explain(error, program, command.cwd)) from None
    except ValueError as error:
        raise SpawnError(f"{program} can't be run: {error}") from None
    try:
        pidfd = os.pidfd_open(process.pid)
    except OSError as error:
        with process:  # closes the pipes and waits
            process.kill()
        raise SpawnError(_explain(error, program, command.cwd)) from None
    return Child(process, pidfd, execution)


def _start(program: str, command: Command, execution: str) -> subprocess.Popen[bytes]:
    stdin = os.memfd_create("jobsd-stdin", os.MFD_CLOEXEC)
    try:
        with open(stdin, "wb", closefd=False) as file:
            file.write(command.stdin)
        os.lseek(stdin, 0, os.SEEK_SET)
        return subprocess.Popen(  # noqa: S603 - to run what the job files say is the purpose
            list(command.argv),
            executable=program,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=command.cwd,
            env={**command.env, MARK: execution},
            start_new_session=True,
            bufsize=0,
        )
    finally:
        os.close(stdin)


def _explain(error: OSError, program: str, cwd: Path) -> str:
    """Why a program did not start, in one line."""
    reason = (error.strerror or "failed").lower()
    if error.filename is not None and Path(error.filename) == cwd:
        return f"{program} can't be started in {cwd}: {reason}"
    if error.errno == errno.ENOENT and Path(program).exists():
        reason = "the interpreter that its first line names is missing"
    elif error.errno == errno.ENOEXEC:
        reason += "; a script needs a first line such as #!/bin/sh"
    elif Path(program).is_dir():
        reason = "it is a directory"
    return f"{program} can't be run: {reason}"
