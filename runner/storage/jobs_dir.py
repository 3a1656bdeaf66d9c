"""The job tree on disk: reading it whole, and noticing that it may have changed."""

import asyncio
import contextlib
import errno
import fcntl
import os
import signal
import stat
from collections.abc import AsyncIterator, Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog
from watchfiles import awatch

from runner.clock import Clock, monotonic
from runner.ports import Snapshot
from runner.spec.document import SourceFile
from runner.spec.loader import ParsedFile, read

_SUFFIXES = (".yaml", ".yml")
_FRESH = timedelta(seconds=2)
"""A file that changed so recently may change again within the same tick of its file system's clock."""

_STALE_LOCK = timedelta(minutes=10)
"""A git index.lock that is older was left by a git that died."""

_REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "afs", "9p"})
"""File systems on which a refused lease does not mean that somebody writes, and that tell of no remote change."""

_LARGEST = 1024 * 1024 + 1
"""Bytes read of a file: one more than a file may have, so that the reader can tell."""

_POLL_PAUSE = 0.25
"""Seconds between two looks where the file system does not tell what changes."""

_log = structlog.get_logger()


class _BusyError(Exception):
    """Somebody holds the file open for writing."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file as it was found; without a signature it could not be read and is tried again at each look."""

    signature: tuple[int, ...] | None
    parsed: ParsedFile


class JobsDir:
    """The files `*.yaml` and `*.yml` under one folder; names that start with a dot are left out.

    With `poll`, the watch looks at the files again and again, as it does on file systems that tell nothing.
    """

    def __init__(self, root: Path, clock: Clock, *, poll: bool = False) -> None:
        self._root = root
        self._polls = poll
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self._busy: set[str] = set()
        self._closed: set[str] = set()

    async def read(self) -> Snapshot:
        """Read the tree as it is; unchanged files are neither read nor parsed again."""
        return await asyncio.to_thread(self.read_now)

    def read_now(self) -> Snapshot:
        """`read` for callers without an event loop."""
        seen: dict[str, _Seen] = {}
        busy: set[str] = set()
        git, now = self._git(), self._clock.now().timestamp()
        found, closed, links = _yaml_files(self._root)
        for relative, path in found:
            try:
                seen[relative] = self._look(relative, path, now)
            except FileNotFoundError:
                continue
            except _BusyError:
                busy.add(relative)
                if relative in self._seen:
                    seen[relative] = self._seen[relative]
            except OSError as error:
                seen[relative] = self._unreadable(relative, (error.strerror or "failed").lower())
        for folder, reason in closed.items():
            seen |= self._known_below(folder)
            seen[folder] = self._unreadable(folder, reason)
        self._tell("a file is still being written", busy - self._busy)
        self._tell("a folder can't be read; what was known of its files stays", closed.keys() - self._closed)
        self._seen, self._busy, self._closed = seen, busy, set(closed)
        files = tuple(seen[relative].parsed for relative in sorted(seen))
        # A state that was published as a whole while it was read, or is being published now, is read again.
        whole = git is not None and git == self._git() and all(_target(link) == to for link, to in links.items())
        return Snapshot(files, bool(busy), whole)

    def _tell(self, event: str, places: AbstractSet[str]) -> None:
        for relative in sorted(places):
            _log.info(event, path=str(self._root / relative))

    def _known_below(self, folder: str) -> dict[str, _Seen]:
        """What was seen last of the files in a folder, relative to the root and empty for the root itself."""
        start = f"{folder}/" if folder else ""
        return {relative: known for relative, known in self._seen.items() if relative.startswith(start)}

    def _unreadable(self, relative: str, reason: str) -> _Seen:
        nothing = SourceFile(_printable(relative), b"", str(self._root))
        return _Seen(None, ParsedFile.unreadable(nothing, reason))

    def _look(self, relative: str, path: str, now: float) -> _Seen:
        status = os.stat(path)  # noqa: PTH116 - there are many
        signature = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev)
        known = self._seen.get(relative)
        if known and known.signature == signature and now - status.st_mtime > _FRESH.total_seconds():
            return known
        if relative != _printable(relative):
            return self._unreadable(relative, "its name is not UTF-8")
        source = SourceFile(relative, _read_whole(path), str(self._root))
        if known and known.signature and known.parsed.file.digest == source.digest:
            return _Seen(signature, known.parsed)
        return _Seen(signature, read(source))

    def _git(self) -> tuple[int, ...] | None:
        """Which state of the index the work tree is of, empty without git; None while a git command changes it."""
        for folder in (self._root.absolute(), *self._root.absolute().parents):
            git = _git_folder(folder)
            if git is None:
                continue
            with contextlib.suppress(OSError):
                age = self._clock.now().timestamp() - (git / "index.lock").stat().st_mtime
                if age < _STALE_LOCK.total_seconds():
                    return None
            with contextlib.suppress(OSError):
                status = (git / "index").stat()
                return (status.st_ino, status.st_mtime_ns, status.st_size)
            return ()
        return ()

    @contextlib.asynccontextmanager
    async def watch(self, changed: Callable[[], None]) -> AsyncIterator[None]:
        """While entered, call `changed` whenever files may have changed. It is a hint, never the truth."""
        stop = asyncio.Event()
        task = asyncio.create_task(self._watch(changed, stop))
        await asyncio.sleep(0)  # the task runs until it watches
        changed()  # what changed before that was not noticed
        try:
            yield
        finally:
            stop.set()
            await task

    async def _watch(self, changed: Callable[[], None], stop: asyncio.Event) -> None:
        while not stop.is_set():
            # Held open, so that a folder that is made in its place can't get the same number.
            held = self._hold()
            try:
                if self._polls or (held is not None and _is_remote(os.fstat(held).st_dev)):
                    await self._poll(changed, stop)
                    return
                await self._await_events(held, changed, stop)
            except (OSError, RuntimeError) as error:
                # The library's own error, of a file that vanished while it began to watch it, is a RuntimeError.
                _log.warning("watching failed; it begins anew in a second", reason=str(error))
                await _stopped(stop, 1.0)
            finally:
                if held is not None:
                    os.close(held)
            changed()

    async def _await_events(self, held: int | None, changed: Callable[[], None], stop: asyncio.Event) -> None:
        """Watch the folder that is held, or where it will be, until the path leads to another one."""
        watching = awatch(
            self._root if held is not None else _nearest_parent(self._root),
            watch_filter=None,
            step=10,
            debounce=50,
            stop_event=stop,
            rust_timeout=1000,
            yield_on_timeout=True,
            recursive=held is not None,
        )
        unseen = True  # what changed before this watch began was told to nobody
        async with contextlib.aclosing(watching) as batches:
            async for changes in batches:
                if changes or unseen:
                    unseen = False
                    changed()
                if not self._leads_to(held):
                    return

    def _hold(self) -> int | None:
        """The folder that the path leads to now, as a descriptor; None where it leads to none."""
        try:
            return os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return None

    def _leads_to(self, held: int | None) -> bool:
        """Whether the path still leads there: a folder may be deleted and made again, or be a link that moves."""
        try:
            status = self._root.stat()
        except OSError:
            return held is None
        return held is not None and os.path.samestat(status, os.fstat(held))

    async def _poll(self, changed: Callable[[], None], stop: asyncio.Event) -> None:
        """Look again and again, for a twentieth of the time at most.

        The library's own polling takes two versions of one size within a second for the same.
        """
        last: int | None = None
        while not stop.is_set():
            begun = monotonic()
            present = await asyncio.to_thread(self._fingerprint)
            if present != last:
                last = present
                changed()
            await _stopped(stop, max(_POLL_PAUSE, 20 * (monotonic() - begun)))

    def _fingerprint(self) -> int:
        """A number that is another one when any file is."""
        files, closed, links = _yaml_files(self._root)
        found: list[object] = [*closed.items(), *links.items()]
        for relative, path in files:
            with contextlib.suppress(OSError):
                status = os.stat(path)  # noqa: PTH116 - there are many
                found.append((relative, status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino))
        return hash(tuple(found))


