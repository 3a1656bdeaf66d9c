"""JavaScript's idea of numbers, text and equality, for JSON values as Python has them."""

import math
import re
from typing import Any, Final

SPACES: Final = (
    "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""White space as `String.prototype.trim` knows it."""

EXACT: Final = 2**53
"""Up to here, on both sides of zero, every integer is a double of its own."""

_NAN_KEY, _TRUE_KEY, _FALSE_KEY = (float, "NaN"), (bool, True), (bool, False)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_RADIX = re.compile(r"0(?:[xX](?P<hex>[0-9a-fA-F]+)|[oO](?P<octal>[0-7]+)|[bB](?P<binary>[01]+))")
_INFINITIES = {"Infinity": math.inf, "+Infinity": math.inf, "-Infinity": -math.inf}
_SCALARS = frozenset({int, float, str, bool, type(None)})
_LARGEST_PLAIN_EXPONENT = 21
_SMALLEST_PLAIN_EXPONENT = -6


class NotPrimitiveError(Exception):
    """An object that shadows `toString` with a field of its own can't be converted."""


class TooLongError(Exception):
    """A list has more items, with those of lists inside it, than may be looked at."""


def double(number: float) -> float:
    """The double that JavaScript has for a JSON number."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def number_text(number: float) -> str:
    """`String(number)`: the shortest digits that read back as the same double."""
    number = double(number)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    return sign + _place_point(digits.rstrip("0"), point)


def _place_point(digits: str, point: int) -> str:
    """Write `0.digits * 10^point` the way JavaScript does."""
    count = len(digits)
    if count <= point <= _LARGEST_PLAIN_EXPONENT:
        return digits + "0" * (point - count)
    if 0 < point <= _LARGEST_PLAIN_EXPONENT:
        return f"{digits[:point]}.{digits[point:]}"
    if _SMALLEST_PLAIN_EXPONENT < point <= 0:
        return f"0.{'0' * -point}{digits}"
    rest = f".{digits[1:]}" if count > 1 else ""
    return f"{digits[0]}{rest}e{point - 1:+d}"


def text_number(text: str) -> float:
    """`Number(text)`: NaN where the text is no number, 0 where it is blank."""
    text = text.strip(SPACES)
    if not text:
        return 0.0
    if _DECIMAL.fullmatch(text):
        return float(text)
    radix = _RADIX.fullmatch(text)
    if radix is not None:
        base = {"hex": 16, "octal": 8, "binary": 2}[str(radix.lastgroup)]
        return double(int(text[2:], base))
    return _INFINITIES.get(text, math.nan)


def to_number(value: Any, most: float = math.inf) -> float:
    """`Number(value)` of a JSON value.

    Raises:
        NotPrimitiveError: where JavaScript raises TypeError.
        TooLongError: a list has more than `most` items.
    """
    kind = type(value)
    if kind is float:
        return float(value)
    if kind is int or kind is bool:
        return double(value)
    if kind is str:
        return text_number(value)
    if value is None:
        return 0.0
    return _container_number(value, most)


def _container_number(value: Any, most: float) -> float:
    _refuse_shadowed(value, most)
    # A list converts through its text, so a list of one is its item, and of none is blank.
    nested = False
    while type(value) is list and len(value) == 1:
        value = value[0]
        nested = True
    if type(value) is list:
        return math.nan if value else 0.0
    if type(value) is dict or (nested and type(value) is bool):
        return math.nan
    return to_number(value) or 0.0  # the text of -0 is "0"


def _refuse_shadowed(value: Any, most: float) -> None:
    """Look for an object with its own `toString` where the conversion to text would meet it."""
    pending, seen = [value], 0
    while pending:
        item = pending.pop()
        if type(item) is list:
            seen += len(item)
            if seen > most:
                raise TooLongError
            if not _SCALARS.issuperset(map(type, item)):
                pending.extend(part for part in item if type(part) in (list, dict))
        elif type(item) is dict and "toString" in item:
            raise NotPrimitiveError


def same(left: Any, right: Any) -> bool:
    """`left === right`: no conversion, lists and objects by identity."""
    kind, other = type(left), type(right)
    if kind is other:
        if kind is dict or kind is list:
            return left is right
        if left == right:
            return True
        return kind is int and not -EXACT < left < EXACT and double(left) == double(right)
    if (kind is int and other is float) or (kind is float and other is int):
        return double(left) == double(right)
    return False


def same_value(left: Any, right: Any) -> bool:
    """SameValueZero, which is `===` but for NaN, that equals itself."""
    return same(left, right) or (
        type(left) is float and type(right) is float and math.isnan(left) and math.isnan(right)
    )


def value_key(value: Any) -> object:
    """A hashable stand-in: two values are the same by SameValueZero exactly when their keys are equal."""
    kind = type(value)
    if kind is str or value is None:
        return value
    if kind is int:
        return value if -EXACT < value < EXACT else double(value)
    if kind is float:
        return value if value == value else _NAN_KEY  # noqa: PLR0124 - NaN alone is not equal to itself
    if kind is bool:
        return _TRUE_KEY if value else _FALSE_KEY
    return (list, id(value))


def whole_text(text: str) -> str:
    """The text with each half of a surrogate pair that stands alone replaced, so that it can be encoded."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
