"""A file's bytes, and a document in it as plain data together with where each of its values stands."""

import hashlib
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from runner.errors import Diagnostic, Related, Severity, Span
from runner.spec.positions import Piece, Text, after_properties, pieces

Location = tuple[str | int, ...]
"""The keys and indices that lead from a document's root to a value."""


@dataclass(frozen=True)
class SourceFile:
    """The bytes of one file: `path` is relative to the tree's root, `root` is what people call the tree."""

    path: str
    raw: bytes = field(repr=False)
    root: str = ""

    @cached_property
    def display(self) -> str:
        """The path as people see it."""
        return posixpath.join(self.root, self.path)

    @cached_property
    def folder(self) -> str:
        """The folder of the file, relative to the tree's root; empty for the root itself."""
        return posixpath.dirname(self.path)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the bytes, in hexadecimal."""
        return hashlib.sha256(self.raw).hexdigest()


class Mark(Protocol):
    """A place in what the parser was given: the number of characters before it."""

    @property
    def index(self) -> int:
        """How many characters come before."""
        ...


class Marked(Protocol):
    """Something that the parser saw, from one mark to another."""

    @property
    def start_mark(self) -> Mark:
        """Where it begins."""
        ...

    @property
    def end_mark(self) -> Mark:
        """Where it ends."""
        ...


class ScalarNode(Marked, Protocol):
    """A scalar as the parser saw it; the marks enclose its anchor and tag as well."""

    @property
    def value(self) -> str:
        """The text, without quotes and escapes."""
        ...

    @property
    def style(self) -> str:
        """The indicator it begins with; empty for a plain scalar."""
        ...

    @property
    def anchor(self) -> str | None:
        """The name that aliases repeat it by."""
        ...

    @property
    def tag(self) -> str | None:
        """The type that is written in front."""
        ...


class MappingNode:
    """A mapping: for each key, what the parser saw of it, and the node of its value."""

    __slots__ = ("end", "items", "start")

    def __init__(self, start: Marked) -> None:
        self.start = start
        self.end: Marked = start
        self.items: dict[str, tuple[ScalarNode, Node]] = {}


class SequenceNode:
    """A list: the nodes of its entries."""

    __slots__ = ("end", "items", "start")

    def __init__(self, start: Marked) -> None:
        self.start = start
        self.end: Marked = start
        self.items: list[Node] = []


Node = ScalarNode | MappingNode | SequenceNode


class Document:
    """One document: `data` is plain data, and every location in it has a span in the file.

    `base` is the offset in the file at which the parser began to count. `problems` says which parts of the
    document could not be taken as they are written.
    """

    __slots__ = ("base", "data", "file", "problems", "root", "text")

    def __init__(
        self,
        file: SourceFile,
        text: Text,
        data: dict[str, Any],
        root: MappingNode,
        base: int = 0,
        problems: tuple[Diagnostic, ...] = (),
    ) -> None:
        self.file = file
        self.text = text
        self.data = data
        self.root = root
        self.base = base
        self.problems = problems

    @property
    def line(self) -> int:
        """The line of the first field."""
        return self.start_span().line

    def key_span(self, location: Location) -> Span:
        """Return where the key of a location stands; of an entry of a list, the entry."""
        parent = self._node(location[:-1])
        if isinstance(parent, MappingNode) and location[-1] in parent.items:
            return self.text.span(*self._content(parent.items[str(location[-1])][0]))
        return self.value_span(location)

    def value_span(self, location: Location) -> Span:
        """Return where the value of a location stands; of an empty value, its key."""
        node = self._node(location)
        if isinstance(node, MappingNode | SequenceNode):
            return self.text.span(*self._content(node))
        if node.value == "" and not node.style and location:
            return self._empty_span(location, node)
        if node.style in {"|", ">"} and node.value:
            return self.span_within(location, 0, len(node.value.rstrip()))
        return self.text.span(*self._content(node))

    def span_within(self, location: Location, start: int, end: int) -> Span:
        """Return where a range of characters of a text value stands in the file.

        The range may be empty, and then so is the span; what lies past the end of the text is at its end.
        """
        node = self._node(location)
        if isinstance(node, MappingNode | SequenceNode):
            return self.value_span(location)
        begin, stop = self._content(node)
        found = pieces(self.text.characters, begin, stop, node.style, node.value)
        if not found:
            return self.text.span(begin, stop)
        return self.text.span(*_range(found, start, end))

    def has(self, location: Location) -> bool:
        """Whether the document has a value at this location."""
        node: Node = self.root
        for step in location:
            if isinstance(node, MappingNode) and step in node.items:
                node = node.items[str(step)][1]
            elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
            else:
                return False
        return True

    def start_span(self) -> Span:
        """Return where the document's first field stands: its key, or what there is of an empty mapping."""
        for key, _ in self.root.items.values():
            return self.text.span(*self._content(key))
        return self.text.span(*self._content(self.root))

    def diagnostic(
        self,
        rule: str,
        message: str,
        span: Span,
        *,
        severity: Severity = Severity.ERROR,
        help: str | None = None,  # noqa: A002 - the word that diagnostics use
        fix: str | None = None,
        job: str | None = None,
        related: tuple[Related, ...] = (),
    ) -> Diagnostic:
        """Return a diagnostic in this file."""
        source = self.text.line(span.line)
        return Diagnostic(rule, message, self.file.display, span, severity, help, fix, source, job, related)

    def _node(self, location: Location) -> Node:
        """Return the node of a location, or the nearest one above that exists."""
        node: Node = self.root
        for step in location:
            if isinstance(node, MappingNode) and step in node.items:
                node = node.items[str(step)][1]
            elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
            else:
                break
        return node

    def _content(self, node: Node) -> tuple[int, int]:
        """Return the offsets that enclose a node without its properties and the layout behind it."""
        if isinstance(node, MappingNode | SequenceNode):
            return self._collection(node)
        start, end = self._offsets(node, node)
        if node.anchor or node.tag:
            start = min(after_properties(self.text.characters, start), end)
        return start, end

    def _collection(self, node: MappingNode | SequenceNode) -> tuple[int, int]:
        start, end = self._offsets(node.start, node.end)
        start = min(after_properties(self.text.characters, start), end)
        last: Node = node
        while not self._is_flow(last) and isinstance(last, MappingNode | SequenceNode) and last.items:
            last = last.items[-1] if isinstance(last, SequenceNode) else next(reversed(last.items.values()))[1]
        if last is node:
            return start, end
        if isinstance(last, MappingNode | SequenceNode):
            return start, max(self._offsets(last.start, last.end)[1], start)
        return start, max(self.text.content_end(self._offsets(last, last)[1]), start)

    def _is_flow(self, node: Node) -> bool:
        if not isinstance(node, MappingNode | SequenceNode):
            return True
        _, end = self._offsets(node.start, node.end)
        return (
            self.text.characters[end - 1 : end] in {"]", "}"}
            and node.end.end_mark.index > node.end.start_mark.index
        )

    def _offsets(self, first: Marked, last: Marked) -> tuple[int, int]:
        return self.base + first.start_mark.index, self.base + last.end_mark.index

    def _empty_span(self, location: Location, node: ScalarNode) -> Span:
        parent = self._node(location[:-1])
        if isinstance(parent, MappingNode) and location[-1] in parent.items:
            return self.text.span(*self._content(parent.items[str(location[-1])][0]))
        start = self.text.content_end(self._offsets(node, node)[0])
        return self.text.span(max(start - 1, 0), start)


def _range(found: Sequence[Piece], start: int, end: int) -> tuple[int, int]:
    """Return the offsets in the file of a range of a value's characters."""
    # The break that ends a block scalar belongs to the value, but nobody would look for a mistake behind it.
    visible = len(found)
    while visible > 1 and found[visible - 1][0] == "\n":
        visible -= 1
    start, end = max(start, 0), min(max(end, start), visible)
    if start >= visible:
        return found[visible - 1][2], found[visible - 1][2]
    if end <= start:
        return found[start][1], found[start][1]
    return found[start][1], found[end - 1][2]