async def _stopped(stop: asyncio.Event, seconds: float) -> None:
    """Wait for the stop, but only so long."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def _git_folder(folder: Path) -> Path | None:
    """Where git keeps what it knows of the work tree that begins here; None where none begins."""
    git = folder / ".git"
    try:
        if git.is_file():  # a linked work tree or a submodule
            return folder / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        return git if git.is_dir() else None
    except (OSError, UnicodeDecodeError):
        return None


def _nearest_parent(path: Path) -> Path:
    return next(folder for folder in path.absolute().parents if folder.is_dir())


def _target(link: Path) -> str | None:
    """Where a link leads; None for what is no link."""
    try:
        return str(link.readlink())
    except OSError:
        return None


def _yaml_files(root: Path) -> tuple[list[tuple[str, str]], dict[str, str], dict[Path, str | None]]:
    """All YAML files below a folder with their paths relative to it, and the folders that can't be read, and why.

    Besides, the links by which whole states are published, and where they lead: the folder itself, and `..data`
    of a Kubernetes volume. A folder that several links lead to is entered once, by the path that comes first.
    """
    files: list[tuple[str, str]] = []  # a path object takes longer to make than a file to look at
    links = {place: _target(place) for place in (root.absolute(), *root.absolute().parents)}
    closed: dict[str, str] = {}
    entered: set[tuple[int, int]] = set()
    stack = [("", str(root))]
    while stack:
        relative, folder = stack.pop()
        try:
            status = os.stat(folder)  # noqa: PTH116 - as above
            if (status.st_dev, status.st_ino) in entered:
                continue
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name, reverse=True)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            closed[relative] = (error.strerror or "failed").lower()
            continue
        entered.add((status.st_dev, status.st_ino))
        for entry in entries:
            if entry.name == "..data":
                links[Path(entry.path)] = _target(Path(entry.path))
            if entry.name.startswith("."):
                continue
            inner = f"{relative}/{entry.name}" if relative else entry.name
            if _is_folder(entry):
                stack.append((inner, entry.path))
            elif entry.name.endswith(_SUFFIXES):
                files.append((inner, entry.path))
    return files, closed, links


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _printable(relative: str) -> str:
    """A path that can be written down, also where its name is not UTF-8."""
    return relative.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for the other end of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _read_whole(path: str) -> bytes:
    """A file's bytes, unless somebody is writing it.

    A read lease can only be had on a file that nobody holds open for writing (fcntl(2), "Leases"). Where the
    file system or the owner does not allow leases, the quiet window of the reconciler has to do. The kernel
    tells a lease's holder with a signal: SIGURG, which is ignored by default, instead of the deadly SIGIO.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            if error.errno == errno.EAGAIN and not _is_remote(status.st_dev):
                raise _BusyError from None
            return file.read(_LARGEST)
        try:
            return file.read(_LARGEST)
        finally:
            with contextlib.suppress(OSError):
                fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def _is_remote(device: int) -> bool:
    """Whether a device is a network file system, which refuses leases for reasons of its own."""
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        fields = line.split()
        if fields[2] == number:
            return fields[fields.index("-") + 1] in _REMOTE
    return False
