"""The bound that the costly parts of a filter share."""

import pytest

from runner.filters import compile_filter
from runner.filters.parser import parse
from runner.filters.patterns import compile_pattern
from runner.filters.work import MOST_ITEMS, MOST_STEPS, SMALL_ITEMS, SMALL_STEPS, Shares


def shares_of(text: str) -> Shares:
    tree = parse(text).tree
    assert tree is not None
    return Shares(tree, text)


@pytest.mark.parametrize(
    ("text", "searches", "matches"),
    [
        ("event.a > 1", 1, 1),
        ("event.a in event.b and event.c not in event.d", 2, 1),
        ("includes(event.a, event.b)", 2, 1),
        ("max(event.a, event.b, 1) > 2", 3, 1),
        ('event.a ~= "a" ~= "b" or event.a ~= "c"', 1, 3),
    ],
)
def test_each_costly_part_gets_an_equal_share(text, searches, matches):
    assert shares_of(text).items == MOST_ITEMS // searches
    assert shares_of(text).steps == MOST_STEPS // matches


def test_no_share_is_less_than_what_needs_no_look():
    assert shares_of("1 in 1" + " and 1 in 1" * 900).items > SMALL_ITEMS
    assert shares_of('""~=""' + ' and ""~=""' * 900).steps > SMALL_STEPS


def test_a_text_that_is_too_long_for_its_pattern_is_an_error_and_one_that_just_fits_is_none():
    pattern = "[ab]{990}c"
    longest = MOST_STEPS // compile_pattern(pattern).size
    compiled = compile_filter(f'event ~= "{pattern}"')
    assert compiled.check("d" * longest).error is None
    verdict = compiled.check("d" * (longest + 1))
    assert verdict.error is not None
    assert verdict.error.type == "RangeError"
    assert verdict.error.message == (
        f"the text is too long for `~=` in this filter: at most {longest:,} bytes with a pattern of this size"
    )
    assert compiled.check("é" * (longest // 2)).error is None
    assert compiled.check("é" * (longest // 2 + 1)).error is not None


def test_a_text_that_is_too_long_for_many_functions_is_an_error():
    text = "a" * 150_000
    assert compile_filter('lower(event) == "x"').check(text).error is None
    verdict = compile_filter(" or ".join(['lower(event) == "x"'] * 400)).check(text)
    assert verdict.error is not None
    assert verdict.error.message == "the text is too long for `lower()` in this filter: at most 83,886 characters"


@pytest.mark.parametrize("text", ["event in event", 'includes(event, "x")', "round(event) > 1", '"x" in event'])
def test_a_list_that_is_too_long_for_many_searches_is_an_error(text):
    items = list(range(150_000))
    assert compile_filter(text).check(items).error is None
    verdict = compile_filter(" or ".join([f"({text} and 1 > 2)"] * 400)[:9_990].rpartition(" or ")[0]).check(items)
    assert verdict.error is not None
    assert (verdict.error.type, "too long for" in verdict.error.message) == ("RangeError", True)
