"""Durations read what people write, write what they read, and point at what is wrong."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import ExpressionError
from runner.schedule import MAX_DURATION, DurationError, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("30s", 30),
        ("5m", 300),
        ("2h", 7_200),
        ("1d", 86_400),
        ("1h30m", 5_400),
        ("1d2h3m4s", 93_784),
        ("90s", 90),
        ("26h", 93_600),
        ("007s", 7),
        ("1d0h", 86_400),
        ("3653d", 3653 * 86_400),
    ],
)
def test_a_duration_is_whole_numbers_with_units_the_largest_first(text, seconds):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "rule", "wrong", "message"),
    [
        ("", "duration-syntax", "", "a duration is empty"),
        ("90", "duration-unit", "90", "90 has no unit"),
        ("1h30", "duration-unit", "30", "30 has no unit"),
        ("h", "duration-syntax", "h", "'h' is not part of a duration"),
        ("1.5h", "duration-syntax", ".", "a duration has whole numbers only"),
        ("1,5h", "duration-syntax", ",", "a duration has whole numbers only"),
        ("-5m", "duration-syntax", "-", "a duration can't be negative"),
        ("+5m", "duration-syntax", "+", "'+' is not part of a duration"),
        ("1h 30m", "duration-syntax", " ", "a duration has no spaces"),
        (" 1h", "duration-syntax", " ", "a duration has no spaces"),
        ("1h\n", "duration-syntax", "\n", "a duration has no spaces"),
        ("5w", "duration-unit", "w", "'w' is not a unit of time"),
        ("5ms", "duration-unit", "ms", "'ms' is not a unit of time"),
        ("5µs", "duration-unit", "µs", "'µs' is not a unit of time"),
        ("30m1h", "duration-order", "1h", "'h' comes after a smaller unit"),
        ("1h2h", "duration-order", "2h", "the unit 'h' occurs twice"),
        ("٣s", "duration-syntax", "٣", "'٣' is not part of a duration"),
        ("3654d", "duration-too-long", "3654d", "3654d is longer than 3653d (ten years)"),
    ],
)
def test_what_is_no_duration_has_one_mistake_at_the_place_of_the_trouble(text, rule, wrong, message):
    with pytest.raises(DurationError) as refusal:
        parse_duration(text)
    (mistake,) = refusal.value.mistakes
    assert mistake.rule == rule
    assert text[mistake.start : mistake.end] == wrong
    assert mistake.message == message
    assert mistake.help
    assert isinstance(refusal.value, ExpressionError)
    assert refusal.value.text == text


@pytest.mark.parametrize(
    ("text", "fix"),
    [("5M", "m"), ("5min", "m"), ("2hours", "h"), ("1day", "d"), ("30sec", "s"), ("5w", None)],
)
def test_a_unit_that_is_spelt_out_gets_the_letter_as_a_fix(text, fix):
    with pytest.raises(DurationError) as refusal:
        parse_duration(text)
    assert refusal.value.mistakes[0].fix == fix


def test_a_number_of_thousands_of_digits_is_refused_at_once_and_in_a_short_message():
    with pytest.raises(DurationError) as refusal:
        parse_duration("9" * 100_000 + "s")
    assert refusal.value.mistakes[0].rule == "duration-too-long"
    assert len(refusal.value.message) < 100


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (30, "30s"),
        (60, "1m"),
        (90, "1m30s"),
        (5_400, "1h30m"),
        (93_600, "1d2h"),
        (93_784, "1d2h3m4s"),
    ],
)
def test_a_duration_is_written_in_its_shortest_form(seconds, text):
    assert format_duration(timedelta(seconds=seconds)) == text


@given(st.integers(0, int(MAX_DURATION.total_seconds())))
def test_every_duration_reads_back_as_what_was_written(seconds):
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize("duration", [timedelta(seconds=-1), timedelta(milliseconds=1500)])
def test_a_negative_or_fractional_duration_can_not_be_written(duration):
    with pytest.raises(ValueError, match="whole seconds from zero on"):
        format_duration(duration)


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_has_a_mistake_inside_it(text):
    try:
        assert timedelta(0) <= parse_duration(text) <= MAX_DURATION
    except DurationError as error:
        (mistake,) = error.mistakes
        assert 0 <= mistake.start <= mistake.end <= len(text)
