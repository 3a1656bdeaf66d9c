"""The YAML 1.2 core schema: which plain texts are numbers, truth values or null, and which stay texts."""

import math
import re
from dataclasses import dataclass

from runner.spec.quoting import shown

TAG_PREFIX = "tag:yaml.org,2002:"

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
# Only texts that begin with one of these can be anything but a text; most texts are told by one look.
_FIRST = frozenset("-+.0123456789tTfFnN~")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?")
_BASED = re.compile(r"0o([0-7]+)|0x([0-9a-fA-F]+)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_JSON = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
# What JSON writers and readers agree on: signed 64 bits below, unsigned 64 bits above.
_SMALLEST, _LARGEST, _DIGITS = -(2**63), 2**64 - 1, 20


@dataclass(frozen=True, slots=True)
class BadScalar:
    """A plain text that YAML would read as a number that is not usable here."""

    rule: str
    message: str
    help: str
    fix: str | None = None


Scalar = str | int | float | bool | None


def resolve(text: str) -> Scalar | BadScalar:
    """Return the value of a plain scalar by the core schema."""
    if text and text[0] not in _FIRST:
        return text
    if text in _NULLS:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    return _number(text)


def resolve_tagged(tag: str, text: str) -> Scalar | BadScalar | None:
    """Return the value of a scalar with an explicit core tag (`str`, `int`, …, without the prefix)."""
    if tag == "str":
        return text
    value = resolve(text)
    if isinstance(value, BadScalar):
        return value
    fits = {
        "null": value is None,
        "bool": isinstance(value, bool),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, int | float) and not isinstance(value, bool),
    }
    if not fits.get(tag, False):
        return BadScalar("wrong-tag", f"this text is not what its tag `!!{tag}` says", "remove the tag")
    return float(value) if tag == "float" and isinstance(value, int) else value


def _number(text: str) -> Scalar | BadScalar:
    if _LEADING_ZERO.fullmatch(text):
        return _leading_zero(text)
    if _INTEGER.fullmatch(text):
        return _integer(text, 10, text)
    if based := _BASED.fullmatch(text):
        octal, hexadecimal = based.groups()
        return _integer(octal, 8, text) if octal else _integer(hexadecimal, 16, text)
    if _FLOAT.fullmatch(text):
        value = float(text)
        return value if math.isfinite(value) else _too_large(text)
    if _NOT_JSON.fullmatch(text):
        return BadScalar(
            "not-a-json-number",
            f"`{text}` is a number that JSON does not have",
            "quote it if a text is meant",
            f'"{text}"',
        )
    return text


def _integer(digits: str, base: int, text: str) -> int | BadScalar:
    # Converting very many decimal digits is slow, and Python refuses it.
    if base == 10 and len(digits.lstrip("+-0")) > _DIGITS:
        return _too_large(text)
    value = int(digits, base)
    return value if _SMALLEST <= value <= _LARGEST else _too_large(text)


def _too_large(text: str) -> BadScalar:
    return BadScalar(
        "number-too-large",
        "this number does not fit into 64 bits",
        "quote it if it is an identifier or another text",
        f'"{text}"' if len(text) <= 100 else None,
    )


def _leading_zero(text: str) -> BadScalar:
    octal = f"; octal is written `0o{text.lstrip('0') or '0'}`" if re.fullmatch("0[0-7]{1,6}", text) else ""
    return BadScalar(
        "leading-zero",
        f"the number `{shown(text)}` has a leading zero, which readers of YAML understand differently",
        f"quote it if a text is meant{octal}",
        f'"{text}"',
    )
