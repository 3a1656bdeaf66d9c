"""Finds and ends what runs leave behind, and reaps what is handed to this process when its parent dies."""

import asyncio
import contextlib
import ctypes
import errno
import os
import signal
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from runner.clock import monotonic, pause

MARK = "JOBSD_EXECUTION"
"""The environment variable by which every process of a run is known."""

PATIENCE = 5.0
"""Seconds to wait for the end of processes after KILL; one that hangs in the kernel may take longer."""

_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})

_SET_CHILD_SUBREAPER = 36
_GET_CHILD_SUBREAPER = 37
_UNUSED = (ctypes.c_ulong(0),) * 3
"""Arguments of prctl that these two options don't have."""

_MOMENT = 0.05
"""Seconds after the end of a run at which a look is taken, so that one look serves many runs."""

_CLEAN_LOOKS = 2
"""Looks that find nothing of an ended run until it is forgotten: in the midst of an exec a process has no mark."""

_LAST_LOOKS = 1.0
"""Seconds given to the last looks, when the runner stops."""


@dataclass(frozen=True, slots=True)
class Run:
    """A process that was started for an execution: the leader of a session that has its id."""

    leader: int
    execution: str


@dataclass(slots=True)
class _Registry:
    """The runs of this process, as its children are: those that are waited for, and those that ended lately.

    It belongs to the process, as who reaps must know every child that somebody else waits for.
    """

    live: dict[int, Run] = field(default_factory=dict)
    ended: dict[Run, int] = field(default_factory=dict)  # with how many looks it is still remembered
    changed: asyncio.Event | None = None  # set while somebody sweeps
    spare: int | None = None  # a descriptor held back for looks when no other is left
    spare_in_use: Lock = field(default_factory=Lock)

    def wake(self) -> None:
        if self.changed is not None:
            self.changed.set()


_runs = _Registry()


def started(run: Run) -> None:
    """Note a run: its leader's exit status is from now on its owner's alone."""
    _runs.live[run.leader] = run


def ended(run: Run) -> None:
    """Note that a run has ended and its leader was reaped: what it left may go."""
    _runs.live.pop(run.leader, None)
    if _runs.changed is not None:
        _runs.ended[run] = _CLEAN_LOOKS
        _runs.wake()


# -- finding -------------------------------------------------------------------------------------------------


def marked(executions: Collection[str]) -> list[int]:
    """The ids of all live processes that carry the mark of an execution, whoever their parent is."""
    return _with_room(lambda: _bearing(executions, (), _all_processes()))


def belonging(run: Run) -> list[int]:
    """The ids of all live processes of a run but its leader: by its session, and by its mark.

    Raises:
        OSError: when this process has no room to look.
    """
    return _with_room(lambda: _bearing((run.execution,), (run.leader,), _all_but(run.leader)))


def _bearing(executions: Collection[str], sessions: Collection[int], pids: Sequence[int]) -> list[int]:
    """Those of some processes that are alive and carry a mark, or are in a session."""
    needles = {f"{MARK}={execution}".encode() for execution in executions}
    return [
        pid for pid in pids if (_is_in(pid, sessions) and _lives(pid)) or not needles.isdisjoint(_environment(pid))
    ]


def _with_room(look: Callable[[], list[int]]) -> list[int]:
    """Take a look at processes, with the spare descriptor where no other is left for it."""
    try:
        return look()
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
    with _runs.spare_in_use:
        if _runs.spare is None:
            return look()
        os.close(_runs.spare)
        try:
            return look()
        finally:
            # Where somebody else has taken its place meanwhile, there is none until the next sweeping.
            _runs.spare = None
            with contextlib.suppress(OSError):
                _runs.spare = _open_spare()


def _open_spare() -> int:
    return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


def _all_but(leader: int) -> list[int]:
    return [pid for pid in _all_processes() if pid != leader]


def _all_processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - several times as fast


def _is_in(pid: int, sessions: Collection[int]) -> bool:
    try:
        return os.getsid(pid) in sessions
    except OSError:
        return False


