"""One column of a cron expression: what it says, which numbers that is, and what is wrong with it."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from enum import Enum
from typing import Final

from runner.errors import Mistake
from runner.schedule.dialects import foreign_notation

MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

_TERM = re.compile(
    r"(?:(?P<star>\*)"
    r"|(?P<hash>H)(?:\((?P<hash_low>\d+)-(?P<hash_high>\d+)\))?"
    r"|(?P<low>\d+|(?!H\b)[A-Z]+)(?:-(?P<high>\d+|[A-Z]+))?)"
    r"(?:/(?P<step>\d+))?",
    re.ASCII | re.IGNORECASE,
)


class FieldKind(Enum):
    """The five columns: name, lowest and highest number, highest number that `H` picks, names of numbers."""

    MINUTE = ("minute", 0, 59, 59, ())
    HOUR = ("hour", 0, 23, 23, ())
    # `H` stays at days that every month has.
    DAY_OF_MONTH = ("day-of-month", 1, 31, 28, ())
    MONTH = ("month", 1, 12, 12, MONTHS)
    # 7 is another name of Sunday.
    DAY_OF_WEEK = ("day-of-week", 0, 7, 6, DAYS)

    def __init__(self, title: str, low: int, high: int, hash_high: int, names: tuple[str, ...]) -> None:
        self.title = title
        self.low = low
        self.high = high
        self.hash_high = hash_high
        self.names = names

    def value_at(self, wall: datetime) -> int:
        """The number that a wall time has in this column; Sunday is 0."""
        numbers = (wall.minute, wall.hour, wall.day, wall.month, wall.isoweekday() % 7)
        return numbers[KINDS.index(self)]


KINDS: Final = tuple(FieldKind)


class TermKind(Enum):
    """What one member of a list is: `*`, a value or range, or `H`."""

    STAR = "star"
    RANGE = "range"
    HASH = "hash"


@dataclass(frozen=True, slots=True)
class Term:
    """One member of a field's list: the numbers from `low` to `high`, `step` apart; offsets into the text."""

    kind: TermKind
    low: int
    high: int
    step: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a cron expression with its place in the text (for `@daily`, that of the whole word)."""

    kind: FieldKind
    text: str
    start: int
    end: int
    terms: tuple[Term, ...]

    @property
    def starred(self) -> bool:
        """Whether the column starts with `*`, which is what cron looks at, whatever follows."""
        return self.text.startswith("*")

    @property
    def hashed(self) -> bool:
        """Whether a part of the column depends on the job."""
        return any(term.kind is TermKind.HASH for term in self.terms)

    def numbers(self, key: str) -> tuple[int, ...]:
        """The numbers that the column stands for in the job `key`, rising; Sunday is 0."""
        found = set[int]()
        for term in self.terms:
            found.update(_term_numbers(self.kind, term, key))
        if self.kind is FieldKind.DAY_OF_WEEK:
            found = {number % 7 for number in found}
        return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class FieldNumbers:
    """One column of one job's schedule: the rising numbers that it stands for."""

    field: Field
    numbers: tuple[int, ...]

    def fits(self, wall: datetime) -> bool:
        """Whether a wall time has one of the numbers."""
        return self.field.kind.value_at(wall) in self.numbers


class FieldError(Exception):
    """One mistake in one column."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake.message)
        self.mistake = mistake


def parse_field(text: str, kind: FieldKind, start: int, end: int, place: tuple[int, int] | None = None) -> Field:
    """Read the column at text[start:end]; `place` is where it is reported when the text is not the user's."""
    terms = []
    for first, last in _members(text, start, end):
        if first == last:
            comma = max(start, first - 1)
            raise FieldError(
                Mistake(
                    "schedule-syntax",
                    f"the list of the {kind.title} field has an empty member",
                    comma,
                    comma + 1,
                    help="remove the comma that is too much",
                )
            )
        terms.append(_parse_term(text, kind, first, last))
    field_start, field_end = place or (start, end)
    return Field(kind, text[start:end], field_start, field_end, tuple(terms))


