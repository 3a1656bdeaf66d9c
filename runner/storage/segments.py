"""A log in segments: one that grows, and closed ones, compressed, indexed by job, readable with `zcat`.

A closed segment is a gzip file of many members of about a mebibyte of lines each, so that a reader takes up
only those in which the index says that a job has lines. The index can always be made anew from the segment.
"""

import contextlib
import gzip
import os
import re
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import orjson
from ulid import ULID

from runner.errors import StorageError
from runner.storage.jsonl import JsonLines, lines_having, sync_folder
from runner.storage.state import write_durably

MEMBER = 1024 * 1024
"""Bytes of lines that are compressed together."""

_NAME = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
"""A ULID: files with other names are somebody else's copies, and are left alone."""

_FIRST = "0" * 26
"""The name of a first segment in which no execution starts."""

_LEVEL = 3
"""zlib's level: half of the default's time for a tenth more bytes."""


@dataclass(frozen=True, slots=True)
class Note:
    """What the index wants to know of a line: its job, its execution, whether it is the execution's first."""

    job: str
    execution: str
    first: bool


def note(line: bytes) -> Note | None:
    """Look at a line of records; None for one that is none."""
    try:
        data = orjson.loads(line)
        job, execution, status = data["job"], data["id"], data["status"]
        if not isinstance(job, str) or not isinstance(execution, str):
            return None
        reason = data.get("reason")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    first = (
        status in {"filtered", "rate_limited"}
        or (status == "pending" and reason != "retry")
        or (status == "cancelled" and reason == "missed")
    )
    return Note(job, execution, first)


@dataclass(frozen=True, slots=True)
class JobShare:
    """What one job has in a segment: executions that start there, bytes, and the members with its lines."""

    executions: int
    bytes: int
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """Of a compressed segment: where members start, the first id that starts in each, what each job has."""

    offsets: tuple[int, ...]
    ids: tuple[str, ...]
    jobs: dict[str, JobShare]


class Segment:
    """One closed segment, plain (just closed) or compressed."""

    def __init__(self, folder: Path, stem: str, name: str) -> None:
        self.name = name
        self.plain = folder / f"{stem}-{name}.jsonl"
        self.packed = folder / f"{stem}-{name}.jsonl.gz"
        self._index_file = folder / f"{stem}-{name}.index.json"

    @property
    def path(self) -> Path:
        """The file that counts: the compressed one is whole whenever it is there."""
        return self.packed if self.packed.exists() else self.plain

    def compress(self) -> None:
        """Compress a plain segment; a crash in between leaves the plain one, or both."""
        if not self.packed.exists():
            self._pack(JsonLines(self.plain).lines())
        self.plain.unlink(missing_ok=True)

    def rewrite(self, keep: Callable[[bytes], bool]) -> int:
        """Leave out lines for good; how many went. A segment without any line goes itself."""
        gone = 0

        def kept() -> Iterator[bytes]:
            nonlocal gone
            for line in self.lines():
                if keep(line):
                    yield line
                else:
                    gone += 1

        left = self._pack(kept())
        self.plain.unlink(missing_ok=True)
        if not left:
            self.remove()
        return gone

    def remove(self) -> None:
        """Delete the segment."""
        for path in (self.packed, self.plain, self._index_file):
            path.unlink(missing_ok=True)

    def _pack(self, lines: Iterable[bytes]) -> int:
        """Write the compressed file and its index from lines; how many lines there are."""
        temporary = self.packed.with_suffix(".gz.new")
        offsets: list[int] = []
        summary = _Summary()
        count = 0
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
                for block in _blocks(lines):
                    offsets.append(file.tell())
                    summary.add(block)
                    count += len(block)
                    file.write(gzip.compress(b"\n".join(block) + b"\n", _LEVEL, mtime=0))
                file.flush()
                os.fsync(file.fileno())
            self._index_file.unlink(missing_ok=True)  # never beside a file that it does not fit
            temporary.rename(self.packed)
            sync_folder(self.packed.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            reason = (error.strerror or "failed").lower()
            raise StorageError(f"can't compress {self.plain}: {reason}") from None
        self._keep_index(summary.index(offsets))
        return count

    def _keep_index(self, index: Index) -> None:
        if not index.jobs:  # a log of something else, in which nobody looks for a job
            return
        jobs = {job: [share.executions, share.bytes, share.members] for job, share in index.jobs.items()}
        data = {"size": self.packed.stat().st_size, "offsets": index.offsets, "ids": index.ids, "jobs": jobs}
        with contextlib.suppress(StorageError, OSError):  # it can be made anew, and a reader need not write
            write_durably(self._index_file, orjson.dumps(data))

    def _index_of(self, file: IO[bytes]) -> Index:
        """The index of the open compressed file, made anew when it is missing or is another one's."""
        size = os.fstat(file.fileno()).st_size
        try:
            data = orjson.loads(self._index_file.read_bytes())
            if data["size"] == size:
                jobs = {
                    job: JobShare(many, of, tuple(members)) for job, (many, of, members) in data["jobs"].items()
                }
                return Index(tuple(data["offsets"]), tuple(data["ids"]), jobs)
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return _made_anew(file)

    def shares(self) -> dict[str, JobShare]:
        """What each job has in a compressed segment; nothing of a plain or missing one."""
        try:
            with self.packed.open("rb") as file:
                return self._index_of(file).jobs
        except FileNotFoundError:
            return {}

    def opened(self) -> IO[bytes]:
        """The text of the segment, which may be compressed at this moment; empty when it has just gone."""
        for path in (self.packed, self.plain, self.packed):
            with contextlib.suppress(FileNotFoundError):
                return cast("IO[bytes]", gzip.open(path)) if path is self.packed else path.open("rb")
        return open(os.devnull, "rb")  # noqa: PTH123 - nothing to read

    def lines(self) -> Iterator[bytes]:
        """All lines, oldest first."""
        with self.opened() as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line[:-1]

    def backwards(self, job: str | None = None, needles: Sequence[bytes] = ()) -> Iterator[bytes]:
        """All lines that have all needles, newest first; with a job at least those of its lines."""
        try:
            file = self.packed.open("rb")
        except FileNotFoundError:
            if self.packed.exists():  # it was compressed at this moment
                yield from self.backwards(job, needles)
            else:
                yield from JsonLines(self.plain).backwards(needles=needles)
            return
        with file:
            index = self._index_of(file)
            share = index.jobs.get(job) if job is not None else None
            if job is not None and share is None:
                return
            for member in reversed(share.members if share else range(len(index.offsets))):
                yield from lines_having(_text(file, index, member), needles)

    def since(self, execution: str) -> Iterator[bytes]:
        """Lines, oldest first, from where an execution that starts in this segment can start."""
        try:
            file = self.packed.open("rb")
        except FileNotFoundError:
            yield from self.lines()
            return
        with file:
            index = self._index_of(file)
            for member in range(max(0, bisect_right(index.ids, execution) - 1), len(index.offsets)):
                yield from _text(file, index, member).split(b"\n")


def _text(file: IO[bytes], index: Index, member: int) -> bytes:
    """The lines of a member, without the last newline."""
    file.seek(index.offsets[member])
    length = index.offsets[member + 1] - index.offsets[member] if member + 1 < len(index.offsets) else -1
    return gzip.decompress(file.read(length)).removesuffix(b"\n")


def _made_anew(file: IO[bytes]) -> Index:
    raw = file.read()
    offsets: list[int] = []
    summary = _Summary()
    at = 0
    while at < len(raw):
        member = zlib.decompressobj(wbits=31)
        summary.add(member.decompress(raw[at:]).split(b"\n")[:-1])
        offsets.append(at)
        at = len(raw) - len(member.unused_data)
    return summary.index(offsets)


class _Summary:
    """Gathers an index, member by member."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._latest = ""
        self._jobs: dict[str, tuple[list[int], dict[int, None]]] = {}

    def add(self, lines: Iterable[bytes]) -> None:
        member = len(self._ids)
        started: str | None = None
        for line in lines:
            found = note(line)
            if found is None:
                continue
            if found.first:
                started = started or found.execution
            sums, members = self._jobs.setdefault(found.job, ([0, 0], {}))
            sums[0] += found.first
            sums[1] += len(line) + 1
            members[member] = None
        self._latest = max(self._latest, started or "")
        self._ids.append(self._latest)

    def index(self, offsets: Iterable[int]) -> Index:
        jobs = {job: JobShare(sums[0], sums[1], tuple(members)) for job, (sums, members) in self._jobs.items()}
        return Index(tuple(offsets), tuple(self._ids), jobs)


def _blocks(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Lines in runs of about a member's size."""
    block: list[bytes] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line) + 1
        if size >= MEMBER:
            yield block
            block, size = [], 0
    if block:
        yield block


