"""The log of applied changes, `changes.jsonl`, and what it says: which jobs were in force, which vanished."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import orjson
import structlog
from ulid import ULID

from runner.errors import StorageError
from runner.storage.checkpoint import whole_lines
from runner.storage.jsonl import JsonLines
from runner.storage.records import Rotation
from runner.storage.segments import Segment, Segments
from runner.storage.state import write_durably

_log = structlog.get_logger()


@dataclass(slots=True)
class _Jobs:
    """What the lines say up to a place: the content hash of each job in force, and when the others vanished."""

    known: dict[str, str] = field(default_factory=dict)
    removed: dict[str, str] = field(default_factory=dict)

    def apply(self, raw: bytes) -> None:
        """Take up one more line; what is no change of a job is passed over."""
        try:
            line = orjson.loads(raw)
            job, change, digest = line["job"], line["change"], line.get("new") or line.get("old")
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            return
        if change == "removed" or not isinstance(digest, str):
            self.known.pop(job, None)
        else:
            self.known[job] = digest
        if change != "removed":
            self.removed.pop(job, None)
        elif _instant(line) is not None:
            self.removed[job] = line["at"]


class ChangesFile:
    """The log in its segments, with one writer.

    `changes.json` has what all closed segments say together, so that a start reads the growing file alone.
    """

    def __init__(self, path: Path, rotation: Rotation | None = None) -> None:
        self._lines = JsonLines(path)
        self._segments = Segments(path, _id)
        self._rotation = rotation or Rotation()
        self._covered = path.with_name("changes.json")
        self._rotating = threading.Lock()
        self._began: datetime | None = None

    def open(self) -> None:
        """Open for writing."""
        self._lines.open()
        self._segments.tidy()
        self._began = next((at for raw in self._lines.lines() if (at := _instant_of(raw))), None)

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Append one line for each change; the file is closed and a new one begun when it is large or old."""
        changes = [*lines]
        if not changes:
            return
        if not self._lines.is_open:  # a rotation could not open the new file
            self._lines.open()
        self._lines.append([orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in changes])
        newest = _instant(changes[-1])
        self._began = self._began or newest
        old = self._began and newest and newest - self._began >= self._rotation.age
        if old or self._lines.size() >= self._rotation.size:
            self._rotate()

    def _rotate(self) -> None:
        try:
            with self._rotating:
                self._segments.close(self._lines)
            self._began = None
        except (StorageError, OSError) as error:
            _log.error("the log of changes can't be rotated", reason=str(error))

    def tidy(self) -> None:
        """Compress what was closed, and cover it. It may take a while, and changes may be appended meanwhile."""
        closed = self._segments.closed()
        for segment in closed:
            if segment.plain.exists():
                segment.compress()
        jobs, after = self._kept()
        if not closed or closed[-1].name <= after:
            return
        for raw in _lines_after(closed, after):
            jobs.apply(raw)
        write_durably(self._covered, orjson.dumps({"after": closed[-1].name, **asdict(jobs)}))

    def known(self) -> dict[str, str]:
        """The content hash of each job that was in force by the last of the lines, by id."""
        return self._jobs().known

    def removed(self) -> dict[str, datetime]:
        """When each job vanished that is not in force by the last of the lines, by id."""
        return {job: datetime.fromisoformat(at) for job, at in self._jobs().removed.items()}

    def _jobs(self) -> _Jobs:
        with self._rotating:
            closed, growing = self._segments.closed(), _opened(self._lines.path)
        jobs, after = self._kept()
        for raw in _lines_after(closed, after):
            jobs.apply(raw)
        if growing is not None:
            with growing:
                for raw in whole_lines(growing):
                    jobs.apply(raw)
        return jobs

    def _kept(self) -> tuple[_Jobs, str]:
        """What is covered, and the name of the last segment that is; nothing where that can't be read."""
        try:
            data = orjson.loads(self._covered.read_bytes())
            return _Jobs(dict(data["known"]), dict(data["removed"])), str(data["after"])
        except (OSError, ValueError, KeyError, TypeError):
            return _Jobs(), ""


def _lines_after(closed: Iterable[Segment], name: str) -> Iterator[bytes]:
    for segment in closed:
        if segment.name > name:
            yield from segment.lines()


def _opened(path: Path) -> IO[bytes] | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _instant(line: Mapping[str, Any]) -> datetime | None:
    """When a change was applied."""
    try:
        at = datetime.fromisoformat(line["at"])
    except (ValueError, KeyError, TypeError):
        return None
    return at if at.tzinfo else None


def _instant_of(raw: bytes) -> datetime | None:
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return _instant(line) if isinstance(line, dict) else None


def _id(raw: bytes) -> str | None:
    """A name for the segment that starts with this line: the first ULID of its moment."""
    at = _instant_of(raw)
    return str(ULID.from_int(int(at.timestamp() * 1000) << 80)) if at else None
