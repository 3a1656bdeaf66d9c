"""How text becomes a tree: precedence, chains, lists, spans, and the bounds."""

from collections.abc import Callable
from typing import Any

import pytest

from runner.filters.parser import MAX_LENGTH, parse
from runner.filters.tree import (
    MAX_NESTING,
    And,
    Arithmetic,
    Call,
    Conditional,
    ListOf,
    Membership,
    Name,
    Negate,
    Node,
    Not,
    Number,
    Or,
    Property,
    Relation,
    Text,
    walk,
)


def tree_of(text: str, *, filtrex: bool = False) -> Node:
    parsed = parse(text, filtrex=filtrex)
    assert parsed.mistakes == ()
    assert parsed.tree is not None
    return parsed.tree


def shape(node: Node) -> str:
    """The tree with every operator in parentheses."""
    parts = [shape(part) for part in node.parts]
    return SHAPES[type(node)](node, parts)


def shape_of_relation(node: Relation, parts: list[str]) -> str:
    pairs = [f" {operator} {part}" for operator, part in zip(node.operators, parts[1:], strict=True)]
    return f"({parts[0]}{''.join(pairs)})"


SHAPES: dict[type[Node], Callable[[Any, list[str]], str]] = {
    Number: lambda node, _: f"{node.value:g}",
    Text: lambda node, _: f'"{node.value}"',
    Name: lambda node, _: node.text,
    Property: lambda node, parts: f"({node.name.text} of {parts[0]})",
    Call: lambda node, parts: f"{node.function.text}({', '.join(parts)})",
    ListOf: lambda _, parts: f"[{', '.join(parts)}]",
    Negate: lambda _, parts: f"(- {parts[0]})",
    Not: lambda _, parts: f"(not {parts[0]})",
    Arithmetic: lambda node, parts: f"({parts[0]} {node.operator} {parts[1]})",
    Relation: shape_of_relation,
    Membership: lambda node, parts: f"({parts[0]} {'not in' if node.negated else 'in'} {parts[1]})",
    And: lambda _, parts: f"({' and '.join(parts)})",
    Or: lambda _, parts: f"({' or '.join(parts)})",
    Conditional: lambda _, parts: f"(if {parts[0]} then {parts[1]} else {parts[2]})",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a or b and c", "(a or (b and c))"),
        ("a and b in c", "(a and (b in c))"),
        ("a in b == c", "(a in (b == c))"),
        ("a == b in c", "((a == b) in c)"),
        ("a == b + c", "(a == (b + c))"),
        ("a + b * c", "(a + (b * c))"),
        ("a - b - c", "((a - b) - c)"),
        ("a * b mod c % d", "(((a * b) mod c) mod d)"),
        ("not a == b", "((not a) == b)"),
        ("not a in b", "((not a) in b)"),
        ("-x ^ 2", "(- (x ^ 2))"),
        ("2 ^ 3 ^ 4", "(2 ^ (3 ^ 4))"),
        ("2 ^ -1 ^ 2", "(2 ^ (- (1 ^ 2)))"),
        ("2 ^ -3 * 4", "((2 ^ (- 3)) * 4)"),
        ("a ^ not b + c", "((a ^ (not b)) + c)"),
        ("1 + if c then a else b + d", "(1 + (if c then a else (b + d)))"),
        ("x of -a ^ b", "(x of (- (a ^ b)))"),
        ("x of y ^ z", "((x of y) ^ z)"),
        ("a of b of c", "(a of (b of c))"),
        ("2 * -3", "(2 * (- 3))"),
        ("a == not b == c", "(a == (not b) == c)"),
        ("a or b ? c : d", "(if (a or b) then c else d)"),
        ("a ? b : c or d", "(if a then b else (c or d))"),
        ("a ? b : c ? d : e", "(if a then b else (if c then d else e))"),
        ("if a then b else c ? d : e", "(if a then b else (if c then d else e))"),
        ("- - a", "(- (- a))"),
        ("not not a", "(not (not a))"),
        ("a < b <= c == d", "(a < b <= c == d)"),
        ("(a == b) == c", "((a == b) == c)"),
        ("a not in b not in c", "((a not in b) not in c)"),
        ("a and b and c or d or e", "((a and b and c) or d or e)"),
        ("f(a, b + 1, (c, d))", "f(a, (b + 1), [c, d])"),
        ("f()", "f()"),
        ("'lower'(a)", "lower(a)"),
        ("((a))", "a"),
        ("3in (1,3)", "(3 in [1, 3])"),
        ("a == if b then c else d == e", "(a == (if b then c else (d == e)))"),
    ],
)
def test_operators_bind_as_filtrex_binds_them(text, expected):
    assert shape(tree_of(text)) == expected