def _members(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The places between the commas of text[start:end]."""
    while True:
        comma = text.find(",", start, end)
        yield start, end if comma < 0 else comma
        if comma < 0:
            return
        start = comma + 1


def _parse_term(text: str, kind: FieldKind, start: int, end: int) -> Term:
    term = _TERM.fullmatch(text, start, end)
    if mistake := foreign_notation(text, start, end):
        raise FieldError(mistake)
    if term is None:
        raise _stray_character(text, kind, start, end)
    step = _step(term, kind)
    if term["star"]:
        return Term(TermKind.STAR, kind.low, kind.high, step, start, end)
    if term["hash"]:
        return _hash_term(term, kind, step)
    low = _value(term, "low", kind)
    if term["high"] is None:
        if term["step"] is not None:
            raise _step_without_range(term, kind, low)
        return Term(TermKind.RANGE, low, low, 1, start, end)
    high = _value(term, "high", kind)
    if low > high:
        raise _wrapped(term, kind, low, high)
    return Term(TermKind.RANGE, low, high, step, start, end)


def _stray_character(text: str, kind: FieldKind, start: int, end: int) -> FieldError:
    """The first character after the part of text[start:end] that could be read."""
    understood = _TERM.match(text, start, end)
    place = understood.end() if understood else start
    return FieldError(
        Mistake(
            "schedule-syntax",
            f"{text[place]!r} is not expected here in the {kind.title} field",
            place,
            place + 1,
            help="a field is *, a number, a range 1-5, a step */5 or 0-30/5, or a list of them with commas",
        )
    )


def _hash_term(term: re.Match[str], kind: FieldKind, step: int) -> Term:
    if term["hash_low"] is None:
        return Term(TermKind.HASH, kind.low, kind.hash_high, step, term.start(), term.end())
    low = _value(term, "hash_low", kind)
    high = _value(term, "hash_high", kind)
    if low > high:
        raise FieldError(
            Mistake(
                "schedule-wrapped-range",
                f"the range {low}-{high} of H runs backwards",
                term.start("hash_low"),
                term.end("hash_high"),
                help=f"write H({high}-{low})",
            )
        )
    return Term(TermKind.HASH, low, high, step, term.start(), term.end())


def _step(term: re.Match[str], kind: FieldKind) -> int:
    if term["step"] is None:
        return 1
    step = int(term["step"])
    if step == 0:
        raise FieldError(
            Mistake(
                "schedule-step",
                f"the step of the {kind.title} field is zero",
                term.start("step"),
                term.end("step"),
                help="a step is 1 or more",
            )
        )
    return step


def _value(term: re.Match[str], group: str, kind: FieldKind) -> int:
    """The number that a group of the term stands for: digits or a name."""
    token, start, end = term[group], term.start(group), term.end(group)
    if token.isdigit():
        number = int(token)
        if kind.low <= number <= kind.high:
            return number
        raise FieldError(
            Mistake(
                "schedule-range",
                f"{token} is out of range for the {kind.title} field",
                start,
                end,
                help=f"the {kind.title} field takes {kind.low} to {kind.high}",
            )
        )
    name = token.upper()
    if name in kind.names:
        return kind.names.index(name) + kind.low
    raise FieldError(_unknown_name(kind, token, start, end))


def _unknown_name(kind: FieldKind, token: str, start: int, end: int) -> Mistake:
    name = token.upper()
    message = f"{token!r} is not a value of the {kind.title} field"
    if not kind.names:
        return Mistake(
            "schedule-syntax", message, start, end, help=f"write numbers from {kind.low} to {kind.high}"
        )
    short = name[:3] if name[:3] in kind.names and len(name) > 3 else None
    close = [short] if short else get_close_matches(name, kind.names, n=1, cutoff=0.6)
    if close:
        return Mistake("schedule-syntax", message, start, end, help=f"did you mean {close[0]}?", fix=close[0])
    return Mistake("schedule-syntax", message, start, end, help=f"the names are {', '.join(kind.names)}")


def _step_without_range(term: re.Match[str], kind: FieldKind, low: int) -> FieldError:
    """Debian's cron refuses `5/15`, older ones read it as `5`, others as `5-59/15`."""
    written = f"{low}-{kind.hash_high if kind is FieldKind.DAY_OF_WEEK else kind.high}/{term['step']}"
    return FieldError(
        Mistake(
            "schedule-step",
            f"the step of {term[0]} has no range to go over",
            term.start(),
            term.end(),
            help=f"write {written}",
            fix=written,
        )
    )


def _wrapped(term: re.Match[str], kind: FieldKind, low: int, high: int) -> FieldError:
    """A range that runs past the end of the field, such as 22-2 or FRI-MON."""
    last = kind.hash_high if kind is FieldKind.DAY_OF_WEEK else kind.high
    parts = [_range(low, last), _range(kind.low, high)]
    if kind is FieldKind.DAY_OF_WEEK and high == 0:
        parts = [_range(low, 7)]
    elif low > last:
        parts = parts[1:]
    fix = ",".join(parts) if term["step"] is None else None
    help_ = (
        f"cron's ranges don't wrap around: write {fix}" if fix else "cron's ranges don't wrap around: write a list"
    )
    written = term.string[term.start("low") : term.end("high")]
    return FieldError(
        Mistake(
            "schedule-wrapped-range",
            f"the range {written} of the {kind.title} field runs backwards",
            term.start("low"),
            term.end("high"),
            help=help_,
            fix=fix,
        )
    )


def _range(low: int, high: int) -> str:
    return f"{low}-{high}" if low < high else f"{high}"


def _term_numbers(kind: FieldKind, term: Term, key: str) -> range:
    if term.kind is not TermKind.HASH:
        return range(term.low, term.high + 1, term.step)
    digest = hashlib.sha256(f"{KINDS.index(kind)}:{key}".encode()).digest()
    picked = int.from_bytes(digest[:8], "big")
    size = term.high - term.low + 1
    if term.step == 1:
        first = term.low + picked % size
        return range(first, first + 1)
    return range(term.low + picked % min(term.step, size), term.high + 1, term.step)
