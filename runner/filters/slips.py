"""What people write by habit from other languages, at the level of characters, and what they meant by it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from runner.errors import Mistake


@dataclass(frozen=True, slots=True)
class Slip:
    """A mistake in the characters, and the token to read in its place (`kind` is None where there is none)."""

    mistake: Mistake
    end: int
    kind: str | None = None
    value: str = ""


@dataclass(frozen=True, slots=True)
class _Operator:
    """An operator of other languages, and ours."""

    pattern: re.Pattern[str]
    kind: str | None
    ours: str
    purpose: str


_OPERATORS = (
    _Operator(re.compile(r"=>"), "COMPARE", ">=", "for greater than or equal"),
    _Operator(re.compile(r"=<"), "COMPARE", "<=", "for less than or equal"),
    _Operator(re.compile(r"=~"), "COMPARE", "~=", "to match a pattern"),
    _Operator(re.compile(r"="), "COMPARE", "==", "to compare"),
    _Operator(re.compile(r"&&?"), "AND", "and", "where both must hold"),
    _Operator(re.compile(r"\|\|?"), "OR", "or", "where one must hold"),
    _Operator(re.compile(r"!"), "NOT", "not", "for the opposite"),
)
_INDEX = re.compile(r"""\[\s*(?:"(?P<key>[^"\\]*)"|'(?P<quoted>[^'\\]*)'|(?P<position>[0-9]+))\s*\]""")
_PLAIN_KEY = re.compile(r"[a-zA-Z0-9$_]+")
_QUOTED = {
    '"': re.compile(r'"(?:\\.|[^"\\])*"', re.DOTALL),
    "'": re.compile(r"'(?:\\.|[^'\\])*'", re.DOTALL),
}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_DOUBLE, _SINGLE = "\u201c\u201d\u201e\u00ab\u00bb", "\u2018\u2019\u201a"
_CURLY = re.compile(f"[{_DOUBLE}]([^{_DOUBLE}]*)[{_DOUBLE}]|[{_SINGLE}]([^{_SINGLE}]*)[{_SINGLE}]")
_NUMBER = re.compile(r"\.*+[0-9][0-9.]*")
_WORD = re.compile(r"[^\W\d][\w.]*")


def recover(text: str, position: int) -> Slip:
    """Explain the character at `position`, where no token matches, and say how to read on."""
    character = text[position]
    for attempt in _ATTEMPTS.get(character, ()):
        slip = attempt(text, position)
        if slip is not None:
            return slip
    word = _WORD.match(text, position)
    if word is not None and not character.isascii():
        name = word.group()
        return Slip(
            Mistake(
                "filter-syntax",
                f"`{name}` has letters that a bare name can't have",
                position,
                word.end(),
                help=f"write `'{name}' of event` for a field with this name",
            ),
            word.end(),
            "SYMBOL",
            "event",
        )
    shown = character if character.isprintable() else f"U+{ord(character):04X}"
    return Slip(Mistake("filter-syntax", f"unexpected character `{shown}`", position, position + 1), position + 1)


def _foreign_operator(text: str, position: int) -> Slip | None:
    for operator in _OPERATORS:
        found = operator.pattern.match(text, position)
        if found is not None:
            break
    else:
        return None
    written, end = found.group(), found.end()
    if written == "=" and text[max(position - 2, 0) : position] in {"==", "!="}:
        right = text[position - 2 : position]
        mistake = Mistake(
            "filter-syntax",
            f"`{right}=` is not an operator",
            position - 2,
            end,
            help=f"write `{right}`, which never converts between types",
            fix=right,
        )
        return Slip(mistake, end)
    mistake = Mistake(
        "filter-syntax",
        f"`{written}` is not an operator",
        position,
        end,
        help=f"write `{operator.ours}` {operator.purpose}",
        fix=_spaced(operator.ours, text, position, end),
    )
    return Slip(mistake, end, operator.kind, operator.ours)


def _spaced(word: str, text: str, start: int, end: int) -> str:
    """Give a keyword the spaces that it needs where its symbol needed none."""
    if not word.isalpha():
        return word
    before = " " if start > 0 and not text[start - 1].isspace() and text[start - 1] != "(" else ""
    after = " " if end < len(text) and not text[end].isspace() else ""
    return f"{before}{word}{after}"


