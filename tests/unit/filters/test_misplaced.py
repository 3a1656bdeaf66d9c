"""Tokens that stand where they can't, in words."""

import pytest

from runner.filters.parser import parse


@pytest.mark.parametrize(
    ("text", "place", "message", "help_part"),
    [
        ("a ==", "==", "the expression ends after `==`", "what belongs after"),
        ("a and", "and", "the expression ends after `and`", "what belongs after"),
        ("(a == (b + 1)", "(", "the parenthesis is never closed", "`)`"),
        ("a == b)", ")", "unexpected `)`, which closes nothing here", "leave it out"),
        ("f(a,)", ")", "unexpected `)` after a comma", "last comma"),
        ("a in ()", "()", "the parentheses are empty", "two items"),
        ("(a + )", ")", "expected a value before `)`", "after the operator"),
        ("a IS b", "IS", "`IS` is not an operator", "`==`"),
        ('a contains "b"', "contains", "`contains` is not an operator", "`includes(list, value)`"),
        ('a startsWith "b"', "startsWith", "`startsWith` is not an operator", "^start"),
        ("a AND b", "AND", "keywords are lower case, unlike `AND`", "`and`"),
        ("a > 1e5", "e5", "unexpected `e5` after a number", "plain digits"),
        ("a <> b", "<>", "`<>` is not an operator", "`!=`"),
        ("a b", "b", "expected an operator before `b`", "`==`"),
        ("== a", "==", "unexpected `==`", "a value first"),
        ("if a then b", "b", "the expression is not finished", "if condition then"),
    ],
)
def test_a_misplaced_token_is_explained_where_it_stands(text, place, message, help_part):
    (mistake,) = parse(text).mistakes
    assert mistake.rule == "filter-syntax"
    assert text[mistake.start : mistake.end] == place
    assert mistake.message == message
    assert mistake.help is not None
    assert help_part in mistake.help


def test_a_parenthesis_in_a_text_closes_nothing():
    text = '(a == ")" and b == "\\")"'
    (mistake,) = parse(text).mistakes
    assert (mistake.start, mistake.end) == (0, 1)


def test_a_long_token_is_cut_short_in_the_message():
    (mistake,) = parse(f'a "{"x" * 500}"').mistakes
    assert len(mistake.message) < 100
