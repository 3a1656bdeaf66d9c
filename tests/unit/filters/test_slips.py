"""Habits from other languages at the level of characters, and how reading goes on after them."""

import pytest

from runner.filters.parser import parse


def slips_of(text: str) -> list[tuple[str, str | None]]:
    return [(text[mistake.start : mistake.end], mistake.fix) for mistake in parse(text).mistakes]


@pytest.mark.parametrize(
    ("text", "slips"),
    [
        ("a = b", [("=", "==")]),
        ("a === b", [("===", "==")]),
        ("a !== b", [("!==", "!=")]),
        ("a => b", [("=>", ">=")]),
        ("a =< b", [("=<", "<=")]),
        ('a =~ "x"', [("=~", "~=")]),
        ("a & b | c", [("&", "and"), ("|", "or")]),
        ("a&&b", [("&&", " and ")]),
        ("(!a)", [("!", "not ")]),
        ("a in [1, 2]", [("[", "("), ("]", ")")]),
        ("a[0] == 1", [("[0]", ".0")]),
        ("a['b'] == 1", [("['b']", ".b")]),
        ('a["b c"] == 1', [('["b c"]', None)]),
        ("a == \u201cx\u201d", [("\u201cx\u201d", '"x"')]),
        ("a == \u2018x\u2019", [("\u2018x\u2019", '"x"')]),
        (r'a ~= "\d"', [(r"\d", r"\\d")]),
        (r'a == "\'"', [(r"\'", "'")]),
        ("a == 1.", [("1.", None)]),
        ("a == .5", [(".5", None)]),
        ("a == 1.2.3", [("1.2.3", None)]),
        ("é == 1", [("é", None)]),
        ("a; b", [(";", None)]),
        ("a == 1 # note", [("#", None)]),
        ("{a}", [("{", None), ("}", None)]),
    ],
)
def test_a_slip_is_found_where_it_is_with_what_was_meant(text, slips):
    assert slips_of(text) == slips


def test_reading_goes_on_after_a_slip_as_if_it_had_been_written_well():
    assert parse("a = b && !c").tree is not None
    assert parse("a[0] == 1 || b in [1, 2]").tree is not None


def test_an_open_quotation_mark_reaches_to_the_end():
    text = 'a == "b and c'
    (mistake,) = parse(text).mistakes
    assert (mistake.start, mistake.end) == (5, len(text))
    assert "never closed" in mistake.message


def test_an_unprintable_character_is_shown_by_its_number():
    (mistake,) = parse("a \x00 == 1").mistakes
    assert mistake.message == "unexpected character `U+0000`"


def test_no_text_makes_the_reading_of_slips_fail():
    for text in ("=", "&", "!", "[", "]", '"', "'", "\\", "“", "1..", '"\\', "a[", 'a["', "é", "\ud800", "="):
        assert parse(text).mistakes != ()
