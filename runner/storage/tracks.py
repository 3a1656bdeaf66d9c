"""Which schedules own which instants, `schedules.jsonl`: a line for each change of a job's, the newest counts."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from runner.execution.instants import format_instant
from runner.execution.slots import Segment, Track
from runner.schedule import ScheduleError, parse_schedule
from runner.schedule.zones import in_utc
from runner.storage.keyed import KeyedLines

_log = structlog.get_logger()


class TracksFile:
    """The tracks of all jobs. Only one process may `open` it."""

    def __init__(self, path: Path) -> None:
        self._lines = KeyedLines(path, _note)

    def open(self) -> None:
        """Open for writing.

        Raises:
            StorageError: when the file can't be opened.
        """
        self._lines.open()

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def tracks(self) -> dict[str, Track]:
        """What was saved last, by job; what can't be read any more is passed over and said."""
        tracks = {}
        for job, data in self._lines.read().items():
            try:
                tracks[job] = tuple(_segment(each) for each in data["track"])
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
        data = [{"v": 1, "job": job, "track": [_data(each) for each in track]} for job, track in tracks.items()]
        await asyncio.to_thread(self._lines.put, data)


def _note(data: Any) -> tuple[str, bool]:
    job, track = data["job"], data["track"]
    if not isinstance(job, str):
        raise TypeError("no job")
    return job, bool(track)


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
