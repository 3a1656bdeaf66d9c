"""What a text, a duration, a schedule or a reference to a secret may look like, checked one value at a time.

A check returns the value to use, or raises through `refuse` what is wrong with it.
"""

import posixpath
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NoReturn

import limits
from pydantic_core import PydanticCustomError

from runner.errors import ExpressionError, Mistake, Severity
from runner.filters import EVENT, Filter, compile_filter
from runner.schedule import format_duration, parse_duration, parse_schedule
from runner.schedule.period import shortest_gap
from runner.schedule.zones import UnknownZoneError, load_zone
from runner.spec.models import LARGEST_RATE, RateLimit
from runner.spec.quoting import shown
from runner.spec.suggest import did_you_mean

PLAIN_SECRET = "secret-in-plain-text"  # noqa: S105 - the name of a rule
"""The rule of a value that should have been a reference: its diagnostics don't show the value."""

PROBLEM = "problem"
"""The type of the errors that this module raises inside Pydantic; the context's `problem` says the rest."""

RESULT_AND_EVENT = frozenset({"result", "event"})
"""What a filter of a notification may speak of."""

ID_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
REFERENCE_PATTERN = r"^\$\{(env:[A-Za-z_][A-Za-z0-9_]*|file:[A-Za-z0-9_-][A-Za-z0-9._-]*)\}$"
DURATION_PATTERN = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"
TIME_PATTERN = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})?$"
)

