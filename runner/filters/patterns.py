"""Patterns of `~=`: RE2, which takes linear time on every text, and the only importer of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import re2  # type: ignore[import-untyped]  # it ships no types

from runner.filters.javascript import whole_text

LARGEST_SIZE: Final = 2**15
"""Instructions of a compiled pattern: `(?:…){1000}` makes many of few characters."""

_CACHED_PATTERNS = 64
_MEMORY = 1024 * 1024
"""Bytes that RE2 may take for a pattern; with its own 8 MiB, the worst one compiles for a quarter of a second."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern: how to find its first match in a text, and how many instructions it has."""

    search: Callable[[str], object | None]
    size: int


class PatternError(ValueError):
    """A pattern that RE2 does not have; the message says what is wrong in a few words."""


def _options() -> "re2.Options":
    options = re2.Options()
    options.log_errors = False
    # Only whether there is a match is ever asked, and groups cost: 8 s became 1 ms for the worst pattern tried.
    options.never_capture = True
    options.max_mem = _MEMORY
    return options


_OPTIONS: Final = _options()


@lru_cache(maxsize=_CACHED_PATTERNS)
def compile_pattern(pattern: str) -> Pattern:
    """Compile, or raise PatternError."""
    try:
        compiled = re2.compile(whole_text(pattern), _OPTIONS)
    except re2.error as error:
        reason = error.args[0] if error.args else "invalid pattern"
        raise PatternError(
            reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        ) from None
    if compiled.programsize > LARGEST_SIZE:
        raise PatternError("pattern too large")
    return Pattern(compiled.search, compiled.programsize)


def matches(pattern: Pattern, text: str) -> bool:
    """Whether the pattern occurs anywhere in the text."""
    try:
        return pattern.search(text) is not None
    except UnicodeEncodeError:
        return pattern.search(whole_text(text)) is not None
