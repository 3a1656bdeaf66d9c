"""Schedules are read as cron reads them, and everything else is refused with a place and an advice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import ExpressionError
from runner.schedule import ScheduleError, parse_schedule
from runner.schedule.expression import WORDS, parse_expression


def numbers(text, key=""):
    return [field.numbers(key) for field in parse_expression(text).fields]


def refusal_of(text):
    with pytest.raises(ScheduleError) as refusal:
        parse_schedule(text)
    return refusal.value


def test_five_columns_stand_between_any_blanks():
    assert numbers("  0\t9  1 2 3 ") == [(0,), (9,), (1,), (2,), (3,)]


def test_a_column_keeps_its_place_in_the_text():
    fields = parse_expression(" 0 9  * JAN-MAR 1-5").fields
    assert [(field.start, field.end, field.text) for field in fields] == [
        (1, 2, "0"),
        (3, 4, "9"),
        (6, 7, "*"),
        (8, 15, "JAN-MAR"),
        (16, 19, "1-5"),
    ]


@pytest.mark.parametrize(("word", "expression"), WORDS.items())
def test_a_word_is_short_for_an_expression(word, expression):
    assert numbers(word) == numbers(expression)
    assert numbers(word.upper()) == numbers(expression)
    fields = parse_expression(word).fields
    assert {(field.start, field.end) for field in fields} == {(0, len(word))}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("@every 90s", 90), ("@every 1s", 1), ("@every  1h30m ", 5_400), ("@EVERY 1d", 86_400)],
)
def test_every_takes_a_duration(text, seconds):
    assert parse_expression(text).every == seconds


@pytest.mark.parametrize(
    ("text", "rule", "wrong", "advice"),
    [
        ("", "schedule-syntax", "", "write five fields"),
        ("   ", "schedule-syntax", "   ", "write five fields"),
        ("0 9 * *", "schedule-fields", "0 9 * *", "write minute, hour, day of month, month and day of week"),
        ("9", "schedule-fields", "9", "write minute"),
        ("0 0 9 * * *", "schedule-fields", "*", "@every 90s counts seconds"),
        ("0 0 9 * * * 2030", "schedule-fields", "* 2030", "@every 90s counts seconds"),
        ("0 9 * * 1 a b c", "schedule-fields", "0 9 * * 1 a b c", "write minute"),
        (
            "CRON_TZ=Asia/Tokyo 0 9 * * *",
            "schedule-unsupported",
            "CRON_TZ=Asia/Tokyo",
            "timezone: Asia/Tokyo",
        ),
        ("TZ=UTC 0 9 * * *", "schedule-unsupported", "TZ=UTC", "timezone: UTC"),
        ("@reboot", "schedule-unsupported", "@reboot", "mode: manual"),
        ("@dayly", "schedule-syntax", "@dayly", "did you mean @daily?"),
        ("@evry 5s", "schedule-syntax", "@evry", "did you mean @every?"),
        ("@sometimes", "schedule-syntax", "@sometimes", "the words are @hourly"),
        ("@daily 5", "schedule-syntax", "5", "remove what follows @daily"),
        ("@every", "schedule-syntax", "@every", "@every 90s"),
        ("@every 5s 6s", "schedule-syntax", "6s", "@every 90s"),
        ("@every 0s", "schedule-range", "0s", "the shortest interval is 1s"),
        ("@every 1.5h", "duration-syntax", ".", "use a smaller unit"),
        ("@every 5min", "duration-unit", "min", "write 'm'"),
        ("@every 99999d", "duration-too-long", "99999d", "at most 3653d"),
        ("0 9 * * 1\n", "schedule-syntax", "\n", "in one line"),
        ("0 9 * * \N{NO-BREAK SPACE}1", "schedule-syntax", "\N{NO-BREAK SPACE}", "plain ASCII"),
        ("0 \N{FULLWIDTH DIGIT NINE} * * 1", "schedule-syntax", "\N{FULLWIDTH DIGIT NINE}", "plain ASCII"),
        ("0 9 * * \x00", "schedule-syntax", "\x00", "plain ASCII"),
    ],
)
def test_what_is_no_schedule_is_refused_at_its_place_with_an_advice(text, rule, wrong, advice):
    error = refusal_of(text)
    (mistake,) = error.mistakes
    assert mistake.rule == rule
    assert text[mistake.start : mistake.end] == wrong
    assert advice in mistake.help
    assert error.message == mistake.message
    assert isinstance(error, ExpressionError)
    assert error.text == text


def test_each_wrong_column_is_reported_in_one_go():
    text = "60 24 0 13 8"
    assert [text[mistake.start : mistake.end] for mistake in refusal_of(text).mistakes] == text.split()


def test_an_expression_may_have_256_characters_and_no_more():
    longest = ("0 0 * * " + "1," * 123 + "1").ljust(256)
    assert numbers(longest)[4] == (1,)
    (mistake,) = refusal_of(longest + " ").mistakes
    assert (mistake.rule, mistake.start, mistake.end) == ("schedule-length", 256, 257)


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("30 2 * * *", True),
        ("0,30 1-3 * * *", True),
        ("0-59/15 2 * * *", True),
        ("H H * * *", True),
        ("H/15 2 * * *", True),
        ("@daily", True),
        ("*/15 2 * * *", False),
        ("30 * * * *", False),
        ("30 */2 * * *", False),
        ("*,5 2 * * *", False),
        ("@hourly", False),
    ],
)
def test_fixed_times_are_those_whose_minute_and_hour_start_without_a_star(text, fixed):
    assert parse_expression(text).fixed_time is fixed


@pytest.mark.parametrize(
    ("text", "either"),
    [
        ("0 0 1 * 1", True),
        ("0 0 1-31 * 1", True),
        ("0 0 5,* * 1", True),
        ("0 0 * * 1", False),
        ("0 0 */2 * 1", False),
        ("0 0 1 * */2", False),
        ("0 0 *,5 * 1", False),
    ],
)
def test_the_star_bit_decides_whether_one_day_field_is_enough(text, either):
    assert parse_expression(text).either_day is either


@given(
    st.one_of(
        st.text(max_size=40),
        st.text(alphabet="0123456789*/-,HLWR#?~@() JANMOevry", max_size=40),
        st.lists(st.text(alphabet="0123456789*/-,HLWR#?()", min_size=1, max_size=6), min_size=5, max_size=5).map(
            " ".join
        ),
    )
)
def test_any_text_is_a_schedule_or_has_mistakes_inside_it(text):
    mistakes = ()
    try:
        parse_schedule(text)
    except ScheduleError as error:
        mistakes = error.mistakes
    for mistake in mistakes:
        assert 0 <= mistake.start <= mistake.end <= len(text)
        assert mistake.message
        assert mistake.help
