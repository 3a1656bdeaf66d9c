"""What kinds of value each part of an expression can have, as far as the text alone tells."""

from typing import Final

from runner.filters.functions import FUNCTIONS
from runner.filters.tree import (
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
)

CONSTANTS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
"""The names that are values everywhere, but in filtrex mode."""

Kinds = frozenset[str]

ANY: Final[Kinds] = frozenset({"number", "text", "boolean", "null", "list", "object"})
NUMBER: Final[Kinds] = frozenset({"number"})
TEXT: Final[Kinds] = frozenset({"text"})
BOOLEAN: Final[Kinds] = frozenset({"boolean"})
NULL: Final[Kinds] = frozenset({"null"})
LIST: Final[Kinds] = frozenset({"list"})

_CONSTANT_KINDS: Final = {"true": BOOLEAN, "false": BOOLEAN, "null": NULL}
_FIXED: Final[dict[type[Node], Kinds]] = {
    Number: NUMBER,
    Negate: NUMBER,
    Text: TEXT,
    ListOf: LIST,
    **dict.fromkeys((And, Or, Not, Relation, Membership), BOOLEAN),
}


def infer_kinds(nodes: list[Node]) -> dict[int, Kinds]:
    """The possible kinds of each node, by `id`; `nodes` has parents before their parts."""
    kinds: dict[int, Kinds] = {}
    for node in reversed(nodes):
        fixed = _FIXED.get(type(node))
        kinds[id(node)] = fixed if fixed is not None else _kinds_of(node, kinds)
    return kinds


def _kinds_of(node: Node, below: dict[int, Kinds]) -> Kinds:
    match node:
        case Name(quoted=False, text=text) | Property(name=Name(quoted=False, text=text)):
            kinds = _CONSTANT_KINDS.get(text, ANY)
        case Call(function=Name(text=name)):
            kinds = frozenset({FUNCTIONS[name].gives}) if name in FUNCTIONS else ANY
        case Arithmetic(operator="+", left=left, right=right):
            kinds = _sum(below[id(left)], below[id(right)])
        case Arithmetic():
            kinds = NUMBER
        case Conditional(yes=yes, no=no):
            kinds = below[id(yes)] | below[id(no)]
        case _:
            kinds = ANY
    return kinds


def _sum(left: Kinds, right: Kinds) -> Kinds:
    if TEXT in (left, right):
        return TEXT
    return NUMBER if left == right == NUMBER else NUMBER | TEXT
