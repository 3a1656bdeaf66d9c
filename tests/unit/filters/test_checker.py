"""What is said of an expression before it runs: the mistake, its place, and what to write."""

import pytest

from runner.errors import Mistake, Severity
from runner.filters import FilterSyntaxError, compile_filter


def mistakes_of(text: str) -> tuple[Mistake, ...]:
    with pytest.raises(FilterSyntaxError) as raised:
        compile_filter(text)
    return raised.value.mistakes


def only_mistake(text: str) -> Mistake:
    mistakes = mistakes_of(text)
    assert len(mistakes) == 1, mistakes
    return mistakes[0]


@pytest.mark.parametrize(
    ("text", "rule", "place", "help_part", "fix"),
    [
        ('event.a = "x"', "filter-syntax", "=", "`==`", "=="),
        ("event.a and event.b && event.c", "filter-syntax", "&&", "`and`", "and"),
        ("event.a || event.b", "filter-syntax", "||", "`or`", "or"),
        ("!event.a", "filter-syntax", "!", "`not`", "not "),
        ("event.partner == 'AWS'", "filter-unknown-name", "'AWS'", '`"AWS"`', '"AWS"'),
        (
            'not event.status == "x"',
            "filter-not",
            'not event.status == "x"',
            '`not (event.status == "x")`',
            'not (event.status == "x")',
        ),
        (
            'contains(event.tags, "vip")',
            "filter-unknown-function",
            "contains",
            "`includes(list, value)`",
            "includes",
        ),
        ('event["a"] == 1', "filter-syntax", '["a"]', "`event.a`", ".a"),
        ('event.date >= "2024-01-01"', "filter-type", '"2024-01-01"', "no order", None),
        ('lowr(event.a) == "x"', "filter-unknown-function", "lowr", "`lower`", "lower"),
        ("amount > 1000", "filter-unknown-name", "amount", "`event.amount`", "event.amount"),
    ],
)
def test_a_frequent_mistake_is_explained_where_it_stands(text, rule, place, help_part, fix):
    mistake = only_mistake(text)
    assert mistake.rule == rule
    assert text[mistake.start : mistake.end] == place
    assert mistake.help is not None
    assert help_part in mistake.help
    assert mistake.fix == fix


@pytest.mark.parametrize(
    "text",
    [
        'event.a = "x"',
        "event.a and event.b && event.c",
        "event.a||event.b",
        "!event.a",
        "event.partner == 'AWS'",
        'not event.status == "x"',
        'contains(event.tags, "vip")',
        'event["a"] == 1',
        'lowr(event.a) == "x"',
        "amount > 1000",
        "event.a == True",
        "event.a AND event.b",
        "event.a === 5",
        "event.a == 007",
        'event.a ~= "\\d"',
    ],
)
def test_applying_the_fix_makes_a_valid_filter(text):
    mistake = only_mistake(text)
    assert mistake.fix is not None
    fixed = text[: mistake.start] + mistake.fix + text[mistake.end :]
    assert compile_filter(fixed).text == fixed


def test_text_in_order_is_a_mistake_on_both_sides():
    first, second = mistakes_of('"a" < "b"')
    assert (first.start, first.end, second.start, second.end) == (0, 3, 6, 9)
    assert first.message == "`<` needs a number, but this is text"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("event.a or 5", "5"),
        ("not 1", "1"),
        ('if "x" then true else false', '"x"'),
        ("event.a - null > 1", "null"),
        ("-true < 1", "true"),
        ("event.a ~= 5", "5"),
        ('lower(5) == "x"', "5"),
        ('includes("abc", "b")', '"abc"'),
        ("null in event.a", "null"),
        ("event.a in null", "null"),
        ("(1, 2) + 1 == 2", "(1, 2)"),
        ("lower(event.a) > 5", "lower(event.a)"),
        ("length of 5 == 1", "5"),
        ("1 < event.a < true", "true"),
    ],
)
def test_a_literal_or_result_of_the_wrong_type_is_a_mistake_at_the_operand(text, place):
    mistake = only_mistake(text)
    assert mistake.rule == "filter-type"
    assert text[mistake.start : mistake.end] == place


@pytest.mark.parametrize(
    "text",
    ["5", '"x"', "null", "event.a + 1", "-event.a", "lower(event.a)", "(1, 2)", "if event.a then 1 else 2"],
)
def test_a_result_that_can_never_be_boolean_is_a_mistake(text):
    mistake = only_mistake(text)
    assert mistake.rule == "filter-not-boolean"
    assert (mistake.start, mistake.end) == (0, len(text))


