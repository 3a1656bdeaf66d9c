"""A filter that somebody tries: which mistakes are in it, or what it says of an event.

HTTP and command line ask here. The answers are plain data, described by types, so that both write the same JSON.
"""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from runner.errors import Diagnostic, InvalidRequestError, Mistake, Span
from runner.filters import EVENT, Filter, FilterSyntaxError
from runner.filters.encoding import Encoder
from runner.filters.explain import Explained, PartState, explain
from runner.filters.filter import compile_uncached
from runner.filters.reads import fields_read
from runner.filters.verdict import FilterProblem
from runner.service.drawing import render
from runner.spec.models import Payload

MOST_SHOWN = 64 * 1024
"""Characters and items that the values of all parts may have together; what comes after is cut."""


class MistakeData(TypedDict):
    """One mistake in the text of a filter: offsets count characters from 0, lines and columns from 1."""

    rule: str
    severity: str
    message: str
    start: int
    end: int
    line: int
    column: int
    end_line: int
    end_column: int
    help: NotRequired[str]
    fix: NotRequired[str]
    text: str


class ValidData(TypedDict):
    """A filter that compiles, the fields that it reads, and what may be unwanted of it."""

    valid: Literal[True]
    reads: list[str]
    warnings: list[MistakeData]


class ProblemData(TypedDict):
    """Why a filter has no answer for an event."""

    type: str
    message: str
    path: NotRequired[str]
    span: list[int]
    help: NotRequired[str]


class PartData(TypedDict):
    """One part of a filter; those that follow at a higher level are parts of it."""

    text: str
    span: list[int]
    level: int
    state: PartState
    value: NotRequired[object]


class TriedData(TypedDict):
    """What a filter says of an event, and the value of each part."""

    verdict: Literal["pass", "reject", "error"]
    value: NotRequired[object]
    error: NotRequired[ProblemData]
    parts: list[PartData]


def compile_trial(text: str, *, filtrex: bool = False) -> Filter:
    """Compile a filter that nobody will ask again: it takes no place in the cache.

    Raises:
        FilterSyntaxError: with the mistakes.
        InvalidRequestError: when the text can't be written as UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        # Bytes of the command line that are no text come as halves of surrogate pairs, which JSON can't hold.
        raise InvalidRequestError("the expression is not valid UTF-8") from None
    return compile_uncached(text, EVENT, filtrex=filtrex)


def try_filter(text: str, event: Payload | None, *, filtrex: bool = False) -> ValidData | TriedData:
    """Check a filter, and with an event evaluate it.

    Raises:
        FilterSyntaxError: with the mistakes.
    """
    compiled = compile_trial(text, filtrex=filtrex)
    return valid_data(compiled) if event is None else tried_data(explain(compiled, event.value))


def valid_data(compiled: Filter) -> ValidData:
    """What is to say of a filter without an event."""
    return {
        "valid": True,
        "reads": list(fields_read(compiled)),
        "warnings": [_mistake(compiled.text, warning) for warning in compiled.warnings],
    }


def tried_data(explained: Explained) -> TriedData:
    """The verdict on an event, and the value of every part."""
    parts = Encoder(MOST_SHOWN)
    data: TriedData = {"verdict": explained.verdict.kind.value, "parts": []}
    if explained.root.state is PartState.VALUE:
        data["value"] = Encoder().encode(explained.root.value)
    if explained.verdict.error is not None:
        data["error"] = _problem(explained.verdict.error)
    for level, part in explained.root.walk():
        shown: PartData = {
            "text": part.text,
            "span": [part.start, part.end],
            "level": level,
            "state": part.state,
        }
        if part.state is PartState.VALUE:
            shown["value"] = parts.encode(part.value)
        data["parts"].append(shown)
    return data


def mistakes_data(error: FilterSyntaxError) -> list[MistakeData]:
    """Everything that is wrong with a text, as data."""
    return [_mistake(error.text, mistake) for mistake in error.mistakes]


def mistake_diagnostic(text: str, mistake: Mistake) -> Diagnostic:
    """A mistake in a text that stands in no file, as a diagnostic that can be drawn."""
    line, column = _position(text, mistake.start)
    end_line, end_column = _position(text, mistake.end)
    return Diagnostic(
        mistake.rule,
        mistake.message,
        "filter",
        Span(line, column, end_line, end_column),
        mistake.severity,
        help=mistake.help,
        fix=mistake.fix,
        source=text.split("\n")[line - 1],
    )


def _position(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def _mistake(text: str, mistake: Mistake) -> MistakeData:
    diagnostic = mistake_diagnostic(text, mistake)
    span = diagnostic.span
    assert span is not None  # noqa: S101 - it was just made with one
    data: MistakeData = {
        "rule": mistake.rule,
        "severity": mistake.severity.value,
        "message": mistake.message,
        "start": mistake.start,
        "end": mistake.end,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
        "text": render([diagnostic], color=False),
    }
    if mistake.help is not None:
        data["help"] = mistake.help
    if mistake.fix is not None:
        data["fix"] = mistake.fix
    return data


def _problem(problem: FilterProblem) -> ProblemData:
    data: ProblemData = {"type": problem.type, "message": problem.message, "span": list(problem.span)}
    if problem.path is not None:
        data["path"] = problem.path
    if problem.help is not None:
        data["help"] = problem.help
    return data
