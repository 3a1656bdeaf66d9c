"""The tree of an expression with the value of each part."""

from runner.filters import PASSED, REJECTED, VerdictKind, compile_filter
from runner.filters.explain import PartState, describe, explain


def lines_of(text: str, payload: object) -> list[str]:
    explained = explain(compile_filter(text), payload)
    return [f"{'  ' * level}{part.text} -> {part.shown}" for level, part in explained.root.walk()]


def test_every_part_has_its_value():
    assert lines_of('event.a > -5 and lower(event.b) == "x"', {"a": 1, "b": "X"}) == [
        'event.a > -5 and lower(event.b) == "x" -> true',
        "  event.a > -5 -> true",
        "    event.a -> 1",
        "    -5 -> -5",
        "      5 -> 5",
        '  lower(event.b) == "x" -> true',
        '    lower(event.b) -> "x"',
        '      event.b -> "X"',
        '    "x" -> "x"',
    ]


def test_what_was_not_looked_at_is_skipped():
    assert lines_of("event.a or event.b > event.c", {"a": True}) == [
        "event.a or event.b > event.c -> true",
        "  event.a -> true",
        "  event.b > event.c -> skipped",
        "    event.b -> skipped",
        "    event.c -> skipped",
    ]


def test_a_missing_path_that_is_allowed_is_said_to_be_missing():
    assert lines_of("exists(event.a.b)", {"a": {}}) == [
        "exists(event.a.b) -> false",
        "  event.a.b -> missing",
    ]


def test_a_problem_stands_at_the_part_where_it_arose():
    explained = explain(compile_filter("event.t and event.a.b > 1"), {"t": True, "a": {}})
    assert explained.verdict.kind is VerdictKind.ERROR
    culprits = [part for _, part in explained.root.walk() if part.problem is not None]
    assert [part.text for part in culprits] == ["event.a.b"]
    assert culprits[0].problem == explained.verdict.error
    states = {part.text: part.state for _, part in explained.root.walk()}
    assert states["event.t"] is PartState.VALUE
    assert states["event.a.b > 1"] is PartState.ERROR
    assert states["event.t and event.a.b > 1"] is PartState.ERROR


def test_a_wrong_type_is_shown_at_its_operand():
    explained = explain(compile_filter("event.a + 1 > 2"), {"a": None})
    culprits = [part.text for _, part in explained.root.walk() if part.problem is not None]
    assert culprits == ["event.a"]


def test_the_verdict_is_that_of_check():
    compiled = compile_filter("if event.a then event.b == true else null == event.b")
    for payload, verdict in (({"a": True, "b": True}, PASSED), ({"a": False, "b": 1}, REJECTED)):
        assert explain(compiled, payload).verdict is verdict


def test_a_value_that_is_no_boolean_leaves_the_parts_as_they_are():
    explained = explain(compile_filter("event.a"), {"a": 5})
    assert explained.verdict.kind is VerdictKind.ERROR
    assert explained.root.shown == "5"


def test_filtrex_mode_is_explained_in_its_own_terms():
    explained = explain(compile_filter("event.a == true", filtrex=True), {"a": True})
    assert [part.text for _, part in explained.root.walk() if part.problem is not None] == ["true"]


def test_values_are_described_briefly():
    assert describe("x" * 1000) == '"' + "x" * 59 + '…"'
    assert describe("\ud800\n") == '"\\ud800\\n"'
    assert describe([1, 2]) == "a list of 2"
    assert describe({"a": 1}) == "an object of 1"
    assert describe(1e21) == "1e+21"
    assert describe(None) == "null"
    assert describe(True) == "true"
