"""What the compiled code calls where its fast path does not apply: unwrapping, rare types, errors.

Every function returns the value, or the `Verdict` that ends the evaluation; none raises.
"""

import math
from itertools import repeat
from operator import is_
from typing import Any, Final

from runner.filters.javascript import (
    EXACT,
    double,
    number_text,
    same_value,
    value_key,
)
from runner.filters.patterns import Pattern, PatternError, compile_pattern, matches
from runner.filters.site import Site
from runner.filters.verdict import Verdict
from runner.filters.work import SMALL_STEPS

LONGEST_TEXT: Final = 4 * 1024 * 1024
"""Characters that `+` may build, so that an evaluation stays bounded."""

ABSENT: Final = object()
"""The value of a missing path where that is allowed, and of an argument that was not given."""

LONGEST_PATTERN: Final = 1000
"""Characters of a pattern that comes from the payload: with its length grows the time for each character."""

_FEW: Final = 16


def unwrapped(value: Any) -> Any:
    """A list of one is its item, one level deep."""
    return value[0] if type(value) is list and len(value) == 1 else value


def number(value: Any, site: Site) -> Any:
    """An operand that must be a number, as it is."""
    value = unwrapped(value)
    kind = type(value)
    return value if kind is int or kind is float else site.wrong(value, "number")


def real(value: Any, site: Site) -> Any:
    """An operand that must be a number, as a double."""
    value = unwrapped(value)
    kind = type(value)
    if kind is float:
        return value
    return double(value) if kind is int else site.wrong(value, "number")


def addend(value: Any, site: Site) -> Any:
    """An operand that must be a number (then a double) or text."""
    value = unwrapped(value)
    kind = type(value)
    if kind is float or kind is str:
        return value
    return double(value) if kind is int else site.wrong(value, "number", "text")


def text(value: Any, site: Site) -> Any:
    """An operand that must be text."""
    value = unwrapped(value)
    return value if type(value) is str else site.wrong(value, "text")


def truth(value: Any, site: Site) -> Any:
    """An operand that must be a boolean."""
    value = unwrapped(value)
    return value if type(value) is bool else site.wrong(value, "boolean")


def add(left: Any, right: Any, site: Site) -> Any:
    """Sum or concatenation of what `addend` let through."""
    if type(left) is float and type(right) is float:
        return left + right
    first = left if type(left) is str else number_text(left)
    second = right if type(right) is str else number_text(right)
    if len(first) + len(second) > LONGEST_TEXT:
        return site.problem("RangeError", f"the text grows beyond {LONGEST_TEXT:,} characters")
    return first + second


def divide(left: float, right: float) -> float:
    """Division, whose results by zero are infinite or no number."""
    if right:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def remainder(left: float, right: float) -> float:
    """`mod`: takes the sign of the divisor, by filtrex's very formula."""
    try:
        return math.fmod(math.fmod(left, right) + right, right)
    except ValueError:
        return math.nan


def power(base: float, exponent: float) -> float:
    """`^`, in real numbers."""
    if not math.isfinite(exponent) and abs(base) == 1:
        return math.nan
    if base == 0 and exponent < 0:
        odd = math.isfinite(exponent) and math.fmod(exponent, 2) in (1.0, -1.0)
        return math.copysign(math.inf, base) if odd else math.inf
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and math.fmod(exponent, 2) in (1.0, -1.0) else math.inf
    except ValueError:
        return math.nan


def match(subject: Any, pattern: Any, subject_site: Site, pattern_site: Site) -> Any:
    """`subject ~= pattern`; as in filtrex the pattern is looked at first."""
    pattern = text(pattern, pattern_site)
    if type(pattern) is Verdict:
        return pattern
    if len(pattern) > LONGEST_PATTERN:
        return pattern_site.problem("SyntaxError", f"the pattern has more than {LONGEST_PATTERN:,} characters")
    try:
        compiled = compile_pattern(pattern)
    except PatternError as error:
        return pattern_site.problem("SyntaxError", f"invalid pattern: {error}")
    return match_compiled(subject, compiled, subject_site)


