"""Reading a schedule: the five columns of cron, the `@` words, and exact places for all that is wrong."""

import re
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

from runner.errors import ExpressionError, Mistake
from runner.schedule.dialects import misplaced_column
from runner.schedule.durations import DurationError, parse_duration
from runner.schedule.fields import KINDS, Field, FieldError, FieldNumbers, parse_field

MAX_LENGTH: Final = 256

WORDS: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_BLANK: Final = " \t"
_COLUMN = re.compile(r"[^ \t]+")


class ScheduleError(ExpressionError):
    """A text that is no schedule; `mistakes` has one entry for each field that is wrong."""

    title = "Invalid schedule"


@dataclass(frozen=True, slots=True)
class Expression:
    """A schedule as it was read: five fields, or `every`, a number of seconds."""

    text: str
    fields: tuple[Field, ...]
    every: int | None = None

    @property
    def fixed_time(self) -> bool:
        """Whether the schedule names times of the day, rather than a rhythm that follows elapsed time."""
        return not any(field.starred for field in self.fields[:2])

    @property
    def either_day(self) -> bool:
        """Whether a day fits by its day of the month or by its day of the week, instead of needing both."""
        return not (self.fields[2].starred or self.fields[4].starred)

    @property
    def hashed(self) -> bool:
        """Whether the schedule depends on the job."""
        return any(field.hashed for field in self.fields)

    def numbers(self, key: str) -> tuple[FieldNumbers, ...]:
        """The columns with the numbers that they stand for in the job `key`."""
        return tuple(FieldNumbers(field, field.numbers(key)) for field in self.fields)


@lru_cache(maxsize=4096)
def parse_expression(text: str) -> Expression:
    """Read a schedule.

    Raises:
        ScheduleError: The text is no schedule.
    """
    _check_characters(text)
    columns = [(found.start(), found.end()) for found in _COLUMN.finditer(text)]
    if not columns:
        raise _refused(
            text,
            "schedule-syntax",
            "the schedule is empty",
            0,
            len(text),
            "write five fields such as '0 9 * * 1-5', or a word such as @daily",
        )
    if text[columns[0][0]] == "@":
        return _parse_word(text, columns)
    _check_columns(text, columns)
    fields, mistakes = [], []
    for kind, (start, end) in zip(KINDS, columns, strict=True):
        try:
            fields.append(parse_field(text, kind, start, end))
        except FieldError as error:
            mistakes.append(error.mistake)
    if mistakes:
        raise ScheduleError(text, tuple(mistakes))
    return Expression(text, tuple(fields))


def _check_characters(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise _refused(
            text,
            "schedule-length",
            f"the schedule has {len(text)} characters, the limit is {MAX_LENGTH}",
            MAX_LENGTH,
            len(text),
            "use ranges and steps, or several jobs",
        )
    for position, character in enumerate(text):
        if not (character.isascii() and character.isprintable()) and character not in _BLANK:
            raise _refused(
                text,
                "schedule-syntax",
                f"{character!r} can't stand in a schedule",
                position,
                position + 1,
                "schedules are plain ASCII text in one line",
            )


def _check_columns(text: str, columns: list[tuple[int, int]]) -> None:
    """Refuse texts that don't have five columns, saying where the others probably come from."""
    if len(columns) == len(KINDS):
        return
    start, end = columns[0][0], columns[-1][1]
    if mistake := misplaced_column(text, columns):
        raise ScheduleError(text, (mistake,))
    raise _refused(
        text,
        "schedule-fields",
        f"a schedule has five fields, this one has {len(columns)}",
        start,
        end,
        "write minute, hour, day of month, month and day of week, such as '0 9 * * 1-5'",
    )


def _parse_word(text: str, columns: list[tuple[int, int]]) -> Expression:
    """Read `@daily` and its like, and `@every DURATION`."""
    start, end = columns[0]
    word = text[start:end].lower()
    if word == "@every":
        return _parse_every(text, columns)
    if word == "@reboot":
        raise _refused(
            text,
            "schedule-unsupported",
            "@reboot names no time: a runner that restarts starts no jobs",
            start,
            end,
            "give the job a time, or use mode: manual and start it from the unit that boots the machine",
        )
    if word not in WORDS:
        known = [*WORDS, "@every"]
        close = get_close_matches(word, known, n=1)
        fix = close[0] if close and close[0] != "@every" else None
        help_ = f"did you mean {close[0]}?" if close else f"the words are {', '.join(known)}"
        raise _refused(
            text, "schedule-syntax", f"{text[start:end]} is not a schedule word", start, end, help_, fix
        )
    if len(columns) > 1:
        raise _refused(
            text,
            "schedule-syntax",
            f"{word} stands alone",
            columns[1][0],
            columns[-1][1],
            f"remove what follows {word}",
        )
    fields = tuple(
        parse_field(found[0], kind, 0, len(found[0]), place=(start, end))
        for kind, found in zip(KINDS, _COLUMN.finditer(WORDS[word]), strict=True)
    )
    return Expression(text, fields)


def _parse_every(text: str, columns: list[tuple[int, int]]) -> Expression:
    if len(columns) != 2:
        start, end = columns[0] if len(columns) == 1 else (columns[2][0], columns[-1][1])
        raise _refused(
            text,
            "schedule-syntax",
            "@every takes one duration",
            start,
            end,
            "write it as in @every 90s or @every 1h30m",
        )
    start, end = columns[1]
    try:
        interval = parse_duration(text[start:end])
    except DurationError as error:
        found = error.mistakes[0]
        raise _refused(
            text, found.rule, found.message, start + found.start, start + found.end, found.help, found.fix
        ) from None
    if interval < timedelta(seconds=1):
        raise _refused(
            text,
            "schedule-range",
            "the interval of @every is zero",
            start,
            end,
            "the shortest interval is 1s",
        )
    return Expression(text, (), every=int(interval.total_seconds()))


def _refused(
    text: str, rule: str, message: str, start: int, end: int, advice: str | None, fix: str | None = None
) -> ScheduleError:
    return ScheduleError(text, (Mistake(rule, message, start, end, help=advice, fix=fix),))