@pytest.mark.parametrize("text", ["event.a", "event", "if event.a then event.b else 1", "x of event", "true"])
def test_a_result_that_may_be_boolean_is_none(text):
    assert compile_filter(text).warnings == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("abs() > 1", "`abs` takes 1 argument, not 0"),
        ("includes(event.a)", "`includes` takes 2 arguments, not 1"),
        ("max() > 1", "`max` takes 1 or more arguments, not 0"),
        ("exists(event.a, event.b)", "`exists` takes 1 argument, not 2"),
    ],
)
def test_a_wrong_number_of_arguments_is_a_mistake_over_the_call(text, message):
    mistake = only_mistake(text)
    assert (mistake.rule, mistake.message) == ("filter-arity", message)
    assert mistake.start == 0


@pytest.mark.parametrize(
    ("pattern", "help_part"),
    [("(?=x)", "look-around"), ("(?<!x)y", "look-around"), ("(a)\\\\1", "back-references"), ("(", "RE2")],
)
def test_a_literal_pattern_that_re2_lacks_is_a_mistake_at_the_literal(pattern, help_part):
    text = f'event.a ~= "{pattern}"'
    mistake = only_mistake(text)
    assert mistake.rule == "filter-pattern"
    assert text[mistake.start : mistake.end] == f'"{pattern}"'
    assert mistake.help is not None
    assert help_part in mistake.help


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("evnt.amount > 1", "event.amount"),
        ("payload.amount > 1", "event.amount"),
        ("Event.amount > 1", "event.amount"),
        ("event.a == None", "null"),
        ("event.a == FALSE", "false"),
        ("true.x == 1", "event.true.x"),
        ("event.a == 'it\\'s \"x\"'", '"it\'s \\"x\\""'),
    ],
)
def test_an_unknown_name_comes_with_the_likely_one(text, fix):
    mistake = only_mistake(text)
    assert (mistake.rule, mistake.fix) == ("filter-unknown-name", fix)


def test_the_name_allowed_in_notifications_is_suggested_there():
    with pytest.raises(FilterSyntaxError) as raised:
        compile_filter("results.ok == false", roots=frozenset({"event", "result"}))
    assert raised.value.mistakes[0].fix == "result.ok"


@pytest.mark.parametrize(
    ("text", "help_part"),
    [
        ('event.name.startsWith("x")', '`event.name ~= "^start"`'),
        ('event.tags.includes("x")', "`includes(event.tags, value)`"),
        ('event.name.toLowerCase() == "x"', "`lower(event.name)`"),
        ("len(event.tags) > 1", "`list.length`"),
        ("random() > 1", "the functions are"),
        ('Includes(event.tags, "x")', "`includes`"),
    ],
)
def test_an_unknown_function_comes_with_what_to_write(text, help_part):
    mistake = only_mistake(text)
    assert mistake.rule == "filter-unknown-function"
    assert mistake.help is not None
    assert help_part in mistake.help


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("not event.a == event.b", "filter-not"),
        ("not event.a in event.b", "filter-not"),
        ("event.a == (1, 2)", "filter-never-equal"),
        ("lower(event.a) == 5", "filter-never-equal"),
        ('lower(event.a) == "Active"', "filter-never-equal"),
        ('event.a in "abc"', "filter-in-text"),
    ],
)
def test_what_is_legal_but_unlikely_to_be_meant_is_a_warning(text, rule):
    assert [(warning.rule, warning.severity) for warning in compile_filter(text).warnings] == [
        (rule, Severity.WARNING)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "(not event.a) == event.b",
        "event.b == not event.a",
        'not (event.status == "x")',
        "not event.a",
        "not exists(event.a)",
        '"" + 1 == "1"',
        "max(event.a, null) > 0",
        'lower(event.a) == "active"',
        "event.a in (1, 2)",
    ],
)
def test_what_is_meant_is_not_complained_about(text):
    assert compile_filter(text).warnings == ()


def test_not_before_a_comparison_that_can_not_take_a_boolean_is_an_error():
    for text in ("not event.a > 5", 'not event.a ~= "x"', "not event.a == 5", 'not event.a in ("x", "y")'):
        assert only_mistake(text).rule == "filter-not", text


def test_mistakes_of_characters_and_of_meaning_come_together():
    text = "event.a = 'x' && b"
    assert [text[mistake.start : mistake.end] for mistake in mistakes_of(text)] == ["=", "'x'", "&&", "b"]
