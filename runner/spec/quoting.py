"""Texts from files, made fit to stand in a message or in YAML."""

import re
from typing import Final

MAX_SHOWN: Final = 60

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def shown(text: str) -> str:
    """Return a text for a message: not too long, on one line, and without control characters."""
    if len(text) > MAX_SHOWN:
        text = text[: MAX_SHOWN - 1] + "…"
    return _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", text)


def quoted(text: str) -> str:
    """Return a text as a double-quoted scalar."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return '"' + _CONTROL.sub(lambda found: f"\\u{ord(found.group()):04x}", escaped) + '"'


def quote_it(fix: str) -> str:
    """Return the advice to quote a text, with the text where it is short."""
    return f"quote it: {fix}" if len(fix) <= 2 * MAX_SHOWN else "quote it"
