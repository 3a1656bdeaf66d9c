"""Patterns of `~=`: RE2, which takes linear time on every text, and the only importer of it."""

from functools import lru_cache
from typing import Final, Protocol

import re2  # type: ignore[import-untyped]  # it ships no types

from runner.filters.javascript import whole_text

_CACHED_PATTERNS = 256


class Pattern(Protocol):
    """A compiled pattern."""

    def search(self, text: str, /) -> object | None:
        """The first match anywhere in the text."""


class PatternError(ValueError):
    """A pattern that RE2 does not have; the message says what is wrong in a few words."""


def _options() -> "re2.Options":
    options = re2.Options()
    options.log_errors = False
    # Only whether there is a match is ever asked, and groups cost: 8 s became 1 ms for the worst pattern tried.
    options.never_capture = True
    return options


_OPTIONS: Final = _options()


@lru_cache(maxsize=_CACHED_PATTERNS)
def compile_pattern(pattern: str) -> Pattern:
    """Compile, or raise PatternError."""
    try:
        return re2.compile(whole_text(pattern), _OPTIONS)  # type: ignore[no-any-return]  # re2 has no types
    except re2.error as error:
        reason = error.args[0] if error.args else "invalid pattern"
        raise PatternError(
            reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        ) from None


def matches(pattern: Pattern, text: str) -> bool:
    """Whether the pattern occurs anywhere in the text."""
    try:
        return pattern.search(text) is not None
    except UnicodeEncodeError:
        return pattern.search(whole_text(text)) is not None
