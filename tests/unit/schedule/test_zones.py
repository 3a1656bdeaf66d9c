"""Zones are found by their IANA names only, and their changes of the clock to the second."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from runner.schedule.zones import UnknownZoneError, load_zone, next_change, utc_offset

HOUR = timedelta(hours=1)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "EST5EDT"]
)
def test_a_zone_has_its_iana_name(name):
    assert load_zone(name).key == name


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("utc", "UTC"),
        ("Mars/Olympus_Mons", None),
        ("CEST", None),
        ("+02:00", None),
        ("UTC+2", None),
        ("", None),
        ("Africa", None),
        ("/etc/passwd", None),
        ("/usr/share/zoneinfo/UTC", None),
        ("../UTC", None),
        ("Europe/../UTC", None),
        ("Europe//Berlin", "Europe/Berlin"),
        (".", None),
        ("UTC\x00", None),
        ("UTC\n\n", None),
        ("localtime", None),
        ("posixrules", None),
        ("right/Europe/Berlin", "Europe/Berlin"),
        ("posix/Europe/Berlin", "Europe/Berlin"),
        ("Factory", None),
        ("tzdata.zi", None),
        ("zone.tab", None),
        ("E" * 10_000, None),
    ],
)
def test_any_other_name_is_refused_with_the_closest_zone_where_there_is_one(name, fix):
    with pytest.raises(UnknownZoneError) as refusal:
        load_zone(name)
    mistake = refusal.value.mistake
    assert (mistake.rule, mistake.start, mistake.end) == ("unknown-timezone", 0, len(name))
    assert len(mistake.message) < 200
    assert mistake.help
    assert mistake.fix == fix


def test_a_change_is_found_to_the_second_with_what_the_clock_shows_before_and_after():
    change = next_change(ZoneInfo("Europe/Berlin"), at("2026-01-01"), at("2026-12-31"))
    assert change is not None
    assert change.at == at("2026-03-29 01:00")
    assert (change.before, change.after) == (HOUR, 2 * HOUR)
    assert f"{change.wall_before:%H:%M} {change.wall_after:%H:%M}" == "02:00 03:00"
    assert change.skips
    assert not change.is_correction


def test_a_change_belongs_to_the_stretch_that_ends_with_it():
    zone, change = ZoneInfo("Europe/Berlin"), at("2026-10-25 01:00")
    second = timedelta(seconds=1)
    assert next_change(zone, change - second, change).at == change
    assert next_change(zone, change - second, change - second / 2) is None
    assert next_change(zone, change, change + HOUR) is None
    assert utc_offset(zone, change - second / 2) == 2 * HOUR
    assert utc_offset(zone, change) == HOUR


def test_a_change_whose_offset_has_seconds_is_found():
    change = next_change(ZoneInfo("Africa/Monrovia"), at("1972-01-01"), at("1972-12-31"))
    assert change.before == timedelta(minutes=-44, seconds=-30)
    assert change.at == at("1972-01-07 00:44:30")


def test_the_changes_of_a_year_come_in_order():
    zone, instant, found = ZoneInfo("Africa/Casablanca"), at("2026-01-01"), []
    while change := next_change(zone, instant, at("2027-01-01")):
        found.append(f"{change.at:%m-%d %H:%M}")
        instant = change.at
    assert found == ["02-15 02:00", "03-22 02:00"]


def test_a_zone_without_summer_time_has_no_changes():
    assert next_change(ZoneInfo("Asia/Kolkata"), at("2000-01-01"), at("2030-01-01")) is None
