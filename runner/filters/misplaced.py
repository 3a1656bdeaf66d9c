"""A token where the grammar has no place for it, said in words, with what to write instead."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lark import Token

from runner.errors import Mistake
from runner.filters.javascript import SPACES

_RULE: Final = "filter-syntax"
_KEYWORDS: Final = frozenset({"and", "or", "not", "in", "of", "if", "then", "else", "mod"})
_EQUAL, _MATCH = "write `==` to compare", 'write `text ~= "pattern"`'
_FOREIGN_WORDS: Final = {
    **dict.fromkeys(("is", "eq", "equals"), _EQUAL),
    **dict.fromkeys(("like", "matches"), _MATCH),
    **dict.fromkeys(("contains", "includes", "has"), 'write `includes(list, value)` or `text ~= "pattern"`'),
    **dict.fromkeys(("gte", "ge"), "write `>=` to compare"),
    **dict.fromkeys(("lte", "le"), "write `<=` to compare"),
    "ne": "write `!=` to compare",
    "gt": "write `>` to compare",
    "lt": "write `<` to compare",
    "startswith": 'write `text ~= "^start"`',
    "endswith": 'write `text ~= "end$"`',
    "xor": "write `!=` between two conditions",
    "between": "write `low <= value <= high`",
}
_PAIRS: Final = {"<>": "write `!=`"}
_VALUE_STARTS: Final = frozenset({"SYMBOL", "TEXT", "NUMBER", "LPAR", "NOT", "IF"})
_SHOWN_LENGTH: Final = 40
_QUOTED: Final = re.compile(r'"(?:\\.|[^"\\])*"|' + r"'(?:\\.|[^'\\])*'", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the parser stopped."""

    kind: str
    start: int
    end: int
    written: str
    before: str
    """The text up to the token, without space at its end."""
    touches: bool
    """Whether there is no space between them."""

    def mistake(self, message: str, help_: str | None, fix: str | None = None) -> Mistake:
        return Mistake(_RULE, message, self.start, self.end, help_, fix)


def explain_unexpected(text: str, token: Token) -> Mistake:
    """Word the mistake for the token at which the parser stopped."""
    if token.type == "$END":
        return _ends_too_early(text)
    start, end = token.start_pos or 0, token.end_pos or 0
    before = text[:start].rstrip(SPACES)
    place = _Place(token.type, start, end, text[start:end].strip(), before, len(before) == start)
    for explain in _EXPLANATIONS:
        mistake = explain(place)
        if mistake is not None:
            return mistake
    help_ = None if before else "write a value first, such as `event.status`"
    return place.mistake(f"unexpected `{_shown(place.written)}`", help_)


def _foreign_word(place: _Place) -> Mistake | None:
    word = place.written.lower()
    if place.kind != "SYMBOL":
        return None
    if word in _KEYWORDS and place.written != word:
        return place.mistake(f"keywords are lower case, unlike `{place.written}`", f"write `{word}`", word)
    if word in _FOREIGN_WORDS:
        return place.mistake(f"`{place.written}` is not an operator", _FOREIGN_WORDS[word])
    return None


def _number_with_letters(place: _Place) -> Mistake | None:
    if place.kind != "SYMBOL" or not place.touches or not place.before[-1:].isdigit():
        return None
    help_ = "write numbers as plain digits, such as 1000 or 0.5; no name begins with a digit"
    return place.mistake(f"unexpected `{_shown(place.written)}` after a number", help_)


def _torn_operator(place: _Place) -> Mistake | None:
    if place.kind != "COMPARE" or not place.touches:
        return None
    pair = place.before[-1:] + place.written
    if pair not in _PAIRS:
        return None
    return Mistake(_RULE, f"`{pair}` is not an operator", place.start - 1, place.end, _PAIRS[pair])


def _closing(place: _Place) -> Mistake | None:
    if place.kind != "RPAR":
        return None
    last = place.before[-1:]
    if last == ",":
        return place.mistake("unexpected `)` after a comma", "leave the last comma out")
    if last == "(":
        start = len(place.before) - 1
        return Mistake(_RULE, "the parentheses are empty", start, place.end, "a list has two items or more")
    if last.isalnum() or (last and last in "\"'_$)."):
        return place.mistake("unexpected `)`, which closes nothing here", "leave it out")
    return place.mistake("expected a value before `)`", "write what belongs after the operator")


def _no_operator(place: _Place) -> Mistake | None:
    if place.kind not in _VALUE_STARTS or not place.before:
        return None
    help_ = "write an operator such as `==` or `and` between two values"
    return place.mistake(f"expected an operator before `{_shown(place.written)}`", help_)


_EXPLANATIONS: Final[tuple[Callable[[_Place], Mistake | None], ...]] = (
    _foreign_word,
    _number_with_letters,
    _torn_operator,
    _closing,
    _no_operator,
)


def _ends_too_early(text: str) -> Mistake:
    start, last = _last_token(text.rstrip(SPACES))
    if not last:
        help_ = 'write a condition, such as `event.status == "active"`, or leave the filter out'
        return Mistake(_RULE, "the expression is empty", 0, len(text), help_)
    if last in _KEYWORDS or not (last[-1].isalnum() or last[-1] in "\"'_$)"):
        message, help_ = f"the expression ends after `{last}`", "write what belongs after it"
        return Mistake(_RULE, message, start, start + len(last), help_)
    open_at = _unclosed(text)
    if open_at is not None:
        return Mistake(_RULE, "the parenthesis is never closed", open_at, open_at + 1, "close it with `)`")
    message, help_ = "the expression is not finished", "write `if condition then value else value`"
    return Mistake(_RULE, message, start, start + len(last), help_)


def _last_token(text: str) -> tuple[int, str]:
    """The last word or run of signs, and where it begins."""
    start = len(text)
    if start:
        is_word = _is_word(text[-1])
        while start and _is_word(text[start - 1]) is is_word and not text[start - 1].isspace():
            start -= 1
    return start, text[start:]


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _unclosed(text: str) -> int | None:
    """Where the innermost parenthesis stands that is not closed."""
    plain = _QUOTED.sub(lambda quoted: " " * len(quoted.group()), text)
    opened: list[int] = []
    for index, character in enumerate(plain):
        if character == "(":
            opened.append(index)
        elif character == ")" and opened:
            opened.pop()
    return opened[-1] if opened else None


def _shown(written: str) -> str:
    return written if len(written) <= _SHOWN_LENGTH else f"{written[: _SHOWN_LENGTH - 1]}…"
