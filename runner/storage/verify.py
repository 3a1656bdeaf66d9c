"""Checks of a whole log: every line a record, every transition legal, every large payload where it should be."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from runner.execution.ledger import is_first
from runner.execution.lifecycle import IllegalTransitionError, Status, check_transition
from runner.execution.records import ForeignLineError, Record, from_line
from runner.storage.segments import Segments
from runner.storage.tombstones import Tombstones


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a line; lines count from 1 in the uncompressed text of the file."""

    path: str
    line: int
    message: str


@dataclass(slots=True)
class Tally:
    """What was looked at: files, lines, executions, and of these the open ones and those without a beginning."""

    files: int = 0
    lines: int = 0
    executions: int = 0
    open: int = 0
    cut_off: int = 0
    statuses: dict[str, Status] = field(default_factory=dict)


class Verification:
    """One look at all segments, oldest first; `tally` is complete when `problems` has come to its end."""

    def __init__(self, state: Path, active: Path) -> None:
        self.tally = Tally()
        self._state = state
        self._active = active
        self._tombstones = Tombstones(active.with_name("tombstones.json"))
        self._begun: set[str] = set()
        self._closed = False

    def problems(self) -> Iterator[Problem]:
        """All problems, in the order of the log."""
        segments = Segments(self._active).closed()
        self._closed = bool(segments)
        for segment in segments:
            try:
                with segment.opened() as file:
                    yield from self._of_file(str(segment.path), file)
            except (OSError, EOFError) as error:
                yield Problem(str(segment.path), self.tally.lines, f"the file is damaged: {error}")
        try:
            with self._active.open("rb") as file:
                yield from self._of_file(str(self._active), file)
        except FileNotFoundError:
            pass
        statuses = self.tally.statuses
        self.tally.executions = len(statuses)
        self.tally.open = sum(not status.terminal for status in statuses.values())

    def _of_file(self, path: str, lines: Iterator[bytes]) -> Iterator[Problem]:
        self.tally.files += 1
        for number, line in enumerate(lines, 1):
            self.tally.lines += 1
            if not line.endswith(b"\n"):
                yield Problem(path, number, "half a line at the end; the next start cuts it off")
                continue
            try:
                record = from_line(line)
            except ForeignLineError as error:
                yield Problem(path, number, f"no record: {error}")
                continue
            if not self._tombstones.hides(record.job, record.id):
                for message in (self._transition(record), self._payload(record)):
                    if message is not None:
                        yield Problem(path, number, message)

    def _transition(self, record: Record) -> str | None:
        statuses = self.tally.statuses
        present = statuses.get(record.id)
        begins = is_first(record)
        if present is None and not begins and self._closed and record.job not in self._begun:
            # Retention took its beginning, with all that the job had before.
            self.tally.cut_off += 1
            statuses[record.id] = record.status
            return None
        self._begun.add(record.job)
        if present is not None and begins:
            return f"execution {record.id} begins a second time, as {record.status}; it was {present}"
        if present is not None and present.terminal and record.status.terminal:
            return f"execution {record.id} ends a second time, as {record.status}; it was {present}"
        try:
            check_transition(record.id, present, record.status)
        except IllegalTransitionError as error:
            statuses[record.id] = record.status
            return str(error)
        statuses[record.id] = record.status
        return None

    def _payload(self, record: Record) -> str | None:
        if record.payload_ref is None:
            return None
        try:
            raw = (self._state / record.payload_ref).read_bytes()
        except (OSError, ValueError) as error:
            return f"the payload {record.payload_ref} can't be read: {getattr(error, 'strerror', None) or error}"
        if hashlib.sha256(raw).hexdigest() != record.payload_sha256:
            return f"the payload {record.payload_ref} is not what was recorded: its hash differs"
        return None