_ID = re.compile(ID_PATTERN.replace("$", r"\Z"))
_REFERENCE = re.compile(REFERENCE_PATTERN[1:-1])
_REFERENCE_LIKE = re.compile(
    r"\$\{ {0,9}(?:env|file|secret|secrets|vault)\b[^}]{0,200}\}?|\$\{[A-Za-z_]\w{0,50}:[^}]{0,200}\}",
    re.IGNORECASE,
)
_RATE = re.compile(r"([1-9][0-9]{0,8}) */ *(?:([1-9][0-9]{0,4}) *)?(second|minute|hour|day|month|year)s?")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?")
_PAYLOAD_PATH = re.compile(r"(?:[\w$-]+|\*|\[(?:\d+|\*)\])(?:\.(?:[\w$-]+|\*)|\[(?:\d+|\*)\])*")
_TIME = re.compile(TIME_PATTERN[1:-1])
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_KINDS: Mapping[type, str] = {
    type(None): "nothing",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a mapping",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a value: below `at`, a path from the value, on the key of that place if `on_key`.

    `mistakes` point into the text of the value, and each becomes a diagnostic of its own.
    """

    rule: str
    message: str
    help: str | None = None
    fix: str | None = None
    at: tuple[str | int, ...] = ()
    on_key: bool = False
    mistakes: tuple[Mistake, ...] = ()
    severity: Severity = Severity.ERROR


def refuse(problem: Problem) -> NoReturn:
    """Raise a problem so that it passes through Pydantic unchanged."""
    raise PydanticCustomError(PROBLEM, "{message}", {"message": problem.message, "problem": problem})


def refuse_expression(mistakes: Iterable[Mistake]) -> NoReturn:
    """Raise the mistakes of an expression."""
    found = tuple(mistakes)
    refuse(Problem(found[0].rule, found[0].message, mistakes=found))


def slug(name: str) -> str:
    """Return the id that a name stands for: letters without accents, at most 63, or the empty text."""
    plain = unicodedata.normalize("NFKD", name).casefold().translate(_LETTERS)
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter)).replace("'", "")
    return re.sub(r"[^a-z0-9]+", "-", letters).strip("-")[:63].strip("-")


_LETTERS = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "\u0131": "i", "\u2019": ""}
)


def check_id(value: str) -> str:
    """Check an id."""
    if _ID.match(value):
        return value
    better = slug(value)
    message = f"`{shown(value)}` is no id: an id has lower-case letters, digits and inner `-`, at most 63"
    refuse(Problem("invalid-id", message, f"write `{better}`" if better else None, better or None))


def check_name(value: str) -> str:
    """Check a descriptive name."""
    if not value.strip():
        refuse(Problem("invalid-name", "the name is empty", "give 1 to 100 characters"))
    if len(value) > 100:
        refuse(Problem("invalid-name", f"the name has {len(value)} characters, more than 100"))
    if _CONTROL.search(value):
        refuse(Problem("invalid-name", "a name can't contain line breaks or control characters"))
    return value


def check_line(value: str) -> str:
    """Check that a text is one line and not empty."""
    if not value.strip() or _CONTROL.search(value):
        refuse(Problem("invalid-value", "expected one line of text"))
    return value


def to_duration(value: object) -> timedelta:
    """Return the duration that a text such as `1h30m` means."""
    if isinstance(value, int) and not isinstance(value, bool):
        message = f"the duration {value} has no unit"
        refuse(Problem("invalid-duration", message, f"write `{value}s` for {value} seconds", f"{value}s"))
    if not isinstance(value, str):
        refuse_type("a duration such as `30s` or `1h30m`", value)
    try:
        return parse_duration(value)
    except ExpressionError as error:
        refuse_expression(error.mistakes)


def check_positive(value: timedelta) -> timedelta:
    """Check that a duration is not zero."""
    if value <= timedelta(0):
        refuse(
            Problem(
                "invalid-duration",
                f"expected a duration of a second or more, found `{format_duration(value)}`",
            )
        )
    return value


def check_zone(value: str) -> str:
    """Check the name of a time zone."""
    try:
        load_zone(value)
    except UnknownZoneError as error:
        refuse_expression([error.mistake])
    return value


def check_schedule(value: str) -> str:
    """Check a schedule, which depends on neither zone nor job."""
    # A block of text ends with a line break, which nobody sees.
    value = value.rstrip("\n")
    problems = _schedule_mistakes(value)
    if problems:
        refuse_expression(problems)
    return value


@lru_cache(maxsize=4096)
def _schedule_mistakes(value: str) -> tuple[Mistake, ...]:
    try:
        parse_schedule(value, "UTC", "")
    except ExpressionError as error:
        return error.mistakes
    return ()


def check_jitter(jitter: timedelta, schedule: str, job: str) -> None:
    """Check that the start of a slot is not shifted past the next slot of a schedule that is valid."""
    gap = shortest_gap(parse_schedule(schedule, "UTC", job))
    if gap is None or jitter < gap:
        return
    message = f"the jitter is not shorter than the {format_duration(gap)} between two slots of the schedule"
    advice = f"write less than `{format_duration(gap)}`"
    refuse(Problem("jitter-too-long", message, advice, at=("jitter",)))


def to_filter(value: object) -> Filter:
    """Return the compiled filter over an event."""
    return _compiled(value, EVENT)


def to_filter_of_result(value: object) -> Filter:
    """Return the compiled filter over a result and an event."""
    return _compiled(value, RESULT_AND_EVENT)


def _compiled(value: object, roots: frozenset[str]) -> Filter:
    if not isinstance(value, str):
        refuse_type("a filter such as `event.total > 100`", value)
    try:
        return compile_filter(value, roots=roots)
    except ExpressionError as error:
        refuse_expression(error.mistakes)


def to_rate_limit(value: object) -> RateLimit:
    """Return the rate that a text such as `10/hour` means."""
    if not isinstance(value, str):
        refuse_type("a rate such as `10/hour`", value)
    found = _RATE.fullmatch(value.strip().lower().replace(" per ", "/"))
    if not found:
        message = f"`{shown(value)}` is no rate"
        units = ("second", "minute", "hour", "day", "month", "year")
        word = re.search(r"[A-Za-z]+$", value[-20:])
        hint = did_you_mean(word.group().rstrip("s"), units) if word else None
        refuse(
            Problem(
                "invalid-rate-limit",
                message,
                "write a count and a unit of time, such as `10/hour`, `100/day` or `5/10minutes`"
                + (f"; did you mean `{hint}`?" if hint else ""),
            )
        )
    item = limits.parse(value)
    if item.amount > LARGEST_RATE:
        message = f"a rate of more than {LARGEST_RATE:,} is not kept"
        refuse(Problem("invalid-rate-limit", message, "write a smaller count over a shorter time"))
    return RateLimit(item.amount, timedelta(seconds=item.get_expiry()), value)


def refuse_type(expected: str, value: object) -> NoReturn:
    """Refuse a value of another type than was expected, in words of YAML."""
    refuse(Problem("wrong-type", f"expected {expected}, found {kind_of(value)}"))


def kind_of(value: object) -> str:
    """Return what a value is called in YAML."""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return _KINDS.get(type(value), "another value")


def check_reference(value: str) -> str:
    """Check that a text is a reference to a secret and nothing else."""
    if not _REFERENCE.fullmatch(value):
        refuse(
            Problem(
                PLAIN_SECRET,
                "expected a reference to a secret",
                "write `${env:NAME}` or `${file:NAME}`, and keep the secret out of the file",
            )
        )
    return value


def with_references(value: str) -> str:
    """Check the references to secrets in a text that may have some."""
    mistakes = [
        Mistake(
            "bad-reference",
            f"`{shown(found.group())}` is no reference",
            found.start(),
            found.end(),
            "write `${env:NAME}` or `${file:NAME}`",
        )
        for found in _REFERENCE_LIKE.finditer(value)
        if not _REFERENCE.fullmatch(found.group())
    ]
    if mistakes:
        refuse_expression(mistakes)
    return value


def without_references(value: str) -> str:
    """Refuse a reference to a secret where none is resolved."""
    mistakes = [
        Mistake(
            "secret-not-allowed",
            "a reference to a secret is not resolved here",
            found.start(),
            found.end(),
            "put it into `env` or `headers`, and use it from there",
        )
        for found in _REFERENCE.finditer(value)
    ]
    if mistakes:
        refuse_expression(mistakes)
    return value


def check_env_name(value: str) -> str:
    """Check the name of an environment variable."""
    if not _ENV_NAME.fullmatch(value):
        message = f"`{shown(value)}` is no name of an environment variable"
        refuse(Problem("invalid-name", message, "use letters, digits and `_`", on_key=True))
    if value.startswith("JOBSD_"):
        message = f"`{shown(value)}` can't be set: names that begin with `JOBSD_` belong to the runner"
        refuse(Problem("reserved-name", message, "give it another name", on_key=True))
    return value


def check_label(value: str) -> str:
    """Check the name of a label."""
    if not _LABEL.fullmatch(value):
        message = f"`{shown(value)}` is no name of a label"
        advice = "use letters, digits, and `.`, `_`, `/`, `-` between them, at most 63"
        refuse(Problem("invalid-label", message, advice, on_key=True))
    return value


def check_label_value(value: str) -> str:
    """Check the value of a label."""
    if len(value) > 63 or _CONTROL.search(value):
        refuse(Problem("invalid-label", "the value of a label is one line of at most 63 characters"))
    return value


def check_payload_path(value: str) -> str:
    """Check a path in a payload."""
    if not _PAYLOAD_PATH.fullmatch(value):
        message = f"`{shown(value)}` is no path in a payload"
        refuse(Problem("invalid-path", message, "write `customer.email` or `items[*].card`"))
    return value


def check_relative_path(value: str) -> str:
    """Check a path that is relative to a file."""
    if value.startswith(("/", "~")):
        message = "this path must be relative and stay inside the tree"
        refuse(Problem("path-outside", message, "write it relative to the folder of this file"))
    if "\0" in value or not value.strip():
        refuse(Problem("invalid-path", "expected a path"))
    return value


def stays_inside(folder: str, path: str) -> bool:
    """Whether a path from a folder of the tree stays inside the tree."""
    reached = posixpath.normpath(posixpath.join(folder, path))
    return reached != ".." and not reached.startswith("../")


def check_glob(value: str) -> str:
    """Check a pattern."""
    if not value or _CONTROL.search(value):
        refuse(Problem("invalid-glob", "expected a pattern such as `com.example.order.*`"))
    return value


def to_time(value: object) -> datetime:
    """Return the time that an RFC 3339 text means; without an offset it is one of the job's clock."""
    example = "write it as `2026-03-29 09:00`, or with an offset as `2026-03-29T09:00+01:00`"
    if not isinstance(value, str):
        refuse_type("a time such as `2026-03-29 09:00`", value)
    if not _TIME.fullmatch(value):
        refuse(Problem("invalid-time", f"`{shown(value)}` is no time", example))
    try:
        time = datetime.fromisoformat(value.upper())
    except ValueError:
        refuse(Problem("invalid-time", f"`{shown(value)}` is on no calendar or no clock", example))
    if not 1900 < time.year < 9900:
        refuse(
            Problem("invalid-time", f"the year {time.year:04d} is out of reach", "choose one from 1901 to 9899")
        )
    return time


def to_list(value: object) -> object:
    """Let one value stand for a list of one."""
    return value if isinstance(value, list) else [value]
