"""Text to syntax tree: lark parses, and this module builds the nodes and words the mistakes."""

import io
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from lark import Lark, Token, Transformer, UnexpectedToken

from runner.errors import Mistake
from runner.filters.lexer import FilterLexer, Source
from runner.filters.misplaced import explain_unexpected
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
    TooDeepError,
)

MAX_LENGTH = 10_000
"""How many characters an expression may have."""

_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_OPERATORS = {"MOD": "mod", "PERCENT": "mod"}  # a keyword's text may have swallowed a character
_OCTAL = re.compile(r"0[0-7]+")


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a text says: a tree if there is one, and the mistakes in it (a tree may have come with some)."""

    tree: Node | None
    mistakes: tuple[Mistake, ...]


def parse(text: str, *, filtrex: bool = False) -> Parsed:
    """Parse an expression; `filtrex` selects filtrex's own reading of keywords and leading zeros."""
    if len(text) > MAX_LENGTH:
        return _failed(
            Mistake(
                "filter-too-long",
                f"the expression has {len(text):,} characters; at most {MAX_LENGTH:,} are allowed",
                MAX_LENGTH,
                len(text),
            )
        )
    source = Source(text, filtrex)
    try:
        tree: Node = _lark().parse(source)  # type: ignore[assignment]  # the transformer builds nodes
    except UnexpectedToken as error:
        # What was wrong with the characters explains more than where the parser lost its way because of it.
        if not source.mistakes:
            source.mistakes.append(explain_unexpected(text, error.token))
        return _failed(*source.mistakes)
    except TooDeepError as error:
        return _failed(
            *source.mistakes,
            Mistake(
                "filter-too-deep",
                f"the expression is nested deeper than {MAX_NESTING} levels",
                error.start,
                error.end,
            ),
        )
    return Parsed(tree, tuple(source.mistakes))


def _failed(*mistakes: Mistake) -> Parsed:
    return Parsed(None, mistakes)


def _above(start: int, end: int, *parts: Node) -> tuple[int, int, int]:
    """Offsets and height of a node over `parts`."""
    depth = 1 + max([part.depth for part in parts])
    if depth > MAX_NESTING:
        raise TooDeepError(start, end)
    return (start, end, depth)


def _around(left: Node, right: Node, *, flat: bool) -> tuple[int, int, int]:
    """Offsets and height of a chain over `right` and `left`, which is the chain so far where `flat`."""
    depth = max(left.depth if flat else left.depth + 1, right.depth + 1)
    if depth > MAX_NESTING:
        raise TooDeepError(left.start, right.end)
    return (left.start, right.end, depth)


def _name(token: Token) -> Name:
    start, end = _offsets(token)
    written = str(token)
    if written[0] == "'":
        text = _unquoted(written)
        return Name(start, end, 1, text, True, (text,))
    return Name(start, end, 1, written, False, tuple(written.split(".")))


def _unquoted(literal: str) -> str:
    inner = literal[1:-1]
    return _ESCAPED.sub(r"\1", inner) if "\\" in inner else inner


def _offsets(token: Token) -> tuple[int, int]:
    # Our lexer always gives both; lark's type allows for tokens without a place.
    return (token.start_pos or 0, token.end_pos or 0)


def _number_value(digits: str) -> float:
    if _OCTAL.fullmatch(digits):  # only filtrex's reading lets these through
        try:
            return float(int(digits, 8))
        except OverflowError:
            return float("inf")
    return float(digits)


