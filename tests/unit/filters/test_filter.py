"""The public face: compile a text, ask it about payloads."""

import pytest

from runner.errors import ExpressionError, Severity
from runner.filters import (
    PASSED,
    REJECTED,
    EvaluationError,
    FilterSyntaxError,
    VerdictKind,
    compile_filter,
)

PAYLOAD = {
    "source": "aws-marketplace",
    "action": "entitlement_created",
    "partner": "AWS",
    "status": "Active",
    "amount": 1500,
    "tags": ["eu", "vip"],
    "buyer": {"name": "Zoë"},
    "offer": {"info": {"commits": 6}},
    "one": [7],
    "nothing": None,
}


@pytest.mark.parametrize(
    ("text", "rejected"),
    [
        ('event.source == "aws-marketplace"', {"source": "gcp"}),
        ("event.amount > 1000", {"amount": 1000}),
        ('event.action == "entitlement_created" and event.partner == "AWS"', {"partner": "GCP"}),
        ('lower(event.status) == "active"', {"status": "ended"}),
        ('includes(event.tags, "vip")', {"tags": ["eu", "VIP"]}),
        ('event.buyer.name == "Zoë"', {"buyer": {"name": "Bob"}}),
        ("event.offer.info.commits > 5", {"offer": {"info": {"commits": 5}}}),
    ],
)
def test_the_documented_examples_pass_and_reject(text, rejected):
    compiled = compile_filter(text)
    assert compiled.check(PAYLOAD) is PASSED
    assert compiled.check({**PAYLOAD, **rejected}) is REJECTED


def test_a_missing_field_is_an_error_that_names_the_path_and_the_place():
    verdict = compile_filter('event.partner == "AWS" and event.buyer.email == "x"').check(PAYLOAD)
    assert verdict.kind is VerdictKind.ERROR
    assert verdict.error is not None
    assert verdict.error.type == "UnknownPropertyError"
    assert verdict.error.path == "event.buyer.email"
    assert verdict.error.span == (27, 44)
    assert "`event.buyer` has no field `email`" in verdict.error.message


def test_a_wrong_type_is_an_error_at_the_operand():
    verdict = compile_filter("event.amount > 1 and event.source > 2").check(PAYLOAD)
    assert verdict.error is not None
    assert (verdict.error.type, verdict.error.span) == ("UnexpectedTypeError", (21, 33))
    assert verdict.error.path is None


def test_a_result_that_is_no_boolean_is_an_error_and_never_truthy():
    verdict = compile_filter("event.amount").check(PAYLOAD)
    assert verdict.kind is VerdictKind.ERROR
    assert not verdict.passed
    assert verdict.error is not None
    assert verdict.error.type == "NotBooleanError"
    # A list of one is unwrapped by operators only, so it is no boolean either.
    assert compile_filter("event").check([True]).kind is VerdictKind.ERROR


def test_an_error_is_protected_against_by_and_or_if_and_chains():
    for text in (
        "event.amount > 9999 and event.missing",
        "not (event.amount > 1 or event.missing)",
        "if event.amount > 1 then false else event.missing",
        "1 > 2 < event.missing",
    ):
        assert compile_filter(text).check(PAYLOAD) is REJECTED, text


def test_exists_and_empty_are_total_over_paths():
    cases = {
        "exists(event.amount)": True,
        "exists(event.nothing)": False,
        "exists(event.missing)": False,
        "exists(event.missing.deeper.still)": False,
        "exists(event.source.length)": False,
        "exists(event.tags.1)": True,
        "exists(event.tags.2)": False,
        "exists(event.tags.length)": True,
        "exists((event.missing))": False,
        "exists(name of event.buyer)": True,
        "exists('e-mail' of event.buyer)": False,
        "exists(name of buyer of missing of event)": False,
        "empty(event.missing)": True,
        "empty(event.nothing)": True,
        "empty(event.tags)": False,
        "empty(event.missing.deeper)": True,
        "empty('x' of event.missing)": True,
    }
    for text, passes in cases.items():
        assert compile_filter(text).check(PAYLOAD) is (PASSED if passes else REJECTED), text


def test_exists_lets_other_errors_through():
    verdict = compile_filter("exists(event.missing + 1)").check(PAYLOAD)
    assert verdict.error is not None
    assert verdict.error.path == "event.missing"


