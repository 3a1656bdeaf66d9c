"""Values as YAML text, in the style of the document that they are written into."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from runner.spec.document import Document, MappingNode, Node, SequenceNode
from runner.spec.scalars import resolve

_BREAK = re.compile(r"\r\n|\n|\r")
# What can't be mistaken for syntax, at the beginning of a plain text and within it.
_PLAIN = re.compile(r"(?!---(?:\s|$))[^\s\-?:,\[\]{}#&*!|>'\"%@`](?:[^\n\r\t]*[^\s:])?")
# A star after a blank is a schedule, which people quote, lest the next one begin with the star.
_INNER = re.compile(r": | #| \*|[\x00-\x1f]")
_FLOW = re.compile(r"[,\[\]{}]|:(?=[\"'\[{])")
_TO_ESCAPE = re.compile("[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}
# What readers of YAML 1.1 take for a truth, a time or a number, though this one does not.
_WORDS = frozenset({"yes", "no", "on", "off", "true", "false", "null"})
_OTHERWISE = re.compile(r"[-+0-9][0-9_]*(?:[:.][0-9_.]+)*|\d{4}-\d\d?-\d\d?(?:[Tt ].*)?|0[xob][0-9a-fA-F_]+")


@dataclass(frozen=True, slots=True)
class Style:
    """How a document is written: line break, indentation of nested mappings, their form, and its quotes.

    `literals` says whether a text of several lines becomes a literal block: not where what follows would be
    taken for a part of it.
    """

    line_break: str = "\n"
    step: int = 2
    flow: bool = False
    quote: str = '"'
    literals: bool = True


@dataclass(frozen=True, slots=True)
class Written:
    """A value as text: what stands on the line of its key, and the lines below it."""

    inline: str
    body: tuple[str, ...] = ()


def is_flow(node: Node) -> bool:
    """Whether a collection is written in brackets."""
    if not isinstance(node, MappingNode | SequenceNode):
        return False
    # A collection in block form ends where the next token begins, and has no end of its own.
    return node.end.end_mark.index > node.end.start_mark.index


def style_of(document: Document) -> Style:
    """The style of a document, by what there is more of in it."""
    found = _BREAK.search(document.text.characters)
    forms: Counter[bool] = Counter()
    quotes: Counter[str] = Counter()
    steps: Counter[int] = Counter()
    for column, node in _nodes(document.root, document):
        if isinstance(node, MappingNode) and node.items:
            forms[is_flow(node)] += 1
            if column and not is_flow(node):
                key = next(iter(node.items.values()))[0]
                steps[document.text.position(document.base + key.start_mark.index)[1] - column] += 1
        elif not isinstance(node, MappingNode | SequenceNode) and node.style in {"'", '"'}:
            quotes[node.style] += 1
    usual = [step for step, _ in steps.most_common() if step > 0]
    return Style(
        found.group() if found else "\n",
        usual[0] if usual else 2,
        is_flow(document.root) or forms[True] > forms[False],
        "'" if quotes["'"] > quotes['"'] else '"',
    )


def _nodes(node: Node, document: Document) -> Iterator[tuple[int, Node]]:
    """The values below a node, each with the column of its key (0 in a list), aliases left out."""
    if isinstance(node, SequenceNode):
        for each in node.items:
            if _begin(each) >= _begin(node):
                yield 0, each
                yield from _nodes(each, document)
    elif isinstance(node, MappingNode):
        for key, value in node.items.values():
            if _begin(value) >= _begin(key):
                yield document.text.position(document.base + key.start_mark.index)[1], value
                yield from _nodes(value, document)


def _begin(node: Node) -> int:
    marked = node.start if isinstance(node, MappingNode | SequenceNode) else node
    return marked.start_mark.index


def scalar(value: Any, style: Style, *, flow: bool = False, quote: str = "") -> str:
    """A text, a number, a truth or nothing on one line; `quote` is how a text is quoted in any case."""
    if not isinstance(value, str):
        return json.dumps(value)
    if not quote and is_plain(value, flow=flow):
        return value
    if (quote or style.quote) == "'" and not _TO_ESCAPE.search(value):
        return "'" + value.replace("'", "''") + "'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + _TO_ESCAPE.sub(lambda found: _escape(found.group()), escaped) + '"'


def _escape(character: str) -> str:
    code = ord(character)
    return _ESCAPES.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def is_plain(text: str, *, flow: bool = False) -> bool:
    """Whether a text needs no quotes, for this reader of YAML or another."""
    return (
        _PLAIN.fullmatch(text) is not None
        and not _INNER.search(text)
        and not _TO_ESCAPE.search(text)
        and not (flow and _FLOW.search(text))
        and isinstance(resolve(text), str)
        and text.lower() not in _WORDS
        and not _OTHERWISE.fullmatch(text)
    )


def flow(value: Any, style: Style, quote: str = "") -> str:
    """A value on one line, in brackets where it is a collection."""
    if isinstance(value, dict):
        parts = (f"{scalar(key, style, flow=True, quote=quote)}: {flow(each, style, quote)}"
                 for key, each in value.items())  # fmt: skip
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(each, style, quote) for each in value) + "]"
    return scalar(value, style, flow=True, quote=quote)


def block(value: Any, style: Style, indent: int, quote: str = "") -> Written:
    """A value in block form, for a key at the column `indent` (from 0) or for what stands below it."""
    if isinstance(value, dict) and value and not style.flow:
        return Written("", tuple(entries(value, style, indent + style.step)))
    if isinstance(value, str) and style.literals and (literal := block_text(value, indent + style.step)):
        return literal
    if isinstance(value, dict | list):
        return Written(flow(value, style))
    return Written(scalar(value, style, quote=quote))


def entries(mapping: dict[str, Any], style: Style, indent: int, quote: str = "") -> Iterator[str]:
    """The lines of a mapping in block form."""
    for key, value in mapping.items():
        written = block(value, style, indent)
        name = scalar(key, style, quote=quote)
        yield " " * indent + (f"{name}: {written.inline}" if written.inline else f"{name}:")
        yield from written.body


def items(values: Sequence[Any], style: Style, indent: int) -> Iterator[str]:
    """The lines of a list in block form."""
    for each in values:
        yield f"{' ' * indent}- {flow(each, style) if isinstance(each, dict | list) else scalar(each, style)}"


def block_text(text: str, indent: int) -> Written | None:
    """A text of several lines as a literal block; None for one that a block can't hold as it is."""
    content = text.removesuffix("\n")
    lines = content.split("\n")
    if "\n" not in text or not lines[0].strip() or lines[0][0] in " \t" or not lines[-1].strip():
        return None
    if any(line != line.rstrip() or _TO_ESCAPE.search(line) for line in lines):
        return None
    body = tuple(" " * indent + line if line else "" for line in lines)
    return Written("|" if text.endswith("\n") else "|-", body)