def _brackets(text: str, position: int) -> Slip | None:
    index = _INDEX.match(text, position)
    before = text[:position].rstrip()
    if index is not None and before[-1:] and (before[-1].isalnum() or before[-1] in "_$)]'."):
        return _indexing(index, _symbol_at_end(before))
    kind = "LPAR" if text[position] == "[" else "RPAR"
    mistake = Mistake(
        "filter-syntax",
        f"unexpected `{text[position]}`",
        position,
        position + 1,
        help='write lists in parentheses, such as `("a", "b")`',
        fix="(" if kind == "LPAR" else ")",
    )
    return Slip(mistake, position + 1, kind, mistake.fix or "")


def _indexing(index: re.Match[str], holder: str) -> Slip:
    key = next(group for group in index.groups() if group is not None)
    plain = holder != "" and _PLAIN_KEY.fullmatch(key) is not None
    mistake = Mistake(
        "filter-syntax",
        "brackets can't be used to read a field or an item",
        index.start(),
        index.end(),
        help=f"write `{holder}.{key}`" if plain else f"write `'{key}' of {holder or '…'}`",
        fix=f".{key}" if plain else None,
    )
    return Slip(mistake, index.end())


def _symbol_at_end(text: str) -> str:
    """The bare symbol that a text ends with, or nothing."""
    start = len(text)
    while start and ((text[start - 1].isascii() and text[start - 1].isalnum()) or text[start - 1] in "$_."):
        start -= 1
    symbol = text[start:]
    return symbol if symbol and not symbol[0].isdigit() else ""


def _quotes(text: str, position: int) -> Slip | None:
    quote = text[position]
    kind = "TEXT" if quote == '"' else "SYMBOL"
    closed = _QUOTED[quote].match(text, position)
    if closed is None:
        mistake = Mistake(
            "filter-syntax",
            "the quotation mark is never closed",
            position,
            len(text),
            help=f"end the {'text' if kind == 'TEXT' else 'name'} with `{quote}`",
        )
        return Slip(mistake, len(text), kind, quote * 2)
    for escape in _ESCAPE.finditer(text, position, closed.end()):
        if escape[1] in ("\\", quote):
            continue
        mistake = Mistake(
            "filter-syntax",
            f"`{escape.group()}` is no escape; only `\\{quote}` and `\\\\` are",
            escape.start(),
            escape.end(),
            help=f"write `\\\\{escape[1]}` for a backslash and {escape[1]}, as patterns need it"
            if escape[1].isalnum()
            else f"write `{escape[1]}` without a backslash",
            fix=f"\\\\{escape[1]}" if escape[1].isalnum() else escape[1],
        )
        return Slip(mistake, closed.end(), kind, quote * 2)
    return None


def _curly_quotes(text: str, position: int) -> Slip | None:
    found = _CURLY.match(text, position)
    if found is None:
        return None
    inner = found[1] if found[1] is not None else found[2]
    straight = '"' + inner.replace("\\", "\\\\").replace('"', '\\"') + '"'
    mistake = Mistake(
        "filter-syntax",
        "curly quotation marks don't quote",
        position,
        found.end(),
        help=f"write `{straight}`",
        fix=straight,
    )
    return Slip(mistake, found.end(), "TEXT", straight)


def _number(text: str, position: int) -> Slip | None:
    found = _NUMBER.match(text, position)
    if found is None:
        return None
    mistake = Mistake(
        "filter-syntax",
        f"`{found.group()}` is not a number",
        position,
        found.end(),
        help="write digits, with at most one dot that has digits on both sides",
    )
    return Slip(mistake, found.end(), "NUMBER", "0")


_Attempt = Callable[[str, int], Slip | None]
_ATTEMPTS: dict[str, tuple[_Attempt, ...]] = {
    **dict.fromkeys("=&|!", (_foreign_operator,)),
    **dict.fromkeys("[]", (_brackets,)),
    **dict.fromkeys("\"'", (_quotes,)),
    **dict.fromkeys(_DOUBLE + _SINGLE, (_curly_quotes,)),
    **dict.fromkeys("0123456789.", (_number,)),
}
