"""Values of the filter language as JSON data: what JSON lacks is written as an object, what is too much is cut.

Numbers that JSON lacks are `{"$num": "NaN"}` and the like, as filtrex's oracle writes them. A value that is nested
too deep, or that would be too large, ends in `{"$cut": "list"}`, `{"$cut": "object"}` or `{"$cut": "text"}`.
"""

import math
from typing import Any, Final

from runner.filters.javascript import double
from runner.filters.site import kind_of

DEEPEST: Final = 200
"""Levels of a value that are written; the encoder of JSON has a limit of its own a little above."""

LARGEST: Final = 16 * 1024 * 1024
"""Characters and items of a value that are written: a list can hold the whole event a thousand times."""


class Encoder:
    """Writes values as long as there is room, which all of them share."""

    def __init__(self, room: int = LARGEST) -> None:
        self._room = room

    def encode(self, value: Any, depth: int = 0) -> Any:
        """A value as JSON data."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return _number(double(value))
        if depth > DEEPEST or not self._take(_size(value)):
            return {"$cut": kind_of(value)}
        if isinstance(value, str):
            return value
        if isinstance(value, list):
            return [self.encode(item, depth + 1) for item in value]
        return {key: self.encode(item, depth + 1) for key, item in value.items()}

    def _take(self, size: int) -> bool:
        if size > self._room:
            return False
        self._room -= size
        return True


def _size(value: Any) -> int:
    """What a text, a list or an object takes, without what is inside the items."""
    return len(value) + 1 + (sum(map(len, value)) if isinstance(value, dict) else 0)


def _number(number: float) -> Any:
    if math.isnan(number):
        return {"$num": "NaN"}
    if math.isinf(number):
        return {"$num": "Infinity" if number > 0 else "-Infinity"}
    if number == 0 and math.copysign(1, number) < 0:
        return {"$num": "-0"}
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
