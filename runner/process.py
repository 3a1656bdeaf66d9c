"""The only place where a process starts and where a process tree ends."""

import asyncio
import contextlib
import errno
import math
import os
import pwd
import resource
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner import leftovers
from runner.clock import monotonic
from runner.execution.lifecycle import Process
from runner.leftovers import MARK, PATIENCE, Run
from runner.spec.models import Limits

GRACE = 10.0
"""Seconds between TERM and KILL."""

CPU_GRACE = 5
"""Seconds of processor time between XCPU and KILL."""

_CHUNK = 65536
_DRAIN = 0.2
"""Seconds after the end of the process after which a pipe that a background child holds open is given up."""

_LATE_BYTES = 1024 * 1024
"""Bytes read after the end of the process at most: more than a pipe holds, so they come from somebody else."""

_LOOK = 0.05
"""Seconds between two looks at what is left of a process tree."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A user of this machine, with the groups that a login would give."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run: `argv[0]` is looked up in the PATH of `env`, relative paths start at `cwd`.

    Without `identity` it runs as this process does. `limits` hold for it and each of its children by itself.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    stdin: bytes
    identity: Identity | None = None
    limits: Limits | None = None


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: an exit code, or the number of the signal that killed it.

    `cpu` is the time on a processor that it and the children that it waited for took, in seconds.
    """

    code: int | None
    signal: int | None
    cpu: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program that was asked something ended with and wrote."""

    code: int
    out: bytes
    err: bytes


class SpawnError(Exception):
    """The process could not be started; the message says what and why."""


def _started_at(pid: int) -> int:
    """Start of a process in clock ticks since boot (field 22 of /proc/PID/stat), 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123 - for each run, and twice as fast
            stat = file.read()
    except OSError:
        return 0
    return int(stat[stat.rindex(b")") + 2 :].split()[19])


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
    cwd = str(command.cwd)
    for folder in command.env.get("PATH", os.defpath).split(":"):
        candidate = os.path.join(cwd, folder, argv0)  # noqa: PTH118 - for each run, and several times as fast
        if "\0" not in candidate and os.access(candidate, os.X_OK) and os.path.isfile(candidate):  # noqa: PTH113
            return candidate
    raise SpawnError(f"no program {argv0!r} in the PATH {command.env.get('PATH', os.defpath)!r}")


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Child:
    """A started process with its two output pipes; `close` leaves nothing of it."""

    def __init__(self, process: subprocess.Popen[bytes], pidfd: int, execution: str) -> None:
        self._process = process
        self._run = Run(process.pid, execution)
        leftovers.started(self._run)
        self._pidfd = pidfd
        self._exited = asyncio.get_running_loop().create_future()
        self._drained_at = 0.0
        self._ending = False
        self._closed = False
        asyncio.get_running_loop().add_reader(self._pidfd, self._note_exit)
        self._known: Process | None = None

    def _note_exit(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        self._drained_at = monotonic() + _DRAIN
        _set(self._exited)

    @property
    def process(self) -> Process:
        """The process by its id and its start; looked up late, as that takes long in the midst of an exec."""
        if self._known is None:
            self._known = Process(self._process.pid, _started_at(self._process.pid))
        return self._known

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
        await self._signal_all(signal.SIGTERM)
        while not await self._is_gone() and monotonic() < deadline:
            await self._moment()
        deadline = monotonic() + PATIENCE
        while not await self._is_gone() and monotonic() < deadline:
            await self._signal_all(signal.SIGKILL)  # again, for what was forked meanwhile
            await self._moment()
        await self.wait()
        self._ending = False

    async def _lives(self) -> bool:
        if not self._exited.done():
            return True
        try:
            return bool(await self._others())
        except OSError:  # no room to look: at the next look there may be
            return True

    async def _is_gone(self) -> bool:
        """Whether nothing is left, at two looks: in the midst of an exec a process shows no mark."""
        if await self._lives():
            return False
        await self._moment()
        return not await self._lives()

    async def _moment(self) -> None:
        """Wait for the end of the process, or for as long as its children are given between two looks."""
        if self._exited.done():
            await asyncio.sleep(_LOOK)
        else:
            await asyncio.wait([self._exited], timeout=_LOOK)

    async def _others(self) -> list[int]:
        """The processes of the run but its leader; a look at all processes takes its time, and no other's."""
        return await asyncio.to_thread(leftovers.belonging, self._run)

    async def _signal_all(self, number: signal.Signals) -> None:
        _signal_group(self._process.pid, number)
        with contextlib.suppress(OSError):  # no room to look: it is done again
            leftovers.send(await self._others(), number)

    def close(self) -> Exit:
        """Kill what is left of the group, reap the process, and free everything; how it ended.

        Where the process had not ended, or `terminate` was cut short, nothing of the tree is left alive.
        The leader is a zombie until here, so the number of its group can't be anybody else's.
        """
        self._closed = True
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                loop.remove_reader(pipe)
                pipe.close()
        _signal_group(self._process.pid, signal.SIGKILL)
        if self._ending or not self._exited.done():
            leftovers.kill_belonging(self._run)
        known = self.process  # while there still is a process to look at
        _, status, used = os.wait4(known.pid, 0)
        leftovers.ended(self._run)
        # So that the object does not look for the process again.
        self._process.returncode = os.waitstatus_to_exitcode(status)
        cpu = used.ru_utime + used.ru_stime
        if os.WIFSIGNALED(status):
            return Exit(None, os.WTERMSIG(status), cpu)
        return Exit(os.WEXITSTATUS(status), None, cpu)


def ask(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Answer:
    """Run a short program that belongs to no execution and reads nothing, and wait for its answer.

    Raises:
        SpawnError: when it can't be started.
    """
    try:
        done = subprocess.run(  # noqa: S603 - who calls says what to run, and no shell reads it
            argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except OSError as error:
        raise SpawnError(_explain(error, argv[0], cwd)) from None
    except ValueError as error:
        raise SpawnError(f"{argv[0]} can't be run: {error}") from None
    return Answer(done.returncode, done.stdout, done.stderr)


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
        identity = command.identity
        return subprocess.Popen(  # noqa: S603 - to run what the job files say is the purpose
            _limited(program, command),
            executable=None if command.limits else program,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=command.cwd,
            env={**command.env, MARK: execution},
            start_new_session=True,
            bufsize=0,
            # Set between fork and exec, in C. Without a user, nothing keeps the start from the faster vfork.
            user=identity.uid if identity else None,
            group=identity.gid if identity else None,
            extra_groups=identity.groups if identity else None,
        )
    finally:
        os.close(stdin)


def _limited(program: str, command: Command) -> list[str]:
    """The arguments to start a program with, within its limits.

    util-linux's prlimit limits itself and then becomes the program, so that no instruction of it runs without.
    Python could only do so between fork and exec, which costs a fork of the whole runner, or afterwards.
    """
    if command.limits is None:
        return list(command.argv)
    wrapper = shutil.which("prlimit")
    if wrapper is None:
        raise SpawnError("limits need the program 'prlimit' of util-linux in the runner's PATH")
    limits = command.limits
    options = []
    if limits.memory is not None:
        # The address space (RLIMIT_AS) would refuse Go and Node, which reserve far more of it than they use.
        options.append(f"--data={_within(limits.memory, resource.RLIMIT_DATA)}")
    if limits.cpu is not None:
        seconds = math.ceil(limits.cpu.total_seconds())
        last = _within(seconds + CPU_GRACE, resource.RLIMIT_CPU)
        options.append(f"--cpu={min(seconds, last)}:{last}")
    if limits.files is not None:
        options.append(f"--nofile={_within(limits.files, resource.RLIMIT_NOFILE)}")
    return [wrapper, *options, "--", program, *command.argv[1:]]


def _within(limit: int, kind: int) -> int:
    """A limit, or the runner's own, which only root may exceed, where that is stricter."""
    own = resource.getrlimit(kind)[1]
    return limit if own == resource.RLIM_INFINITY else min(limit, own)


def identity_of(user: str) -> Identity:
    """Look a user up by name or number.

    Raises:
        SpawnError: when there is none.
    """
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except (KeyError, OverflowError):
        raise SpawnError(f"this machine has no user {user!r}") from None
    groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
    return Identity(entry.pw_name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir)


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
