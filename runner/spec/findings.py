"""What Pydantic found wrong with a document, as diagnostics in words of YAML and with exact places."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from runner.errors import Diagnostic, Mistake, Span
from runner.spec.agents import UNION_TAG
from runner.spec.checks import PLAIN_SECRET, PROBLEM, Problem, kind_of
from runner.spec.document import Document, Location
from runner.spec.quoting import MAX_SHOWN, quote_it, quoted, shown
from runner.spec.suggest import did_you_mean
from runner.spec.support import KUBERNETES, NOT_SUPPORTED_YET, OTHER_WORDS, WRITTEN_AS

MAX_FINDINGS = 100
"""After so many things that are wrong with one document, the others are not told."""

MAX_LINE = 500
"""A longer line of a shell is not taken apart for a suggestion."""

_KEY = "[key]"
_CHOICE = re.compile(r"'([^']*)'")
_EXPECTED: Mapping[str, str] = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "`true` or `false`",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_YES = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


def findings(
    error: ValidationError,
    document: Document,
    model: type[BaseModel],
    elsewhere: Mapping[str, str],
    ignore: frozenset[str] = frozenset(),
) -> list[Diagnostic]:
    """Return a diagnostic for each thing that is wrong with a document.

    `elsewhere` says of fields that other kinds of documents know what to do instead; unknown fields in
    `ignore` are let pass.
    """
    reader = _Reader(document, model, elsewhere)
    found: list[Diagnostic] = []
    errors = error.errors(include_url=False)
    misspelt = {
        each.fix for details in errors if details["type"] == "extra_forbidden" for each in reader.read(details)
    }
    for details in errors:
        if details["type"] == "extra_forbidden" and details["loc"] and details["loc"][0] in ignore:
            continue
        if details["type"] == "missing" and details["loc"][-1] in misspelt:
            continue  # a misspelt field is one mistake, not an unknown one and a missing one
        if len(found) >= MAX_FINDINGS:
            message = f"after {MAX_FINDINGS} problems, the rest of this document was not looked at"
            found.append(document.diagnostic("too-many-problems", message, document.start_span()))
            break
        found += reader.read(details)
    return found


def problem_diagnostics(
    document: Document, location: Location, problem: Problem, job: str | None = None
) -> Iterator[Diagnostic]:
    """Yield a diagnostic for a problem of the value at a location, or one for each mistake in its text."""
    location = (*location, *problem.at)
    for mistake in problem.mistakes:
        yield mistake_diagnostic(document, location, mistake, job)
    if problem.mistakes:
        return
    span = document.key_span(location) if problem.on_key else document.value_span(location)
    diagnostic = document.diagnostic(
        problem.rule,
        problem.message,
        span,
        severity=problem.severity,
        help=problem.help,
        fix=problem.fix,
        job=job,
    )
    yield _masked(diagnostic, span) if problem.rule == PLAIN_SECRET else diagnostic


def _masked(diagnostic: Diagnostic, span: Span) -> Diagnostic:
    """Return a diagnostic that doesn't show what may be a secret to whoever reads the log of a check."""
    source = diagnostic.source or ""
    stop = span.end_column - 1 if span.end_line == span.line else len(source)
    hidden = source[: span.column - 1] + "*" * (stop - span.column + 1) + source[stop:]
    return replace(diagnostic, source=hidden)


def mistake_diagnostic(
    document: Document, location: Location, mistake: Mistake, job: str | None = None
) -> Diagnostic:
    """Return the diagnostic for a mistake inside the text at a location."""
    return document.diagnostic(
        mistake.rule,
        mistake.message,
        document.span_within(location, mistake.start, mistake.end),
        severity=mistake.severity,
        help=mistake.help,
        fix=mistake.fix,
        job=job,
    )


