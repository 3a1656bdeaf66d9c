"""Numbers and text as JavaScript converts them; the expected values were taken from Node."""

import math

import pytest

from runner.filters.javascript import (
    NotPrimitiveError,
    double,
    number_text,
    same,
    same_value,
    text_number,
    to_number,
    value_key,
    whole_text,
)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-1.5, "-1.5"),
        (100, "100"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e21, "1.5e+21"),
        (-1e21, "-1e+21"),
        (2.0**68, "295147905179352830000"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (1.5e-7, "1.5e-7"),
        (0.1, "0.1"),
        (123.456, "123.456"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (9007199254740993, "9007199254740992"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (math.nan, "NaN"),
        (10**400, "Infinity"),
    ],
)
def test_numbers_are_written_with_the_shortest_digits(number, text):
    assert number_text(number) == text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 0.0),
        (" \t\n\ufeff\u2003", 0.0),
        (" 12 ", 12.0),
        ("0x1F", 31.0),
        ("0b11", 3.0),
        ("0o17", 15.0),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("+5", 5.0),
        ("-1.5e-3", -0.0015),
        ("Infinity", math.inf),
        ("-Infinity", -math.inf),
        ("1e400", math.inf),
        ("0x" + "f" * 400, math.inf),
        ("9" * 5000, math.inf),
    ],
)
def test_text_is_read_as_a_number(text, number):
    assert text_number(text) == number


@pytest.mark.parametrize(
    "text", ["1_0", "٣", "x", "1e", "0x", "--1", "+0x1", "nan", "inf", "infinity", "1,5", "."]
)
def test_other_text_is_no_number(text):
    assert math.isnan(text_number(text))


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (None, 0.0),
        (True, 1.0),
        (False, 0.0),
        ([], 0.0),
        ([5], 5.0),
        (["5"], 5.0),
        ([[["7"]]], 7.0),
        ([None], 0.0),
        ([[]], 0.0),
        (10**400, math.inf),
    ],
)
def test_values_convert_as_math_functions_convert_them(value, number):
    assert to_number(value) == number


@pytest.mark.parametrize("value", [[True], [1, 2], {}, {"a": 1}, [{}], [[1, 2]]])
def test_other_values_are_no_number(value):
    assert math.isnan(to_number(value))


@pytest.mark.parametrize("value", [{"toString": 1}, [{"toString": 1}], [1, [{"toString": 1}]]])
def test_an_object_that_shadows_its_conversion_can_not_be_converted(value):
    with pytest.raises(NotPrimitiveError):
        to_number(value)


def test_a_list_loses_the_sign_of_zero_because_it_converts_through_text():
    assert math.copysign(1, to_number([-0.0])) == 1
    assert math.copysign(1, to_number(-0.0)) == -1


def test_reading_a_long_text_takes_linear_time():
    assert math.isnan(text_number("1" * 1_000_000 + "x"))


def test_nesting_of_any_depth_is_converted():
    nested: object = "7"
    for _ in range(100_000):
        nested = [nested]
    assert to_number(nested) == 7.0


def test_sameness_mixes_no_types_and_looks_into_nothing():
    one, other = [1], [1]
    assert same(1, 1.0)
    assert same(0.0, -0.0)
    assert same(2**53, 2**53 + 1)
    assert same(2**53 + 1, 2.0**53)
    assert same("a", "a")
    assert same(None, None)
    assert same(one, one)
    assert not same(one, other)
    assert not same({}, {})
    assert not same(1, True)
    assert not same(0, False)
    assert not same("1", 1)
    assert not same(None, False)
    assert not same(math.nan, math.nan)
    assert not same(10**400, -(10**400))
    assert same(10**400, math.inf)


def test_in_lists_nan_is_the_same_as_nan():
    assert same_value(math.nan, float("nan"))
    assert not same_value(math.nan, 1)


def test_keys_are_equal_exactly_for_the_same_values():
    items: list[object] = [1, True, 0, False, -0.0, 1.0, "1", None, math.nan, 2**53, 2**53 + 1, [], [], {}, {}]
    for left in items:
        for right in items:
            assert (value_key(left) == value_key(right)) is same_value(left, right), (left, right)


def test_integers_beyond_the_doubles_are_infinite():
    assert double(10**400) == math.inf
    assert double(-(10**400)) == -math.inf


def test_half_a_surrogate_pair_is_replaced():
    assert whole_text("a\ud800b") == "a\ufffdb"
    assert whole_text("\ud83d\ude00") == "😀"
