"""A schedule is told in a sentence that says what it does, and not what one might take it for."""

from datetime import date, timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.schedule import parse_schedule
from runner.schedule.words import in_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("* * * * *", "every minute, UTC"),
        ("*/15 * * * *", "every 15 minutes, UTC"),
        ("*,5 * * * *", "every minute, UTC"),
        ("7-59/15 * * * *", "every 15 minutes from minute 7 of every hour, UTC"),
        ("@hourly", "every hour, UTC"),
        ("0,30 * * * *", "every 30 minutes, UTC"),
        ("7 * * * *", "at minute 7 of every hour, UTC"),
        ("1-5,9,20,40-41 * * * *", "at minutes 1 to 5, 9, 20, 40 and 41 of every hour, UTC"),
        ("0 9 * * *", "at 09:00 every day, UTC"),
        ("0,30 8 * * *", "at 08:00 and 08:30 every day, UTC"),
        ("5,10 3,4 * * *", "at 03:05, 03:10, 04:05 and 04:10 every day, UTC"),
        ("0 */6 * * *", "at 00:00, 06:00, 12:00 and 18:00 every day, UTC"),
        ("0 */2 * * *", "every 2 hours from 00:00 to 22:00 every day, UTC"),
        ("30 9-17 * * *", "every hour from 09:30 to 17:30 every day, UTC"),
        ("*/5 9-17 * * *", "every 5 minutes from 09:00 to 17:55 every day, UTC"),
        ("* 5 * * *", "every minute from 05:00 to 05:59 every day, UTC"),
        ("* 9-12,14 * * *", "every minute of the hours 9 to 12 and 14 every day, UTC"),
        ("1-8 5 * * *", "at minutes 1 to 8 of hour 5 every day, UTC"),
        ("0,25,50 9-17 * * *", "at minutes 0, 25 and 50 of each hour from 9 to 17 every day, UTC"),
        ("0 9 * * 1-5", "at 09:00 on Monday to Friday, UTC"),
        ("0 9 * * 5-7", "at 09:00 on Friday to Sunday, UTC"),
        ("@weekly", "at 00:00 on Sunday, UTC"),
        ("0 0 * * sat,sun", "at 00:00 on Saturday and Sunday, UTC"),
        ("@monthly", "at 00:00 on day 1 of the month, UTC"),
        ("@yearly", "at 00:00 on day 1 of January, UTC"),
        ("30 8 1 JAN,JUL *", "at 08:30 on day 1 of January and July, UTC"),
        ("0 9 * 1,7 1", "at 09:00 on Monday in January and July, UTC"),
        ("*/15 * * 12 *", "every 15 minutes in December, UTC"),
        ("0 0 * 6-8 *", "at 00:00 every day in June to August, UTC"),
        ("0 0 29 2 *", "at 00:00 on day 29 of February, UTC"),
        ("0 0 30 2 *", "never: at 00:00 on day 30 of February, UTC"),
    ],
)
def test_times_and_days_are_told_as_people_say_them(text, words):
    assert in_words(parse_schedule(text)) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("*/25 * * * *", "at minutes 0, 25 and 50 of every hour, UTC"),
        ("0 */25 * * *", "at 00:00 every day, UTC"),
        ("0 */9 * * *", "at 00:00, 09:00 and 18:00 every day, UTC"),
        ("0 0 */2 * *", "at 00:00 on every second day from day 1 to 31 of the month, UTC"),
        ("0 0 * */5 *", "at 00:00 every day in January, June and November, UTC"),
        ("0 0 * * */2", "at 00:00 on Tuesday, Thursday, Saturday and Sunday, UTC"),
    ],
)
def test_a_step_that_starts_again_is_no_rhythm(text, words):
    assert in_words(parse_schedule(text)) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 0 13 * 5", "at 00:00 on day 13 of the month and also on Friday, UTC"),
        ("0 0 1-7 * 1", "at 00:00 on days 1 to 7 of the month and also on Monday, UTC"),
        ("0 0 1 1-3 1", "at 00:00 on day 1 of January to March and also on Monday in January to March, UTC"),
        ("0 0 */10 * 1", "at 00:00 on Monday, if the day of the month is 1, 11, 21 or 31, UTC"),
        ("0 0 1,11 2 */6", "at 00:00 on Saturday and Sunday in February, if the day of the month is 1 or 11, UTC"),
        ("0 0 1-31 * 1", "at 00:00 every day, UTC"),
        ("0 0 13 * 0-6", "at 00:00 every day, UTC"),
        ("0 0 *,13 * 5", "at 00:00 on Friday, UTC"),
    ],
)
def test_day_fields_are_joined_as_cron_joins_them(text, words):
    assert in_words(parse_schedule(text)) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("@every 90s", "every 1 minute 30 seconds, counted from 1970-01-01 00:00 UTC"),
        ("@every 1d", "every day, counted from 1970-01-01 00:00 UTC"),
        ("@every 2h", "every 2 hours, counted from 1970-01-01 00:00 UTC"),
    ],
)
def test_an_interval_has_no_zone(text, words):
    assert in_words(parse_schedule(text, "Europe/Berlin")) == words


