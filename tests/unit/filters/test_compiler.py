"""The generated code: safe on every payload, flat at every depth, and the same in each of its three forms."""

import sys
from typing import Any

import pytest

from runner.filters import PASSED, REJECTED, Verdict, compile_filter
from runner.filters.explain import explain

DEEP: list[Any] = []
for _ in range(10_000):
    DEEP = [DEEP]
DEEP_OBJECT: dict[str, Any] = {}
for _ in range(10_000):
    DEEP_OBJECT = {"a": DEEP_OBJECT}
HOSTILE: dict[str, Any] = {
    "deep": DEEP,
    "object": DEEP_OBJECT,
    "surrogate": "\ud800",
    "nan": float("nan"),
    "infinite": float("inf"),
    "huge": 10**400,
    "format": "{0.__class__} %s %(x)s",
    "true": True,
    "null": None,
    "number": -0.0,
    "text": "x",
}


@pytest.mark.parametrize(
    "text",
    [
        "{a} == {b}",
        "{a} != {b}",
        "{a} < {b}",
        "{a} + {b} == {b}",
        "{a} * {b} > 1",
        "{a} / {b} > 1",
        "{a} mod {b} > 1",
        "{a} ^ {b} > 1",
        "-{a} > 1",
        "{a} in {b}",
        "{a} in ({b}, 1)",
        "({a}, {b}) not in {a}",
        "{a} ~= {b}",
        "{a} and {b}",
        "not {a}",
        "includes({a}, {b})",
        'includes({a}, "x")',
        "lower({a}) == upper({b})",
        "abs({a}) == max({b}, 1)",
        "exists({a}.b) or empty({b}.c.d)",
        "length of {a} > 1",
        "if {a} == {b} then {a} else {b}",
        "1 < {a} < {b}",
    ],
)
def test_no_payload_makes_a_filter_raise(text):
    for left in HOSTILE:
        for right in HOSTILE:
            compiled = compile_filter(text.format(a=f"event.{left}", b=f"event.{right}"))
            assert isinstance(compiled.check(HOSTILE), Verdict)


DEEP_TEXTS = [
    " and ".join(["event.t"] * 800),
    " or ".join(["event.f"] * 880) + " or event.t",
    "not " * 400 + "event.t",
    "1" + " + 1" * 450 + " == 451",
    "-" * 450 + "1 == 1",
    "(" * 490 + "event.t" + ")" * 490,
    "if event.f then event.f else " * 300 + "event.t",
    "if event.t then " * 250 + "event.t" + " else event.f" * 250,
    "if " * 240 + "event.t" + " then event.t else event.t" * 240,
    "event.t == (" * 400 + "true" + ")" * 400,
    "(event.t and (event.f or " * 240 + "event.t" + "))" * 240,
    "max(" * 490 + "1" + ")" * 490 + " == 1",
    "1 < 2 > " * 600 + "1",
    "exists(" + "a of " * 400 + "event.deep) or event.t",
    "exists(event.deep." + "a." * 4000 + "b) or event.t",
    f"event.n in ({','.join(map(str, range(1500)))})",
    "5 in (" + "event.n, " * 1000 + "6)",
]


@pytest.mark.parametrize("text", DEEP_TEXTS, ids=lambda text: text[:24])
def test_deep_and_wide_expressions_compile_run_and_explain(text):
    payload = {"t": True, "f": False, "n": 5, "deep": DEEP_OBJECT}
    compiled = compile_filter(text)
    assert compiled.check(payload) is PASSED
    assert compiled.evaluate(payload) is True
    assert explain(compiled, payload).root.value is True


def test_deep_expressions_compile_where_little_of_the_stack_is_left():
    def from_below(levels: int) -> Verdict:
        if levels:
            return from_below(levels - 1)
        return compile_filter("not " * 399 + "event.f").check({"f": False})

    used = 0
    frame = sys._getframe()
    while frame is not None:
        used, frame = used + 1, frame.f_back  # type: ignore[assignment]
    assert from_below(sys.getrecursionlimit() - used - 250) is PASSED


def test_nothing_of_the_text_becomes_a_name():
    compiled = compile_filter("event.__class__.__mro__ == event.print or exists(event.r0)")
    code = compiled.check.__code__
    names = {*code.co_names, *code.co_varnames}
    assert not names & {"__class__", "__mro__", "print"}
    assert compiled.check.__globals__["__builtins__"] == {}
    assert compiled.check({"r0": 1}).error is not None


def test_literals_that_python_would_warn_of_compile_silently():
    for text in (
        '"x" == null',
        "1 == true",
        '(event.a == 1) == "x"',
        "null == null",
        "1 - 1 == (event.a == 2)",
        'true == "x" or 1 == 1',
        "exists(1) and exists(null) == false",
        "empty(5) == false",
    ):
        assert compile_filter(text).check({"a": 1}).error is None, text


def test_literal_constants_of_each_kind_compare_as_in_javascript():
    cases = {
        "event == 1": [(1, True), (1.0, True), (True, False), ("1", False), ([1], False)],
        "event == 0": [(0, True), (-0.0, True), (False, False), (None, False), ("", False)],
        "event == true": [(True, True), (1, False), ("true", False)],
        "event == null": [(None, True), (0, False), (False, False)],
        'event == "a"': [("a", True), (["a"], False)],
        "event == 9007199254740993": [(9007199254740992, True), (9007199254740993, True), (2.0**53, True)],
        "event in (1, 2)": [(1, True), (True, False), (2.0, True), ([1, 2], True), ([1, 3], False)],
        'event in ("a", 0)': [("a", True), (False, False), (0, True), ("b", False)],
        '"a" in event': [("a", True), (["b", "a"], True), ([], False), ({"a": 1}, False)],
        "1 in event": [([True], False), ([1.0], True), (1, True)],
        "event > -1": [(0, True), ([0], True), (-1, False)],
        "event <= 0.5": [(0, True), (1, False), (0.5, True)],
    }
    for text, rows in cases.items():
        for payload, passes in rows:
            assert compile_filter(text).check(payload) is (PASSED if passes else REJECTED), (text, payload)
