"""The syntax tree of an expression: frozen nodes, each with the character offsets it was written at."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

MAX_NESTING = 500
"""How deep parentheses may be nested, and operators within operators."""


class TooDeepError(Exception):
    """The nesting bound was passed between two offsets."""

    def __init__(self, start: int, end: int) -> None:
        super().__init__(start, end)
        self.start = start
        self.end = end


@dataclass(frozen=True, slots=True)
class Node:
    """What all nodes have: `start` and `end` (exclusive) in the text, and the height of the tree below."""

    start: int
    end: int
    depth: int

    @property
    def parts(self) -> "tuple[Node, ...]":
        """The nodes directly below, in the order of the text unless the node says otherwise."""
        return ()

    @property
    def span(self) -> tuple[int, int]:
        """Both offsets."""
        return (self.start, self.end)

    def within(self, start: int, end: int) -> Self:
        """The same node in parentheses that span `start` to `end`."""
        return replace(self, start=start, end=end)


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A number literal."""

    value: float


@dataclass(frozen=True, slots=True)
class Text(Node):
    """A text literal in double quotes, unescaped."""

    value: str


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A symbol read from the roots: `keys` are its dot-separated steps, one literal key where it is quoted."""

    text: str
    quoted: bool
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Property(Node):
    """`name of subject`: the steps of a symbol taken from a value."""

    name: Name
    subject: Node

    @property
    def parts(self) -> tuple[Node, ...]:
        """The value that is read from; the symbol is no expression of its own here."""
        return (self.subject,)


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`function(arguments…)`."""

    function: Name
    arguments: tuple[Node, ...]

    @property
    def parts(self) -> tuple[Node, ...]:
        """The arguments."""
        return self.arguments


@dataclass(frozen=True, slots=True)
class ListOf(Node):
    """`(a, b, …)`: a list of two or more."""

    items: tuple[Node, ...]

    @property
    def parts(self) -> tuple[Node, ...]:
        """The items."""
        return self.items


@dataclass(frozen=True, slots=True)
class Negate(Node):
    """`-a`."""

    operand: Node

    @property
    def parts(self) -> tuple[Node, ...]:
        """The operand."""
        return (self.operand,)


@dataclass(frozen=True, slots=True)
class Not(Node):
    """`not a`."""

    operand: Node

    @property
    def parts(self) -> tuple[Node, ...]:
        """The operand."""
        return (self.operand,)


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """`a + b` and its relatives: `operator` is one of `+ - * / ^ mod`."""

    operator: str
    left: Node
    right: Node

    @property
    def parts(self) -> tuple[Node, ...]:
        """Both operands."""
        return (self.left, self.right)


@dataclass(frozen=True, slots=True)
class Relation(Node):
    """`a < b <= c`: `operators` has one entry less than `operands`."""

    operators: tuple[str, ...]
    operands: tuple[Node, ...]

    @property
    def parts(self) -> tuple[Node, ...]:
        """The operands."""
        return self.operands


@dataclass(frozen=True, slots=True)
class Membership(Node):
    """`a in b`, or `a not in b` where `negated`."""

    negated: bool
    left: Node
    right: Node

    @property
    def parts(self) -> tuple[Node, ...]:
        """Both operands."""
        return (self.left, self.right)


@dataclass(frozen=True, slots=True)
class And(Node):
    """`a and b and …`, flat."""

    operands: tuple[Node, ...]

    @property
    def parts(self) -> tuple[Node, ...]:
        """The operands."""
        return self.operands


@dataclass(frozen=True, slots=True)
class Or(Node):
    """`a or b or …`, flat."""

    operands: tuple[Node, ...]

    @property
    def parts(self) -> tuple[Node, ...]:
        """The operands."""
        return self.operands


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    """`if test then yes else no`."""

    test: Node
    yes: Node
    no: Node

    @property
    def parts(self) -> tuple[Node, ...]:
        """Condition and both branches."""
        return (self.test, self.yes, self.no)


def walk(root: Node) -> Iterator[Node]:
    """Every node that is an expression, parents before their parts, in the order of the text."""
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(node.parts))