def _started(line: bytes) -> str | None:
    """The execution that starts with a line of records."""
    found = note(line)
    return found.execution if found is not None and found.first else None


class Segments:
    """All closed segments of one log, oldest first; each has the id of what begins first in it for its name."""

    def __init__(self, active: Path, begun: Callable[[bytes], str | None] = _started) -> None:
        self._folder = active.parent
        self._stem = active.stem
        self._begun = begun

    def closed(self) -> list[Segment]:
        """What there is on disk; names rise with time."""
        prefix = f"{self._stem}-"
        names = {
            path.name.removeprefix(prefix).partition(".")[0]
            for path in self._folder.glob(f"{prefix}*.jsonl*")
            if path.name.endswith((".jsonl", ".jsonl.gz"))
        }
        return [Segment(self._folder, self._stem, name) for name in sorted(names) if _NAME.fullmatch(name)]

    def tidy(self) -> None:
        """Remove what a crash left half done."""
        for path in self._folder.glob(f"{self._stem}-*.gz.new"):
            path.unlink(missing_ok=True)

    def close(self, active: JsonLines) -> Segment:
        """Make the growing file a closed segment; a new file takes its place.

        The rename is what a follower of the file sees (`tail -F` goes on in the new one).
        """
        before = self.closed()
        name = self._name(active, before[-1].name if before else "")
        segment = Segment(self._folder, self._stem, name)
        try:
            active.close()
            active.path.rename(segment.plain)
            sync_folder(self._folder)
        except OSError as error:
            raise StorageError(f"can't rotate {active.path}: {(error.strerror or 'failed').lower()}") from None
        finally:
            active.open()
        return segment

    def _name(self, active: JsonLines, before: str) -> str:
        """The id of what begins first in a file, or the next id after the segment before."""
        begun = next((found for line in active.lines() if (found := self._begun(line))), "")
        if begun > before and _NAME.fullmatch(begun):
            return begun
        return str(ULID.from_int(int(ULID.from_str(before)) + 1)) if before else _FIRST