def test_every_node_knows_where_it_was_written():
    text = ' (event.a  + 1) == "x" and f( b )'
    spans = {text[node.start : node.end] for node in walk(tree_of(text))}
    assert spans == {
        '(event.a  + 1) == "x" and f( b )',
        '(event.a  + 1) == "x"',
        "(event.a  + 1)",
        "event.a",
        "1",
        '"x"',
        "f( b )",
        "b",
    }


def test_symbols_are_split_at_dots_unless_they_are_quoted():
    plain, quoted = tree_of("event.a..b."), tree_of(r"'event.a \' \\'")
    assert isinstance(plain, Name)
    assert isinstance(quoted, Name)
    assert plain.keys == ("event", "a", "", "b", "")
    assert (quoted.text, quoted.keys, quoted.quoted) == ("event.a ' \\", ("event.a ' \\",), True)


def test_text_literals_are_unescaped():
    literal = tree_of(r'"say \"hi\" \\ ' + "\n\u2028" + '"')
    assert isinstance(literal, Text)
    assert literal.value == 'say "hi" \\ \n\u2028'


@pytest.mark.parametrize(
    "text",
    [
        "(a)  of b",
        "f(x) of y",
        "(a, b",
        "(a,)",
        "()",
        "f(a,)",
        "a.b (",
        "a b",
        "+a",
        "a ==",
        "if a then b",
        "a ? b",
    ],
)
def test_what_filtrex_refuses_is_refused(text):
    assert parse(text).tree is None


@pytest.mark.parametrize("text", ["", " ", "\t\n\ufeff"])
def test_an_empty_text_is_no_expression(text):
    (mistake,) = parse(text).mistakes
    assert mistake.message == "the expression is empty"


def test_a_text_may_have_ten_thousand_characters_and_no_more():
    longest = f'"{"x" * (MAX_LENGTH - 2)}"'
    assert parse(longest).tree is not None
    (mistake,) = parse(longest + " ").mistakes
    assert (mistake.rule, mistake.start) == ("filter-too-long", MAX_LENGTH)


@pytest.mark.parametrize(
    ("opening", "closing"), [("(", ")"), ("not ", ""), ("-", ""), ("f(", ")"), ("a of ", ""), ("2 ^ ", "")]
)
def test_nesting_is_bounded_with_a_clear_mistake(opening, closing):
    def nested(levels: int) -> str:
        return opening * levels + "x" + closing * levels

    assert parse(nested(MAX_NESTING - 1)).tree is not None
    (mistake,) = parse(nested(MAX_NESTING + 1)).mistakes
    assert mistake.rule == "filter-too-deep"


def test_chains_and_lists_are_flat_however_long():
    for text in (" and ".join(["x"] * 1600), " or ".join(["x"] * 1600), f"({','.join(['1'] * 4000)})"):
        assert tree_of(text).depth == 2


def test_filtrex_mode_reads_leading_zeros_as_octal():
    cases = {"010": 8.0, "0777": 511.0, "00": 0.0, "08": 8.0, "09.5": 9.5, "00012": 10.0}
    for text, value in cases.items():
        number = tree_of(text, filtrex=True)
        assert isinstance(number, Number)
        assert number.value == value, text
    assert parse("010.5", filtrex=True).mistakes != ()
    assert parse("0" + "7" * 400, filtrex=True).tree == Number(0, 401, 1, float("inf"))
