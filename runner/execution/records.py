"""What is written down: one record a line, self-contained, to and from JSON.

A line holds only what is there: an absent value is an absent key, never null. Times are RFC 3339 in UTC with
milliseconds. Readers ignore keys that they don't know, so that newer writers don't break them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Annotated, Any

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, ValidationError

from runner.execution.firing import PushEvent
from runner.execution.instants import format_instant
from runner.execution.lifecycle import ErrorType, Failure, Reason, Status, Trigger
from runner.spec.models import Mode, Payload

VERSION = 1

DEEPEST = 100
"""Levels of lists and mappings that a payload or a result may have, as readers have limits of their own."""


@dataclass(frozen=True, slots=True)
class FilterNote:
    """What the filter said: a verdict (`pass`, `reject`, `error`) and, for an error, what and where."""

    verdict: str
    message: str | None = None
    path: str | None = None
    span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """Which text of a job ran: the file, the line of its document, and the content hash of the whole."""

    path: str
    line: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One transition of one execution: a line of `executions.jsonl`."""

    id: str
    job: str
    name: str
    agent: str
    mode: Mode
    trigger: Trigger
    status: Status
    at: datetime
    reason: Reason | None = None
    scheduled_for: datetime | None = None
    lateness_ms: int | None = None
    not_before: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration_ms: int | None = None
    attempt: int | None = None
    actor: str | None = None
    cancelled_by: str | None = None
    rerun_of: str | None = None
    event: PushEvent | None = None
    payload: Payload | None = None
    payload_ref: str | None = None
    payload_sha256: str | None = None
    filter: FilterNote | None = None
    pid: int | None = None
    pid_start: int | None = None
    result: Payload | None = None
    usage: Mapping[str, Any] | None = None
    error: Failure | None = None
    from_: datetime | None = None
    until: datetime | None = None
    count: int | None = None
    definition: Definition | None = None


_NAMES = tuple(field.name for field in fields(Record))
_values_of = attrgetter(*_NAMES)
_SAID_ONCE: Mapping[str, None] = dict.fromkeys(
    (
        "reason",
        "lateness_ms",
        "not_before",
        "started_at",
        "finished_at",
        "duration_ms",
        "cancelled_by",
        "payload",
        "payload_ref",
        "payload_sha256",
        "filter",
        "pid",
        "pid_start",
        "usage",
        "error",
    )
)


def following(record: Record, status: Status, at: datetime, **said: Any) -> Record:
    """The next line of an execution, with what it has to say.

    What the line before said of its own moment or attempt is not said again. Lines are made at every step of
    every run: this way takes half the time of `dataclasses.replace`.
    """
    values = dict(zip(_NAMES, _values_of(record), strict=True))
    return Record(**{**values, **_SAID_ONCE, "status": status, "at": at, **said})


def is_shallow(data: Any, levels: int) -> bool:
    """Whether lists and mappings lie in each other at most so many levels deep."""
    if not isinstance(data, list | dict):
        return True
    inner = data.values() if isinstance(data, dict) else data
    return levels > 0 and all(is_shallow(item, levels - 1) for item in inner)


def milliseconds(span: timedelta) -> int:
    """Whole milliseconds, never negative even when the wall clock was stepped back."""
    return max(0, round(span / timedelta(milliseconds=1)))


Instant = Annotated[AwareDatetime, PlainSerializer(format_instant, return_type=str, when_used="json")]
"""A point in time at the door: any RFC 3339 text with an offset comes in, UTC with milliseconds goes out."""


def _plain_fields(value: Any) -> dict[str, Any]:
    pairs = ((field.name, getattr(value, field.name)) for field in fields(value))
    return {name: inner for name, inner in pairs if inner is not None}


def _plain_payload(payload: Payload) -> Any:
    return payload.value


_WRITE: Mapping[type, Callable[[Any], Any]] = {
    datetime: format_instant,
    Payload: _plain_payload,
    PushEvent: _plain_fields,
    FilterNote: _plain_fields,
    Definition: _plain_fields,
    Failure: _plain_fields,
}
"""How values that JSON does not know are written; all others are written as they are."""

_KEYS = tuple((field.name, field.name.rstrip("_")) for field in fields(Record))
_JSON_KEYS = tuple(key for _, key in _KEYS)


def to_dict(record: Record) -> dict[str, Any]:
    """The record as JSON data, without the keys of absent values."""
    data: dict[str, Any] = {"v": VERSION}
    for key, value in zip(_JSON_KEYS, _values_of(record), strict=True):
        if value is not None:
            plain = _WRITE.get(type(value))
            data[key] = value if plain is None else plain(value)
    return data


