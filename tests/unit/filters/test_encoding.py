"""Values as JSON data: nothing that JSON lacks gets through, and never too much of it."""

import json
import math

import orjson
import pytest

from runner.filters.encoding import DEEPEST, Encoder


def encode(value, *room):
    return Encoder(*room).encode(value)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (math.nan, {"$num": "NaN"}),
        (-math.inf, {"$num": "-Infinity"}),
        (-0.0, {"$num": "-0"}),
        (10**400, {"$num": "Infinity"}),
        (2**64, 2.0**64),
        (3.0, 3),
        ([math.inf, {"a": [None, True, "x"]}], [{"$num": "Infinity"}, {"a": [None, True, "x"]}]),
    ],
)
def test_what_json_lacks_is_an_object_and_all_else_is_itself(value, encoded):
    assert encode(value) == encoded
    orjson.dumps(encode(value))


def test_a_value_is_cut_where_it_is_nested_too_deep():
    value = []
    for _ in range(DEEPEST):
        value = [value]
    assert "$cut" not in json.dumps(encode(value))
    assert json.dumps(encode([value])).count('{"$cut": "list"}') == 1


def test_what_does_not_fit_into_the_room_is_cut_and_what_is_small_still_fits():
    assert encode(["x" * 100, "y", [1] * 100, {"k" * 100: 1}, 5, None], 50) == [
        {"$cut": "text"},
        "y",
        {"$cut": "list"},
        {"$cut": "object"},
        5,
        None,
    ]


def test_values_share_the_room():
    encoder = Encoder(10)
    assert [encoder.encode("abcd") for _ in range(3)] == ["abcd", "abcd", {"$cut": "text"}]


def test_a_list_that_holds_a_large_value_many_times_is_written_only_up_to_the_room():
    large = ["x" * 100] * 100
    written = encode([large] * 1000, 100_000)
    assert 5 < sum(isinstance(item, list) for item in written) < 15
