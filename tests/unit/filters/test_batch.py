"""Result lines: each line of the input gets one, whatever it holds."""

import orjson
import pytest

from runner.filters.batch import answer


def ask(expression: object, payload: object = None, *, filtrex: bool = True) -> dict:
    line = orjson.dumps({"expr": expression, "payload": payload})
    return orjson.loads(answer(line, filtrex=filtrex))


@pytest.mark.parametrize(
    ("expression", "encoded"),
    [
        ("0 / 0", {"$num": "NaN"}),
        ("1 / 0", {"$num": "Infinity"}),
        ("-1 / 0", {"$num": "-Infinity"}),
        ("0 * -1", {"$num": "-0"}),
        ("(0 / 0, 0 * -1, 1)", [{"$num": "NaN"}, {"$num": "-0"}, 1]),
        ("1.5", 1.5),
        ("6 / 2", 3),
        ("2 ^ 53", 2.0**53),
        ('"a" + 1', "a1"),
        ("event", {"a": [None, True]}),
    ],
)
def test_numbers_that_json_lacks_are_written_as_objects_and_all_else_as_itself(expression, encoded):
    assert ask(expression, {"a": [None, True]})["value"] == encoded


@pytest.mark.parametrize(("open_", "close"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("depth", [200, 201, 250, 255, 300, 1000])
def test_a_value_that_is_nested_deeper_than_json_can_be_written_is_cut(open_, close, depth):
    inner = "[]" if open_ == "[" else "{}"
    payload = open_ * (depth - 1) + inner + close * (depth - 1)
    result = orjson.loads(answer(b'{"expr": "event", "payload": ' + payload.encode() + b"}"))
    levels, value = 0, result["value"]
    while value and "$cut" not in value:
        value = value[0] if isinstance(value, list) else value["a"]
        levels += 1
    if depth <= 201:
        assert not value
        assert levels == depth - 1
    else:
        assert value == {"$cut": "list" if open_ == "[" else "object"}
        assert levels == 201


def test_a_line_that_is_no_question_is_answered_too():
    for line in (b"[]", b"1", b"null", b'"x"', b"{}", b"{", b"\xff", b'{"payload": 1}', b'{"expr": 1e400}'):
        assert orjson.loads(answer(line))["kind"] == "harness_error", line


def test_an_expression_that_is_no_text_does_not_compile():
    for expression in (1, None, ["event"]):
        assert ask(expression)["kind"] == "compile_error"


def test_a_question_without_payload_asks_about_null():
    assert orjson.loads(answer(b'{"expr": "event == null"}')) == {
        "kind": "value",
        "value": True,
        "verdict": "pass",
    }


def test_a_failure_names_the_class_of_error_and_what_is_wrong():
    result = ask("event.a", {})
    assert (result["kind"], result["type"], result["verdict"]) == (
        "runtime_error",
        "UnknownPropertyError",
        "error",
    )
    assert result["message"].startswith("`event.a` is missing")