def test_the_zone_and_the_times_that_a_hash_picked_are_told():
    schedule = parse_schedule("H H(0-5) * * *", "Europe/Berlin", "daily-report")
    minute, hour = (column.numbers[0] for column in schedule.fields[:2])
    assert in_words(schedule) == f"at {hour:02}:{minute:02} every day, Europe/Berlin"


def columns(low, high):
    """Texts of a column: all that the notation knows."""
    number = st.integers(low, high)
    step = st.sampled_from(["", "/2", "/5", "/7", "/15", "/20", "/30", "/40"])
    span = st.tuples(number, number).map(lambda two: f"{min(two)}-{max(two)}")
    stepped = st.builds(str.__add__, st.one_of(st.sampled_from(["*", "H"]), span), step)
    term = st.one_of(number.map(str), stepped)
    return st.one_of(st.just("*"), term, st.lists(term, min_size=1, max_size=4).map(",".join))


COLUMNS = (columns(0, 59), columns(0, 23), columns(1, 31), columns(1, 12), columns(0, 7))
DAYS = [date(2000, 1, 1) + timedelta(days=number) for number in range(28 * 365 + 7)]


@cache
def days_of(days, months, weekdays, either):
    """The dates in 28 years on which a rule fits, by the letter of cron's manual."""
    join = any if either else all
    return tuple(
        number
        for number, day in enumerate(DAYS)
        if day.month in months and join((day.day in days, day.isoweekday() % 7 in weekdays))
    )


def meaning(schedule):
    columns = schedule.fields
    either = not (columns[2].field.starred or columns[4].field.starred)
    dates = days_of(*(column.numbers for column in columns[2:]), either)
    return (schedule.rule.minutes, schedule.rule.hours, dates)


TOLD = {}


@settings(max_examples=1500, deadline=None)
@given(st.tuples(*COLUMNS).map(" ".join))
def test_every_schedule_has_a_sentence_and_what_it_says_is_the_only_thing_it_can_mean(text):
    schedule = parse_schedule(text, "Europe/Berlin", "a-job")
    words = in_words(schedule)
    means = meaning(schedule)
    assert TOLD.setdefault(words, means) == means
    assert "  " not in words
    assert words.endswith(", Europe/Berlin")


@pytest.mark.parametrize("day", ["*", "*/2", "*/31", "1", "1-31", "13", "1,15", "1-31/2", "2-30/2", "*,1", "5-7"])
def test_sentences_about_days_are_told_apart(day):
    told = {}
    for month in ("*", "*/2", "1-12", "2", "1,2", "1-3"):
        for weekday in ("*", "*/2", "0-6", "1-7", "1", "1-5", "0,7", "*/7", "0,2,4,6"):
            schedule = parse_schedule(f"0 0 {day} {month} {weekday}")
            means = meaning(schedule)
            assert told.setdefault(in_words(schedule), means) == means
