"""One column: its numbers, and what is wrong with it down to the character."""

from datetime import datetime

import pytest

from runner.schedule import ScheduleError, parse_schedule
from runner.schedule.expression import parse_expression

MINUTE, HOUR, DAY, MONTH, WEEKDAY = range(5)


def in_column(column, field):
    return " ".join(field if number == column else "*" for number in range(5))


def numbers(column, field, key=""):
    return parse_expression(in_column(column, field)).fields[column].numbers(key)


@pytest.mark.parametrize(
    ("column", "field", "expected"),
    [
        (MINUTE, "*", tuple(range(60))),
        (MINUTE, "*/15", (0, 15, 30, 45)),
        (MINUTE, "*/45", (0, 45)),
        (MINUTE, "*/90", (0,)),
        (MINUTE, "05", (5,)),
        (MINUTE, "5-5", (5,)),
        (MINUTE, "10-20/5", (10, 15, 20)),
        (MINUTE, "10-20/100", (10,)),
        (MINUTE, "30,1-3,2,59", (1, 2, 3, 30, 59)),
        (MINUTE, "5,*/20", (0, 5, 20, 40)),
        (HOUR, "0-23/6", (0, 6, 12, 18)),
        (DAY, "*/10", (1, 11, 21, 31)),
        (MONTH, "jan,MAR-May", (1, 3, 4, 5)),
        (MONTH, "JAN-DEC/6", (1, 7)),
        (WEEKDAY, "*", tuple(range(7))),
        (WEEKDAY, "7", (0,)),
        (WEEKDAY, "0,7", (0,)),
        (WEEKDAY, "5-7", (0, 5, 6)),
        (WEEKDAY, "0-7", tuple(range(7))),
        (WEEKDAY, "mon-FRI", (1, 2, 3, 4, 5)),
        (WEEKDAY, "SUN-SAT", tuple(range(7))),
        (WEEKDAY, "1-7/2", (0, 1, 3, 5)),
        (WEEKDAY, "*/2", (0, 2, 4, 6)),
    ],
)
def test_a_column_stands_for_numbers(column, field, expected):
    assert numbers(column, field) == expected


@pytest.mark.parametrize(
    ("column", "field", "rule", "wrong", "fix"),
    [
        (MINUTE, "60", "schedule-range", "60", None),
        (MINUTE, "1-99", "schedule-range", "99", None),
        (HOUR, "24", "schedule-range", "24", None),
        (DAY, "0", "schedule-range", "0", None),
        (DAY, "32", "schedule-range", "32", None),
        (MONTH, "0", "schedule-range", "0", None),
        (MONTH, "13", "schedule-range", "13", None),
        (WEEKDAY, "8", "schedule-range", "8", None),
        (MINUTE, "5-1", "schedule-wrapped-range", "5-1", "5-59,0-1"),
        (HOUR, "22-2", "schedule-wrapped-range", "22-2", "22-23,0-2"),
        (HOUR, "23-0", "schedule-wrapped-range", "23-0", "23,0"),
        (HOUR, "22-2/2", "schedule-wrapped-range", "22-2", None),
        (MONTH, "NOV-FEB", "schedule-wrapped-range", "NOV-FEB", "11-12,1-2"),
        (WEEKDAY, "FRI-MON", "schedule-wrapped-range", "FRI-MON", "5-6,0-1"),
        (WEEKDAY, "FRI-SUN", "schedule-wrapped-range", "FRI-SUN", "5-7"),
        (WEEKDAY, "7-1", "schedule-wrapped-range", "7-1", "0-1"),
        (MINUTE, "*/0", "schedule-step", "0", None),
        (MINUTE, "1-5/0", "schedule-step", "0", None),
        (MINUTE, "5/15", "schedule-step", "5/15", "5-59/15"),
        (WEEKDAY, "MON/2", "schedule-step", "MON/2", "1-6/2"),
        (MONTH, "MON", "schedule-syntax", "MON", None),
        (WEEKDAY, "monday", "schedule-syntax", "monday", "MON"),
        (WEEKDAY, "1-friday", "schedule-syntax", "friday", "FRI"),
        (MONTH, "sept", "schedule-syntax", "sept", "SEP"),
        (HOUR, "noon", "schedule-syntax", "noon", None),
        (MINUTE, ",5", "schedule-syntax", ",", None),
        (MINUTE, "5,", "schedule-syntax", ",", None),
        (MINUTE, "1,,5", "schedule-syntax", ",", None),
        (MINUTE, "1.5", "schedule-syntax", ".", None),
        (MINUTE, "-1", "schedule-syntax", "-", None),
        (MINUTE, "1-", "schedule-syntax", "-", None),
        (MINUTE, "*5", "schedule-syntax", "5", None),
        (MINUTE, "**", "schedule-syntax", "*", None),
        (MINUTE, "*-5", "schedule-syntax", "-", None),
        (MINUTE, "*/", "schedule-syntax", "/", None),
        (MINUTE, "*/5/5", "schedule-syntax", "/", None),
        (MINUTE, "*/-5", "schedule-syntax", "/", None),
        (MINUTE, "1-5-7", "schedule-syntax", "-", None),
        (MINUTE, "H(50-10)", "schedule-wrapped-range", "50-10", None),
        (MINUTE, "H(0-60)", "schedule-range", "60", None),
        (MINUTE, "H/0", "schedule-step", "0", None),
        (MINUTE, "H(5)", "schedule-syntax", "(", None),
        (MINUTE, "H-30", "schedule-syntax", "-", None),
    ],
)
def test_a_wrong_column_is_refused_at_its_very_place(column, field, rule, wrong, fix):
    text = in_column(column, field)
    with pytest.raises(ScheduleError) as refusal:
        parse_schedule(text)
    (mistake,) = refusal.value.mistakes
    assert mistake.rule == rule
    assert text[mistake.start : mistake.end] == wrong
    assert 2 * column <= mistake.start < mistake.end <= 2 * column + len(field)
    assert mistake.fix == fix
    assert mistake.help


