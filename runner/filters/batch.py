"""Many expressions over many payloads: one JSON line in, one JSON line out, encoded as filtrex's oracle does.

A result is `{"kind": "value", "value": …}`, `{"kind": "compile_error"}` or `{"kind": "runtime_error", "type": …}`
with a `verdict` beside it. Numbers that JSON lacks are written as `{"$num": "NaN"}` and the like, and a value that
is nested too deep for a line of JSON ends in `{"$cut": "list"}` or `{"$cut": "object"}`.
"""

import math
from typing import Any

import orjson

from runner.filters.filter import Filter, FilterSyntaxError, compile_filter
from runner.filters.javascript import double
from runner.filters.site import kind_of
from runner.filters.verdict import EvaluationError, VerdictKind

_DEEPEST = 200
"""Levels of a value that are written; the encoder of JSON has a limit of its own a little above."""


def encode(value: Any, depth: int = 0) -> Any:
    """A value of the filter language as JSON data."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return _number(double(value))
    if depth > _DEEPEST:
        return {"$cut": kind_of(value)}
    if isinstance(value, list):
        return [encode(item, depth + 1) for item in value]
    return {key: encode(item, depth + 1) for key, item in value.items()}


def _number(number: float) -> Any:
    if math.isnan(number):
        return {"$num": "NaN"}
    if math.isinf(number):
        return {"$num": "Infinity" if number > 0 else "-Infinity"}
    if number == 0 and math.copysign(1, number) < 0:
        return {"$num": "-0"}
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def evaluate(compiled: Filter, payload: Any) -> dict[str, Any]:
    """What a filter says of one payload."""
    try:
        value = compiled.evaluate(payload)
    except EvaluationError as error:
        problem = error.problem
        result = {"kind": "runtime_error", "type": problem.type, "message": problem.message}
        return result | {"verdict": VerdictKind.ERROR.value}
    verdict = VerdictKind.PASS if value is True else VerdictKind.REJECT if value is False else VerdictKind.ERROR
    return {"kind": "value", "value": encode(value), "verdict": verdict.value}


def answer(line: bytes, *, filtrex: bool = False) -> bytes:
    """The result line for one line of `{"expr": …, "payload": …}`; a bad line is answered, too."""
    try:
        question = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return orjson.dumps({"kind": "harness_error", "message": f"not JSON: {error}"})
    if not isinstance(question, dict) or "expr" not in question:
        message = 'not an object with "expr" and "payload"'
        return orjson.dumps({"kind": "harness_error", "message": message})
    expression, payload = question["expr"], question.get("payload")
    if not isinstance(expression, str):
        return orjson.dumps(
            {"kind": "compile_error", "message": "the expression is not a text", "verdict": "error"}
        )
    try:
        compiled = compile_filter(expression, filtrex=filtrex)
    except FilterSyntaxError as error:
        return orjson.dumps({"kind": "compile_error", "message": str(error), "verdict": "error"})
    return orjson.dumps(evaluate(compiled, payload))
