"""One field of one document set or taken away in its text, and not a character more than that takes.

There is more than one way to write a mapping, so each of these yields texts that could be right, the likelier
first. Whoever asks reads them again, and takes the first that says what it should.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from runner.spec.document import Document, Location, MappingNode, Node, ScalarNode, SequenceNode
from runner.storage.notation import Written, block, entries, flow, is_flow, items, scalar, style_of

_COLON = re.compile(r"[ \t]*:")
_HEADER = re.compile(r"[|>][-+0-9]*")
_COMMA = re.compile(r"[ \t]*,")
_ALIAS = re.compile(r"\s*\*[^\s,\[\]{}]+")
_PROPERTIES = re.compile(r"(?:[&!]\S*\s*)*")

Cut = tuple[int, int, str]
"""A range of offsets, and the text in its place."""


class Surgery:
    """Edits of one document, as whole texts of its file."""

    def __init__(self, document: Document, *, literals: bool = True) -> None:
        self._document = document
        self._text = document.text.characters
        self._style = replace(style_of(document), literals=literals)

    # -- setting -------------------------------------------------------------------------------------------------

    def replaced(self, parent: Location, name: str, value: Any) -> Iterator[str]:
        """Texts in which a field that is there has another value."""
        mapping, within_flow = self._mapping(parent)
        key, old = mapping.items[name]
        column = self._column(key)
        if isinstance(old, MappingNode | SequenceNode):
            if is_flow(old) or within_flow:
                yield self._in_line(old, flow(value, self._style, self._quote_of_keys(old) or ""))
            else:
                yield self._without_body(key, old, self._body(old, column, value))
            return
        # Quotes that are there stay, and so does the absence of them where it can.
        written = self._single(value, old, within_flow=within_flow, column=column)
        if old.style in {"|", ">"}:
            yield self._in_place_of_block(old, written)
        elif not old.value and not old.style:
            at = max(self._after_colon(key), self._end(old) if old.anchor or old.tag else 0)
            inline = f" {written.inline}" if written.inline else ""
            yield self._cut((at, at, inline), self._below(at, written.body))
        else:
            start, end = self._content(old)
            yield self._cut((start, end, written.inline), self._below(end, written.body))
            if old.tag:
                yield self._cut((self._start(old), end, written.inline), self._below(end, written.body))

    def _single(self, value: Any, old: ScalarNode, *, within_flow: bool, column: int) -> Written:
        """A value in the place of a scalar."""
        quote = old.style if isinstance(value, str) and old.style in {"'", '"'} else ""
        if within_flow:
            return Written(flow(value, self._style, quote))
        if isinstance(value, dict | list) and (old.value or old.style):
            return Written(flow(value, self._style))
        indent = column
        if old.style in {"|", ">"}:
            lines = self._text[self._content(old)[0] : self._last(old)].splitlines()[1:]
            first = next((line for line in lines if line.strip()), "")
            indent = max(len(first) - len(first.lstrip(" ")), column + 1) - self._style.step
        return block(value, self._style, indent, quote)

    def _body(self, old: Node, column: int, value: Any) -> Written:
        """A value in the place of a collection in block form."""
        first = self._document.text.position(self._content(old)[0])[1] - 1
        if isinstance(value, dict) and value:
            indent = first if isinstance(old, MappingNode) else column + self._style.step
            return Written("", tuple(entries(value, self._style, indent)))
        if isinstance(value, list) and value and isinstance(old, SequenceNode):
            return Written("", tuple(items(value, self._style, first)))
        return block(value, self._style, column)

    def _in_line(self, old: Node, text: str) -> str:
        return self._cut((self._content(old)[0], self._end(old), text))

    def _in_place_of_block(self, old: ScalarNode, written: Written) -> str:
        """The text with something else than a block scalar; a comment behind its indicator stays."""
        start = self._content(old)[0]
        header = _HEADER.match(self._text, start)
        begin = self._next_line(start)
        end = self._next_line(self._last(old)) if old.value.strip() else begin
        lines = self._lines(begin, written.body)
        return self._cut(
            (start, header.end() if header else start, written.inline), (begin, max(end, begin), lines)
        )

    def _without_body(self, key: ScalarNode, old: Node, written: Written) -> str:
        """The text with something else than a collection in block form."""
        at = self._after_colon(key)
        found = _PROPERTIES.match(self._text, self._start(old))
        if found and found.group():
            at = self._start(old) + len(found.group().rstrip())
        begin, end = self._next_line(at), self._next_line(self._last(old))
        inline = f" {written.inline}" if written.inline else ""
        return self._cut((at, at, inline), (begin, end, self._lines(begin, written.body)))

    def has_comments(self, location: Location) -> bool:
        """Whether comments stand within the value of a field."""
        mapping, _ = self._mapping(location[:-1])
        node = mapping.items[str(location[-1])][1]
        end = self._last(node) if is_flow(node) else self._document.text.line_end(self._last(node))
        rest = list(self._text[self._start(node) : end])
        for start, end in self._scalars(node):
            rest[start - self._start(node) : end - self._start(node)] = "x" * (end - start)
        return "#" in rest

    def _scalars(self, node: Node) -> Iterator[tuple[int, int]]:
        if isinstance(node, MappingNode):
            for key, value in node.items.values():
                yield self._start(key), self._end(key)
                if self._start(value) > self._start(key):
                    yield from self._scalars(value)
        elif isinstance(node, SequenceNode):
            for each in node.items:
                if self._start(each) >= self._start(node):
                    yield from self._scalars(each)
        else:
            yield self._start(node), self._last(node)

    # -- adding --------------------------------------------------------------------------------------------------

    def added(self, parent: Location, name: str, value: Any, after: Sequence[str] | None) -> Iterator[str]:
        """Texts with one more field: behind the last of `after` that is there, or in front; None is at the end."""
        mapping, within_flow = self._mapping(parent)
        names = list(mapping.items)
        before = names if after is None else [each for each in after if each in mapping.items]
        previous = before[-1] if before else None
        quote = self._quote_of_keys(mapping)
        if within_flow:
            key = scalar(name, self._style, flow=True, quote=quote)
            json_like = quote if quote == '"' else ""
            yield from self._added_in_flow(mapping, previous, f"{key}: {flow(value, self._style, json_like)}")
            return
        if not names:
            return
        indent = self._column(mapping.items[names[0]][0])
        written = block(value, self._style, indent)
        key = scalar(name, self._style, quote=quote)
        line = " " * indent + (f"{key}: {written.inline}" if written.inline else f"{key}:")
        for at in self._places(mapping, names, previous):
            yield self._cut((at, at, self._lines(at, (line, *written.body))))

    def _places(self, mapping: MappingNode, names: list[str], previous: str | None) -> Iterator[int]:
        """Where a line may be added behind a field, or in front of all."""
        if previous is None:
            yield self._line_start(self._start(mapping.items[names[0]][0]))
            return
        key, value = mapping.items[previous]
        places = [self._below_field(key, value), self._next_line(self._last_of_field(key, value))]
        if not isinstance(value, MappingNode | SequenceNode) and value.style in {"|", ">"}:
            places.append(self._end(value))
        number = names.index(previous) + 1
        if number < len(names):
            places.append(self._line_start(self._start(mapping.items[names[number]][0])))
        places.append(self._next_line(self._end(mapping)))
        yield from dict.fromkeys(places)

    def _added_in_flow(self, mapping: MappingNode, previous: str | None, field: str) -> Iterator[str]:
        if not mapping.items:
            at = self._content(mapping)[0] + 1
            yield self._cut((at, at, field))
            return
        if previous is None:
            at = self._start(next(iter(mapping.items.values()))[0])
            yield self._cut((at, at, f"{field}, "))
            return
        key, value = mapping.items[previous]
        end = self._last_of_field(key, value)
        start = self._start(key)
        stop = self._document.text.line_end(end)
        comma = _COMMA.match(self._text, end)
        rest = self._text[comma.end() if comma else end : stop].strip()
        indent = self._text[self._line_start(start) : start]
        if not indent.strip() and stop < self._end(mapping) and (not rest or rest.startswith("#")):
            below = self._style.line_break + indent + field
            if comma:
                yield self._cut((stop, stop, f"{below},"))
            else:
                yield self._cut((end, end, ","), (stop, stop, below))
        yield self._cut((end, end, f", {field}"))

    # -- taking away ---------------------------------------------------------------------------------------------

    def removed(self, parent: Location, name: str) -> Iterator[str]:
        """Texts without a field."""
        mapping, within_flow = self._mapping(parent)
        key, value = mapping.items[name]
        start, end = self._start(key), self._last_of_field(key, value)
        if within_flow:
            yield from self._removed_in_flow(start, end)
            return
        begin = self._line_start(start)
        if self._text[begin:start].strip():
            return
        stop = self._next_line(end)
        if stop == len(self._text) and not self._text.endswith(("\n", "\r")):
            yield self._cut((self._before_break(begin), stop, ""))
        yield self._cut((begin, stop, ""))

    def _removed_in_flow(self, start: int, end: int) -> Iterator[str]:
        begin, stop = self._line_start(start), self._document.text.line_end(end)
        comma = _COMMA.match(self._text, end)
        rest = self._text[comma.end() if comma else end : stop].strip()
        if comma and not self._text[begin:start].strip() and (not rest or rest.startswith("#")):
            yield self._cut((begin, self._next_line(end), ""))
        # With the comma before it, which is in the line before where it has a line of its own and is the last.
        before = self._text[:start].rstrip()
        if before.endswith(",") and (comma is None or len(before) > begin):
            yield self._cut((len(before) - 1, end, ""))
        if comma:
            blanks = self._text[comma.end() : stop]
            yield self._cut((start, comma.end() + len(blanks) - len(blanks.lstrip()), ""))
        yield self._cut((start, end, ""))

    # -- where things are ----------------------------------------------------------------------------------------

    def _mapping(self, location: Location) -> tuple[MappingNode, bool]:
        """The mapping at a location, and whether it is written in brackets."""
        node: Node = self._document.root
        within = is_flow(node)
        for step in location:
            assert isinstance(node, MappingNode)  # noqa: S101 - whoever asks has seen that it is there
            node = node.items[str(step)][1]
            within = within or is_flow(node)
        assert isinstance(node, MappingNode)  # noqa: S101 - as above
        return node, within

    def _quote_of_keys(self, node: Node) -> str:
        """How all keys of a mapping are quoted; empty where one is not."""
        if not isinstance(node, MappingNode) or not node.items:
            return ""
        styles = {key.style for key, _ in node.items.values()}
        return styles.pop() if styles in ({"'"}, {'"'}) else ""

    def _start(self, node: Node) -> int:
        marked = node.start if isinstance(node, MappingNode | SequenceNode) else node
        return self._document.base + marked.start_mark.index

    def _end(self, node: Node) -> int:
        marked = node.end if isinstance(node, MappingNode | SequenceNode) else node
        return self._document.base + marked.end_mark.index

    def _content(self, node: Node) -> tuple[int, int]:
        """The offsets of what a node says, past its anchor and tag."""
        start, end = self._start(node), self._end(node)
        if isinstance(node, MappingNode | SequenceNode) or node.anchor or node.tag:
            found = _PROPERTIES.match(self._text, start)
            start = min(found.end(), end) if found else start
            while not is_flow(node) and self._text[start : start + 1] == "#":
                start = self._next_line(start)
                start += len(self._text[start:]) - len(self._text[start:].lstrip())
        return start, end

    def _last(self, node: Node) -> int:
        """The offset behind the last character of a value, without the layout that follows."""
        if is_flow(node):
            return self._end(node)
        if not isinstance(node, MappingNode | SequenceNode):
            return max(self._document.text.content_end(self._end(node)), self._start(node))
        if isinstance(node, SequenceNode):
            last = node.items[-1]
            known = self._start(last) > self._start(node) and node.items.index(last) == len(node.items) - 1
            return self._last(last) if known else self._end_of_layout(node)
        return self._last_of_field(*next(reversed(node.items.values())))

    def _last_of_field(self, key: ScalarNode, value: Node) -> int:
        """The offset behind the last character of a field."""
        if self._start(value) < self._start(key):
            found = _ALIAS.match(self._text, self._after_colon(key))
            return found.end() if found else self._end(key)
        return max(self._last(value), self._after_colon(key))

    def _below_field(self, key: ScalarNode, value: Node) -> int:
        """The line below a field, and below comments that are indented as the fields within it."""
        below = at = self._next_line(self._last_of_field(key, value))
        has_fields = isinstance(value, MappingNode | SequenceNode) and not is_flow(value)
        while has_fields and at < len(self._text):
            line = self._text[at : self._document.text.line_end(at)]
            if line.strip() and (not line.lstrip().startswith("#") or not line[: self._column(key) + 1].isspace()):
                break
            at = self._next_line(at)
            below = at if line.strip() else below
        return below

    def _end_of_layout(self, node: Node) -> int:
        """Where the blanks and comments begin that follow a collection in block form."""
        end = self._document.text.content_end(self._end(node))
        while self._text[self._line_start(end) : end].lstrip().startswith("#"):
            end = self._document.text.content_end(self._line_start(end))
        return end

    def _after_colon(self, key: ScalarNode) -> int:
        found = _COLON.match(self._text, self._end(key))
        return found.end() if found else self._end(key)

    def _column(self, key: ScalarNode) -> int:
        return self._document.text.position(self._start(key))[1] - 1

    # -- cutting -------------------------------------------------------------------------------------------------

    def _line_start(self, offset: int) -> int:
        return offset - self._document.text.position(offset)[1] + 1

    def _next_line(self, offset: int) -> int:
        """The offset of the line after that of an offset, or of the end."""
        end = self._document.text.line_end(offset)
        return end + (2 if self._text.startswith("\r\n", end) else 1) if end < len(self._text) else end

    def _before_break(self, offset: int) -> int:
        """The offset of the break that ends the line before the one that begins at an offset."""
        if self._text.endswith("\r\n", 0, offset):
            return offset - 2
        return max(offset - 1, 0)

    def _below(self, offset: int, lines: Sequence[str]) -> Cut:
        at = self._next_line(offset)
        return at, at, self._lines(at, lines)

    def _lines(self, at: int, lines: Sequence[str]) -> str:
        """Lines for the offset where a line begins, or where the text ends without a break."""
        end = self._style.line_break
        if at == 0 or self._text[:at].endswith(("\n", "\r")):
            return "".join(line + end for line in lines)
        return "".join(end + line for line in lines)

    def _cut(self, *cuts: Cut) -> str:
        """The text with other text in some ranges, which are in order."""
        parts, done = [], 0
        for start, end, text in cuts:
            parts += [self._text[done:start], text]
            done = max(end, done)
        return "".join([*parts, self._text[done:]])