def match_compiled(subject: Any, pattern: Pattern, site: Site) -> Any:
    """`subject ~= pattern` for a pattern that was compiled with the expression."""
    subject = text(subject, site)
    if type(subject) is Verdict:
        return subject
    if len(subject) * pattern.size > SMALL_STEPS and site.shares is not None:
        longest = site.shares.steps // pattern.size
        if _bytes_of(subject) > longest:
            return site.too_much("the text is", f"at most {longest:,} bytes with a pattern of this size")
    return matches(pattern, subject)


def _bytes_of(subject: str) -> int:
    return len(subject) if subject.isascii() else len(subject.encode("utf-8", "surrogatepass"))


def subset(left: Any, right: Any, left_site: Site, right_site: Site) -> Any:
    """`left in right`: every item of left is in right; what is no list counts as a list of one."""
    if left is None:
        return left_site.wrong(left, *_CONTAINABLE)
    if right is None:
        return right_site.wrong(right, *_CONTAINABLE)
    wanted = left if type(left) is list else [left]
    present = right if type(right) is list else [right]
    too_much = left_site.check_share("the lists are", len(wanted) + len(present), "items together")
    if too_much is not None:
        return too_much
    if len(wanted) <= 1 or len(wanted) * len(present) <= _FEW:
        return all(holds(present, item) for item in wanted)
    kinds = {*map(type, wanted), *map(type, present)}
    if kinds == {str} or (kinds <= _NUMBERS and _are_exact(wanted) and _are_exact(present)):
        return set(present).issuperset(wanted)
    keys = {item if type(item) is str else value_key(item) for item in present}
    return all((item if type(item) is str else value_key(item)) in keys for item in wanted)


_CONTAINABLE = ("list", "text", "number", "boolean", "object")
_NUMBERS: Final = {int, float}


def _are_exact(numbers: list[float]) -> bool:
    """Whether Python finds exactly those numbers equal that are the same."""
    if not numbers:
        return True
    # Of nothing but numbers, one that is none makes the sum one that is none, too.
    return min(numbers) > -EXACT and max(numbers) < EXACT and not math.isnan(math.fsum(numbers))


def holds(items: list[Any], value: Any) -> bool:
    """Whether a list has a value, by SameValueZero; mostly at the speed of Python's own search."""
    kind = type(value)
    if kind is str:
        return value in items
    if kind is int or kind is float:
        if -EXACT < value < EXACT:
            return _holds_exact(items, value)
        return any(same_value(item, value) for item in items)
    # There is one null, one true and one false; lists and objects are the same where they are identical.
    return any(map(is_, items, repeat(value)))


def _holds_exact(items: list[Any], value: float) -> bool:
    """The same for a number that equals in Python what it is the same as, and besides only true or false."""
    position = 0
    try:
        while True:
            position = items.index(value, position)
            if type(items[position]) is not bool:
                return True
            position += 1
    except ValueError:
        return False


def take(value: Any, site: Site) -> Any:
    """Follow the keys of a path through own fields, items, and `length` of lists."""
    for step, key in enumerate(site.keys):
        if type(value) is dict and key in value:
            value = value[key]
        elif type(value) is list and (key == "length" or _is_index(key, len(value))):
            value = len(value) if key == "length" else value[int(key)]
        else:
            return site.missing(step, value)
    return value


def lost(value: dict[str, Any], site: Site) -> Verdict:
    """The verdict on a path that is known to end at an object which lacks the next key; made to be quick."""
    step = 0
    for key in site.keys:
        if key not in value:
            break
        value = value[key]
        step += 1  # enumerate would take twice as long
    return site.gone[step] or site.missing(step, value)


def take_or_absent(value: Any, site: Site) -> Any:
    """The same where a missing path is no error but the value ABSENT."""
    found = take(value, site)
    return ABSENT if type(found) is Verdict else found


def _is_index(key: str, length: int) -> bool:
    """Whether the key is a whole number below `length`, written the one way that JavaScript writes it."""
    return (
        key.isascii()
        and key.isdigit()
        and len(key) <= len(str(length))
        and (key[0] != "0" or key == "0")
        and int(key) < length
    )