def _written(value: Any) -> Any:
    write = _WRITE.get(type(value))
    if write is None:
        raise TypeError(f"no record holds a {type(value).__name__}")
    return write(value)


_LINE = orjson.OPT_APPEND_NEWLINE | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def to_line(record: Record) -> bytes:
    """The record as one line of UTF-8 JSON, newline included."""
    present = {"v": VERSION} | {
        key: value for key, value in zip(_JSON_KEYS, _values_of(record), strict=True) if value is not None
    }
    return orjson.dumps(present, _written, _LINE)


class ForeignLineError(ValueError):
    """A line of a log that is no record: not JSON, or JSON of another shape."""


class EventLine(BaseModel):
    """The envelope of the event that an execution answers to."""

    model_config = ConfigDict(extra="ignore")

    id: str | None = Field(None, description="The event's own id, such as a CloudEvents id.")
    source: str | None = Field(None, description="Where the event comes from.")
    type: str | None = Field(None, description="What kind of event it is.")
    delivery: str | None = Field(None, description="The id of the delivery that brought it.")


class FilterLine(BaseModel):
    """What the job's filter said about the payload."""

    model_config = ConfigDict(extra="ignore")

    verdict: str = Field(description="`pass`, `reject` or `error`.")
    message: str | None = Field(None, description="For an error: what went wrong.")
    path: str | None = Field(None, description="For an error: the missing path, as written in the filter.")
    span: tuple[int, int] | None = Field(None, description="For an error: start and end in the filter's text.")


class DefinitionLine(BaseModel):
    """Which text of the job was in force."""

    model_config = ConfigDict(extra="ignore")

    path: str = Field(description="The file, relative to where the runner was started.")
    line: int = Field(description="The line where the document starts, from 1.")
    sha256: str = Field(description="Content hash of the definition, agent and defaults included.")


class ErrorLine(BaseModel):
    """Why an attempt failed."""

    model_config = ConfigDict(extra="ignore")

    type: ErrorType = Field(description="One of a closed set.")
    message: str = Field(description="One sentence for people.")
    detail: dict[str, Any] | None = Field(None, description="Details for machines, by type.")


