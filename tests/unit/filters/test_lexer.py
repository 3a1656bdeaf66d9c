"""Which characters make which tokens, in our reading and in filtrex's."""

import pytest

from runner.filters.parser import parse
from runner.filters.tree import And, Membership, Name, Not, Or


def kind_of(text: str, *, filtrex: bool = False) -> type | None:
    parsed = parse(text, filtrex=filtrex)
    return type(parsed.tree) if parsed.tree is not None and not parsed.mistakes else None


JAVASCRIPT_SPACES = "\t\n\v\f\r \u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"


@pytest.mark.parametrize("space", JAVASCRIPT_SPACES)
def test_white_space_is_that_of_javascript(space):
    assert kind_of(f"a{space}and{space}b") is And
    assert kind_of(f"a{space}not{space}in{space}b") is Membership


@pytest.mark.parametrize("character", "\x1c\x1d\x1e\x1f\x85\u200b\u180e")
def test_other_spaces_are_unexpected_characters(character):
    assert kind_of(f"a {character}and b") is None


@pytest.mark.parametrize(
    "word", ["order", "inx", "not_x", "notx", "android", "AND", "Not", "event.in", "$if", "ofx"]
)
def test_words_that_only_resemble_keywords_are_names(word):
    assert kind_of(word) is Name
    assert kind_of(word, filtrex=True) is Name


def test_a_keyword_ends_where_no_word_character_follows():
    assert kind_of("not(a)") is Not
    assert kind_of("a or$x") is Or
    assert kind_of('a and"x"') is And
    assert kind_of("a and.b") is None
    assert kind_of("a andé") is None


def test_a_keyword_at_the_end_is_a_keyword():
    for text in ("and", "in", "not", "event.x == of", "not in"):
        assert kind_of(text) is None, text


def test_filtrex_keywords_swallow_a_character_and_are_names_at_the_end():
    assert kind_of("not(a)", filtrex=True) is None
    assert kind_of("(not(a)", filtrex=True) is Not
    assert kind_of("a andé b", filtrex=True) is And
    assert kind_of("a and😀b", filtrex=True) is None
    assert kind_of("and", filtrex=True) is Name
    assert kind_of("not in", filtrex=True) is Not


@pytest.mark.parametrize("text", ["1.", ".5", "1.2.3", "1e5", "0x10", "1_000", "event . s", "event .s", "1.5.a"])
def test_numbers_and_names_have_no_other_spelling(text):
    assert kind_of(text) is None


@pytest.mark.parametrize("text", ["010", "00", "0777", "08", "09.5", "010.5"])
def test_a_leading_zero_is_a_mistake(text):
    (mistake,) = parse(text).mistakes
    assert (mistake.rule, mistake.start, mistake.end) == ("filter-syntax", 0, len(text))
    assert mistake.fix is not None
    assert parse(mistake.fix).mistakes == ()


def test_lone_surrogates_are_characters_like_others_inside_quotes():
    assert kind_of("'\ud800' of event") is not None
    assert kind_of("\ud800") is None
