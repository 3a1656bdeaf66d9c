"""Filters with `--filtrex` against the real filtrex on Node: whatever is asked, both answer the same.

Node must be on the path, and `JOBSD_FILTREX` must name a folder in which `npm install filtrex@3.1.0` was run.
With `--soak` there are a hundred thousand questions instead of some two thousand.
"""

import json
import math
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.filters.batch import answer

VARIABLE = "JOBSD_FILTREX"
SCRIPT = Path(__file__).with_name("filtrex.cjs")
SAMPLE, SOAK = 2_000, 100_000
Question = dict[str, Any]


@pytest.fixture(scope="module")
def filtrex() -> Iterator[Callable[[bytes], Any]]:
    """Ask the real filtrex one line; it lives as long as the tests of this file."""
    node, folder = shutil.which("node"), Path(os.environ.get(VARIABLE, ""))
    if node is None:
        pytest.skip("needs Node (`node` on the path)")
    if VARIABLE not in os.environ or not (folder / "node_modules" / "filtrex").is_dir():
        pytest.skip(f"needs filtrex: run `npm install filtrex@3.1.0` in a folder, and name it in {VARIABLE}")
    with subprocess.Popen([node, SCRIPT, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        sink, source = process.stdin, process.stdout
        assert sink is not None
        assert source is not None

        def ask(line: bytes) -> Any:
            sink.write(line + b"\n")
            sink.flush()
            told = source.readline()
            assert told, "Node has ended"
            return json.loads(told)

        yield ask
        sink.close()


@pytest.fixture
def agree(filtrex, soak) -> Callable[..., None]:
    """Ask both what a strategy makes up, and compare the answers."""

    def run(questions: st.SearchStrategy[Question], share: float, tolerance: float = 0.0) -> None:
        count = int((SOAK if soak else SAMPLE) * share)

        @settings(max_examples=count, deadline=None, derandomize=not soak, suppress_health_check=list(HealthCheck))
        @given(questions)
        def holds(question: Question) -> None:
            line = json.dumps(question).encode()
            theirs, ours = filtrex(line), json.loads(answer(line, filtrex=True))
            assert ours["kind"] == theirs["kind"], (ours, theirs)
            assert ours.get("type") == theirs.get("type"), (ours, theirs)
            assert alike(ours.get("value"), theirs.get("value"), tolerance), (ours, theirs)

        holds()

    return run


def alike(left: Any, right: Any, tolerance: float) -> bool:
    """The same JSON; numbers up to a tolerance."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right or math.isclose(left, right, rel_tol=tolerance, abs_tol=0)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(alike(*pair, tolerance) for pair in zip(left, right, strict=True))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(alike(left[key], right[key], tolerance) for key in left)
    return type(left) is type(right) and left == right


def finite(value: Any) -> Any:
    """A payload without what JSON lacks."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and abs(value) > 10**300:
        return 1e300
    if isinstance(value, list):
        return [finite(item) for item in value]
    return {key: finite(item) for key, item in value.items()} if isinstance(value, dict) else value


ODD_KEYS = [
    "k",
    "",
    "length",
    "0",
    "constructor",
    "toString",
    "__proto__",
    "hasOwnProperty",
    "a.b",
    "and",
    "in",
    "é",
]
ODD_LEAVES = [
    "event.k", "event.", "event..k", "event.length", "event.constructor", "event.toString", "event.__proto__",
    "event.l.00", "event.l.1", "event.in", "event.and", "event.a.b", "'a.b' of event", "'' of event",
    "'é' of event",
    "k of l of event", "'0' of event.l", "length of event.l", "of", "in", "x", "'x'",
    "nope(event.a)", "'lower'(event.b)",
    "010", "08", "00", "09.5", "1.50", "max()", "abs()", "exists()", "empty()", "lower()", "includes()",
    "toString()",
    "max(event.l)", "min(event.a, event.b, event.c)", "abs(event.o, 1)", "includes(event.l)", "event.b.length",
    "event.a % 3", "(event.c ? 1 : event.b)", r'"\"\\"', '"é"', '"0x1F"', '" 12 "', '"1_0"', '"Infinity"',
]  # fmt: skip
INEXACT = frozenset({"^", "log", "log2", "log10"})
"""The last digit of their results may be another in V8: what is computed from it would differ at all places."""


def questions_about(
    texts: st.SearchStrategy[str], payloads: st.SearchStrategy[Any]
) -> st.SearchStrategy[Question]:
    return st.fixed_dictionaries({"expr": texts, "payload": payloads})


@pytest.fixture(scope="module")
def events(payloads) -> st.SearchStrategy[Any]:
    """Payloads, some of them with keys that mean something to JavaScript."""
    plain = payloads.map(finite)
    odd = st.dictionaries(st.sampled_from(["a", "b", "l", "o", *ODD_KEYS]), plain, max_size=4)
    return plain | odd | st.fixed_dictionaries({"l": st.lists(odd, max_size=2), "o": odd})


def test_expressions_have_the_values_and_errors_that_filtrex_gives(agree, expressions, events):
    agree(questions_about(expressions(ODD_LEAVES, INEXACT), events), 0.6)


EDITS = [
    "", " ", "\t", "\n", "\u00a0", "\ufeff", "\x85", "\x1c", "\u200b", "\u2028", "(", ")", ",", "-", "+", ".", "'",
    '"',
    "\\", "=", "!", "<", "~=", "?", ":", "%", "0", "7", "a", "$", "é", "\U0001f600", " and ", " or ", " not ",
    " in ", " not in ", " of ", " if ", " then ", " else ", " mod ", "and", "not(", "in(", "mod-", "then(",
    "else-",
]  # fmt: skip


@st.composite
def edited(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> str:
    """A text in which some places are written otherwise."""
    text = draw(texts)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        if draw(st.booleans()) and " " in text:
            start = draw(st.sampled_from([place for place, each in enumerate(text) if each == " "]))
        text = text[:start] + draw(st.sampled_from(EDITS)) + text[start + draw(st.integers(0, 1)) :]
    return text


def test_texts_compile_where_filtrex_compiles_them_and_mean_the_same(agree, expressions, events):
    texts = edited(expressions(ODD_LEAVES, INEXACT, max_leaves=6))
    agree(questions_about(texts, events), 0.2)


WORDS = [
    "and",
    "or",
    "not",
    "in",
    "of",
    "if",
    "then",
    "else",
    "mod",
    "event.a",
    "event.c",
    "k",
    "1",
    '"a"',
    *"+-*/()?:,",
]


def test_any_run_of_words_compiles_where_filtrex_compiles_it_and_means_the_same(agree, events):
    agree(questions_about(st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join), events), 0.1)


NUMBERS = st.sampled_from([0, -0.0, 1, -1, 2, 3, 10, 17, -8, 0.2, 0.5, 1 / 3, 1e-7, 1e21, 1e300, 2**53, 5e-324])
NUMERIC = [f"{name}(event.a)" for name in ("log", "log2", "log10", "sqrt", "round", "ceil", "floor", "abs")]


def test_powers_and_logarithms_are_those_of_filtrex_but_for_the_last_digit(agree):
    texts = st.sampled_from(["event.a ^ event.b", "-event.a ^ event.b", "event.a ^ -event.b", *NUMERIC])
    numbers = NUMBERS | st.floats(allow_nan=False, allow_infinity=False)
    agree(questions_about(texts, st.fixed_dictionaries({"a": numbers, "b": numbers})), 0.05, 2e-14)


# What RE2 and JavaScript read alike, on texts without line ends and without what lies beyond the BMP.
ATOMS = [
    "a",
    "b",
    "é",
    ".",
    "[ab]",
    "[^a]",
    "[a-c]",
    r"\d",
    r"\D",
    r"\w",
    r"\W",
    r"\b",
    "^",
    "$",
    r"\.",
    "-",
    " ",
    "",
]
REPEATS = ["", "", "", "*", "+", "?", "*?", "{2}", "{1,2}", "{0,}"]
PATTERNS = st.recursive(
    st.tuples(
        st.sampled_from([each for each in ATOMS if each not in {"^", "$", r"\b", ""}]), st.sampled_from(REPEATS)
    ).map("".join)
    | st.sampled_from(ATOMS),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map("".join)
        | st.tuples(inner, inner).map("(?:{0[0]}|{0[1]})".format)
        | st.tuples(inner, st.sampled_from(REPEATS)).map("({0[0]}){0[1]}".format)
    ),
    max_leaves=6,
)


def test_patterns_that_both_know_match_the_same(agree):
    texts = st.text("abcé1_-. A", max_size=6)
    literal = PATTERNS.map(lambda pattern: 'event.s ~= "' + pattern.replace("\\", "\\\\") + '"')
    agree(
        st.tuples(PATTERNS, texts).map(
            lambda both: {"expr": "event.s ~= event.p", "payload": {"s": both[1], "p": both[0]}}
        )
        | questions_about(literal, st.fixed_dictionaries({"s": texts})),
        0.05,
    )