class RecordLine(BaseModel):
    """One transition of one execution, a line of executions.jsonl. Absent values are absent keys."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    v: int = Field(description="Version of this schema.")
    id: str = Field(description="ULID of the execution: all its lines share it.")
    job: str = Field(description="Id of the job.")
    name: str = Field(description="Name of the job when the line was written.")
    agent: str = Field(description="Id of the agent.")
    mode: Mode = Field(description="Mode of the job.")
    trigger: Trigger = Field(description="What set the execution off.")
    status: Status = Field(description="What the execution became with this line.")
    at: Instant = Field(description="When the line was written.")
    reason: Reason | None = Field(None, description="Why, where the status alone does not say.")
    scheduled_for: Instant | None = Field(None, description="The slot of a cron execution.")
    lateness_ms: int | None = Field(None, description="`at` of the first line minus `scheduled_for` and jitter.")
    not_before: Instant | None = Field(None, description="A waiting retry starts no earlier.")
    started_at: Instant | None = Field(None, description="When the attempt started.")
    finished_at: Instant | None = Field(None, description="When the execution ended.")
    duration_ms: int | None = Field(None, description="`finished_at` minus `started_at`.")
    attempt: int | None = Field(None, description="Number of the attempt, from 1.")
    actor: str | None = Field(None, description="Who triggered it.")
    cancelled_by: str | None = Field(None, description="Who cancelled it.")
    rerun_of: str | None = Field(None, description="The execution that this one repeats.")
    event: EventLine | None = Field(None, description="The event that it answers to.")
    payload: Any = Field(None, description="The payload, on the first line.")
    payload_ref: str | None = Field(
        None, description="File in the state directory that holds a payload over 16 KiB."
    )
    payload_sha256: str | None = Field(None, description="Hash of the bytes in that file.")
    filter: FilterLine | None = Field(None, description="What the filter said.")
    pid: int | None = Field(None, description="Process id of the run.")
    pid_start: int | None = Field(None, description="Its start, in clock ticks since boot.")
    result: Any = Field(None, description="The agent's result, on the last line.")
    usage: dict[str, Any] | None = Field(None, description="What the run used: requests, tokens, cost.")
    error: ErrorLine | None = Field(None, description="Why the attempt failed.")
    from_: Instant | None = Field(None, alias="from", description="First of a range of missed slots.")
    until: Instant | None = Field(None, description="Last of a range of missed slots.")
    count: int | None = Field(None, description="How many slots were missed.")
    definition: DefinitionLine | None = Field(None, description="Which text of the job was in force.")


def _opaque(line: RecordLine, name: str) -> Payload | None:
    return Payload(getattr(line, name)) if name in line.model_fields_set else None


def from_line(raw: bytes) -> Record:
    """Read one line back.

    Raises:
        ForeignLineError: when the line is not a record.
    """
    try:
        data = orjson.loads(raw)
    except ValueError as error:
        raise ForeignLineError(f"not JSON: {error}") from None
    return read_plainly(data) or read_carefully(data)


def read_carefully(data: Any) -> Record:
    """A line of any writer, checked and converted by the model.

    Raises:
        ForeignLineError: when the data is not a record.
    """
    try:
        line = RecordLine.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the line"
        raise ForeignLineError(f"{where}: {first['msg']}") from None
    values: dict[str, Any] = {name: getattr(line, name) for name, _ in _KEYS}
    values["payload"] = _opaque(line, "payload")
    values["result"] = _opaque(line, "result")
    if line.event is not None:
        values["event"] = PushEvent(**dict(line.event))
    if line.filter is not None:
        values["filter"] = FilterNote(**dict(line.filter))
    if line.definition is not None:
        values["definition"] = Definition(**dict(line.definition))
    if line.error is not None:
        values["error"] = Failure(**dict(line.error))
    return Record(**values)


class _OddError(Exception):
    """A value is not as this writer writes it."""


def _exactly(kind: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise _OddError
        return value

    return read


def _instant(value: Any) -> datetime:
    if (
        type(value) is not str
        or len(value) != 24
        or value[23] != "Z"
        or not (
            value[4] == value[7] == "-" and value[10] == "T" and value[13] == value[16] == ":" and value[19] == "."
        )
    ):
        raise _OddError
    return datetime.fromisoformat(value)


def _parts(kind: type, readers: Mapping[str, Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """A nested object; keys that nobody knows are passed over, as the model does."""

    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise _OddError
        return kind(**{key: readers[key](inner) for key, inner in value.items() if key in readers})

    return read


def _span(value: Any) -> tuple[int, int]:
    match value:
        case [int(start), int(end)] if type(start) is int and type(end) is int:
            return start, end
        case _:
            raise _OddError


_TEXT, _NUMBER, _OBJECT = _exactly(str), _exactly(int), _exactly(dict)
_PLAIN: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("id", "job", "name", "agent", "actor", "cancelled_by", "rerun_of"), _TEXT),
    **dict.fromkeys(("payload_ref", "payload_sha256"), _TEXT),
    **dict.fromkeys(("lateness_ms", "duration_ms", "attempt", "pid", "pid_start", "count"), _NUMBER),
    **dict.fromkeys(("at", "scheduled_for", "not_before", "started_at", "finished_at", "from", "until"), _instant),
    **dict.fromkeys(("payload", "result"), Payload),
    "mode": Mode._value2member_map_.__getitem__,
    "trigger": Trigger._value2member_map_.__getitem__,
    "status": Status._value2member_map_.__getitem__,
    "reason": Reason._value2member_map_.__getitem__,
    "usage": _OBJECT,
    "event": _parts(PushEvent, dict.fromkeys(("id", "source", "type", "delivery"), _TEXT)),
    "filter": _parts(FilterNote, {**dict.fromkeys(("verdict", "message", "path"), _TEXT), "span": _span}),
    "definition": _parts(Definition, {"path": _TEXT, "line": _NUMBER, "sha256": _TEXT}),
    "error": _parts(
        Failure, {"type": ErrorType._value2member_map_.__getitem__, "message": _TEXT, "detail": _OBJECT}
    ),
}


_REQUIRED = frozenset({"id", "job", "name", "agent", "mode", "trigger", "status", "at"})
_SLOTS = tuple((getattr(Record, name).__set__, key) for name, key in _KEYS)
"""How each value gets into a record: past `__init__`, which takes half of the time for a frozen class."""


def read_plainly(data: Any) -> Record | None:
    """A line just as `to_line` writes them, which is most of a log, in less than half of the time.

    None for anything that is odd in any way: the careful way decides on it.
    """
    if type(data) is not dict or type(data.get("v")) is not int or "from_" in data or not data.keys() >= _REQUIRED:
        return None
    try:
        values = {key: _PLAIN[key](value) for key, value in data.items() if key in _PLAIN}
    except (_OddError, KeyError, TypeError, ValueError):
        return None
    record = Record.__new__(Record)
    for put, key in _SLOTS:
        put(record, values.get(key))
    return record
