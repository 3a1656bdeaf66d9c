"""Operators on the values that JSON has, by their results."""

import math
import random

import pytest

from runner.filters import EvaluationError, compile_filter
from runner.filters.javascript import same_value
from runner.filters.operators import holds

PAYLOAD = {
    "t": True,
    "fl": False,
    "n": None,
    "s": "abc",
    "one": [5],
    "text_one": ["x"],
    "true_one": [True],
    "nested": [[5]],
    "empty": [],
    "tags": ["vip", "new"],
    "o": {"k": 1},
    "copy": {"k": 1},
    "big": 9007199254740993,
    "huge": 10**400,
    "nan": float("nan"),
}


def value_of(text: str, payload: object = PAYLOAD) -> object:
    return compile_filter(text, filtrex=True).evaluate(payload)


def error_of(text: str) -> str:
    with pytest.raises(EvaluationError) as raised:
        value_of(text)
    return raised.value.problem.type


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2", 3),
        ('1 + "a"', "1a"),
        ('1 + 2 + "a"', "3a"),
        ('event.text_one + "y"', "xy"),
        ("event.one + 1", 6),
        ("event.big + 1", 9007199254740992),
        ("event.big == 9007199254740992", True),
        ("event.big > 9007199254740992", False),
        ("event.huge == 1 / 0", True),
        ("event.huge * 2", math.inf),
        ("1 / 0", math.inf),
        ("-1 / 0", -math.inf),
        ("1 / (0 * -1)", -math.inf),
        ("10 ^ 400", math.inf),
        ("(0 - 10) ^ 401", -math.inf),
        ("0 ^ -1", math.inf),
        ("0 ^ 0", 1),
        ("-5 mod 3", 1),
        ("5 mod -3", -1),
        ("-0.1 mod 5", 4.9),
        ("2 ^ 10", 1024),
        ("event.one >= 5", True),
        ("event.one == 5", False),
        ("event.true_one and event.t", True),
        ("1 == 1.0", True),
        ("event.t == 1", False),
        ("event.fl == 0", False),
        ("event.n == event.n", True),
        ("(1, 2) == (1, 2)", False),
        ("event.o == event.copy", False),
        ("event.o == event.o", True),
        ("event.nan == event.nan", False),
        ("event.nan != event.nan", True),
        ("0 == -0", True),
        ("event.tags == event.s", False),
        ("1 < 3 > 2", True),
        ("1 == 1 == 1", True),
        ("(1 == 1) == 1", False),
        ("1 < 2 == event.t", False),
        ("1 < event.one == 5", False),
        ('"a" in "abc"', False),
        ('"abc" in "abc"', True),
        ('("vip", "new") in event.tags', True),
        ('("vip", "zzz") not in event.tags', True),
        ("event.empty in event.tags", True),
        ("event.empty not in event.tags", False),
        ("event.o in (event.o, 1)", True),
        ("event.copy in (event.o, 1)", False),
        ("event.nested in (5, 6)", False),
        ("event.one in (5, 6)", True),
        ("event.t in (1, 2)", False),
        ("event.nan in (event.nan, 1)", True),
        ("event.tags.length", 2),
        ("event.tags.0", "vip"),
        ("'0' of (1, 2)", 1),
        ("length of (1, 2)", 2),
        ("k of event.o", 1),
        ("event.t or 5", True),
        ("if event.fl then event.missing else 7", 7),
    ],
)
def test_operators_give_what_filtrex_gives(text, value):
    result = value_of(text)
    assert result == value
    assert isinstance(result, bool) is isinstance(value, bool)


@pytest.mark.parametrize(
    "text", ["0 / 0", "(0 - 8) ^ (1 / 3)", "1 ^ (1 / 0)", "1 ^ (0 / 0)", "5 mod 0", "(1 / 0) mod 5"]
)
def test_arithmetic_without_a_result_is_nan(text):
    result = value_of(text)
    assert isinstance(result, float)
    assert math.isnan(result)


