"""The function table, called through expressions."""

import math

import pytest

from runner.filters import EvaluationError, compile_filter


def value_of(text: str, payload: object = None) -> object:
    return compile_filter(text, filtrex=True).evaluate(payload)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("abs(0 - 5)", 5),
        ('abs(" 12 ")', 12),
        ("ceil(1.2)", 2),
        ("floor(-1.2)", -2),
        ("round(2.5)", 3),
        ("round(-2.5)", -2),
        ("round(0.49999999999999994)", 0),
        ("round(4503599627370497.5)", 4503599627370498),
        ("sqrt(16)", 4),
        ("log(1)", 0),
        ("log2(8)", 3),
        ("log10(1000)", 3),
        ("log(0)", -math.inf),
        ("max()", -math.inf),
        ("min()", math.inf),
        ('max("5", 3)', 5),
        ("max(event, 2, event, 1, 2)", 2),
        ("min(3, -1, 2)", -1),
        ("floor(10 ^ 400)", math.inf),
        ('lower("ÀB")', "àb"),
        ('upper("ß")', "SS"),
        ('lower("ΑΣ")', "ας"),
        ('"lower"', "lower"),
        ("'lower'(\"A\")", "a"),
        ('includes((1, "1"), "1")', True),
        ("exists()", False),
        ("empty()", True),
        ('empty("")', True),
        ("abs(1, 2, 3)", 1),
    ],
)
def test_functions_compute_what_filtrex_computes(text, value):
    assert value_of(text) == value


@pytest.mark.parametrize("text", ["sqrt(-1)", "log(-1)", "abs()", 'abs("x")', "max(1, (2, 3))", "floor(0/0)"])
def test_what_is_no_number_gives_nan(text):
    result = value_of(text)
    assert isinstance(result, float)
    assert math.isnan(result)


@pytest.mark.parametrize("text", ["round(-0.4)", "ceil(-0.5)", "round(0 * -1)", "min(0, 0 * -1)", "abs(1) * -0"])
def test_negative_zero_is_kept(text):
    result = value_of(text)
    assert isinstance(result, float)
    assert math.copysign(1, result) == -1


@pytest.mark.parametrize("payload", [None, 5, True, [], ["x"], {}])
@pytest.mark.parametrize("name", ["lower", "upper"])
def test_case_functions_take_text_only(name, payload):
    with pytest.raises(EvaluationError) as raised:
        value_of(f"{name}(event)", payload)
    assert raised.value.problem.type == "TypeError"
    assert raised.value.problem.message.startswith(f"`{name}()` needs text")


def test_includes_refuses_text_and_says_what_to_write():
    with pytest.raises(EvaluationError) as raised:
        value_of('includes(event, "a")', "abc")
    assert raised.value.problem.type == "TypeError"
    assert raised.value.problem.help is not None
    assert "~=" in raised.value.problem.help


def test_includes_mixes_no_types_and_finds_nan():
    payload = {"list": [1, "a", None, True, float("nan"), [2]], "nan": float("nan"), "inner": None}
    for argument, found in {
        "1": True,
        '"1"': False,
        '"a"': True,
        "event.nan": True,
        "2": False,
        "event.inner": True,
        "0": False,
    }.items():
        assert value_of(f"includes(event.list, {argument})", payload) is found, argument
    assert compile_filter("includes(event.list, true)").check(payload).passed
    assert not compile_filter("includes(event.list, false)").check(payload).passed


@pytest.mark.parametrize("name", ["nope", "event.lower", "toString", "constructor", "__import__", "Lower"])
def test_only_the_table_has_functions(name):
    with pytest.raises(EvaluationError) as raised:
        value_of(f"{name}(1)")
    assert raised.value.problem.type == "UnknownFunctionError"


def test_arguments_are_evaluated_before_an_unknown_function_is_noticed():
    with pytest.raises(EvaluationError) as raised:
        value_of("nope(event.missing)", {})
    assert raised.value.problem.type == "UnknownPropertyError"


def test_an_object_that_shadows_its_conversion_is_an_error_of_the_function():
    with pytest.raises(EvaluationError) as raised:
        value_of("max(1, event)", {"toString": 1})
    assert raised.value.problem.type == "TypeError"
