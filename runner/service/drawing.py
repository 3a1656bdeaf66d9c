"""Diagnostics as text for people, in the style of a compiler: what the command line prints and HTTP hands out."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from runner.errors import Diagnostic, Related, Severity, Span

MAX_WIDTH: Final = 100
"""A source line that takes more columns of the terminal is cut around the place that is shown."""
TAB: Final = "    "

_BEFORE: Final = 40
_CUT: Final = "…"
_RESET: Final = "\x1b[0m"
_BOLD: Final = "\x1b[1m"
_BLUE: Final = "\x1b[1;34m"
_COLORS: Final = {Severity.ERROR: "\x1b[1;31m", Severity.WARNING: "\x1b[1;33m", Severity.INFO: "\x1b[1;36m"}
NOUNS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
"""What a severity is called."""


def render(diagnostics: Iterable[Diagnostic], *, color: bool) -> str:
    """Return each diagnostic with its source line and carets under its span, one blank line between them.

    Control characters and whatever else could change the display are shown as visible characters.
    """
    paint = _Paint(enabled=color)
    return "\n".join(_block(diagnostic, paint) for diagnostic in diagnostics)


def visible(text: str) -> str:
    """Return a text with everything made visible that a terminal would act on or not show."""
    return "".join(_visible(character) for character in text)


class _Paint:
    """Puts colour around a text, or leaves it as it is."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled

    def __call__(self, style: str, text: str) -> str:
        return f"{style}{text}{_RESET}" if self._enabled else text


def _block(diagnostic: Diagnostic, paint: _Paint) -> str:
    span = diagnostic.span
    hue = _COLORS[diagnostic.severity]
    place = visible(diagnostic.path) + (f":{span.line}:{span.column}" if span else "")
    heading = f"{NOUNS[diagnostic.severity]}[{diagnostic.rule}]"
    lines = [f"{paint(_BOLD, place)}: {paint(hue, heading)}: {paint(_BOLD, visible(diagnostic.message))}"]
    gutter = len(str(span.line)) if span else 1
    if span and diagnostic.source is not None:
        shown, carets = _excerpt(diagnostic.source, span)
        bar = paint(_BLUE, "|")
        lines.append(f" {' ' * gutter} {bar}")
        lines.append(f" {paint(_BLUE, str(span.line))} {bar} {shown}".rstrip())
        lines.append(f" {' ' * gutter} {bar} {' ' * carets[0]}{paint(hue, '^' * carets[1])}")
    notes = [("help", diagnostic.help)] if diagnostic.help else []
    notes += [("note", f"{_place(related)}: {related.message}") for related in diagnostic.related]
    for word, text in notes:
        lines.append(f" {' ' * gutter} {paint(_BLUE, '=')} {paint(_BOLD, word)}: {visible(text)}")
    return "\n".join(lines) + "\n"


def _excerpt(source: str, span: Span) -> tuple[str, tuple[int, int]]:
    """Return a source line fit for a terminal, and where in it the carets begin and how many they are."""
    cells = [_visible(character) if character != "\t" else TAB for character in source]
    start = min(span.column - 1, len(cells))
    stop = min(span.end_column - 1, len(cells)) if span.end_line == span.line else len(source.rstrip())
    stop = max(stop, start)
    first, last = _window([_columns(cell) for cell in cells], start)
    head = _CUT if first > 0 else ""
    tail = _CUT if last < len(cells) else ""
    shown = head + "".join(cells[first:last]) + tail
    before = _columns(head + "".join(cells[first:start]))
    width = _columns("".join(cells[start : min(stop, last)]))
    return shown, (before, max(width, 1))


def _window(widths: Sequence[int], start: int) -> tuple[int, int]:
    """Return which characters of a line to show so that the one at `start` is among them."""
    if sum(widths) <= MAX_WIDTH:
        return 0, len(widths)
    first, room = start, _BEFORE
    while first > 0 and widths[first - 1] <= room:
        first -= 1
        room -= widths[first]
    last, room = first, MAX_WIDTH - 2 * len(_CUT)
    while last < len(widths) and widths[last] <= room:
        room -= widths[last]
        last += 1
    return first, last


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - its tables take a while to load, and are seldom needed

    return cell_len(text)


def _visible(character: str) -> str:
    if character.isprintable():
        # A combining character alone would join whatever the terminal shows before it.
        return character
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if unicodedata.category(character) == "Zs":
        return " " if _columns(character) == 1 else f"<U+{code:04X}>"
    return f"<U+{code:04X}>"


def _place(related: Related) -> str:
    return f"{related.path}:{related.span.line}:{related.span.column}"
