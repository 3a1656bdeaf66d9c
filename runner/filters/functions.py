"""The functions that an expression may call: what they take, what they give, and how they are computed."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from runner.filters.javascript import NotPrimitiveError, TooLongError, to_number
from runner.filters.operators import ABSENT, holds
from runner.filters.site import Site
from runner.filters.verdict import Verdict
from runner.filters.work import SMALL_ITEMS

_EXACT_HALF: Final = 2.0**52


@dataclass(frozen=True, slots=True)
class Function:
    """An entry of the function table.

    `call` gets the site of the call and the arguments; it returns a value, or the Verdict of an error.
    `takes` has the kind that each argument must have (None: any); `gives` is the kind of the result.
    """

    name: str
    call: Callable[..., Any]
    least: int
    most: int | None
    gives: str
    takes: tuple[str | None, ...] = ()
    usage: str = ""


def _round(number: float) -> float:
    """Halves go up, towards positive infinity."""
    if not abs(number) < _EXACT_HALF:
        return number
    below = math.floor(number)
    rounded = float(below + 1 if number - below >= 0.5 else below)
    return math.copysign(rounded, number) if rounded == 0 else rounded


def _whole(rounding: Callable[[float], int], number: float) -> float:
    if not math.isfinite(number):
        return number
    return math.copysign(float(rounding(number)), number) if number else number


def _root(number: float) -> float:
    return math.sqrt(number) if number >= 0 else math.nan


def _logarithm(log: Callable[[float], float], number: float) -> float:
    if number > 0:
        return log(number)
    return -math.inf if number == 0 else math.nan


def _extreme(numbers: list[float], start: float) -> float:
    """The greatest number for a start of -Infinity, the least for Infinity; -0 is less than 0."""
    if any(math.isnan(number) for number in numbers):
        return math.nan
    choose = max if start < 0 else min
    return choose([start, *numbers], key=lambda number: (number, math.copysign(1.0, number)))


def _numeric(compute: Callable[[float], float]) -> Callable[..., Any]:
    def call(site: Site, value: Any = math.nan, *_: Any) -> Any:
        number = _converted(site, value)
        return number if type(number) is Verdict else compute(number)

    return call


def _extremum(start: float) -> Callable[..., Any]:
    def call(site: Site, *values: Any) -> Any:
        # What is named more than once, however large, is converted once.
        numbers = {id(value): value for value in values}
        for key, value in numbers.items():
            numbers[key] = number = _converted(site, value)
            if type(number) is Verdict:
                return number
        return _extreme([*numbers.values()], start)

    return call


def _converted(site: Site, value: Any) -> Any:
    """An argument as a number, or the Verdict of an error."""
    most = SMALL_ITEMS
    if type(value) is list and site.shares is not None:
        most = site.shares.items
    try:
        return to_number(value, most)
    except NotPrimitiveError:
        return site.problem("TypeError", "an object with a field toString can't become a number")
    except TooLongError:
        return site.too_much("the list is", f"at most {most:,} items")


def _mapping(convert: Callable[[str], str]) -> Callable[..., Any]:
    def call(site: Site, value: Any = None, *_: Any) -> Any:
        if type(value) is not str:
            return site.unfit(value, "text")
        return site.check_share("the text is", len(value), "characters") or convert(value)

    return call


def _includes(site: Site, items: Any = None, value: Any = ABSENT, *_: Any) -> Any:
    if type(items) is not list:
        return site.unfit(items, "list")
    return site.check_share("the list is", len(items), "items") or holds(items, value)


def _exists(_site: Site, value: Any = None, *_: Any) -> bool:
    return value is not None and value is not ABSENT


def _empty(_site: Site, value: Any = None, *_: Any) -> bool:
    return value is None or value is ABSENT or value == "" or (type(value) is list and not value)


def _number_function(name: str, compute: Callable[[float], float]) -> Function:
    return Function(name, _numeric(compute), 1, 1, "number", (None,), f"{name}(number)")


_ALL: Final = (
    _number_function("abs", abs),
    _number_function("ceil", partial(_whole, math.ceil)),
    _number_function("floor", partial(_whole, math.floor)),
    _number_function("round", _round),
    _number_function("sqrt", _root),
    _number_function("log", partial(_logarithm, math.log)),
    _number_function("log2", partial(_logarithm, math.log2)),
    _number_function("log10", partial(_logarithm, math.log10)),
    Function("max", _extremum(-math.inf), 1, None, "number", (), "max(number, …)"),
    Function("min", _extremum(math.inf), 1, None, "number", (), "min(number, …)"),
    Function("exists", _exists, 1, 1, "boolean", (None,), "exists(event.field)"),
    Function("empty", _empty, 1, 1, "boolean", (None,), "empty(event.field)"),
    Function("lower", _mapping(str.lower), 1, 1, "text", ("text",), "lower(text)"),
    Function("upper", _mapping(str.upper), 1, 1, "text", ("text",), "upper(text)"),
    Function("includes", _includes, 2, 2, "boolean", ("list", None), "includes(list, value)"),
)

FUNCTIONS: Final = {function.name: function for function in _ALL}
"""The table, by name."""
