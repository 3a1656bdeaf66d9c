"""Text to tokens for lark: the first terminal that matches wins, and known slips are read as what was meant."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lark import Token
from lark.common import LexerConf
from lark.lexer import Lexer

from runner.errors import Mistake
from runner.filters.slips import Slip, recover
from runner.filters.tree import MAX_NESTING, TooDeepError

KEYWORDS = frozenset({"NOT_IN", "AND", "OR", "NOT", "IN", "OF", "IF", "THEN", "ELSE", "MOD"})
LOOK_AHEAD = "(?![A-Za-z0-9_])"
# JavaScript's strings are UTF-16: half of a character beyond the BMP would be left behind, which is no token.
SWALLOWED = r"[^A-Za-z0-9_\U00010000-\U0010ffff]"
LEADING_ZERO = re.compile(r"0[0-9]")
OCTAL_FRACTION = re.compile(r"0[0-7]+\.")


@dataclass(slots=True)
class Source:
    """One text on its way through the lexer, which notes here the mistakes that it found and read past."""

    text: str
    filtrex: bool
    mistakes: list[Mistake] = field(default_factory=list)


class FilterLexer(Lexer):
    """The lexer of the grammar's terminals, in two readings: ours, and filtrex's own.

    filtrex's keywords swallow the character after them and are symbols at the end of the text.
    """

    def __init__(self, lexer_conf: LexerConf) -> None:
        terminals = sorted(lexer_conf.terminals, key=lambda terminal: -terminal.priority)
        patterns = {terminal.name: terminal.pattern.to_regexp() for terminal in terminals}
        swallowing = {
            name: pattern.replace(LOOK_AHEAD, SWALLOWED) if name in KEYWORDS else pattern
            for name, pattern in patterns.items()
        }
        self._scan = _alternation(patterns)
        self._scan_filtrex = _alternation(swallowing)

    # lark hands over a custom input as it is; its declared type is for its own lexers.
    def lex(self, source: Source) -> Iterator[Token]:  # type: ignore[override]
        """Yield the tokens of the source, noting mistakes in it."""
        text, mistakes = source.text, source.mistakes
        scan = (self._scan_filtrex if source.filtrex else self._scan).match
        position, nesting, length = 0, 0, len(text)
        while position < length:
            found = scan(text, position)
            if found is None:
                slip = recover(text, position)
                mistakes.append(slip.mistake)
                position = slip.end
                yield from _meant(slip)
                continue
            kind = found.lastgroup
            start, position = position, found.end()
            if kind == "SPACE" or kind is None:
                continue
            if kind == "LPAR":
                nesting += 1
                if nesting > MAX_NESTING:
                    raise TooDeepError(start, position)
            elif kind == "RPAR":
                nesting -= 1
            elif kind == "NUMBER" and LEADING_ZERO.match(text, start):
                _check_leading_zero(source, start, position)
            yield Token(kind, found.group(), start, end_pos=position)


def _alternation(patterns: dict[str, str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in patterns.items()))


def _meant(slip: Slip) -> Iterator[Token]:
    if slip.kind is not None:
        yield Token(slip.kind, slip.value, slip.mistake.start, end_pos=slip.end)


def _check_leading_zero(source: Source, start: int, end: int) -> None:
    written = source.text[start:end]
    if source.filtrex and not OCTAL_FRACTION.match(written):
        return
    plain = written.lstrip("0")
    plain = f"0{plain}" if not plain or plain.startswith(".") else plain
    source.mistakes.append(
        Mistake(
            "filter-syntax",
            f"the number `{written}` starts with a zero, which filtrex reads as octal",
            start,
            end,
            help=f"write `{plain}`",
            fix=plain,
        )
    )