@pytest.mark.parametrize(
    "text",
    [
        '"12" * 1',
        "event.t + 1",
        "event.n + 1",
        "event.tags + 1",
        '"a" < "b"',
        "event.t > 0",
        "event.nested > 1",
        "5 ~= event.s",
        "event.s ~= 5",
        "event.fl or 5",
        "5 and event.t",
        "not event.s",
        "event.n in (1, 2)",
        "1 in event.n",
        "-event.s",
    ],
)
def test_operands_of_the_wrong_type_are_errors(text):
    assert error_of(text) == "UnexpectedTypeError"


@pytest.mark.parametrize(
    "text",
    [
        "event.missing",
        "event.s.length",
        "event.tags.00",
        "event.tags.2",
        "event.tags.x",
        "event.constructor",
        "event.__class__",
        "event.__proto__",
        "event.n.x",
        "'event.s'",
        "other",
        '"x" * event.missing',
    ],
)
def test_only_own_fields_exist(text):
    assert error_of(text) == "UnknownPropertyError"


def test_names_of_javascript_are_fields_like_any_other_where_the_payload_has_them():
    payload = {"constructor": 1, "__proto__": 2, "": {"": 3}, "length": 4}
    assert value_of("event.constructor + event.__proto__ + event.. + event.length", payload) == 10


def test_the_left_operand_is_blamed_first():
    with pytest.raises(EvaluationError) as raised:
        value_of("event.s - event.t")
    assert raised.value.problem.span == (0, 7)


def test_text_can_not_grow_without_bound():
    text = " + ".join(["event"] * 100)
    with pytest.raises(EvaluationError) as raised:
        value_of(text, "x" * 1_000_000)
    assert raised.value.problem.type == "RangeError"


def test_lists_of_any_values_are_compared_as_one_value_after_the_other_is():
    nan, shared = math.nan, [1]
    values = [1, True, 0, False, 0.0, -0.0, 1.0, 0.5, nan, float("nan"), math.inf, 2**53, 2**53 + 1, 10**400]
    values += [None, "", "1", "true", shared, [1], {}]
    source = random.Random(1)
    for _ in range(3_000):
        kinds = source.sample(values, source.randint(1, 5))
        left, right = source.choices(kinds, k=source.randint(0, 6)), source.choices(kinds, k=source.randint(0, 9))
        expected = all(any(same_value(item, other) for other in right) for item in left)
        assert value_of("event.a in event.b", {"a": left, "b": right}) is expected, (left, right)


def test_large_lists_are_compared_in_linear_time():
    items = list(range(100_000))
    payload = {"a": items, "b": [*reversed(items)], "c": [*map(str, items)], "d": [*map(str, reversed(items))]}
    assert value_of("event.a in event.b", payload) is True
    assert value_of("event.c in event.d", payload) is True
    assert value_of("event.a in event.d", payload) is False


@pytest.mark.parametrize(
    "value", [1, 0, 1.0, -0.0, 2**53, 2**53 + 1, 0.5, 10**400, math.nan, math.inf, True, None]
)
def test_a_list_holds_each_of_its_items(value):
    assert holds([value], value)
    assert holds(["1", [1], {}, value], value)
    assert not holds([], value)
    assert not holds(["1", [value], {}], value)


def test_a_list_holds_no_boolean_for_a_number_though_python_finds_them_equal():
    assert not holds([True, [1], "1"], 1)
    assert not holds([False], 0.0)
    assert not holds([1, 0], True)
    assert holds([True, 1.0], 1)
    assert holds([False, -0.0], 0)


def test_integers_that_are_one_double_are_the_same_wherever_they_stand():
    assert holds([2**53], 2**53 + 1)
    assert holds([float(2**53)], 2**53 + 1)
    assert holds([2**53 + 1], float(2**53))
