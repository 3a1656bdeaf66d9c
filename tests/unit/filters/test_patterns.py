"""RE2 behind `~=`."""

import pytest

from runner.filters import VerdictKind, compile_filter
from runner.filters.patterns import LARGEST_SIZE, PatternError, compile_pattern, matches


def test_a_pattern_is_found_anywhere_and_case_matters():
    pattern = compile_pattern("b.d")
    assert matches(pattern, "a bed here")
    assert not matches(pattern, "a BED here")


def test_characters_are_code_points():
    assert matches(compile_pattern("^.$"), "😀")


def test_an_end_is_the_very_end():
    assert not matches(compile_pattern("a$"), "a\n")


@pytest.mark.parametrize("pattern", ["(", "(?=a)", "(a)\\1", "a{1001}", "\\Z"])
def test_what_re2_lacks_is_an_error(pattern):
    with pytest.raises(PatternError):
        compile_pattern(pattern)


def test_a_pattern_that_is_large_once_compiled_is_an_error():
    assert compile_pattern("(?:a?){1000}").size < LARGEST_SIZE
    for pattern in (r"(?:\pL\pN){300}", "(?:a?){1000}" * 40):
        with pytest.raises(PatternError, match="pattern too large"):
            compile_pattern(pattern)


def test_half_a_surrogate_pair_is_matched_as_a_replacement_character():
    assert matches(compile_pattern("^.$"), "\ud800")
    assert matches(compile_pattern("\ud800"), "\ufffd")


def test_a_pattern_from_the_payload_is_checked_when_it_comes():
    compiled = compile_filter("event.text ~= event.pattern")
    assert compiled.check({"text": "abc", "pattern": "^a"}).passed
    verdict = compiled.check({"text": "abc", "pattern": "("})
    assert verdict.error is not None
    assert (verdict.error.type, verdict.error.span) == ("SyntaxError", (14, 27))
    # As in filtrex, the pattern is looked at before the text.
    assert compiled.check({"text": 5, "pattern": "("}).error is not None
    assert compiled.check({"text": 5, "pattern": "a"}).kind is VerdictKind.ERROR


def test_a_long_pattern_from_the_payload_is_an_error():
    verdict = compile_filter("event.text ~= event.pattern").check({"text": "a", "pattern": "a?" * 501})
    assert verdict.error is not None
    assert "more than 1,000 characters" in verdict.error.message
    assert compile_filter(f'event ~= "{"a?" * 501}"').check("a").passed


def test_groups_do_not_make_matching_slow():
    compiled = compile_filter(f'event ~= "{"(a*)*" * 200}c"')
    assert not compiled.check("a" * 100_000 + "b").passed


def test_a_pattern_that_backtracks_elsewhere_takes_linear_time_here():
    compiled = compile_filter('event ~= "^(a+)+$"')
    assert not compiled.check("a" * 200_000 + "b").passed
