"""The recorded results of filtrex 3.1.0 on 909 expressions, and where and why ours differ."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from runner.filters import EvaluationError, FilterSyntaxError, compile_filter

CORPUS = [
    json.loads(line) for line in Path(__file__).with_name("corpus.ndjson").read_text(encoding="utf-8").splitlines()
]

LOOK_AROUND = "RE2 has no look-around"
CODE_POINTS = "RE2 matches code points, JavaScript UTF-16 units"
RE2_ANCHORS = r"\Z is no escape of RE2; in JavaScript \A and \Z are the letters A and Z"
RE2_CLASSES = "[[:alpha:]] is a class of letters in RE2; JavaScript reads a plain class and a bracket"
EMPTY_CLASS = "[^] is no class of RE2; in JavaScript it is any character"

DISAGREEMENTS = {
    '"Active" ~= "(?<=aws-)m" or not "Active" == event.buyer.address.city': LOOK_AROUND,
    'event.partner ~= "^(?!aws)"': LOOK_AROUND,
    'event.emo ~= "^.$"': CODE_POINTS,
    'event.emo ~= "^..$"': CODE_POINTS,
    'event.s ~= "\\\\Aabc\\\\Z"': RE2_ANCHORS,
    '"AabcZ" ~= "\\\\Aabc\\\\Z"': RE2_ANCHORS,
    'event.s ~= "[[:alpha:]]"': RE2_CLASSES,
    'event.nl ~= "a[^]b"': EMPTY_CLASS,
}


def encoded(value: Any) -> Any:
    """A value as the corpus has it: numbers that JSON lacks are objects with the one key `$num`."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return encoded_number(value)
    if isinstance(value, list):
        return [encoded(item) for item in value]
    return {key: encoded(item) for key, item in value.items()}


def encoded_number(value: float) -> Any:
    number = float(value)
    if math.isnan(number):
        return {"$num": "NaN"}
    if math.isinf(number):
        return {"$num": "Infinity" if number > 0 else "-Infinity"}
    if number == 0 and math.copysign(1, number) < 0:
        return {"$num": "-0"}
    return number


def our_result(expression: str, payload: Any) -> dict[str, Any]:
    try:
        compiled = compile_filter(expression, filtrex=True)
    except FilterSyntaxError:
        return {"kind": "compile_error"}
    try:
        return {"kind": "value", "value": encoded(compiled.evaluate(payload))}
    except EvaluationError as error:
        return {"kind": "runtime_error", "type": error.problem.type}


def alike(want: Any, got: Any) -> bool:
    """Equal, but for the last digit of a power or logarithm, where V8 and the C library differ."""
    if isinstance(want, bool) or isinstance(got, bool):
        return want is got
    if isinstance(want, int | float) and isinstance(got, int | float):
        return want == got or math.isclose(want, got, rel_tol=1e-14, abs_tol=0)
    if isinstance(want, list) and isinstance(got, list):
        return len(want) == len(got) and all(map(alike, want, got))
    if isinstance(want, dict) and isinstance(got, dict):
        return want.keys() == got.keys() and all(alike(want[key], got[key]) for key in want)
    return type(want) is type(got) and bool(want == got)


def test_every_line_agrees_with_filtrex_but_for_the_patterns_that_re2_reads_differently():
    disagreeing = {
        row["expr"]
        for row in CORPUS
        if not alike(encoded(row["result"]), encoded(our_result(row["expr"], row["payload"])))
    }
    assert disagreeing == set(DISAGREEMENTS)


def test_the_corpus_is_whole():
    assert len(CORPUS) == 909
    assert {row["result"]["kind"] for row in CORPUS} == {"value", "runtime_error", "compile_error"}


@pytest.mark.parametrize("tag", ["swallow", "octal", "deep"])
def test_filtrex_mode_reproduces_even_the_surprises(tag):
    rows = [row for row in CORPUS if tag in row["tags"] and "regex" not in row["tags"]]
    assert rows
    for row in rows:
        assert alike(encoded(row["result"]), encoded(our_result(row["expr"], row["payload"]))), row["expr"]


def test_our_own_mode_never_passes_what_filtrex_rejects():
    # It may refuse the expression, fail where filtrex has another value, or know a constant; but where both
    # have a boolean, it is the same one.
    for row in CORPUS:
        if row["expr"] in DISAGREEMENTS or {"swallow", "octal"} & set(row["tags"]):
            continue
        try:
            verdict = compile_filter(row["expr"]).check(row["payload"])
        except FilterSyntaxError:
            continue
        if row["result"]["kind"] == "value" and isinstance(row["result"]["value"], bool):
            assert verdict.passed is row["result"]["value"], row["expr"]