def test_true_false_and_null_are_values():
    payload = {"yes": True, "no": False, "none": None, "true": 1}
    for text in (
        "event.yes == true and event.no == false and event.none == null",
        "not false",
        "if true then true else false",
        "event.true == 1",
        "(null, 1) in (1, null, true)",
    ):
        assert compile_filter(text).check(payload) is PASSED, text


def test_keywords_look_ahead_and_swallow_nothing():
    payload = {"x": "a", "yes": True, "no": False}
    for text in (
        "not(event.no)",
        'event.x in("a","b")',
        "event.yes and(event.no or event.yes)",
        "5 mod-3 == -1",
        "if(event.yes)then(true)else(false)",
        '(event.yes)and(event.x)=="a"',
    ):
        assert compile_filter(text).check(payload) is PASSED, text


def test_evaluate_gives_the_raw_value_or_raises_with_the_problem():
    compiled = compile_filter("event.amount * 2", filtrex=True)
    assert compiled.evaluate(PAYLOAD) == 3000
    with pytest.raises(EvaluationError) as raised:
        compiled.evaluate({})
    assert raised.value.problem.path == "event.amount"
    assert raised.value.message == raised.value.problem.message


def test_a_payload_need_not_be_an_object():
    compiled = compile_filter('event == "ping"')
    assert compiled.check("ping") is PASSED
    assert compiled.check(None) is REJECTED
    assert compile_filter("event.0 > 1").check([5]) is PASSED
    for payload in (None, 1, 2.5, "text", True, []):
        assert compile_filter("event.a == 1").check(payload).kind is VerdictKind.ERROR


def test_other_roots_are_arguments_after_the_event_in_the_order_of_their_names():
    roots = frozenset({"result", "event"})
    compiled = compile_filter('result.ok == false and event.partner == "AWS"', roots=roots)
    assert compiled.roots == ("event", "result")
    assert compiled.check(PAYLOAD, {"ok": False}) is PASSED
    assert compiled.check(PAYLOAD, {"ok": True}) is REJECTED
    with pytest.raises(FilterSyntaxError):
        compile_filter("result.ok == false")


def test_the_same_text_is_compiled_once():
    assert compile_filter("event.amount > 77") is compile_filter("event.amount > 77")
    assert compile_filter("event.amount > 77") is not compile_filter("event.amount > 77", filtrex=True)


def test_a_filter_is_made_for_its_payload_once_and_has_nothing_else():
    compiled = compile_filter("event.made == 1")
    assert compiled.check is compiled.check
    assert not hasattr(compiled, "other")


def test_all_mistakes_are_reported_in_the_order_of_the_text():
    with pytest.raises(FilterSyntaxError) as raised:
        compile_filter('amount > "5" and nofunction(1) or event.x ~= "(" or max()')
    assert isinstance(raised.value, ExpressionError)
    assert {mistake.rule for mistake in raised.value.mistakes} == {
        "filter-unknown-name",
        "filter-type",
        "filter-unknown-function",
        "filter-pattern",
        "filter-arity",
    }
    starts = [mistake.start for mistake in raised.value.mistakes]
    assert starts == sorted(starts)
    assert raised.value.message == raised.value.mistakes[0].message


def test_a_warning_does_not_keep_a_filter_from_working():
    compiled = compile_filter("not event.a == event.b")
    assert [(warning.rule, warning.severity) for warning in compiled.warnings] == [
        ("filter-not", Severity.WARNING)
    ]
    assert compiled.check({"a": False, "b": True}) is PASSED
    verdict = compiled.check({"a": "x", "b": "y"})
    assert verdict.error is not None
    assert verdict.error.help is not None
    assert "not (…)" in verdict.error.help


def test_filtrex_mode_checks_nothing_beforehand():
    assert compile_filter("contains(1)", filtrex=True).check({}).error is not None
    verdict = compile_filter("exists(event.missing)", filtrex=True).check({})
    assert verdict.error is not None
    assert verdict.error.type == "UnknownPropertyError"
    verdict = compile_filter("event.t == true", filtrex=True).check({"t": True})
    assert verdict.error is not None
    assert verdict.error.path == "true"


def test_the_same_problem_is_the_same_verdict_so_that_failing_is_cheap():
    for text in ("event.a == 1", "event.a.b == 1", 'lower(event.t) == "x"', "event.t > 1"):
        compiled = compile_filter(text)
        payload = {"t": None}
        assert compiled.check(payload) is compiled.check(payload), text
