"""The only place where a process starts and where a process tree ends."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Collection, Mapping, Sequence
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
"""Seconds of silence after which a pipe that a background child holds open is given up."""

_LATE_BYTES = 1024 * 1024
"""Bytes read after the end of the process at most: more than a pipe holds, so they come from somebody else."""


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
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        if not needles.isdisjoint(environment.split(b"\0")):
            found.append(int(folder.name))
    return found


def kill_marked(executions: Collection[str], patience: float = 5.0) -> None:
    """Kill all processes of executions that an earlier runner left, and wait until they are gone."""
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
    """A started process with its two output pipes. `close_when` leaves nothing of it."""

    def __init__(self, process: subprocess.Popen[bytes], execution: str) -> None:
        self._process = process
        self._execution = execution
        self._pidfd = os.pidfd_open(process.pid)
        self._exited = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(self._pidfd, self._reap)
        self.process = Process(process.pid, _started_at(process.pid))

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
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
        """Wait for more output; False when the process has ended and nothing came for a moment.

        A background child may hold the pipe open long after the run is over: that must not keep it running.
        """
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        loop.add_reader(descriptor, _set, ready)
        try:
            if not self._exited.done():
                await asyncio.wait([ready, self._exited], return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                await asyncio.wait([ready], timeout=_DRAIN)
            return ready.done()
        finally:
            loop.remove_reader(descriptor)

    async def terminate(self, grace: float = GRACE) -> None:
        """End the whole tree: TERM to the group and to all that carry the mark, KILL after `grace` seconds."""
        deadline = monotonic() + grace
        self._signal_all(signal.SIGTERM)
        while monotonic() < deadline:
            if self._exited.done() and not self._others():
                return
            await asyncio.wait([self._exited], timeout=0.05)
            if self._exited.done():
                await asyncio.sleep(0.02)
        self._signal_all(signal.SIGKILL)
        await self.wait()

    def _others(self) -> list[int]:
        return [pid for pid in marked({self._execution}) if pid != self._process.pid]

    def _signal_all(self, number: signal.Signals) -> None:
        _signal_group(self._process.pid, number)
        _signal(self._others(), number)

    async def close_when(self, read: Awaitable[object]) -> Exit:
        """End what is left of the tree, wait until its output is `read`, and free everything."""
        try:
            if not self._exited.done():
                self._signal_all(signal.SIGKILL)
                await self.wait()
            _signal_group(self._process.pid, signal.SIGKILL)
            await read
        finally:
            ended = self._close()
        return ended

    def _close(self) -> Exit:
        """Reap the leader and free the pipes.

        The leader is a zombie until here, so the number of its group can't be anybody else's.
        """
        asyncio.get_running_loop().remove_reader(self._pidfd)
        _signal_group(self._process.pid, signal.SIGKILL)
        status = self._process.wait()
        os.close(self._pidfd)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        return Exit(None, -status) if status < 0 else Exit(status, None)


def spawn(command: Command, execution: str) -> Child:
    """Start a process in a session of its own, marked with the execution's id.

    Standard input is a file in memory, so that a program that never reads it holds up nobody.

    Raises:
        SpawnError: when the program is missing, not executable, or the system has no room for it.
    """
    program = _resolve(command.argv[0], command)
    stdin = os.memfd_create("jobsd-stdin", os.MFD_CLOEXEC)
    try:
        with open(stdin, "wb", closefd=False) as file:
            file.write(command.stdin)
        os.lseek(stdin, 0, os.SEEK_SET)
        process = subprocess.Popen(  # noqa: S603 - to run what the job files say is the purpose
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
    except FileNotFoundError as error:
        missing = error.filename or program
        raise SpawnError(f"no such file or directory: {missing}") from None
    except OSError as error:
        raise SpawnError(f"{program}: {(error.strerror or 'can not be run').lower()}") from None
    except ValueError as error:
        raise SpawnError(f"{program}: {error}") from None
    finally:
        os.close(stdin)
    return Child(process, execution)
