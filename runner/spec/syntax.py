"""What went wrong when a text is no YAML: the parser's complaint in words that say what to change."""

import re
from dataclasses import dataclass

from runner.errors import Diagnostic
from runner.spec.positions import Text
from runner.spec.quoting import quote_it, quoted, shown

SYNTAX = "yaml-syntax"
MAX_LOOK_BACK = 10_000
"""How many characters are searched for a bracket that is not closed."""

# What stands before a value that begins with a character that YAML keeps for itself.
_BEFORE_RESERVED = re.compile(r"(?:^[ \t]*|[:\-?] +|[\[{,] *)(?=[*@`%])")
_INDENT_WITH_TAB = re.compile(r"^ *(?P<tabs>\t[ \t]*)")
_BEFORE_TEXT = re.compile(r"^[ \t]*(?:- +)*[^\s:'\"#\[{][^:]*: +(?=[^\s'\"|>\[{&*!])")
_NO_SPACE = re.compile(r"^[ \t]*(?:- +)*(?P<name>[A-Za-z_][\w-]*):[^\s/:]")
_CLOSING = {"[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Fault:
    """A complaint of the YAML parser: offsets of the problem and of what it was reading, if known."""

    problem: str
    context: str
    index: int
    context_index: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault in a range of offsets, in words for people."""

    rule: str
    message: str
    start: int
    end: int
    help: str | None = None
    fix: str | None = None

    def at(self, text: Text, path: str) -> Diagnostic:
        """Return it as a diagnostic of a file."""
        span = text.span(self.start, self.end)
        return Diagnostic(
            self.rule, self.message, path, span, help=self.help, fix=self.fix, source=text.line(span.line)
        )


def explain(fault: Fault, text: Text) -> Finding:
    """Return what a complaint means, with help where the cause is recognisable."""
    return (
        _depth(fault)
        or _tab(fault, text)
        or _reserved(fault, text)
        or _unclosed(fault, text)
        or _colon(fault, text)
        or _escape(fault, text)
        or _misplaced(fault, text)
        or _known(fault, text)
        or _other(fault, text)
    )


def unquoted_star(text: Text, index: int) -> Finding | None:
    """Return the finding for an unquoted value with `*` in front, if the line of an offset has one."""
    start, end = _reserved_value(text, index)
    if start == end or text.characters[start] != "*":
        return None
    fix = quoted(text.characters[start:end])
    return Finding(
        "unquoted-star",
        "YAML takes a `*` in front of a value for the name of an alias",
        start,
        end,
        quote_it(fix),
        fix,
    )


def _reserved_value(text: Text, index: int) -> tuple[int, int]:
    begin, content = _line(text, index)
    found = _BEFORE_RESERVED.search(content)
    return (begin + found.end(), begin + _end_of_value(content, found.end())) if found else (begin, begin)


def _end_of_value(content: str, start: int) -> int:
    """Return where a value ends that goes to the end of its line, or to a comment."""
    comment = min((at for mark in (" #", "\t#") if (at := content.find(mark, start)) >= 0), default=len(content))
    return start + len(content[start:comment].rstrip())


def _line(text: Text, index: int) -> tuple[int, str]:
    line, column = text.position(index)
    return index - (column - 1), text.line(line)


def _depth(fault: Fault) -> Finding | None:
    if "exceeded maximum nesting depth" not in fault.problem:
        return None
    return Finding("too-deep", "this is nested too deeply", fault.index, fault.index + 1)


def _escape(fault: Fault, text: Text) -> Finding | None:
    for problem, message, advice in _ESCAPES:
        if problem in fault.problem:
            # The parser stops inside the escape, or right at it.
            start = max(text.characters.rfind("\\", 0, fault.index + 1), 0)
            found = _ESCAPE.match(text.characters, start)
            return Finding(SYNTAX, message, start, found.end() if found else start + 1, advice)
    return None


def _tab(fault: Fault, text: Text) -> Finding | None:
    begin, content = _line(text, fault.index)
    if found := _INDENT_WITH_TAB.match(content):
        start, end = found.span("tabs")
        return Finding("tab-indent", "a tab can't indent YAML", begin + start, begin + end, "indent with spaces")
    return None


def _reserved(fault: Fault, text: Text) -> Finding | None:
    place = fault.index if fault.context_index is None else fault.context_index
    if found := unquoted_star(text, place) or unquoted_star(text, fault.index):
        return found
    start, end = _reserved_value(text, fault.index)
    if "cannot start any token" not in fault.problem or start == end:
        return None
    fix = quoted(text.characters[start:end])
    message = f"an unquoted text can't begin with `{text.characters[start]}`"
    return Finding(SYNTAX, message, start, end, quote_it(fix), fix)


def _unclosed(fault: Fault, text: Text) -> Finding | None:
    start = fault.context_index
    if "expected node content" in fault.problem and "flow" in fault.context:
        start = _last_open(text, fault.index)
    if start is None or start >= len(text.characters):
        return None
    opening = text.characters[start]
    if "quoted scalar" in fault.context and ("end of stream" in fault.problem or "document" in fault.problem):
        return Finding(SYNTAX, "this quote is never closed", start, start + 1, f"close it with {opening}")
    if "flow" in fault.context and opening in _CLOSING:
        closing = _CLOSING[opening]
        if _leaves(text, start, fault.index):
            return Finding(
                SYNTAX, f"this `{opening}` is never closed", start, start + 1, f"close it with `{closing}`"
            )
        message = f"expected `,` or `{closing}` here"
        line, _ = text.position(start)
        advice = f"the `{opening}` that is open stands in line {line}"
        return Finding(SYNTAX, message, fault.index, fault.index + 1, advice)
    return None


def _last_open(text: Text, index: int) -> int | None:
    """Return the offset of the last bracket before an offset that none closes, not looking at quotes."""
    closed = 0
    for offset in range(min(index, len(text.characters)) - 1, max(index - MAX_LOOK_BACK, 0) - 1, -1):
        character = text.characters[offset]
        if character in "]}":
            closed += 1
        elif character in "[{":
            if closed == 0:
                return offset
            closed -= 1
    return None


def _leaves(text: Text, opening: int, index: int) -> bool:
    """Whether the text goes on after an opening bracket as if there were none."""
    if index >= text.content_end(len(text.characters)):
        return True
    _, first = _line(text, opening)
    _, here = _line(text, index)
    below = text.position(index)[0] > text.position(opening)[0]
    return below and len(here) - len(here.lstrip()) <= len(first) - len(first.lstrip())


def _colon(fault: Fault, text: Text) -> Finding | None:
    if "mapping values are not allowed" not in fault.problem:
        return None
    begin, content = _line(text, fault.index)
    found = _BEFORE_TEXT.match(content)
    start = found.end() if found else 0
    value = content[start : _end_of_value(content, start)]
    if not found or ": " not in value:
        return _line_above(fault, text) or Finding(
            SYNTAX,
            "a `:` has no place here",
            fault.index,
            fault.index + 1,
            "indent this line like its neighbours, or quote a text that contains `: `",
        )
    fix = quoted(value)
    message = "an unquoted text can't contain `: `"
    return Finding(SYNTAX, message, begin + start, begin + start + len(value), quote_it(fix), fix)


def _line_above(fault: Fault, text: Text) -> Finding | None:
    """Return what the line above has to do with a `:` that has no place: a text in it goes on to there."""
    begin, content = _line(text, fault.index)
    if begin == 0:
        return None
    above, previous = _line(text, begin - 1)
    if found := _NO_SPACE.match(previous):
        colon = above + found.end("name")
        message = "a space is missing behind this `:`"
        return Finding(SYNTAX, message, colon, colon + 1, f"write `{shown(found['name'])}: …`")
    indent = len(content) - len(content.lstrip())
    if indent > len(previous) - len(previous.lstrip()) and content.strip():
        message = "this line is indented more than the field above it, which has a value already"
        return Finding(SYNTAX, message, begin, begin + indent, "indent it like the field above")
    return None


def _misplaced(fault: Fault, text: Text) -> Finding | None:
    """Return why a field was expected: a quote that ends too early, or a line that is indented oddly."""
    if "did not find expected key" not in fault.problem:
        return None
    begin, content = _line(text, fault.index)
    before = content[: fault.index - begin].rstrip()
    if before.endswith(("'", '"')):
        advice = "write two of them for one inside: `''`" if before[-1] == "'" else 'write `\\"` for one inside'
        end = begin + len(before)
        return Finding(SYNTAX, "the quoted text ends here, and more follows", end - 1, end, advice)
    if not before:
        message = "this line is indented unlike the fields before it"
        return _from(text, SYNTAX, message, fault.index, "indent it like the field that it follows")
    return None


_ESCAPE = re.compile(r"\\(?:x\w{0,2}|u\w{0,4}|U\w{0,8}|.)?", re.DOTALL)
_ESCAPES = (
    (
        "unknown escape character",
        "this escape does not exist",
        "write `\\\\` for a backslash, or use single quotes",
    ),
    (
        "invalid Unicode character escape code",
        "this escape stands for no character",
        "write the character itself, or one escape such as `\\U0001f600` where JSON needs two",
    ),
    ("did not find expected hexdecimal number", "this escape needs more hexadecimal digits", None),
)
"""Complaints about escapes by a part of their text: message and help."""

_KNOWN = (
    ("could not find expected ':'", SYNTAX, "expected `:` after this", "a field is written `name: value`"),
    ("did not find expected key", SYNTAX, "expected a field here", "a field is written `name: value`"),
    (
        "did not find expected '-' indicator",
        SYNTAX,
        "expected `- ` here, as in the entries of the list before",
        "indent it like the entries before it",
    ),
    (
        "undefined tag handle",
        "unknown-tag",
        "this tag is not known",
        "remove it, or quote a text that begins with `!`",
    ),
    ("incompatible YAML document", SYNTAX, "only YAML 1.1 and 1.2 are read", "remove the `%YAML` line"),
    ("did not find expected comment or line break", SYNTAX, "expected the end of the line here", None),
    (
        "did not find expected <document start>",
        SYNTAX,
        "expected `---` here",
        "a document is one mapping: `name: value`",
    ),
    (
        "block sequence entries are not allowed",
        SYNTAX,
        "a list can't begin here",
        "begin it on a line of its own",
    ),
)
"""Complaints of the parser by a part of their text: rule, message and help."""


def _known(fault: Fault, text: Text) -> Finding | None:
    for problem, rule, message, advice in _KNOWN:
        if problem in fault.problem:
            simple_key = "expected ':'" in problem and fault.context_index is not None
            start = fault.context_index if simple_key and fault.context_index is not None else fault.index
            return _from(text, rule, message, start, advice)
    return None


def _other(fault: Fault, text: Text) -> Finding:
    words = f"{fault.problem} {fault.context}".strip()
    return _from(text, SYNTAX, f"this is no valid YAML: {words}", fault.index, None)


def _from(text: Text, rule: str, message: str, start: int, advice: str | None) -> Finding:
    """Return a finding that spans from an offset to the end of what stands on its line."""
    begin, content = _line(text, start)
    end = max(begin + len(content.rstrip()), start)
    return Finding(rule, message, start, end, advice)