class _Reader:
    """Turns the errors of one document into diagnostics."""

    def __init__(self, document: Document, model: type[BaseModel], elsewhere: Mapping[str, str]) -> None:
        self._document = document
        self._model = model
        self._elsewhere = elsewhere

    def read(self, details: ErrorDetails) -> Iterator[Diagnostic]:
        """Yield the diagnostics for one error."""
        location, on_key = self._location(details["loc"])
        kind = details["type"]
        context: Mapping[str, Any] = details.get("ctx", {})
        if kind == PROBLEM:
            problem: Problem = context["problem"]
            yield from problem_diagnostics(self._document, location, problem)
        elif kind == "extra_forbidden":
            yield self._unknown(location)
        elif kind == "missing":
            yield self._missing(location)
        else:
            span = self._document.key_span(location) if on_key else self._document.value_span(location)
            rule, message, advice, fix = self._value(kind, details, context)
            if advice is None and location and isinstance(location[-1], str):
                advice = WRITTEN_AS.get(location[-1])
            yield self._document.diagnostic(rule, message, span, help=advice, fix=fix)

    def _location(self, written: Sequence[str | int]) -> tuple[Location, bool]:
        location = tuple(step for step in written if not (isinstance(step, str) and step.startswith(UNION_TAG)))
        if location and location[-1] == _KEY and not self._document.has(location):
            return location[:-1], True
        return location, False

    def _unknown(self, location: Location) -> Diagnostic:
        name = str(location[-1])
        span = self._document.key_span(location)
        if len(location) == 1 and name in KUBERNETES:
            field, advice = KUBERNETES[name]
            message = f"`{name}` is a field of Kubernetes; here it is `{field}`"
            if field in NOT_SUPPORTED_YET["job"]:
                message, advice = f"{message}, which is not supported yet", "remove it"
            return self._document.diagnostic("kubernetes-field", message, span, help=advice)
        known = list(_fields_at(self._model, location[:-1]))
        present = self._document.data if len(location) == 1 else {}
        message = f"the field `{shown(name)}` is not known"
        meant = did_you_mean(name, [field for field in known if field not in present])
        if meant is None and OTHER_WORDS.get(name) in known:
            meant = OTHER_WORDS[name]
            return self._document.diagnostic("unknown-field", message, span, help=f"did you mean `{meant}`?")
        if meant is not None:
            advice = f"did you mean `{meant}`?"
            return self._document.diagnostic("unknown-field", message, span, help=advice, fix=meant)
        if len(location) == 1 and name in self._elsewhere:
            return self._document.diagnostic("unknown-field", message, span, help=self._elsewhere[name])
        if did_you_mean(name, known) in present:
            advice = f"`{did_you_mean(name, known)}` is given already: remove one of the two"
            return self._document.diagnostic("unknown-field", message, span, help=advice)
        advice = "known here: " + ", ".join(f"`{field}`" for field in sorted(known))
        return self._document.diagnostic("unknown-field", message, span, help=advice if known else None)

    def _missing(self, location: Location) -> Diagnostic:
        name = str(location[-1])
        above = location[:-1]
        span = self._document.key_span(above) if above else self._document.start_span()
        where = f" in `{shown(above[-1])}`" if above and isinstance(above[-1], str) else ""
        message = f"the field `{name}` is missing{where}"
        return self._document.diagnostic("missing-field", message, span, help=f"add `{name}: …`")

    def _value(
        self, kind: str, details: ErrorDetails, context: Mapping[str, Any]
    ) -> tuple[str, str, str | None, str | None]:
        """Return rule, message, help and fix for a value that is not what it should be."""
        value = details["input"]
        if kind in {"enum", "literal_error"}:
            return _choice(value, _CHOICE.findall(str(context["expected"])))
        if kind in _EXPECTED:
            if kind == "list_type" and details["loc"][-1] == "command" and isinstance(value, str):
                return _shell_line(value)
            return _wrong_type(_EXPECTED[kind], value)
        bounds = {"greater_than_equal": ("ge", "at least"), "less_than_equal": ("le", "at most"),
                  "greater_than": ("gt", "more than"), "less_than": ("lt", "less than")}  # fmt: skip
        if kind in bounds:
            key, words = bounds[kind]
            return (
                "out-of-range",
                f"expected {words} {_number(context[key])}, found {_number(value)}",
                None,
                None,
            )
        if kind in {"too_short", "string_too_short"}:
            return (
                "empty-value",
                f"expected a {'list' if kind == 'too_short' else 'text'} that is not empty",
                None,
                None,
            )
        return "invalid-value", details["msg"], None, None


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _choice(value: object, known: Sequence[str]) -> tuple[str, str, str | None, str | None]:
    listed = ", ".join(f"`{word}`" for word in known[:-1]) + f" or `{known[-1]}`" if known[1:] else f"`{known[0]}`"
    if not isinstance(value, str):
        return "wrong-type", f"expected {listed}, found {kind_of(value)}", None, None
    meant = did_you_mean(value, known)
    message = f"expected {listed}, found `{shown(value)}`"
    return "unknown-value", message, f"did you mean `{meant}`?" if meant else None, meant


def _wrong_type(expected: str, value: object) -> tuple[str, str, str | None, str | None]:
    message = f"expected {expected}, found {kind_of(value)}"
    fix = advice = None
    if expected == "a text" and isinstance(value, bool | int | float):
        fix = quoted(str(value).lower() if isinstance(value, bool) else str(value))
        advice = quote_it(fix)
    elif isinstance(value, str) and expected == "`true` or `false`":
        fix = _YES.get(value.lower(), value.lower() if value.lower() in {"true", "false"} else None)
        advice = f"write `{fix}`" if fix else None
    elif isinstance(value, str) and "number" in expected and re.fullmatch(r"-?[0-9]+", value):
        fix, advice = value, "remove the quotes"
    elif expected == "a list" and isinstance(value, str):
        advice = "write it as `[…]`, or one entry a line with `- ` in front"
    elif value is None:
        advice = "give it a value, or remove the line"
    return "wrong-type", message, advice, fix


def _shell_line(line: str) -> tuple[str, str, str | None, str | None]:
    message = "expected a list of the program and its arguments, found a text: no shell reads it"
    try:
        words = shlex.split(line) if len(line) <= MAX_LINE else []
    except ValueError:
        words = []
    if not words or any(mark in line for mark in "|&;<>$`*\n"):
        return "wrong-type", message, 'write the list, or `["sh", "-c", "…"]` if a shell is needed', None
    fix = f"[{', '.join(quoted(word) for word in words)}]"
    return "wrong-type", message, f"write `{fix}`" if len(fix) <= 2 * MAX_SHOWN else None, fix


def _fields_at(model: type[BaseModel], location: Iterable[str | int]) -> Iterable[str]:
    """Return the names of the fields that a mapping at a location may have."""
    for step in location:
        if isinstance(step, int):
            continue
        field = model.model_fields.get(step)
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            return ()
        model = inner
    return model.model_fields


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model that an annotation such as `Annotated[list[Model] | None, …]` speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in get_args(annotation):
        if (found := _model_in(part)) is not None:
            return found
    return None
