"""Append-only logs of JSON lines: durable appends, torn tails, reading both ways, following across renames."""

import contextlib
import errno
import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from runner.clock import pause
from runner.errors import StorageError

_BLOCK = 1024 * 1024
_LOOK = 0.1
"""Seconds between two looks at a file that is followed."""


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


class JsonLines:
    """One log file. Opening it for writing repairs a torn last line; only one process may write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._undo_to: int | None = None

    def open(self) -> int:
        """Open for appending; returns how many bytes of a torn last line were cut off.

        Raises:
            StorageError: when the file can't be opened or repaired.
        """
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            self._descriptor = os.open(self.path, flags, 0o600)
            sync_folder(self.path.parent)
            return self._cut_torn_tail()
        except OSError as error:
            self.close()
            raise StorageError(f"can't open {self.path}: {_reason(error)}") from None

    @property
    def is_open(self) -> bool:
        """Whether it takes lines."""
        return self._descriptor is not None

    def size(self) -> int:
        """Bytes of the file."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = self._undo_to = None

    def _cut_torn_tail(self) -> int:
        """A line is whole when its newline is there; what follows the last newline never counted."""
        assert self._descriptor is not None  # noqa: S101 - called by `open`
        size = end = os.fstat(self._descriptor).st_size
        while end > 0:
            start = max(0, end - _BLOCK)
            block = os.pread(self._descriptor, end - start, start)
            newline = block.rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            os.ftruncate(self._descriptor, end)
            os.fdatasync(self._descriptor)
        return size - end

    def append(self, lines: Sequence[bytes]) -> None:
        """Write the lines with one call and sync them together: all of them are durable, or none is there.

        Raises:
            StorageError: when the disk is full or failing; the file is as it was.
        """
        if self._descriptor is None:
            raise StorageError(f"{self.path} is not open")
        try:
            self._undo(self._descriptor)
            self._undo_to = os.fstat(self._descriptor).st_size
            data = b"".join(lines)
            if os.write(self._descriptor, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301 - a short write
            os.fdatasync(self._descriptor)
        except OSError as error:
            with contextlib.suppress(OSError):  # the next append tries again, before it writes anything
                self._undo(self._descriptor)
            raise StorageError(f"can't write {self.path}: {_reason(error)}") from None
        self._undo_to = None

    def _undo(self, descriptor: int) -> None:
        """Take back what a failed append wrote; a line after half a line would be lost with it."""
        if self._undo_to is not None:
            os.ftruncate(descriptor, self._undo_to)
            self._undo_to = None

    def lines(self) -> Iterator[bytes]:
        """All whole lines, oldest first, without their newlines."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line[:-1]

    def backwards(self, opened: IO[bytes] | None = None, needles: Sequence[bytes] = ()) -> Iterator[bytes]:
        """All whole lines that have all `needles`, newest first; reads only as much of the file as is asked for.

        Reads the file that is `opened` already, where one is given.
        """
        try:
            file = opened or self.path.open("rb")
        except FileNotFoundError:
            return
        with contextlib.nullcontext() if opened else file:
            end = file.seek(0, os.SEEK_END)
            rest = b""
            whole = False
            while end > 0:
                start = max(0, end - _BLOCK)
                file.seek(start)
                block = file.read(end - start) + rest
                first = block.find(b"\n")
                end = start
                if first < 0:
                    rest = block
                    continue
                rest = block[:first]
                # The last part is what follows the last newline: empty, or torn, the first time.
                last = len(block) if whole else block.rfind(b"\n")
                if last > first:
                    yield from lines_having(block[first + 1 : last], needles)
                whole = True
            if whole and all(needle in rest for needle in needles):
                yield rest

    def follow(self) -> Iterator[bytes]:
        """Whole lines as they are appended from now on, without end.

        It goes on in a file that takes this one's place: after its last line that was known here already, as
        after `rewrite`, or from its start, as after a rotation.
        """
        file = self._open_at(end=True)
        rest = b""
        try:
            while True:
                block = file.read(_BLOCK) if file else b""
                *lines, rest = (rest + block).split(b"\n")
                yield from lines
                if block:
                    continue
                if file is None or self._replaced(file):
                    old, file = file, self._open_at(end=False)
                    if old:
                        with old:
                            *lines, _ = (rest + old.read()).split(b"\n")
                            yield from lines
                            _skip_known(old, file)
                    rest = b""
                elif _shrank(file):
                    rest = b""
                pause(_LOOK)
        finally:
            if file:
                file.close()

    def _open_at(self, *, end: bool) -> io.BufferedReader | None:
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return None
        if end:
            file.seek(0, os.SEEK_END)
        return file

    def _replaced(self, file: io.BufferedReader) -> bool:
        try:
            return not os.path.samestat(os.fstat(file.fileno()), self.path.stat())
        except FileNotFoundError:
            return False

    def rewrite(self, keep: Callable[[bytes], bool]) -> int:
        """Replace the file by one that has only the lines to keep; how many went. The old text is gone."""
        gone = 0
        temporary = self.path.with_suffix(".rewriting")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
                for line in self.lines():
                    if keep(line):
                        file.write(line + b"\n")
                    else:
                        gone += 1
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise StorageError(f"can't rewrite {self.path}: {_reason(error)}") from None
        if self._descriptor is not None:  # it is the old file's, where nothing must be written any more
            self.close()
            self.open()
        return gone


def lines_having(block: bytes, needles: Sequence[bytes]) -> Iterator[bytes]:
    """The lines of a block without its last newline that have all needles, last first.

    Where few have the first one, which is most of the time, the others are never looked at one by one.
    """
    if not needles:
        yield from reversed(block.split(b"\n"))
        return
    start = len(block) + 1
    while start > 0 and (at := block.rfind(needles[0], 0, start - 1)) >= 0:
        start = block.rfind(b"\n", 0, at) + 1
        stop = block.find(b"\n", at)
        line = block[start : stop if stop >= 0 else len(block)]
        if all(needle in line for needle in needles):
            yield line


def _skip_known(old: io.BufferedReader, new: io.BufferedReader | None) -> None:
    """Pass over the lines of a new file that the old one has, in the same order."""
    if new is None:
        return
    old.seek(0)
    known = iter(old)
    for line in new:
        if line not in known:  # looks on from the line that was found last
            new.seek(-len(line), os.SEEK_CUR)
            return


def _shrank(file: io.BufferedReader) -> bool:
    """Whether the file was cut, as a failed append or a torn last line is; reading goes on at its end."""
    size = os.fstat(file.fileno()).st_size
    if size >= file.tell():
        return False
    file.seek(size)
    return True


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