@pytest.mark.parametrize(
    ("column", "field"),
    [
        (MINUTE, "5-1"),
        (HOUR, "22-2"),
        (WEEKDAY, "FRI-MON"),
        (WEEKDAY, "FRI-SUN"),
        (WEEKDAY, "7-1"),
        (MINUTE, "5/15"),
    ],
)
def test_the_fix_of_a_column_is_a_valid_text_in_its_place(column, field):
    text = in_column(column, field)
    with pytest.raises(ScheduleError) as refusal:
        parse_schedule(text)
    (mistake,) = refusal.value.mistakes
    parse_schedule(text[: mistake.start] + mistake.fix + text[mistake.end :])


def test_h_picks_the_same_number_for_a_job_on_every_machine_and_in_every_version():
    fields = parse_expression("H H H H H").fields
    assert [field.numbers("daily-revenue-summary") for field in fields] == [(37,), (0,), (4,), (5,), (1,)]


def test_h_spreads_jobs_over_the_whole_column():
    assert {numbers(MINUTE, "H", f"job-{number}") for number in range(1000)} == {(n,) for n in range(60)}
    assert {numbers(WEEKDAY, "H", f"job-{number}") for number in range(200)} == {(n,) for n in range(7)}


def test_h_takes_days_that_every_month_has():
    assert {numbers(DAY, "H", f"job-{number}") for number in range(500)} == {(n,) for n in range(1, 29)}


def test_h_with_a_step_shifts_the_rhythm():
    found = {numbers(MINUTE, "H/15", f"job-{number}") for number in range(500)}
    assert found == {tuple(range(first, 60, 15)) for first in range(15)}


def test_h_with_a_range_stays_inside_it():
    assert {numbers(MINUTE, "H(0-29)", f"job-{number}") for number in range(500)} == {(n,) for n in range(30)}
    stepped = {numbers(MINUTE, "H(10-20)/30", f"job-{number}") for number in range(500)}
    assert stepped == {(n,) for n in range(10, 21)}


def test_h_in_two_columns_is_picked_apart():
    pairs = {(numbers(MINUTE, "H(0-23)", f"job-{n}"), numbers(HOUR, "H", f"job-{n}")) for n in range(300)}
    assert len(pairs) > 150


def test_a_column_says_whether_a_wall_time_fits():
    wall = datetime(2026, 3, 1, 9, 30)  # noqa: DTZ001 - a wall time; a Sunday
    fields = parse_schedule("30 9 1 MAR 7").fields
    assert [field.fits(wall) for field in fields] == [True] * 5
    assert [field.field.kind.value_at(wall) for field in fields] == [30, 9, 1, 3, 0]
    assert not parse_schedule("30 9 1 MAR MON").fields[WEEKDAY].fits(wall)
