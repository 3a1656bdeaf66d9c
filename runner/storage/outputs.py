"""The captured output of runs: one file for each execution, with a cap that keeps its head and its tail."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import structlog

from runner.errors import StorageError
from runner.storage.jsonl import sync_folder

CAP = 10 * 1024 * 1024
"""Bytes of output kept of one execution."""

_log = structlog.get_logger()


class OutputFile:
    """Appends to one file: the head as it comes, then the last bytes when the run is over."""

    def __init__(self, path: Path, cap: int = CAP) -> None:
        self._path = path
        self._head_room = cap // 2
        self._tail_room = cap - self._head_room
        self._tail = bytearray()
        self._left_out = 0
        self._failed = False

    async def write(self, chunk: bytes) -> None:
        """Append bytes. A disk that fails costs output, never the run; it is said once in the runner's log."""
        head, rest = chunk[: self._head_room], chunk[self._head_room :]
        if head:
            self._head_room -= len(head)
            await self._append(head)
        if rest:
            self._tail += rest
            excess = max(0, len(self._tail) - self._tail_room)
            del self._tail[:excess]
            self._left_out += excess

    async def finish(self) -> None:
        """Write the tail, and before it a line that says how much was left out."""
        note = f"\n[jobsd: {self._left_out} bytes of output left out here]\n" if self._left_out else ""
        if note or self._tail:
            await self._append(note.encode() + self._tail)

    async def _append(self, data: bytes) -> None:
        if self._failed:
            return
        try:
            await asyncio.to_thread(self._append_now, data)
        except OSError as error:
            self._failed = True
            _log.error("output can't be kept", file=str(self._path), reason=error.strerror)

    def _append_now(self, data: bytes) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
        finally:
            os.close(descriptor)


class Outputs:
    """The folder of captured outputs; large payloads lie there too, so that they go with the output."""

    def __init__(self, folder: Path, state: Path) -> None:
        self._folder = folder
        self._state = state

    def _file(self, execution: str) -> Path:
        return self._folder / f"{execution}.log"

    @contextlib.asynccontextmanager
    async def open(self, execution: str) -> AsyncIterator[OutputFile]:
        """Where to write an attempt's output; another attempt's stands before it."""
        path = self._file(execution)
        try:
            used = path.stat().st_size
        except OSError:
            used = 0
        output = OutputFile(path, max(CAP - used, CAP // 10))
        try:
            yield output
        finally:
            await output.finish()

    def read(self, execution: str, start: int = 0) -> bytes:
        """The output from byte `start` on; empty where there is none."""
        try:
            with self._file(execution).open("rb") as file:
                file.seek(start)
                return file.read()
        except FileNotFoundError:
            return b""

    def put(self, execution: str, raw: bytes) -> str:
        """Keep a large payload durably; the path in the state directory that the record holds."""
        path = self._folder / f"{execution}.payload.json"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            sync_folder(self._folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            raise StorageError(f"can't keep the payload: {(error.strerror or 'failed').lower()}") from None
        return str(path.relative_to(self._state))

    def get(self, reference: str) -> bytes:
        """The bytes behind a reference that a record holds."""
        path = self._state / reference
        try:
            if path.resolve().parent != self._folder.resolve():
                raise StorageError(f"{reference} is not a payload of this state directory")
            return path.read_bytes()
        except ValueError:  # a null character
            raise StorageError(f"{reference!r} is no path") from None
        except OSError as error:
            raise StorageError(f"{reference}: {(error.strerror or 'failed').lower()}") from None

    def delete(self, executions: Iterable[str]) -> None:
        """Remove the output and the payload of executions."""
        for execution in executions:
            self._file(execution).unlink(missing_ok=True)
            (self._folder / f"{execution}.payload.json").unlink(missing_ok=True)
