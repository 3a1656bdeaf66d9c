"""How much later than its slot a job starts, so that jobs with equal schedules don't all start at once."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final

from runner.schedule.zones import in_utc

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_MILLISECOND: Final = timedelta(milliseconds=1)
_HASH_RANGE: Final = 2**64


def jitter_of(job_id: str, slot: datetime, spread: timedelta) -> timedelta:
    """How long after an aware slot the job starts: uniform in [0, spread) in whole milliseconds.

    The same for the same job and slot in every process and version, so that a restart moves no start.

    Raises:
        ValueError: The slot is naive, or the spread is negative.
    """
    width = spread // _MILLISECOND
    if width < 0:
        raise ValueError(f"a spread is zero or more, not {spread!r}")
    second = (in_utc(slot) - _EPOCH) // _SECOND
    digest = hashlib.sha256(f"{second}:{job_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") * width // _HASH_RANGE * _MILLISECOND
