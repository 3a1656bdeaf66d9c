"""`checkpoint.json`: the fold of the records up to a place in the log, so that a start reads only what follows."""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import orjson
import structlog

from runner.execution.checkpoint import FrozenHistory, restored, to_data
from runner.execution.ledger import Ledger
from runner.storage.segments import Segments
from runner.storage.state import write_durably

VERSION = 1

_LOOK_BACK = 4096
"""Bytes before the place that must be what they were."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the log: `offset` bytes into the file that follows the closed segment `after`.

    `check` is a sum over the last bytes before it. The file is found by order, so a rotation and the compression
    after it move no place.
    """

    after: str
    offset: int
    check: int


def place_in(file: IO[bytes], after: str, offset: int) -> Place:
    """The place at an offset of the file that follows a closed segment."""
    return Place(after, offset, _sum_before(file, offset))


def _sum_before(file: IO[bytes], offset: int) -> int:
    start = max(0, offset - _LOOK_BACK)
    file.seek(start)
    raw = file.read(offset - start)
    return zlib.crc32(raw) if len(raw) == offset - start else -1


class Checkpoint:
    """The file, and the way back from it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, place: Place, histories: Mapping[str, FrozenHistory], latest: str) -> int:
        """Replace the checkpoint, durably; its size in bytes.

        Raises:
            StorageError: when the disk is full or failing; the one before is still there.
        """
        raw = orjson.dumps(
            {
                "v": VERSION,
                "after": place.after,
                "offset": place.offset,
                "check": place.check,
                "latest": latest,
                "jobs": {job: to_data(history) for job, history in histories.items()},
            }
        )
        write_durably(self._path, raw)
        return len(raw)

    def read(self) -> tuple[Ledger, Place] | None:
        """The ledger up to a place; None where there is no checkpoint that can be used."""
        try:
            data = orjson.loads(self._path.read_bytes())
            if data["v"] != VERSION:
                return None
            place = Place(data["after"], int(data["offset"]), int(data["check"]))
            return restored(data["jobs"], data["latest"]), place
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            _log.warning("the checkpoint can't be used, so the whole log is read", reason=repr(error))
            return None


def lines_after(place: Place, segments: Segments, active: Path) -> Iterator[bytes] | None:
    """The lines after a place, oldest first; None when the log is not the one that the place was in."""
    following = [segment for segment in segments.closed() if segment.name > place.after]
    try:
        file = following[0].opened() if following else active.open("rb")
    except FileNotFoundError:
        return iter(()) if place.offset == 0 else None
    if _sum_before(file, place.offset) != place.check:
        file.close()
        return None

    def rest() -> Iterator[bytes]:
        with file:
            yield from whole_lines(file)
        for segment in following[1:]:
            yield from segment.lines()
        if following and active.exists():
            with active.open("rb") as last:
                yield from whole_lines(last)

    return rest()


def whole_lines(file: IO[bytes]) -> Iterator[bytes]:
    """The rest of a file, line by line, without what is torn at its end."""
    for line in file:
        if line.endswith(b"\n"):
            yield line[:-1]
