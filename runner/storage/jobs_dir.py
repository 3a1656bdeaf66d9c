"""The job tree on disk: reading it whole, and noticing that it may have changed."""

import asyncio
import contextlib
import errno
import fcntl
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog
from watchfiles import awatch

from runner.clock import Clock
from runner.ports import Snapshot
from runner.spec.document import SourceFile
from runner.spec.loader import ParsedFile, read

_SUFFIXES = (".yaml", ".yml")
_FRESH = timedelta(seconds=2)
"""A file that changed so recently may change again within the same tick of its file system's clock."""

_STALE_LOCK = timedelta(minutes=10)
"""A git index.lock that is older was left by a git that died."""

_LARGEST = 1024 * 1024 + 1
"""Bytes read of a file: one more than a file may have, so that the reader can tell."""

_log = structlog.get_logger()


class _BusyError(Exception):
    """Somebody holds the file open for writing."""


@dataclass(frozen=True, slots=True)
class _Seen:
    signature: tuple[int, ...]
    parsed: ParsedFile


class JobsDir:
    """The files `*.yaml` and `*.yml` under one folder; names that start with a dot are left out."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self._root = root
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self._busy: set[str] = set()

    async def read(self) -> Snapshot:
        """Read the tree as it is; unchanged files are neither read nor parsed again."""
        return await asyncio.to_thread(self.read_now)

    def read_now(self) -> Snapshot:
        """`read` for callers without an event loop."""
        seen: dict[str, _Seen] = {}
        busy: set[str] = set()
        for relative, entry in _yaml_files(self._root):
            try:
                seen[relative] = self._look(relative, entry)
            except FileNotFoundError:
                continue
            except _BusyError:
                busy.add(relative)
                if relative in self._seen:
                    seen[relative] = self._seen[relative]
        for relative in sorted(busy - self._busy):
            _log.info("a file is still being written", file=str(self._root / relative))
        self._seen, self._busy = seen, busy
        files = tuple(seen[relative].parsed for relative in sorted(seen))
        return Snapshot(files, bool(busy) or self._git_is_busy())

    def _look(self, relative: str, path: Path) -> _Seen:
        status = path.stat()
        signature = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev)
        known = self._seen.get(relative)
        age = self._clock.now().timestamp() - status.st_mtime
        if known and known.signature == signature and age > _FRESH.total_seconds():
            return known
        try:
            source = SourceFile(relative, _read_whole(path), str(self._root))
        except PermissionError as error:
            nothing = SourceFile(relative, b"", str(self._root))
            reason = (error.strerror or "permission denied").lower()
            return _Seen(signature, ParsedFile.unreadable(nothing, reason))
        if known and known.parsed.file.digest == source.digest:
            return _Seen(signature, known.parsed)
        return _Seen(signature, read(source))

    def _git_is_busy(self) -> bool:
        """Whether a git command is changing the work tree right now."""
        for folder in (self._root.absolute(), *self._root.absolute().parents):
            lock = folder / ".git" / "index.lock"
            try:
                age = self._clock.now().timestamp() - lock.stat().st_mtime
            except OSError:
                if (folder / ".git").exists():
                    return False
                continue
            return age < _STALE_LOCK.total_seconds()
        return False

    @contextlib.asynccontextmanager
    async def watch(self, changed: Callable[[], None]) -> AsyncIterator[None]:
        """While entered, call `changed` whenever files may have changed. It is a hint, never the truth."""
        stop = asyncio.Event()
        task = asyncio.create_task(self._watch(changed, stop))
        try:
            yield
        finally:
            stop.set()
            await task

    async def _watch(self, changed: Callable[[], None], stop: asyncio.Event) -> None:
        while not stop.is_set():
            before = self._identity()
            try:
                async with contextlib.aclosing(
                    awatch(
                        self._root if before else _nearest_parent(self._root),
                        watch_filter=None,
                        step=10,
                        debounce=50,
                        stop_event=stop,
                        rust_timeout=1000,
                        yield_on_timeout=True,
                        recursive=before is not None,
                    )
                ) as batches:
                    async for changes in batches:
                        if changes:
                            changed()
                        if self._identity() != before:
                            break
            except OSError as error:
                _log.warning("watching failed; looking every second", reason=str(error))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 1.0)
            changed()

    def _identity(self) -> tuple[int, int] | None:
        """Which folder the path leads to now: it may be deleted and made again, or be a link that moves."""
        try:
            status = self._root.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino


def _nearest_parent(path: Path) -> Path:
    return next(folder for folder in path.absolute().parents if folder.is_dir())


def _yaml_files(root: Path) -> Iterator[tuple[str, Path]]:
    """All YAML files below a folder with their paths relative to it; a link to a folder is entered once."""
    entered: set[tuple[int, int]] = set()
    stack = [root]
    while stack:
        folder = stack.pop()
        try:
            status = folder.stat()
            entries = list(os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError:
            _log.warning("a folder can't be read", folder=str(folder))
            continue
        if (status.st_dev, status.st_ino) in entered:
            continue
        entered.add((status.st_dev, status.st_ino))
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                stack.append(Path(entry.path))
            elif entry.name.endswith(_SUFFIXES):
                path = Path(entry.path)
                yield path.relative_to(root).as_posix(), path


def _read_whole(path: Path) -> bytes:
    """A file's bytes, unless somebody is writing it.

    A read lease can only be had on a file that nobody holds open for writing (fcntl(2), "Leases"). Where the
    file system or the owner does not allow leases, the quiet window of the reconciler has to do. The kernel
    tells a lease's holder with a signal: SIGURG, which is ignored by default, instead of the deadly SIGIO.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no path
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        try:
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            if error.errno == errno.EAGAIN:
                raise _BusyError from None
            return file.read(_LARGEST)
        try:
            return file.read(_LARGEST)
        finally:
            with contextlib.suppress(OSError):
                fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
