"""Which schedules own which instants, `schedules.jsonl`: a line for each change of a job's, the newest counts."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any

import orjson
import structlog

from runner.errors import StorageError
from runner.execution.instants import format_instant
from runner.execution.slots import Segment, Track
from runner.schedule import ScheduleError, parse_schedule
from runner.schedule.zones import in_utc
from runner.storage.jsonl import JsonLines

_SPARE = 1000
"""Lines that may be out of date before the file is written anew."""

_log = structlog.get_logger()


class TracksFile:
    """The tracks of all jobs. Only one process may `open` it."""

    def __init__(self, path: Path) -> None:
        self._lines = JsonLines(path)
        self._newest: dict[str, bytes] = {}
        self._count = 0
        self._turn = Lock()

    def open(self) -> None:
        """Open for writing.

        Raises:
            StorageError: when the file can't be opened.
        """
        self._lines.open()
        for line in self._lines.lines():
            self._note(line + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def _note(self, line: bytes) -> None:
        try:
            data = orjson.loads(line)
            if data["track"]:
                self._newest[data["job"]] = line
            else:
                self._newest.pop(data["job"], None)
        except (ValueError, KeyError, TypeError):
            return
        self._count += 1

    def tracks(self) -> dict[str, Track]:
        """What was saved last, by job; what can't be read any more is passed over and said."""
        tracks = {}
        for job, line in self._newest.items():
            try:
                tracks[job] = tuple(_segment(each) for each in orjson.loads(line)["track"])
            except (ValueError, KeyError, TypeError, ScheduleError) as error:
                _log.warning(
                    "slots of the time before this start are not caught up, as the schedule can't be read",
                    job=job,
                    file=str(self._lines.path),
                    reason=str(error),
                )
        return tracks

    async def save(self, tracks: Mapping[str, Track]) -> None:
        """Replace the tracks of these jobs durably; an empty one is forgotten.

        Raises:
            StorageError: when the disk is full or failing; what was saved before is still there.
        """
        await asyncio.to_thread(self._save, tracks)

    def _save(self, tracks: Mapping[str, Track]) -> None:
        with self._turn:  # whoever is cancelled while saving may save again before this thread is done
            self._write(tracks)

    def _write(self, tracks: Mapping[str, Track]) -> None:
        lines = [_line(job, track) for job, track in tracks.items() if track or job in self._newest]
        self._lines.append(lines)
        for line in lines:
            self._note(line)
        if self._count > 2 * len(self._newest) + _SPARE:
            self._shorten()

    def _shorten(self) -> None:
        newest = set(self._newest.values())
        try:
            self._lines.rewrite(lambda line: line + b"\n" in newest)
        except StorageError as error:  # nothing is lost by that, and the next save tries again
            _log.warning("lines that are out of date stay", file=str(self._lines.path), reason=str(error))
        else:
            self._count = len(self._newest)


def _line(job: str, track: Track) -> bytes:
    data = {"v": 1, "job": job, "track": [_data(segment) for segment in track]}
    return orjson.dumps(data, option=orjson.OPT_APPEND_NEWLINE)


def _data(segment: Segment) -> dict[str, Any]:
    schedule = segment.schedule
    data: dict[str, Any] = {"schedule": schedule.text, "timezone": schedule.timezone}
    if schedule.key:
        data["key"] = schedule.key
    data["after"] = format_instant(segment.after)
    if segment.until is not None:
        data["until"] = format_instant(segment.until)
    if segment.lost:
        data["lost"] = True
    return data


def _segment(data: Mapping[str, Any]) -> Segment:
    schedule = parse_schedule(data["schedule"], data["timezone"], data.get("key", ""))
    until = _instant(data["until"]) if "until" in data else None
    return Segment(schedule, _instant(data["after"]), until, lost=data.get("lost", False))


def _instant(text: str) -> datetime:
    return in_utc(datetime.fromisoformat(text))
