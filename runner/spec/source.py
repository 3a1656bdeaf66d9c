"""YAML files as plain data that remembers where each value stands; the only importer of `yaml`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import yaml

from runner.errors import Diagnostic, Related
from runner.spec.decoding import MAX_BYTES, decode
from runner.spec.document import Document, Location, MappingNode, Node, ScalarNode, SequenceNode, SourceFile
from runner.spec.positions import Text, after_properties
from runner.spec.quoting import quote_it, quoted, shown
from runner.spec.scalars import TAG_PREFIX, BadScalar, resolve, resolve_tagged
from runner.spec.syntax import Fault, Finding, explain, unquoted_star

__all__ = ["Document", "Location", "Scan", "SourceFile", "read_documents", "scan"]

MAX_ALIAS_NODES = 10_000
MAX_DEPTH = 100
"""Deeper values can't be written as JSON by every library that has to."""
MAX_PROBLEMS = 100
"""After so many problems in one document, the rest of it is not looked at."""

_APART = "keep data in a file of its own"
_DOCUMENT_START = re.compile(r"^---(?=\s|$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Scan:
    """What a file holds: documents that are mappings, problems, and the texts that no document came from."""

    documents: tuple[Document, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    lost: tuple[str, ...] = ()


def read_documents(file: SourceFile) -> tuple[tuple[Document, ...], tuple[Diagnostic, ...]]:
    """Return the documents of a file that are mappings, and the problems of reading them as YAML.

    A document with problems is among them, as far as it could be read, and has them, too.
    """
    found = scan(file)
    return found.documents, found.diagnostics


def scan(file: SourceFile) -> Scan:
    """Read a file to its end, whatever is in it.

    A document that is no YAML does not take the next one with it: reading goes on at the next `---`.
    """
    text, problem = decode(file)
    if problem:
        return Scan((), (problem.at(text, file.display),), (text.characters,))
    documents: list[Document] = []
    diagnostics: list[Diagnostic] = []
    lost: list[str] = []
    base: int | None = 0
    while base is not None:
        stream = _Stream(file, text, base)
        documents += stream.documents()
        diagnostics += stream.diagnostics
        base = stream.next_base()
        lost += (text.characters[start:end] for start, end in stream.lost)
        if stream.failed_from is not None:
            lost.append(text.characters[stream.failed_from : base])
    return Scan(tuple(documents), tuple(diagnostics), tuple(lost))


class _AbandonedError(Exception):
    """The rest of this document is not worth looking at, or must not be."""


@dataclass(slots=True)
class _Frame:
    """A collection that is being read: `data` is the dict or list that its node describes."""

    node: MappingNode | SequenceNode
    data: Any
    anchor: str | None
    nodes_before: int
    characters_before: int
    height: int = 1
    key: ScalarNode | None = None
    has_key: bool = False


@dataclass(frozen=True, slots=True)
class _Anchored:
    """What an anchor stands for; None in place of a node while its own content is being read."""

    value: Any
    node: Node | None
    nodes: int
    characters: int
    height: int


@dataclass(slots=True)
class _State:
    """What is known of the document that is being read."""

    stack: list[_Frame] = field(default_factory=list)
    anchors: dict[str, _Anchored] = field(default_factory=dict)
    nodes: int = 0
    characters: int = 0
    alias_nodes: int = 0
    alias_characters: int = 0
    problems: list[Diagnostic] = field(default_factory=list)
    root: tuple[Any, Node] | None = None


class _Stream:
    """Reads documents from an offset on, until the end or the first text that is no YAML."""

    def __init__(self, file: SourceFile, text: Text, base: int) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._file = file
        self._text = text
        self._base = base
        # The class of events differs from event to event, which no type can say.
        self._parser: Any = yaml.CSafeLoader(text.characters[base:].encode())
        self._state = _State()
        self._started_at = base
        self._failed_at: int | None = None
        self._is_skipping = False
        self.lost: list[tuple[int, int]] = []
        """The ranges of documents that were abandoned or are no mappings."""

    @property
    def failed_from(self) -> int | None:
        """Where the document begins that is no YAML; None if there is none."""
        return None if self._failed_at is None else self._started_at

    def next_base(self) -> int | None:
        """Return where to go on after a text that was no YAML; None at the end of the file."""
        if self._failed_at is None:
            return None
        found = _DOCUMENT_START.search(self._text.characters, max(self._failed_at, self._base + 1))
        return found.start() if found else None

    def documents(self) -> Iterator[Document]:
        """Yield each document that is a mapping."""
        try:
            while (kind := type(event := self._parser.get_event())) is not yaml.StreamEndEvent:
                if kind is yaml.DocumentStartEvent:
                    self._started_at = self._base + event.start_mark.index
                    yield from self._document()
        except yaml.MarkedYAMLError as error:
            self._fail(error)

    def _fail(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        index = self._base + (mark.index if mark else 0)
        context = self._base + error.context_mark.index if error.context_mark else None
        self._failed_at = index
        if not self._is_skipping:
            self._report(explain(Fault(error.problem or "", error.context or "", index, context), self._text))

    def _document(self) -> Iterator[Document]:
        self._state = _State()
        try:
            self._compose()
        except _AbandonedError:
            self.lost.append((self._started_at, self._skip_document()))
            return
        if self._state.root is None:
            return
        data, node = self._state.root
        if isinstance(node, MappingNode):
            problems = tuple(self._state.problems)
            yield Document(self._file, self._text, data, node, self._base, problems)
        elif data is not None or self._raw(node):
            self._report(self._not_a_mapping(node))
            self.lost.append((self._started_at, self._started_at))

    def _skip_document(self) -> int:
        """Read on to the end of the document, and return its offset."""
        self._is_skipping = True
        event: Any = None
        while not isinstance(event, yaml.DocumentEndEvent):
            event = self._parser.get_event()
        self._is_skipping = False
        end: Any = event.end_mark
        return self._base + int(end.index)

    def _compose(self) -> None:
        """Read events up to the document's end into plain data and nodes."""
        state, get_event = self._state, self._parser.get_event
        while True:
            event = get_event()
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._scalar(event)
            elif kind is yaml.MappingStartEvent:
                self._open(MappingNode(event), {}, event)
            elif kind is yaml.SequenceStartEvent:
                self._open(SequenceNode(event), [], event)
            elif kind is yaml.AliasEvent:
                self._alias(event)
            elif kind is yaml.DocumentEndEvent:
                return
            else:
                self._close(state.stack.pop(), event)

    def _scalar(self, event: Any) -> None:
        state = self._state
        text: str = event.value
        value: Any = text
        if event.tag is not None:
            value = self._tagged(event)
        elif not event.style:
            value = resolve(text)
        if type(value) is BadScalar:
            self._problem(value.rule, value.message, event, value.help, value.fix)
            value = text
        if event.anchor:
            state.anchors[event.anchor] = _Anchored(value, event, 1, len(text), 0)
        if state.anchors:
            # Sizes matter only for what an alias may repeat.
            state.nodes += 1
            state.characters += len(text)
        self._attach(value, event)

    def _tagged(self, event: Any) -> Any:
        tag: str = event.tag
        if tag == "!":
            return event.value
        core = tag.removeprefix(TAG_PREFIX)
        if core == tag or core not in {"str", "int", "float", "bool", "null"}:
            self._unknown_tag(event)
            return None
        return resolve_tagged(core, event.value)

    def _open(self, node: MappingNode | SequenceNode, data: dict[str, Any] | list[Any], event: Any) -> None:
        state = self._state
        if len(state.stack) >= MAX_DEPTH:
            self._abandon("too-deep", f"this is nested more than {MAX_DEPTH} levels deep", event, _APART)
        kind = "map" if isinstance(node, MappingNode) else "seq"
        if event.tag is not None and event.tag not in {"!", TAG_PREFIX + kind}:
            self._unknown_tag(event)
        frame = _Frame(node, data, event.anchor, state.nodes, state.characters)
        if event.anchor:
            state.anchors[event.anchor] = _Anchored(None, None, 0, 0, 0)
        if state.anchors:
            state.nodes += 1
        state.stack.append(frame)

    def _close(self, frame: _Frame, event: Any) -> None:
        state = self._state
        frame.node.end = event
        if frame.anchor:
            nodes = state.nodes - frame.nodes_before
            characters = state.characters - frame.characters_before
            state.anchors[frame.anchor] = _Anchored(frame.data, frame.node, nodes, characters, frame.height)
        if state.stack:
            state.stack[-1].height = max(state.stack[-1].height, frame.height + 1)
        self._attach(frame.data, frame.node)

    def _alias(self, event: Any) -> None:
        state = self._state
        target = state.anchors.get(event.anchor)
        if target is None:
            self._unknown_alias(event)
            self._attach(None, _placeholder(event))
            return
        if target.node is None:
            message = f"the alias `*{shown(event.anchor)}` stands inside the value that it repeats"
            self._abandon("recursive-alias", message, event, "remove it, or quote it if a text is meant")
        state.nodes += target.nodes
        state.characters += target.characters
        state.alias_nodes += target.nodes
        state.alias_characters += target.characters
        if state.alias_nodes > MAX_ALIAS_NODES or state.alias_characters > MAX_BYTES:
            message = f"the aliases expand to more than {MAX_ALIAS_NODES:,} values"
            self._abandon("alias-bomb", message, event, _APART)
        if len(state.stack) + target.height > MAX_DEPTH:
            self._abandon("too-deep", f"this is nested more than {MAX_DEPTH} levels deep", event, _APART)
        if state.stack:
            state.stack[-1].height = max(state.stack[-1].height, target.height + 1)
        self._attach(target.value, target.node)

    def _attach(self, value: Any, node: Node) -> None:
        """Put a value that is complete into the collection that is being read."""
        state = self._state
        if not state.stack:
            state.root = (value, node)
            return
        frame = state.stack[-1]
        parent = frame.node
        if isinstance(parent, SequenceNode):
            parent.items.append(node)
            frame.data.append(value)
        elif frame.has_key:
            frame.has_key = False
            if frame.key is not None:
                name = frame.key.value
                parent.items[name] = (frame.key, node)
                frame.data[name] = value
        else:
            frame.has_key = True
            frame.key = self._key(parent, value, node)

    def _key(self, mapping: MappingNode, value: Any, node: Node) -> ScalarNode | None:
        """Return a key's node if it can be used."""
        if isinstance(node, MappingNode | SequenceNode):
            advice = "quote a text that begins with `{` or `[`"
            self._problem("non-string-key", "a key must be a text", node.start, advice)
            return None
        if type(value) is str and value not in mapping.items and value != "<<":
            return node
        return self._questionable_key(mapping, value, node)

    def _questionable_key(self, mapping: MappingNode, value: Any, node: ScalarNode) -> ScalarNode | None:
        """Return a key's node if it can be used after all."""
        if value == "<<" and not node.style:
            advice = "write the fields out, or put them into a `kind: defaults` document"
            self._problem("merge-key", "merge keys (`<<`) are not part of YAML 1.2", node, advice)
            return None
        if not isinstance(value, str):
            if self._raw(node) or node.style:
                fix = quoted(node.value)
                message = f"the key `{shown(node.value)}` is not a text to YAML"
                self._problem("non-string-key", message, node, quote_it(fix), fix)
            else:
                self._problem("non-string-key", "a key is missing before this `:`", node, None)
            return None
        if value in mapping.items:
            self._duplicate(value, mapping.items[value][0], node)
            return None
        return node

    def _duplicate(self, name: str, first: ScalarNode, second: ScalarNode) -> None:
        span = self._text.span(*self._range(first))
        message = f"the field `{shown(name)}` is given twice"
        related = (Related(self._file.display, span, "first given here"),)
        self._problem("duplicate-key", message, second, "remove one of the two", related=related)

    def _unknown_tag(self, event: Any) -> None:
        start = self._base + event.start_mark.index
        written = self._text.characters[start : self._base + event.end_mark.index]
        found = re.search(r"!\S*", written)
        begin, end = found.span() if found else (0, 1)
        tag = found.group() if found else event.tag
        advice = "remove it, or quote a text that begins with `!`"
        self._problem_at(
            Finding("unknown-tag", f"the tag `{shown(tag)}` is not known", start + begin, start + end, advice)
        )

    def _unknown_alias(self, event: Any) -> None:
        start, end = self._base + event.start_mark.index, self._base + event.end_mark.index
        name = event.anchor
        finding = None
        if not name[0].isalpha():
            finding = unquoted_star(self._text, start)
        self._problem_at(
            finding
            or Finding(
                "unknown-alias",
                f"the alias `*{shown(name)}` repeats nothing: no value before it is marked `&{shown(name)}`",
                start,
                end,
                "quote it if a text is meant",
                quoted(f"*{name}"),
            )
        )

    def _not_a_mapping(self, node: Node) -> Finding:
        start, end = self._range(node.start if isinstance(node, SequenceNode | MappingNode) else node)
        is_list = isinstance(node, SequenceNode)
        found = "a list" if is_list else "a single value"
        advice = "write one document per job and `---` between them" if is_list else "write fields: `name: value`"
        line_end = self._text.line_end(start)
        end = line_end if end == start else min(end, line_end)
        return Finding("not-a-mapping", f"a document must be a mapping of fields, not {found}", start, end, advice)

    def _raw(self, node: Node) -> bool:
        """Whether a scalar is written with any character at all."""
        return not isinstance(node, MappingNode | SequenceNode) and bool(node.value or node.style or node.tag)

    def _range(self, event: Any) -> tuple[int, int]:
        start, end = self._base + event.start_mark.index, self._base + event.end_mark.index
        return min(after_properties(self._text.characters, start), end), end

    def _problem(
        self,
        rule: str,
        message: str,
        event: Any,
        advice: str | None,
        fix: str | None = None,
        related: tuple[Related, ...] = (),
    ) -> None:
        start, end = self._range(event)
        if end == start:
            start = max(self._text.content_end(start) - 1, 0)
            end = start + 1
        self._problem_at(Finding(rule, message, start, end, advice, fix), related)

    def _problem_at(self, finding: Finding, related: tuple[Related, ...] = ()) -> None:
        diagnostic = self._report(finding, related)
        if diagnostic not in self._state.problems[-1:]:
            self._state.problems.append(diagnostic)
        if len(self._state.problems) >= MAX_PROBLEMS:
            start = finding.start
            message = f"after {MAX_PROBLEMS} problems, the rest of this document was not looked at"
            self._report(Finding("too-many-problems", message, start, finding.end))
            raise _AbandonedError

    def _abandon(self, rule: str, message: str, event: Any, advice: str) -> NoReturn:
        self._problem(rule, message, event, advice)
        raise _AbandonedError

    def _report(self, finding: Finding, related: tuple[Related, ...] = ()) -> Diagnostic:
        diagnostic = replace(finding.at(self._text, self._file.display), related=related)
        # An alias that is none, and what the parser makes of the rest of its line, are one mistake.
        if self.diagnostics and self.diagnostics[-1] == diagnostic:
            return self.diagnostics[-1]
        self.diagnostics.append(diagnostic)
        return diagnostic


def _placeholder(event: Any) -> ScalarNode:
    made: Any = yaml.ScalarEvent(None, None, (True, False), "", event.start_mark, event.end_mark, style="")
    node: ScalarNode = made
    return node