def _lives(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise
        return False
    return stat[stat.rindex(b")") + 2 :][:1] not in b"ZX"


def _environment(pid: int) -> list[bytes]:
    """The variables that a process was started with; none of one that is gone or somebody else's.

    Raises:
        OSError: when this process has no room to look, which does not mean that there is nothing to see.
    """
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:  # noqa: PTH123 - several times as fast
            return file.read().split(b"\0")
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise
        return []


def _children() -> list[int] | None:
    """The children of this process, of all its threads; None where the kernel does not list them."""
    found: list[int] = []
    for thread in os.listdir("/proc/self/task"):  # noqa: PTH208 - several times as fast
        try:
            with open(f"/proc/self/task/{thread}/children", "rb", buffering=0) as file:  # noqa: PTH123 - as above
                found += map(int, file.read().split())
        except FileNotFoundError:
            if Path(f"/proc/self/task/{thread}").exists():
                return None
        except ProcessLookupError:  # the thread ended
            continue
    return found


# -- ending --------------------------------------------------------------------------------------------------


def send(pids: Sequence[int], number: signal.Signals) -> None:
    """Signal processes, whichever of them are still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def kill_marked(executions: Collection[str], patience: float = PATIENCE) -> None:
    """Kill all processes of executions, and wait until they are gone, `patience` seconds at most."""
    _kill(lambda: marked(executions), patience)


def kill_belonging(run: Run, patience: float = PATIENCE) -> None:
    """Kill all processes of a run but its leader, and wait until they are gone, `patience` seconds at most."""
    _kill(lambda: belonging(run), patience)


def _kill(find: Callable[[], Sequence[int]], patience: float) -> None:
    deadline = monotonic() + patience
    while monotonic() < deadline:
        with contextlib.suppress(OSError):  # no room to look: there may be at the next
            if not (left := find()):
                return
            send(left, signal.SIGKILL)
        pause(0.01)


# -- sweeping ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _subreaper() -> Iterator[None]:
    """While entered, processes below this one whose parent dies become its children, rather than init's."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    before = ctypes.c_int()
    prctl(_GET_CHILD_SUBREAPER, ctypes.byref(before), *_UNUSED)
    if prctl(_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), *_UNUSED) != 0:
        raise OSError(ctypes.get_errno(), "this process can't become the reaper of its descendants")
    try:
        yield
    finally:
        prctl(_SET_CHILD_SUBREAPER, ctypes.c_ulong(before.value), *_UNUSED)


@contextlib.asynccontextmanager
async def sweeping() -> AsyncIterator[None]:
    """While entered, what ended runs left behind is killed within a moment, and no orphan stays a zombie.

    What a run left has become a child of this process, so that its own children are all there is to look at.
    Whose mark or session is of no ended run is left alone, as it may have been started beside the runner.
    """
    loop = asyncio.get_running_loop()
    with _subreaper():
        _runs.changed = asyncio.Event()
        _runs.spare = _open_spare()
        loop.add_signal_handler(signal.SIGCHLD, _runs.wake)
        try:
            async with asyncio.TaskGroup() as tasks:
                sweeper = tasks.create_task(_sweep(_runs.changed))
                try:
                    yield
                finally:
                    sweeper.cancel()
            deadline = loop.time() + _LAST_LOOKS
            with contextlib.suppress(OSError):  # no room to look any more
                while await _look() and loop.time() < deadline:  # noqa: ASYNC110 - no event tells of the end
                    await asyncio.sleep(_MOMENT / 5)
        finally:
            loop.remove_signal_handler(signal.SIGCHLD)
            _runs.changed = None
            _runs.ended.clear()
            if _runs.spare is not None:
                os.close(_runs.spare)
                _runs.spare = None


async def _sweep(changed: asyncio.Event) -> None:
    """Look a moment after something has changed, and again for as long as something may be left."""
    loop = asyncio.get_running_loop()
    more = False
    while True:
        if not more:
            await changed.wait()
        await asyncio.sleep(_MOMENT)
        changed.clear()
        begun = loop.time()
        more = True
        with contextlib.suppress(OSError):  # no room for one more open file: later there will be
            more = await _look()
        # Where a look is dear, as one at all processes is, it takes no more than a small part of the time.
        await asyncio.sleep(10 * (loop.time() - begun))


async def _look() -> bool:
    """Reap orphans, and kill what ended runs left; whether it is worth looking again soon."""
    hidden = _reap_orphans()
    if hidden is None:
        _runs.ended.clear()  # there is no child at all
        return False
    if not (hidden or _runs.ended):
        return False
    executions = {run.execution for run in _runs.ended}
    sessions = {run.leader for run in _runs.ended}
    children = _children()
    if children is None:
        pids = [pid for pid in _all_processes() if pid not in _runs.live]
        left = await asyncio.to_thread(_bearing, executions, sessions, pids) if executions else []
    else:
        # Between here and the reaping nobody else has a turn, so no child can be new.
        strangers = [pid for pid in children if pid not in _runs.live and not _reap(pid)]
        left = _bearing(executions, sessions, strangers) if executions else []
    live = {run.execution for run in _runs.live.values()}
    # A new attempt of an execution bears the mark of the last one.
    left = [pid for pid in left if _is_in(pid, sessions) or live.isdisjoint(executions & _marks(pid))]
    send(left, signal.SIGKILL)
    _remember(found=bool(left))
    return bool(_runs.ended)


def _marks(pid: int) -> set[str]:
    prefix = f"{MARK}=".encode()
    return {
        each[len(prefix) :].decode("ascii", "replace") for each in _environment(pid) if each.startswith(prefix)
    }


def _remember(*, found: bool) -> None:
    """Forget the ended runs of which nothing was found at several looks."""
    for run, looks in list(_runs.ended.items()):
        if found:
            _runs.ended[run] = _CLEAN_LOOKS
        elif looks > 1:
            _runs.ended[run] = looks - 1
        else:
            del _runs.ended[run]


def _reap_orphans() -> bool | None:
    """Reap children that nobody waits for; True when one that is waited for hides the others, None without any.

    The look leaves the child as it is. It shows the same child again and again, so the others have to wait
    until that one is reaped by its owner, or are looked at one by one.
    """
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return None
        if found is None:
            return False
        if found.si_pid in _runs.live:
            return True
        _reap(found.si_pid)


def _reap(pid: int) -> bool:
    """Reap one child if it has ended; whether it is gone."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
