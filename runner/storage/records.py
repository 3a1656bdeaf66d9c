"""The records of executions as a log in segments: the `RecordStore` of a runner on one machine."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

import structlog

from runner.errors import StorageError
from runner.execution.checkpoint import FrozenHistory, freeze
from runner.execution.ledger import Ledger, fold, is_first
from runner.execution.records import ForeignLineError, Record, from_line, to_line
from runner.storage.checkpoint import Checkpoint, Place, lines_after, place_in, whole_lines
from runner.storage.jsonl import JsonLines
from runner.storage.retention import Limits, Surplus, surplus
from runner.storage.segments import Segment, Segments, note
from runner.storage.tombstones import Tombstones

ROTATE_BYTES = 64 * 1024 * 1024
"""Bytes after which the growing file is closed."""

ROTATE_AGE = timedelta(days=7)
"""Age of its first line after which the growing file is closed."""

CHECKPOINT_BYTES = 4 * 1024 * 1024
"""Bytes of lines that a start has to read after the checkpoint, more or less."""

_SLICE = 500
"""Jobs that are frozen without a break for the event loop."""

_log = structlog.get_logger()

Forget = Callable[[Iterable[str]], None]
"""Removes what else there is of executions: outputs and large payloads."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """When the growing file is closed: at so many bytes, or when its first line is so old."""

    size: int = ROTATE_BYTES
    age: timedelta = ROTATE_AGE


class JsonlRecords:
    """All segments of the log, the checkpoint and the tombstones. Only one process may `open` it."""

    def __init__(self, path: Path, forget: Forget = lambda _: None, rotation: Rotation | None = None) -> None:
        self._log = JsonLines(path)
        self._forget = forget
        self._rotation = rotation or Rotation()
        self._segments = Segments(path)
        self._checkpoint = Checkpoint(path.with_name("checkpoint.json"))
        self._tombstones = Tombstones(path.with_name("tombstones.json"))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="jobsd-records")
        self._chores = ThreadPoolExecutor(1, thread_name_prefix="jobsd-segments")
        self._ledger: Ledger | None = None
        self._complete = True
        self._covered = 0
        self._stale = False
        self._enough = CHECKPOINT_BYTES
        self._began: datetime | None = None
        self._newest: datetime | None = None

    def open(self) -> None:
        """Open for writing, as the one writer, and take up what a crash left undone."""
        for threads in (self._thread, self._chores):
            threads.submit(int).result()  # started now, as later a limit of processes may let none be started
        torn = self._log.open()
        if torn:
            _log.warning("cut off a torn last line", file=str(self._log.path), bytes=torn)
        self._segments.tidy()
        for segment in self._segments.closed():
            if segment.plain.exists():
                self._later(segment.compress)
        for job in self._tombstones.all:
            self._later(self._bury, job)
        first = next((record for record in self._parse(self._log.lines())), None)
        self._began = first.at if first else None

    def close(self) -> None:
        """Finish what was handed in, write a checkpoint, and close the file."""
        self._chores.submit(int).result()  # what it does may want the other thread
        self._thread.shutdown()
        if self._ledger is not None and self._complete:
            ledger = self._ledger
            histories = {job: freeze(ledger, job) for job in [*ledger.jobs()]}
            with contextlib.suppress(OSError, StorageError):  # without it the next start takes longer
                self._later(self._keep, self._place(), histories, ledger.latest)
        self._chores.shutdown()
        self._log.close()

    def _later(self, chore: Callable[..., object], *arguments: object) -> "Future[None]":
        """Do something in the thread for what has time; one thing after the other."""

        def do() -> None:
            try:
                chore(*arguments)
            except (StorageError, OSError) as error:
                _log.error("the log of records can't be kept in order", reason=str(error))

        return self._chores.submit(do)

    # -- starting --------------------------------------------------------------------------------------------

    def ledger(self) -> Ledger:
        """The fold of all records, from the checkpoint and what follows it; this store keeps it covered."""
        ledger = self._from_checkpoint() or fold(self.read())
        for job in self._tombstones.all:
            ledger.forget(job)
        self._ledger = ledger
        return ledger

    def _from_checkpoint(self) -> Ledger | None:
        known = self._checkpoint.read()
        if known is None:
            return None
        ledger, place = known
        lines = lines_after(place, self._segments, self._log.path)
        if lines is None:
            _log.warning("the checkpoint does not fit the log, so the whole log is read")
            return None
        closed = self._segments.closed()
        self._covered = place.offset if not closed or closed[-1].name == place.after else 0
        return fold(self._visible(self._parse(lines)), ledger)

    # -- writing ---------------------------------------------------------------------------------------------

    async def append(self, records: Sequence[Record]) -> None:
        """Make the records durable, all of them or none; the event loop goes on meanwhile."""
        lines = [to_line(record) for record in records]
        self._complete = False
        await asyncio.get_running_loop().run_in_executor(self._thread, self._append, lines)
        if records:
            self._newest = records[-1].at
            self._began = self._began or records[0].at

    def _append(self, lines: Sequence[bytes]) -> None:
        if not self._log.is_open:  # a rotation could not open the new file
            self._log.open()
        self._log.append(lines)

    async def applied(self) -> None:
        """All that was appended is in the ledger: the moment to rotate the file and to take a checkpoint.

        Returns before either is written, except for the rename; never fails.
        """
        self._complete = True
        size = self._log.size()
        old = self._began and self._newest and self._newest - self._began >= self._rotation.age
        if size and (size >= self._rotation.size or old):
            await self._rotate()
        elif self._stale or size - self._covered >= self._enough:
            await self._take_checkpoint()

    async def _rotate(self) -> None:
        try:
            segment = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._segments.close, self._log
            )
        except (StorageError, OSError) as error:
            self._stale = True
            _log.error("the log of records can't be rotated", reason=str(error))
            return
        self._began = None
        await self._take_checkpoint()
        self._later(segment.compress)

    async def _take_checkpoint(self) -> None:
        ledger = self._ledger
        if ledger is None:
            return
        try:
            place = self._place()
        except OSError as error:
            _log.error("no checkpoint can be taken", reason=str(error))
            return
        histories: dict[str, FrozenHistory] = {}
        for number, job in enumerate([*ledger.jobs()]):
            histories[job] = freeze(ledger, job)
            if number % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
        self._covered, self._stale = place.offset, False
        self._later(self._keep, place, histories, ledger.latest)

    def _place(self) -> Place:
        closed = self._segments.closed()
        with self._log.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            return place_in(file, closed[-1].name if closed else "", size)

    def _keep(self, place: Place, histories: dict[str, FrozenHistory], latest: str) -> None:
        size = self._checkpoint.write(place, histories, latest)
        self._enough = max(CHECKPOINT_BYTES, 4 * size)

    # -- reading ---------------------------------------------------------------------------------------------

    def read(self) -> Iterator[Record]:
        """All records, oldest first; lines that are none are reported and passed over."""
        return self._visible(self._parse(self._forwards()))

    def _forwards(self, start: int = 0) -> Iterator[bytes]:
        closed, active = self._snapshot()
        for segment in closed[start:]:
            yield from segment.lines()
        if active is not None:
            with active:
                yield from whole_lines(active)

    def _snapshot(self) -> tuple[list[Segment], IO[bytes] | None]:
        """The closed segments and the growing file as they were at one moment, whatever rotates meanwhile."""
        while True:
            names = [segment.name for segment in self._segments.closed()]
            active: IO[bytes] | None = None
            with contextlib.suppress(FileNotFoundError):
                active = self._log.path.open("rb")
            closed = self._segments.closed()
            if [segment.name for segment in closed] == names:
                return closed, active
            if active is not None:
                active.close()

    def backwards(self, job: str | None = None, execution: str | None = None) -> Iterator[Record]:
        """Records, newest first, of one job or execution where one is named."""
        needles = [
            f'"{name}":"{value}"'.encode()
            for name, value in (("job", job), ("id", execution))
            if value is not None
        ]
        for record in self._visible(self._parse(self._backwards(job, needles))):
            if job in {None, record.job} and execution in {None, record.id}:
                yield record

    def _backwards(self, job: str | None, needles: Sequence[bytes]) -> Iterator[bytes]:
        closed, active = self._snapshot()
        if active is not None:
            with active:
                yield from self._log.backwards(active, needles)
        for segment in reversed(closed):
            yield from segment.backwards(job, needles)

    def of_execution(self, execution: str) -> list[Record]:
        """All lines of an execution, oldest first; reads the part of the log where they can be.

        The names of the segments say where it can start, unless the clock was set back since.
        """
        needle = f'"id":"{execution}"'.encode()
        closed, active = self._snapshot()
        if active is not None:
            with active:
                here = [*reversed([*self._lines_of(execution, self._log.backwards(active, [needle]))])]
            if here and (not closed or is_first(here[0])):
                return here
        else:
            here = []
        found: list[Record] = []
        start = max([number for number, segment in enumerate(closed) if segment.name <= execution], default=0)
        for number in range(start, len(closed)):
            lines = closed[number].since(execution) if number == start else closed[number].lines()
            for record in self._lines_of(execution, (line for line in lines if needle in line)):
                found.append(record)
                if record.status.terminal:
                    return found
            if number == start and not found:
                break
        if found or not closed:
            return found + here
        return [*reversed([*self.backwards(execution=execution)])]

    def _lines_of(self, execution: str, lines: Iterable[bytes]) -> Iterator[Record]:
        return (record for record in self._visible(self._parse(lines)) if record.id == execution)

    def follow(self) -> Iterator[Record]:
        """Records as they are appended from now on, without end."""
        return self._parse(self._log.follow())

    def _parse(self, lines: Iterable[bytes]) -> Iterator[Record]:
        for line in lines:
            try:
                yield from_line(line)
            except ForeignLineError as error:
                _log.warning("passed over a line that is no record", file=str(self._log.path), reason=str(error))

    def _visible(self, records: Iterator[Record]) -> Iterator[Record]:
        if not self._tombstones.all:
            return records
        return (record for record in records if not self._tombstones.hides(record.job, record.id))

    # -- deleting --------------------------------------------------------------------------------------------

    async def delete(self, job: str) -> int:
        """Remove a job's history so far for good, outputs included; how many lines went.

        It is hidden at once, also from a runner that starts after a crash, which then finishes the work.
        """
        loop = asyncio.get_running_loop()
        until = self._ledger.latest if self._ledger is not None else "Z" * 26
        await loop.run_in_executor(self._chores, self._tombstones.hide, job, until)
        gone = await loop.run_in_executor(self._thread, self._bury_active, job)
        if self._ledger is not None:
            self._ledger.forget(job)
            if self._complete and sum(1 for _ in self._ledger.jobs()) < _SLICE:
                await self._take_checkpoint()
        return gone + await loop.run_in_executor(self._chores, self._bury, job)

    def _bury_active(self, job: str) -> int:
        keep = self._keeper(job)
        self._forget_of(line for line in self._log.lines() if not keep(line))
        gone = self._log.rewrite(keep)
        self._stale = True  # the checkpoint's place is no more
        return gone

    def _bury(self, job: str) -> int:
        """Take a hidden job's lines out of the closed segments; then nothing need hide it any more."""
        if job not in self._tombstones.all:
            return 0
        keep = self._keeper(job)
        gone = 0
        for segment in self._segments.closed():
            hidden = [line for line in segment.backwards(job) if not keep(line)]
            self._forget_of(hidden)
            if hidden:
                gone += segment.rewrite(keep)
        if not all(map(keep, self._log.lines())):  # a crash came before the growing file's turn
            gone += self._thread.submit(self._bury_active, job).result()
        self._tombstones.drop(job)
        return gone

    def _forget_of(self, lines: Iterable[bytes]) -> None:
        """Remove the outputs first: after a crash, the lines still say whose they are."""
        self._forget({found.execution for line in lines if (found := note(line)) is not None})

    def _keeper(self, job: str) -> Callable[[bytes], bool]:
        """Whether a line stays, as it is of another job or newer than the tombstone."""
        needle = f'"job":"{job}"'.encode()

        def keep(line: bytes) -> bool:
            if needle not in line:
                return True
            found = note(line)
            return found is None or found.job != job or not self._tombstones.hides(job, found.execution)

        return keep

    # -- retention -------------------------------------------------------------------------------------------

    async def retain(self, limits: Limits, now: datetime) -> int:
        """Drop what no limit wants any more, whole shares of closed segments; how many lines went."""
        if self._ledger is None or not limits:
            return 0
        spared = frozenset(execution.id for execution in self._ledger.open())
        return await asyncio.get_running_loop().run_in_executor(self._chores, self._retain, limits, now, spared)

    def _retain(self, limits: Limits, now: datetime, spared: frozenset[str]) -> int:
        gone = 0
        for found in surplus(self._segments.closed(), limits, now):
            keep = _dropper(found, spared)
            self._forget_of(line for line in found.segment.lines() if not keep(line))
            gone += found.segment.rewrite(keep)
        return gone


def _dropper(found: Surplus, spared: frozenset[str]) -> Callable[[bytes], bool]:
    def keep(line: bytes) -> bool:
        known = note(line)
        return known is None or known.job not in found.jobs or known.execution in spared

    return keep
