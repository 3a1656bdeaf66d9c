"""Slots are counted, and the last of them found, as if one had gone through all of them."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from runner.schedule import Schedule, parse_schedule
from runner.schedule.cron import FIRST_INSTANT, LAST_INSTANT
from runner.schedule.span import count_slots, last_slot

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
TICK = timedelta.resolution


def at(text):
    """An instant in UTC such as `2026-03-29 01:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def agrees(schedule, after, until):
    """Whether both functions say what going through the slots says."""
    slots = list(schedule.between(after, until))
    assert count_slots(schedule, after, until) == len(slots), (schedule.text, schedule.timezone, after, until)
    found = last_slot(schedule, after, until)
    assert found == (slots[-1] if slots else None), (schedule.text, schedule.timezone, after, until)


ZONES = {
    "UTC": "2026-03-29 00:00",
    "Europe/Berlin": "2026-03-29 01:00",  # an hour on, an hour back in October
    "America/New_York": "2026-11-01 06:00",
    "Australia/Lord_Howe": "2026-10-03 15:30",  # half an hour
    "Pacific/Apia": "2011-12-30 10:00",  # a whole day is skipped
    "America/Caracas": "2016-05-01 07:00",  # half an hour, for good
    "Africa/Casablanca": "2026-02-15 02:00",  # back for Ramadan, and on again five weeks later
    "Pacific/Kwajalein": "1969-10-01 00:00",  # a whole day is shown twice
}
"""Zones, and about when their clock is changed."""

TEXTS = [
    "* * * * *",
    "*/7 0-3 * * *",
    "0 * * * *",
    "5,35 */2 * * 1-5",
    "0 0 * * *",
    "30 2 * * *",
    "*/30 2 * * *",
    "15,45 0,1,2,3 * * *",
    "0 12 1,15 * 3",
    "0 9 * * 1-5",
    "59 23 31 * *",
    "0 0 29 2 *",
    "0 0 30 2 *",
    "H H * * 0",
    "@every 7m",
    "@every 1d",
]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("text", TEXTS)
def test_a_stretch_around_a_change_of_the_clock_has_as_many_slots_as_one_can_go_through(zone, text):
    schedule, chance = parse_schedule(text, zone, "a-job"), random.Random(f"{zone} {text}")
    # Dense schedules show all there is within days; the others need years.
    longest = 9 if text.startswith("* ") else 80 if "*" in text.split()[0] else 400
    for _ in range(3):
        after = at(ZONES[zone]) + timedelta(seconds=chance.randrange(-longest, longest // 2) * 86_400 / 2)
        agrees(schedule, after, after + timedelta(minutes=chance.randrange(longest * 1440)))


@pytest.mark.parametrize("zone", ZONES)
def test_a_stretch_begins_after_its_first_instant_and_ends_with_its_last(zone):
    schedule = parse_schedule("30 2 * * *", zone)
    slots = list(schedule.between(at(ZONES[zone]) - 9 * DAY, at(ZONES[zone]) + 9 * DAY))
    for first, last in [(slots[0], slots[-1]), (slots[3], slots[4]), (slots[8], slots[-2])]:
        for after in (first - TICK, first, first + TICK):
            for until in (last - TICK, last, last + TICK):
                agrees(schedule, after, until)


@pytest.mark.parametrize("text", ["* * * * *", "0 9 * * *", "@every 90s", "0 0 30 2 *"])
def test_an_empty_stretch_and_one_that_ends_before_it_begins_have_no_slots(text):
    schedule = parse_schedule(text)
    for until in (at("2026-03-29 09:00"), at("2026-03-29 08:00"), at("2020-01-01 00:00")):
        assert count_slots(schedule, at("2026-03-29 09:00"), until) == 0
        assert last_slot(schedule, at("2026-03-29 09:00"), until) is None


def test_slots_are_counted_as_far_as_the_calendar_goes():
    yearly = parse_schedule("@yearly", "Europe/Berlin")
    agrees(yearly, FIRST_INSTANT - DAY, at("1930-01-01 00:00"))
    agrees(yearly, LAST_INSTANT - 900 * DAY, LAST_INSTANT + 900 * DAY)
    assert count_slots(parse_schedule("@every 1d"), LAST_INSTANT - 3 * DAY, LAST_INSTANT + DAY) == 2


@dataclass
class Steps:
    """Counts the slots that are gone through one by one, and in how many stretches of time."""

    number: int = 0
    stretches: int = 0

    def through(self, between):
        def counted(schedule, after, until):
            self.stretches += 1
            for slot in between(schedule, after, until):
                self.number += 1
                yield slot

        return counted


@pytest.fixture
def steps(monkeypatch):
    steps = Steps()
    monkeypatch.setattr(Schedule, "between", steps.through(Schedule.between))
    return steps


YEARS = (at("2021-01-01 00:00"), at("2026-01-01 00:00"))


@pytest.mark.parametrize(
    ("text", "zone", "count"),
    [
        ("* * * * *", "UTC", 1826 * 1440),
        # The clock is an hour on at both ends alike, so that what it skips it shows again.
        ("* * * * *", "Europe/Berlin", 1826 * 1440),
        ("@every 1s", "UTC", 1826 * 86_400),
        ("*/5 * * * *", "America/New_York", 1826 * 288),
    ],
)
def test_years_of_slots_are_counted_without_going_through_them(text, zone, count, steps):
    schedule = parse_schedule(text, zone)
    assert count_slots(schedule, *YEARS) == count
    # Those near the ten changes of the clock, and a day in each two months.
    assert steps.number <= count // 15


@pytest.mark.parametrize(
    ("text", "most"), [("* * * * *", 60), ("@every 1s", 0), ("0 9 * * *", 3), ("@yearly", 31)]
)
def test_the_last_slot_is_found_from_the_end(text, most, steps):
    schedule = parse_schedule(text, "Europe/Berlin")
    assert last_slot(schedule, FIRST_INSTANT, YEARS[1] - SECOND) is not None
    assert steps.number <= most
    assert steps.stretches <= 6
