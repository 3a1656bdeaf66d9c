"""The shortest time between two slots of a schedule."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from runner.schedule import parse_schedule
from runner.schedule.period import shortest_gap


@pytest.mark.parametrize(
    ("text", "gap"),
    [
        ("* * * * *", timedelta(minutes=1)),
        ("*/15 * * * *", timedelta(minutes=15)),
        ("*/25 * * * *", timedelta(minutes=10)),
        ("0 9,17 * * *", timedelta(hours=8)),
        ("0 1,23 * * *", timedelta(hours=2)),
        ("0 1,23 * * 1", timedelta(hours=22)),
        ("@hourly", timedelta(hours=1)),
        ("@daily", timedelta(days=1)),
        ("@weekly", timedelta(days=7)),
        ("0 9 * * 1-5", timedelta(days=1)),
        ("0 9 * * 1,4", timedelta(days=3)),
        ("@monthly", timedelta(days=28)),
        ("0 0 31 * *", timedelta(days=31)),
        ("0 0 13 * 5", timedelta(days=1)),
        ("@yearly", timedelta(days=365)),
        ("0 0 29 2 *", timedelta(days=4 * 365 + 1)),
        ("@every 90s", timedelta(seconds=90)),
        ("0 0 30 2 *", None),
    ],
)
def test_the_shortest_gap_is_that_of_the_wall_clock(text, gap):
    assert shortest_gap(parse_schedule(text)) == gap


@pytest.mark.parametrize("text", ["7 3 */9 * 2", "H/20 4-6 1,15 * *", "5,50 0,23 * 2 *", "0 12 1 * 1"])
def test_no_two_slots_of_many_years_are_closer(text):
    schedule = parse_schedule(text, key="a-job")
    slots = list(schedule.between(datetime(2000, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)))
    assert shortest_gap(schedule) == min(later - earlier for earlier, later in pairwise(slots))
