"""A filter on trial: its mistakes, the fields that it reads, or what it says of an event."""

import orjson
import pytest

from runner.errors import InvalidRequestError
from runner.filters import FilterSyntaxError
from runner.service.trial import MOST_SHOWN, mistakes_data, try_filter
from runner.spec.models import Payload


def test_without_an_event_the_fields_that_are_read_are_named():
    assert try_filter("event.a > 1 or event.b", None) == {
        "valid": True,
        "reads": ["event.a", "event.b"],
        "warnings": [],
    }


def test_with_an_event_every_part_has_its_value():
    assert try_filter("event.a > 1", Payload({"a": 2})) == {
        "verdict": "pass",
        "value": True,
        "parts": [
            {"text": "event.a > 1", "span": [0, 11], "level": 0, "state": "value", "value": True},
            {"text": "event.a", "span": [0, 7], "level": 1, "state": "value", "value": 2},
            {"text": "1", "span": [10, 11], "level": 1, "state": "value", "value": 1},
        ],
    }


def test_an_event_that_is_null_is_an_event():
    assert try_filter("event == null", Payload(None))["verdict"] == "pass"


def test_an_error_says_what_is_missing_and_what_to_write():
    assert try_filter("event.a.b == 1", Payload({}))["error"] == {
        "type": "UnknownPropertyError",
        "message": "`event.a.b` is missing: `event` has no field `a`",
        "path": "event.a.b",
        "span": [0, 9],
        "help": "write `exists(event.a.b) and …` if it may be missing",
    }


def test_a_mistake_has_its_place_in_the_text_and_a_drawing():
    with pytest.raises(FilterSyntaxError) as raised:
        try_filter("event.a\n  = 1", None)
    assert mistakes_data(raised.value) == [
        {
            "rule": "filter-syntax",
            "severity": "error",
            "message": "`=` is not an operator",
            "start": 10,
            "end": 11,
            "line": 2,
            "column": 3,
            "end_line": 2,
            "end_column": 4,
            "text": "filter:2:3: error[filter-syntax]: `=` is not an operator\n"
            "   |\n"
            " 2 |   = 1\n"
            "   |   ^\n"
            "   = help: write `==` to compare\n",
            "help": "write `==` to compare",
            "fix": "==",
        }
    ]


def test_a_text_that_no_json_can_hold_is_refused():
    with pytest.raises(InvalidRequestError, match="not valid UTF-8"):
        try_filter('event == "\ud800"', None)


def test_the_values_of_all_parts_together_are_bounded():
    event = Payload(["x" * 1000] * 60)
    answer = try_filter(" and ".join(["event == event"] * 300), event)
    values = [part["value"] for part in answer["parts"] if part["text"] == "event"]
    assert values[0] == event.value
    assert values[-1] == {"$cut": "list"}
    assert len(orjson.dumps(answer)) < 2 * MOST_SHOWN + 200 * len(answer["parts"])
