"""Durations as people write them: `30s`, `5m`, `2h`, `1d`, and combined `1h30m`."""

import re
from datetime import timedelta
from typing import Final

from runner.errors import ExpressionError, Mistake

UNITS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
MAX_DURATION: Final = timedelta(days=3653)

_PART = re.compile(r"([0-9]+)([a-zA-Zµ]*)")
_HELP: Final = "write whole numbers with d, h, m or s, the largest unit first, such as 30s, 5m, 2h, 1d or 1h30m"
_SPELLINGS: Final = {
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "min": "m",
    "mins": "m",
    "minute": "m",
    "minutes": "m",
    "hr": "h",
    "hrs": "h",
    "hour": "h",
    "hours": "h",
    "day": "d",
    "days": "d",
}


class DurationError(ExpressionError):
    """A text that is not a duration; it has exactly one mistake."""

    title = "Invalid duration"


def parse_duration(text: str) -> timedelta:
    """The duration that a text such as `1h30m` stands for: whole seconds from zero to `MAX_DURATION`.

    Raises:
        DurationError: The text is no duration, or a longer one.
    """
    if not text:
        raise _error(text, "duration-syntax", "a duration is empty", 0, 0)
    seconds = 0
    position = 0
    last = 0
    for part in _PART.finditer(text):
        if part.start() != position:
            break
        size = _unit_size(text, part)
        if last and size >= last:
            raise _out_of_order(text, part, repeated=size == last)
        # Thirteen digits of any unit are past the limit, and huge numbers are costly to convert.
        digits = part[1].lstrip("0")
        seconds += int(digits or "0") * size if len(digits) < 13 else MAX_DURATION.days * 86_400 + 1
        position, last = part.end(), size
    if position != len(text):
        raise _unexpected(text, position)
    if seconds > MAX_DURATION.total_seconds():
        raise _error(
            text,
            "duration-too-long",
            f"{_shown(text)} is longer than {MAX_DURATION.days}d (ten years)",
            0,
            len(text),
            advice=f"write a duration of at most {MAX_DURATION.days}d",
        )
    return timedelta(seconds=seconds)


def format_duration(duration: timedelta) -> str:
    """The shortest text that `parse_duration` reads as this duration, such as `1h30m`; zero is `0s`.

    Raises:
        ValueError: The duration is negative or has a fraction of a second.
    """
    if duration < timedelta(0) or duration.microseconds:
        raise ValueError(f"only whole seconds from zero on can be written as a duration, not {duration!r}")
    rest = duration.days * 86_400 + duration.seconds
    parts = []
    for unit, size in UNITS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _unit_size(text: str, part: re.Match[str]) -> int:
    """Seconds of the unit of one part."""
    unit = part[2]
    if unit in UNITS:
        return UNITS[unit]
    if not unit and part.end() < len(text):
        raise _unexpected(text, part.end())
    if not unit:
        raise _error(
            text,
            "duration-unit",
            f"{_shown(part[0])} has no unit",
            part.start(),
            part.end(),
            advice=f"say what is counted: {_shown(part[0])}s for seconds, {_shown(part[0])}m for minutes",
        )
    plain = unit.lower() if unit.lower() in UNITS else _SPELLINGS.get(unit.lower())
    raise _error(
        text,
        "duration-unit",
        f"{_shown(unit)!r} is not a unit of time",
        part.start(2),
        part.end(2),
        advice=f"write {plain!r}" if plain else _HELP,
        fix=plain,
    )


def _out_of_order(text: str, part: re.Match[str], *, repeated: bool) -> DurationError:
    what = f"the unit {part[2]!r} occurs twice" if repeated else f"{part[2]!r} comes after a smaller unit"
    help_ = "add the numbers up" if repeated else "write the largest unit first, such as 1d2h30m"
    return _error(text, "duration-order", what, part.start(), part.end(), advice=help_)


def _unexpected(text: str, position: int) -> DurationError:
    character = text[position]
    if character == "-":
        return _error(text, "duration-syntax", "a duration can't be negative", position, position + 1)
    if character in ".,":
        return _error(
            text,
            "duration-syntax",
            "a duration has whole numbers only",
            position,
            position + 1,
            advice="use a smaller unit: 90m instead of 1.5h",
        )
    if character.isspace():
        return _error(
            text,
            "duration-syntax",
            "a duration has no spaces",
            position,
            position + 1,
            advice="write 1h30m",
            fix="",
        )
    return _error(text, "duration-syntax", f"{character!r} is not part of a duration", position, position + 1)


def _error(
    text: str, rule: str, message: str, start: int, end: int, *, advice: str = _HELP, fix: str | None = None
) -> DurationError:
    return DurationError(text, (Mistake(rule, message, start, end, help=advice, fix=fix),))


def _shown(text: str) -> str:
    """The text as it may stand in a message, cut when it is long."""
    return text if len(text) <= 40 else f"{text[:40]}…"
