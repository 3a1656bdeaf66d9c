"""What the clock on the wall shows in a zone, and when somebody changes it.

Every instant here is a UTC-aware `datetime`; a wall time is a naive one. Two changes of one zone are never
closer than `NEAR`, which a test checks against the whole time zone database; so comparing the offsets at the
two ends of a stretch no longer than `NEAR` finds every change inside it.
"""

import difflib
import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from runner.errors import Mistake

NEAR: Final = timedelta(days=2)

# A change of this size or more is somebody correcting the clock or crossing the date line, not summer time.
CORRECTION: Final = timedelta(hours=3)

_SECOND: Final = timedelta(seconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall time has no zone
_KEY = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*", re.ASCII)
_OFFSET = re.compile(r"(?:UTC|GMT)?[+-]\d{1,2}(?::?\d{2})?", re.ASCII | re.IGNORECASE)
_MAX_KEY: Final = 64

# Files of a zone directory that are no place of the world: the machine's own zone, and copies of all zones
# that count leap seconds.
_NO_PLACES: Final = ("localtime", "posixrules", "Factory", "right/", "posix/")


class UnknownZoneError(ValueError):
    """No zone has this name; `mistake` points at the name."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake.message)
        self.mistake = mistake


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a zone's offset: the clock shows `wall_before` when it is set to `wall_after`."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def skips(self) -> bool:
        """Whether the clock goes forward: wall times from `wall_before` to `wall_after` don't exist."""
        return self.after > self.before

    @property
    def is_correction(self) -> bool:
        """Whether the change is too large to be summer time."""
        return abs(self.after - self.before) >= CORRECTION

    @property
    def wall_before(self) -> datetime:
        """The wall time that the clock would show without the change."""
        return wall_at(self.at, self.before)

    @property
    def wall_after(self) -> datetime:
        """The wall time that the clock shows right after the change."""
        return wall_at(self.at, self.after)


@lru_cache(maxsize=1024)
def load_zone(name: str) -> ZoneInfo:
    """The zone of an IANA name.

    Raises:
        UnknownZoneError: The name is no zone, or would leave the directory of zones.
    """
    if len(name) > _MAX_KEY or not _KEY.fullmatch(name) or name.startswith(_NO_PLACES):
        raise UnknownZoneError(_unknown(name))
    try:
        return ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        # A folder such as `Europe` is an OSError, a file that is no zone a ValueError.
        raise UnknownZoneError(_unknown(name)) from None


def in_utc(instant: datetime) -> datetime:
    """An aware instant with UTC as its zone.

    Raises:
        ValueError: The instant is naive.
    """
    if instant.tzinfo is UTC:
        return instant
    if instant.utcoffset() is None:
        raise ValueError(f"an instant needs a time zone, {instant.isoformat()} has none")
    return instant.astimezone(UTC)


def wall_at(instant: datetime, offset: timedelta) -> datetime:
    """What a clock shows that is ahead of UTC by an offset."""
    return _NAIVE_EPOCH + (instant - _EPOCH + offset)


def instant_of(wall: datetime, offset: timedelta) -> datetime:
    """When a clock that is ahead of UTC by an offset shows a wall time."""
    return _EPOCH + (wall - _NAIVE_EPOCH - offset)


def utc_offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    """How far the clock is ahead of UTC at an instant."""
    offset, change = _stretch(zone, (instant - _EPOCH) // NEAR)
    return offset if change is None or instant < change.at else change.after


def next_change(zone: ZoneInfo, after: datetime, until: datetime) -> Change | None:
    """The first change in (after, until]."""
    for number in range((after - _EPOCH) // NEAR, (until - _EPOCH) // NEAR + 1):
        _, change = _stretch(zone, number)
        if change is not None and after < change.at <= until:
            return change
    return None


@lru_cache(maxsize=16_384)
def _stretch(zone: ZoneInfo, number: int) -> tuple[timedelta, Change | None]:
    """The offset at the start of a stretch of time, and the change after its start and up to its end.

    Stretches are `NEAR` long and numbered from the Unix epoch, so that all jobs of a zone share them.
    """
    start = _EPOCH + number * NEAR
    offset = _look_up(zone, start)
    if _look_up(zone, start + NEAR) == offset:
        return offset, None
    # Changes happen at whole seconds.
    low, high = 0, NEAR // _SECOND
    while high - low > 1:
        middle = (low + high) // 2
        if _look_up(zone, start + middle * _SECOND) == offset:
            low = middle
        else:
            high = middle
    at = start + high * _SECOND
    return offset, Change(at, offset, _look_up(zone, at))


def _look_up(zone: ZoneInfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).replace(tzinfo=UTC) - instant


@lru_cache(maxsize=256)
def _unknown(name: str) -> Mistake:
    shown = name if len(name) <= _MAX_KEY else f"{name[:_MAX_KEY]}…"
    fix = None
    advice = "names of zones look like Europe/Berlin or UTC"
    if not name:
        advice = "name a zone such as Europe/Berlin, or leave `timezone` out for UTC"
    elif _OFFSET.fullmatch(name):
        advice = "name a place such as Europe/Berlin, so that summer time is known, or use UTC"
    elif len(name) <= _MAX_KEY and (fix := _closest(name)):
        advice = f"did you mean {fix}?"
    return Mistake("unknown-timezone", f"{shown!r} is not a time zone", 0, len(name), help=advice, fix=fix)


def _closest(name: str) -> str | None:
    """The zone whose name, or last part of the name, looks most like this."""
    folded = name.casefold().replace(" ", "_")
    names = _folded_names()
    if folded in names:
        return names[folded]
    # Short names are abbreviations, where one letter makes another zone: CEST is not EST.
    close = difflib.get_close_matches(folded, names, n=1, cutoff=0.75) if len(folded) > 5 else []
    return names[close[0]] if close else None


@lru_cache(maxsize=1)
def _folded_names() -> dict[str, str]:
    """Every zone by its name and by its place alone, in lower case; read once, for it opens 600 files."""
    known = (name for name in zoneinfo.available_timezones() if not name.startswith(_NO_PLACES))
    names = sorted(known, key=lambda name: (name.startswith("Etc/"), name))
    places = {name.rpartition("/")[2].casefold(): name for name in reversed(names)}
    return places | {name.casefold(): name for name in names}
