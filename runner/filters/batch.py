"""Many expressions over many payloads: one JSON line in, one JSON line out, encoded as filtrex's oracle does.

A result is `{"kind": "value", "value": …}`, `{"kind": "compile_error"}` or `{"kind": "runtime_error", "type": …}`
with a `verdict` beside it; `runner.filters.encoding` says how values are written.
"""

from typing import Any

import orjson

from runner.filters.encoding import Encoder
from runner.filters.filter import Filter, FilterSyntaxError, compile_filter
from runner.filters.verdict import EvaluationError, VerdictKind


def evaluate(compiled: Filter, payload: Any) -> dict[str, Any]:
    """What a filter says of one payload."""
    try:
        value = compiled.evaluate(payload)
    except EvaluationError as error:
        problem = error.problem
        result = {"kind": "runtime_error", "type": problem.type, "message": problem.message}
        return result | {"verdict": VerdictKind.ERROR.value}
    verdict = VerdictKind.PASS if value is True else VerdictKind.REJECT if value is False else VerdictKind.ERROR
    return {"kind": "value", "value": Encoder().encode(value), "verdict": verdict.value}


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
