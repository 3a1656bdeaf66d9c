"""From character offsets to lines and columns, also inside scalars with quotes, escapes and folded lines."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from runner.errors import Span

_BREAK = re.compile(r"\r\n|\n|\r")
_PROPERTIES = re.compile(r"(?:[&!]\S*(?:\s|#[^\n]*)*)*")
_HEADER = re.compile(r"[|>][-+0-9]*[ \t]*(?:#[^\r\n]*)?(?:\r\n|\n|\r|$)")
_HEX_LENGTH = {"x": 2, "u": 4, "U": 8}
_ESCAPES = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r",
    "e": "\x1b", " ": " ", '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0", "L": "\u2028",
    "P": "\u2029",
}  # fmt: skip

Piece = tuple[str, int, int]
"""A character of a value, and the range of offsets in the file that it comes from."""


class Text:
    """The characters of one file, and their lines; columns count characters from 1."""

    __slots__ = ("_starts", "characters")

    def __init__(self, characters: str) -> None:
        self.characters = characters
        self._starts: list[int] | None = None

    def span(self, start: int, end: int) -> Span:
        """Return the lines and columns of a range of offsets; a range is at least empty."""
        line, column = self.position(start)
        end_line, end_column = self.position(max(start, end))
        return Span(line, column, end_line, end_column)

    def position(self, offset: int) -> tuple[int, int]:
        """Return line and column of an offset, both counted from 1."""
        starts = self._line_starts()
        offset = min(max(offset, 0), len(self.characters))
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Return a line without its break; the empty text where the file has no such line."""
        starts = self._line_starts()
        if not 1 <= number <= len(starts):
            return ""
        end = starts[number] if number < len(starts) else len(self.characters)
        return self.characters[starts[number - 1] : end].rstrip("\r\n")

    def line_end(self, offset: int) -> int:
        """Return the offset of the line break, or of the end of the file, at or after an offset."""
        found = _BREAK.search(self.characters, offset)
        return found.start() if found else len(self.characters)

    def content_end(self, offset: int) -> int:
        """Return where the blanks and line breaks begin that stand before an offset."""
        while offset > 0 and self.characters[offset - 1].isspace():
            offset -= 1
        return offset

    def _line_starts(self) -> list[int]:
        if self._starts is None:
            self._starts = [0, *(found.end() for found in _BREAK.finditer(self.characters))]
        return self._starts


def after_properties(text: str, start: int) -> int:
    """Return where a node's content begins, past its anchor and tag."""
    found = _PROPERTIES.match(text, start)
    return found.end() if found else start


def pieces(text: str, start: int, end: int, style: str | None, value: str) -> Sequence[Piece] | None:
    """Return for every character of a scalar's value where it stands in the file.

    `start` and `end` enclose the scalar as written, without properties. None where the text does not yield
    `value`, which happens only for styles that this module does not know.
    """
    raw = text[start:end]
    if style in {"|", ">"}:
        found = _block_pieces(text, start, end, style, value)
    elif style == "'":
        found = list(_flow_pieces(raw[1:-1], start + 1, "'"))
    elif style == '"':
        found = list(_flow_pieces(raw[1:-1], start + 1, '"'))
    else:
        found = list(_flow_pieces(raw, start, ""))
    if found is None or "".join(piece[0] for piece in found) != value:
        return None
    return found


def _flow_pieces(raw: str, base: int, quote: str) -> Iterator[Piece]:
    """Yield the characters of a plain or quoted scalar: breaks fold, quotes and escapes are undone."""
    index = 0
    blanks: list[Piece] = []
    while index < len(raw):
        if (character := raw[index]) in " \t":
            blanks.append((character, base + index, base + index + 1))
            index += 1
        elif character in "\r\n":
            # Blanks around a line break are layout and not part of the value.
            blanks = []
            index, folded = _fold(raw, index, base, escaped=False)
            yield from folded
        else:
            yield from blanks
            blanks = []
            if quote == '"' and character == "\\":
                index, made = _escape(raw, index, base)
                yield from made
            elif quote == "'" and raw.startswith("''", index):
                yield ("'", base + index, base + index + 2)
                index += 2
            else:
                yield (character, base + index, base + index + 1)
                index += 1
    if quote:
        yield from blanks


def _fold(raw: str, index: int, base: int, *, escaped: bool) -> tuple[int, list[Piece]]:
    breaks: list[tuple[int, int]] = []
    while index < len(raw) and raw[index] in " \t\r\n":
        if found := _BREAK.match(raw, index):
            breaks.append((base + index, base + found.end()))
            index = found.end()
        else:
            index += 1
    if escaped:
        return index, [("\n", *place) for place in breaks[1:]]
    if len(breaks) == 1:
        return index, [(" ", *breaks[0])]
    return index, [("\n", *place) for place in breaks[1:]]


def _escape(raw: str, index: int, base: int) -> tuple[int, list[Piece]]:
    letter = raw[index + 1 : index + 2]
    if letter in {"\r", "\n"}:
        return _fold(raw, index + 1, base, escaped=True)
    if length := _HEX_LENGTH.get(letter):
        end = index + 2 + length
        return end, [(chr(int(raw[index + 2 : end], 16)), base + index, base + end)]
    return index + 2, [(_ESCAPES.get(letter, letter), base + index, base + index + 2)]


def _block_pieces(text: str, start: int, end: int, style: str, value: str) -> list[Piece] | None:
    header = _HEADER.match(text, start)
    if header is None:
        return None
    chomping = next((mark for mark in "-+" if mark in text[start : header.end()].split("#", maxsplit=1)[0]), "")
    lines = list(_lines(text, header.end(), end))
    first = next((line for begin, stop, _ in lines if (line := text[begin:stop]).strip(" ")), "")
    detected = len(first) - len(first.lstrip(" "))
    # An indentation indicator counts from the parent's indentation, which only the parser knows: try them.
    for indent in (detected, *range(detected)):
        found = _block_with_indent(text, lines, indent, chomping, folded=style == ">")
        if "".join(piece[0] for piece in found) == value:
            return found
    return None


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield begin, end of the content, and end of the break of each line in a range."""
    while start < end:
        found = _BREAK.search(text, start, end)
        stop, following = (found.start(), found.end()) if found else (end, end)
        yield start, stop, following
        start = following


def _block_with_indent(
    text: str, lines: Sequence[tuple[int, int, int]], indent: int, chomping: str, *, folded: bool
) -> list[Piece]:
    result: list[Piece] = []
    pending: list[Piece] = []  # the line breaks since the last line with content
    previous_blank = False
    begun = False
    for begin, stop, following in lines:
        line = text[begin:stop]
        content = begin + min(indent, len(line) - len(line.lstrip(" ")))
        if content < begin + indent or content == stop:
            pending.append(("\n", stop, following))
            continue
        blank = text[content] in " \t"
        if folded and begun and not previous_blank and not blank and pending:
            pending = pending[1:] or [(" ", pending[0][1], pending[0][2])]
        result += pending
        result += [(text[index], index, index + 1) for index in range(content, stop)]
        pending = [("\n", stop, following)] if following > stop else []
        previous_blank, begun = blank, True
    if chomping == "+":
        result += pending
    elif chomping == "" and begun:
        result += pending[:1]
    return result
