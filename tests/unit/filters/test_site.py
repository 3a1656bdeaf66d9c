"""Problems at run time, in words."""

import pytest

from runner.filters import FilterProblem, compile_filter


def problem_of(text: str, payload: object) -> FilterProblem:
    problem = compile_filter(text).check(payload).error
    assert problem is not None
    return problem


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({}, "`event.a.b.c` is missing: `event` has no field `a`"),
        ({"a": {}}, "`event.a.b.c` is missing: `event.a` has no field `b`"),
        ({"a": {"b": None}}, "`event.a.b.c` is missing: `event.a.b` is null"),
        ({"a": {"b": "x"}}, "`event.a.b.c` is missing: `event.a.b` is text"),
        ({"a": [1]}, "`event.a.b.c` is missing: `event.a` is a list without an item `b`"),
        (5, "`event.a.b.c` is missing: `event` is a number"),
    ],
)
def test_a_missing_path_says_how_far_it_went(payload, message):
    problem = problem_of("event.a.b.c == 1", payload)
    assert problem.message == message
    assert problem.path == "event.a.b.c"
    assert problem.help == "write `exists(event.a.b.c) and …` if it may be missing"


def test_a_path_with_of_is_given_as_it_is_written():
    problem = problem_of("'x y' of event.a == 1", {"a": {}})
    assert problem.path == "'x y' of event.a"
    assert problem.message == "`'x y' of event.a` is missing: the value has no field `x y`"


@pytest.mark.parametrize(
    ("text", "payload", "message"),
    [
        ("event > 1", "x", "`>` needs a number, but this is text"),
        ("event + 1 == 2", None, "`+` needs a number or text, but this is null"),
        ("event and true", 5, "`and` needs a boolean, but this is a number"),
        ('event ~= "x"', {}, "`~=` needs text, but this is an object"),
        ('includes(event, "x")', "x", "`includes()` needs a list, but this is text"),
        ("event", [], "the result is a list, not true or false"),
    ],
)
def test_a_wrong_type_is_named_and_the_value_never_quoted(text, payload, message):
    assert problem_of(text, payload).message == message
