"""Expressions of the filter language and payloads for them, which several properties are about."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import strategies as st

PATHS = ["event.a", "event.b", "event.c", "event.l", "event.l.0", "event.l.length", "event.o.k", "event.o.m.n"]
MORE_PATHS = [
    "event",
    "k of event.o",
    "m.n of event.o",
    "'a b' of event",
    "event.missing",
    "event.o.gone",
    "event.a.b",
]
NUMBERS = ["0", "1", "2", "3", "0.5", "10", "9007199254740993", "1000000000000000000000"]
TEXTS = ['"a"', '"b"', '"ab"', '""', '"5"', '"AB"', '" 1"']
LITERALS = ["true", "false", "null"]
LEAVES = [*PATHS, *PATHS, *PATHS, *MORE_PATHS, *NUMBERS, *TEXTS, *LITERALS]
BINARY = [
    "+",
    "-",
    "*",
    "/",
    "^",
    "mod",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "and",
    "or",
    "and",
    "or",
    "in",
    "not in",
]
CALLED = ["abs", "ceil", "floor", "round", "sqrt", "log2", "exists", "empty", "lower", "upper", "exists", "empty"]


def composed(
    inner: st.SearchStrategy[str], binary: st.SearchStrategy[str], called: st.SearchStrategy[str]
) -> st.SearchStrategy[str]:
    """One step up from parts."""
    group = inner.map(lambda expression: f"({expression})")
    part = inner | group
    return st.one_of(
        st.tuples(part, binary, part).map(" ".join),
        st.tuples(part, binary, part, binary, part).map(" ".join),
        part.map(lambda expression: f"not {expression}"),
        part.map(lambda expression: f"-{expression}"),
        st.tuples(part, part, part).map(lambda parts: "if {} then {} else {}".format(*parts)),
        st.tuples(called, inner).map(lambda parts: "{}({})".format(*parts)),
        st.tuples(inner, inner).map(lambda parts: "includes({}, {})".format(*parts)),
        st.tuples(inner, inner).map(lambda parts: "max({}, {})".format(*parts)),
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: f"({', '.join(parts)})"),
        st.tuples(part, st.sampled_from(['"a"', '"^a"', '"b$"', '"[ab]"'])).map(" ~= ".join),
    )


def made_of(
    leaves: Sequence[str] = (), without: frozenset[str] = frozenset(), max_leaves: int = 12
) -> st.SearchStrategy[str]:
    """Expressions, with more leaves and without some operators and functions if one likes."""
    binary = st.sampled_from([operator for operator in BINARY if operator not in without])
    called = st.sampled_from([name for name in CALLED if name not in without])
    extend = partial(composed, binary=binary, called=called)
    return st.recursive(st.sampled_from([*LEAVES, *leaves]), extend, max_leaves=max_leaves)


DOUBLES = st.floats(allow_nan=True, allow_infinity=True)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 12),
    st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1, 10**400, -0.0, 0.5, 1e21, 1e-7]),
    DOUBLES,
    st.sampled_from(["", "a", "b", "ab", "AB", "5", " 1 ", "1e3", "x", "ß"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["k", "m"]), inner, max_size=2),
    max_leaves=5,
)
PAYLOADS = st.one_of(
    st.fixed_dictionaries(
        {
            "a": st.integers(-3, 12) | VALUES,
            "b": st.sampled_from(["a", "ab", "AB"]) | VALUES,
            "c": st.booleans() | VALUES,
            "l": st.lists(VALUES, max_size=4) | VALUES,
            "o": st.fixed_dictionaries({"k": VALUES, "m": st.fixed_dictionaries({"n": VALUES})}) | VALUES,
        },
        optional={"a b": VALUES},
    ),
    VALUES,
)


@pytest.fixture(scope="session")
def expressions() -> Callable[..., st.SearchStrategy[str]]:
    """Expressions that mostly compile; see `made_of`."""
    return made_of


@pytest.fixture(scope="session")
def payloads() -> st.SearchStrategy[Any]:
    """Payloads that have what expressions read, and all others."""
    return PAYLOADS