class _Builder(Transformer[Token, Node]):
    """One method for each rule of the grammar, called by lark while it parses, with the parts of the rule."""

    def number(self, parts: list[Token]) -> Node:
        start, end = _offsets(parts[0])
        return Number(start, end, 1, _number_value(parts[0]))

    def text(self, parts: list[Token]) -> Node:
        start, end = _offsets(parts[0])
        return Text(start, end, 1, _unquoted(parts[0]))

    def name(self, parts: list[Token]) -> Node:
        return _name(parts[0])

    def property(self, parts: tuple[Token, Token, Node]) -> Node:
        symbol, _, subject = parts
        name = _name(symbol)
        return Property(*_above(name.start, subject.end, subject), name, subject)

    def arguments(self, parts: list[Node]) -> list[Node]:
        return [parts[0]]

    def more_arguments(self, parts: tuple[list[Node], Token, Node]) -> list[Node]:
        arguments, _, last = parts
        arguments.append(last)
        return arguments

    def call(self, parts: list[Token | list[Node]]) -> Node:
        symbol, closing = parts[0], parts[-1]
        assert isinstance(symbol, Token)  # noqa: S101 - the grammar says so
        assert isinstance(closing, Token)  # noqa: S101 - the grammar says so
        function = _name(symbol)
        arguments = parts[2]
        given = tuple(arguments) if isinstance(arguments, list) else ()
        return Call(*_above(function.start, _offsets(closing)[1], function, *given), function, given)

    def group(self, parts: tuple[Token, Node, Token]) -> Node:
        opening, inner, closing = parts
        return inner.within(_offsets(opening)[0], _offsets(closing)[1])

    def list_of(self, parts: tuple[Token, list[Node], Token, Node, Token]) -> Node:
        opening, items, _, last, closing = parts
        items.append(last)
        return ListOf(*_above(_offsets(opening)[0], _offsets(closing)[1], *items), tuple(items))

    def negate(self, parts: tuple[Token, Node]) -> Node:
        sign, operand = parts
        return Negate(*_above(_offsets(sign)[0], operand.end, operand), operand)

    def inverse(self, parts: tuple[Token, Node]) -> Node:
        keyword, operand = parts
        return Not(*_above(_offsets(keyword)[0], operand.end, operand), operand)

    def arithmetic(self, parts: tuple[Node, Token, Node]) -> Node:
        left, token, right = parts
        operator = _OPERATORS.get(token.type, str(token))
        return Arithmetic(*_above(left.start, right.end, left, right), operator, left, right)

    def relation(self, parts: tuple[Node, Token, Node]) -> Node:
        left, operator, right = parts
        return Relation(*_above(left.start, right.end, left, right), (str(operator),), (left, right))

    def longer_relation(self, parts: tuple[Relation, Token, Node]) -> Node:
        chain, operator, right = parts
        return Relation(
            *_around(chain, right, flat=True),
            (*chain.operators, str(operator)),
            (*chain.operands, right),
        )

    def within(self, parts: tuple[Node, Token, Node]) -> Node:
        left, _, right = parts
        return Membership(*_above(left.start, right.end, left, right), False, left, right)

    def without(self, parts: tuple[Node, Token, Node]) -> Node:
        left, _, right = parts
        return Membership(*_above(left.start, right.end, left, right), True, left, right)

    def both(self, parts: tuple[Node, Token, Node]) -> Node:
        left, _, right = parts
        operands = (*left.operands, right) if isinstance(left, And) else (left, right)
        return And(*_around(left, right, flat=isinstance(left, And)), operands)

    def either(self, parts: tuple[Node, Token, Node]) -> Node:
        left, _, right = parts
        operands = (*left.operands, right) if isinstance(left, Or) else (left, right)
        return Or(*_around(left, right, flat=isinstance(left, Or)), operands)

    def ternary(self, parts: tuple[Node, Token, Node, Token, Node]) -> Node:
        test, _, yes, _, no = parts
        return Conditional(*_above(test.start, no.end, test, yes, no), test, yes, no)

    def if_else(self, parts: tuple[Token, Node, Token, Node, Token, Node]) -> Node:
        keyword, test, _, yes, _, no = parts
        return Conditional(*_above(_offsets(keyword)[0], no.end, test, yes, no), test, yes, no)


@cache
def _lark() -> Lark:
    """The parser, whose tables take a moment to build and are built when the first filter is compiled.

    It is saved and loaded, because the keys of fresh tables are tokens, whose comparison is slow: a seventh of the
    time to parse.
    """
    fresh = Lark(
        files("runner.filters").joinpath("grammar.lark").read_text(encoding="utf-8"),
        parser="lalr",
        lexer=FilterLexer,
        transformer=_Builder(),
        maybe_placeholders=False,
    )
    saved = io.BytesIO()
    fresh.save(saved)
    saved.seek(0)
    return Lark.load(saved)
