"""Schedules fire at the instants that Debian's cron would choose, also when the clock changes."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice

import pytest

from runner.schedule import Schedule, ScheduleError, parse_schedule
from runner.schedule.cron import FIRST_INSTANT, LAST_INSTANT


def at(text):
    """An instant in UTC such as `2026-03-29 01:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shown(slots):
    return [f"{slot:%Y-%m-%d %H:%M}" for slot in slots]


def slots(text, zone, after, until):
    return shown(parse_schedule(text, zone).between(at(after), at(until)))


def first(text, zone, after, count):
    return shown(islice(parse_schedule(text, zone).between(at(after), LAST_INSTANT), count))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 9 * * 1-5", ["2026-01-30 09:00", "2026-02-02 09:00", "2026-02-03 09:00", "2026-02-04 09:00"]),
        ("0 */6 * * *", ["2026-01-30 12:00", "2026-01-30 18:00", "2026-01-31 00:00", "2026-01-31 06:00"]),
        ("0 0 1 * *", ["2026-02-01 00:00", "2026-03-01 00:00", "2026-04-01 00:00", "2026-05-01 00:00"]),
        ("*/30 * * * *", ["2026-01-30 08:30", "2026-01-30 09:00", "2026-01-30 09:30", "2026-01-30 10:00"]),
        ("* * * * *", ["2026-01-30 08:01", "2026-01-30 08:02", "2026-01-30 08:03", "2026-01-30 08:04"]),
        ("@hourly", ["2026-01-30 09:00", "2026-01-30 10:00", "2026-01-30 11:00", "2026-01-30 12:00"]),
        ("@daily", ["2026-01-31 00:00", "2026-02-01 00:00", "2026-02-02 00:00", "2026-02-03 00:00"]),
        ("@weekly", ["2026-02-01 00:00", "2026-02-08 00:00", "2026-02-15 00:00", "2026-02-22 00:00"]),
        ("@yearly", ["2027-01-01 00:00", "2028-01-01 00:00", "2029-01-01 00:00", "2030-01-01 00:00"]),
        ("0 0 29 2 *", ["2028-02-29 00:00", "2032-02-29 00:00", "2036-02-29 00:00", "2040-02-29 00:00"]),
        ("0 0 31 * *", ["2026-01-31 00:00", "2026-03-31 00:00", "2026-05-31 00:00", "2026-07-31 00:00"]),
        ("0 0 13 * 5", ["2026-02-06 00:00", "2026-02-13 00:00", "2026-02-20 00:00", "2026-02-27 00:00"]),
        ("0 0 */13 * 5", ["2026-02-27 00:00", "2026-03-27 00:00", "2026-05-01 00:00", "2026-08-14 00:00"]),
        ("30 8 30 1 7", ["2026-01-30 08:30", "2027-01-03 08:30", "2027-01-10 08:30", "2027-01-17 08:30"]),
        ("@every 1h30m", ["2026-01-30 09:00", "2026-01-30 10:30", "2026-01-30 12:00", "2026-01-30 13:30"]),
    ],
)
def test_a_schedule_fires_at_these_instants(text, expected):
    assert first(text, "UTC", "2026-01-30 08:00", 4) == expected


def test_the_next_slot_is_strictly_after_the_instant_and_in_utc():
    schedule = parse_schedule("0 9 * * *", "Europe/Berlin")
    slot = schedule.after(at("2026-01-30 07:59:59.999999"))
    assert slot == at("2026-01-30 08:00")
    assert slot.tzinfo is UTC
    assert schedule.after(slot) == at("2026-01-31 08:00")


def test_between_leaves_its_start_out_and_takes_its_end_in():
    assert slots("0 * * * *", "UTC", "2026-01-30 08:00", "2026-01-30 10:00") == [
        "2026-01-30 09:00",
        "2026-01-30 10:00",
    ]
    assert slots("0 * * * *", "UTC", "2026-01-30 10:00", "2026-01-30 10:00") == []
    assert slots("0 * * * *", "UTC", "2026-01-30 10:00", "2026-01-30 08:00") == []


def test_between_computes_slots_only_when_asked():
    endless = parse_schedule("* * * * *").between(FIRST_INSTANT, LAST_INSTANT)
    assert shown(islice(endless, 2)) == ["1900-01-01 00:01", "1900-01-01 00:02"]


def test_instants_of_other_zones_are_understood_and_naive_ones_refused():
    schedule = parse_schedule("0 9 * * *")
    elsewhere = datetime(2026, 1, 30, 10, 30, tzinfo=timezone(timedelta(hours=2)))
    assert schedule.after(elsewhere) == at("2026-01-30 09:00")
    naive = datetime(2026, 1, 30)  # noqa: DTZ001 - what is refused
    with pytest.raises(ValueError, match="needs a time zone"):
        schedule.after(naive)
    with pytest.raises(ValueError, match="needs a time zone"):
        schedule.between(at("2026-01-30"), naive)
    with pytest.raises(ValueError, match="needs a time zone"):
        schedule.note(naive)


@pytest.mark.parametrize("text", ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 30-31 FEB */2", "* * 31 4 *"])
def test_a_date_that_no_calendar_has_is_valid_and_never_fires(text):
    schedule = parse_schedule(text, "Europe/Berlin")
    assert schedule.after(at("2026-01-01")) is None
    assert list(schedule.between(at("2026-01-01"), LAST_INSTANT)) == []


def test_an_impossible_date_joined_to_a_weekday_fires_on_the_weekday():
    assert first("0 0 30 2 1", "UTC", "2026-01-01", 2) == ["2026-02-02 00:00", "2026-02-09 00:00"]


def test_a_date_that_comes_once_in_forty_years_is_found():
    assert first("0 0 29 2 */7", "Asia/Tokyo", "2087-01-01", 2) == [
        "2088-02-28 15:00",
        "2128-02-28 15:00",
    ]


def test_a_fixed_time_in_the_skipped_hour_runs_once_right_after_the_change():
    assert slots("30 2 * * *", "Europe/Berlin", "2026-03-28", "2026-03-31") == [
        "2026-03-28 01:30",
        "2026-03-29 01:00",
        "2026-03-30 00:30",
    ]


def test_several_fixed_times_in_the_skipped_hour_run_once_together():
    assert slots("0,30,59 2 * * *", "Europe/Berlin", "2026-03-29", "2026-03-29 23:00") == ["2026-03-29 01:00"]


def test_a_fixed_time_at_the_end_of_the_gap_is_not_doubled_by_a_skipped_one():
    assert slots("0,30 2,3 * * *", "Europe/Berlin", "2026-03-29", "2026-03-29 23:00") == [
        "2026-03-29 01:00",
        "2026-03-29 01:30",
    ]


def test_a_fixed_time_at_the_start_of_the_gap_is_skipped_and_one_at_its_end_is_not():
    assert slots("0 2 * * *", "Europe/Berlin", "2026-03-29", "2026-03-29 23:00") == ["2026-03-29 01:00"]
    assert slots("0 3 * * *", "Europe/Berlin", "2026-03-29", "2026-03-29 23:00") == ["2026-03-29 01:00"]
    assert slots("59 1 * * *", "Europe/Berlin", "2026-03-29", "2026-03-29 23:00") == ["2026-03-29 00:59"]


def test_a_fixed_time_in_the_repeated_hour_runs_the_first_time_only():
    assert slots("30 2 * * *", "Europe/Berlin", "2026-10-24 12:00", "2026-10-25 12:00") == ["2026-10-25 00:30"]
    assert slots("0 2 * * *", "Europe/Berlin", "2026-10-24 12:00", "2026-10-25 12:00") == ["2026-10-25 00:00"]
    assert slots("0 3 * * *", "Europe/Berlin", "2026-10-24 12:00", "2026-10-25 12:00") == ["2026-10-25 02:00"]


def test_a_fixed_time_asked_for_inside_the_repeated_hour_comes_the_next_day():
    schedule = parse_schedule("30 2 * * *", "Europe/Berlin")
    for instant in ("2026-10-25 00:30", "2026-10-25 00:59:59.9", "2026-10-25 01:00", "2026-10-25 01:15"):
        assert schedule.after(at(instant)) == at("2026-10-26 01:30")
    # The end of the repeated hour is shown once only, after it.
    assert parse_schedule("0 3 * * *", "Europe/Berlin").after(at("2026-10-25 01:15")) == at("2026-10-25 02:00")


def test_a_wildcard_job_does_not_run_in_the_skipped_hour_and_runs_twice_in_the_repeated_one():
    assert slots("*/30 2 * * *", "Europe/Berlin", "2026-03-28 12:00", "2026-03-29 12:00") == []
    assert slots("*/30 2 * * *", "Europe/Berlin", "2026-10-24 12:00", "2026-10-25 12:00") == [
        "2026-10-25 00:00",
        "2026-10-25 00:30",
        "2026-10-25 01:00",
        "2026-10-25 01:30",
    ]


def test_an_hourly_job_keeps_its_rhythm_over_both_changes():
    for day in ("2026-03-29", "2026-10-25"):
        found = slots("15 * * * *", "Europe/Berlin", f"{day} 00:00", f"{day} 04:00")
        assert found == [f"{day} 0{hour}:15" for hour in range(4)]


def test_half_an_hour_of_summer_time_is_handled_like_a_whole_one():
    gap, repeat = ("2026-10-03 12:00", "2026-10-03 18:00"), ("2026-04-04 12:00", "2026-04-04 18:00")
    assert slots("15 2 * * *", "Australia/Lord_Howe", *gap) == ["2026-10-03 15:30"]
    assert slots("45 2 * * *", "Australia/Lord_Howe", *gap) == ["2026-10-03 15:45"]
    assert slots("45 1 * * *", "Australia/Lord_Howe", *repeat) == ["2026-04-04 14:45"]
    assert slots("*/15 1 * * *", "Australia/Lord_Howe", *repeat) == [
        "2026-04-04 14:00",
        "2026-04-04 14:15",
        "2026-04-04 14:30",
        "2026-04-04 14:45",
        "2026-04-04 15:00",
        "2026-04-04 15:15",
    ]


def test_a_gap_at_midnight_moves_the_first_minutes_of_the_day_and_keeps_the_date():
    # Cairo's Friday 24 April 2026 starts at 01:00, which is 22:00 UTC of Thursday.
    assert slots("0 0 * * *", "Africa/Cairo", "2026-04-23 12:00", "2026-04-24 12:00") == ["2026-04-23 22:00"]
    assert slots("30 0 24 4 *", "Africa/Cairo", "2026-01-01", "2026-12-31") == ["2026-04-23 22:00"]
    assert slots("30 0 * * FRI", "Africa/Cairo", "2026-04-23 12:00", "2026-04-24 12:00") == ["2026-04-23 22:00"]
    assert slots("30 0 * * THU", "Africa/Cairo", "2026-04-23 12:00", "2026-04-24 12:00") == []


def test_midnight_that_comes_twice_belongs_to_its_first_time():
    # In Cairo, 29 October 2026 goes back to 23:00 when it ends, so midnight comes once and 23:30 twice.
    span = ("2026-10-29 12:00", "2026-10-30 12:00")
    assert slots("30 23 * * *", "Africa/Cairo", *span) == ["2026-10-29 20:30"]
    assert slots("0 0 * * *", "Africa/Cairo", *span) == ["2026-10-29 22:00"]


def test_a_change_of_two_hours_is_summer_time_and_one_of_three_corrects_the_clock():
    assert slots("30 1 * * *", "Antarctica/Troll", "2026-03-28 12:00", "2026-03-29 12:00") == ["2026-03-29 01:00"]
    # On 4 October 2020 Casey went from 00:01 to 03:01.
    span = ("2020-10-03 12:00", "2020-10-04 12:00")
    assert slots("30 1 * * *", "Antarctica/Casey", *span) == []
    assert slots("0,1 3 * * *", "Antarctica/Casey", *span) == ["2020-10-03 16:01"]
    assert slots("0 0 * * *", "Antarctica/Casey", *span) == ["2020-10-03 16:00"]


def test_a_day_that_a_zone_left_out_has_no_slots():
    # Samoa had no 30 December 2011, Kwajalein no 21 August 1993.
    assert slots("0 9 * * *", "Pacific/Apia", "2011-12-29", "2011-12-31") == [
        "2011-12-29 19:00",
        "2011-12-30 19:00",
    ]
    assert slots("0 9 30 12 *", "Pacific/Apia", "2011-12-01", "2012-01-31") == []
    assert slots("0 */12 * * *", "Pacific/Apia", "2011-12-29 12:00", "2011-12-31") == [
        "2011-12-29 22:00",
        "2011-12-30 10:00",
        "2011-12-30 22:00",
    ]
    assert slots("0 9 21 8 *", "Pacific/Kwajalein", "1993-08-01", "1993-08-31") == []


def test_a_day_that_a_zone_had_twice_has_its_fixed_times_once():
    # Kwajalein crossed the date line on 30 September 1969: 23 hours came again.
    span = ("1969-09-29 12:00", "1969-10-01 12:00")
    assert slots("0 9 30 9 *", "Pacific/Kwajalein", *span) == ["1969-09-29 22:00"]
    assert slots("0 */12 30 9 *", "Pacific/Kwajalein", *span) == [
        "1969-09-29 13:00",
        "1969-09-30 01:00",
        "1969-10-01 00:00",
    ]


def test_a_zone_keeps_summer_time_in_years_that_its_file_does_not_list():
    assert slots("30 2 * * *", "Europe/Berlin", "2060-03-27 12:00", "2060-03-29") == ["2060-03-28 01:00"]


def test_a_slot_that_was_moved_says_from_where():
    def note(text, instant, zone="Europe/Berlin"):
        return parse_schedule(text, zone).note(at(instant))

    gap = "2026-03-29 01:00"
    assert note("30 2 * * *", gap) == "moved from 02:30, which the clock skips"
    assert note("0,30 2 * * *", gap) == "moved from 02:00 and 02:30, which the clock skips"
    assert note("0-9 2 * * *", gap) == "moved from 02:00 to 02:09 (10 times), which the clock skips"
    assert note("0,30 2,3 * * *", gap) == "stands also for 02:00 and 02:30, which the clock skips"
    assert note("0 3 * * *", gap) is None
    assert note("30 2 * * *", "2026-03-30 00:30") is None
    assert note("*/30 2 * * *", gap) is None
    assert note("30 2 * * *", "2026-10-25 00:30") is None
    assert note("@every 1h", gap) is None
    assert note("30 1 * * *", "2020-10-03 16:01", "Antarctica/Casey") is None
    assert note("30 0 * * *", "2026-04-23 22:00", "Africa/Cairo") == "moved from 00:30, which the clock skips"


@pytest.mark.parametrize(
    ("text", "after", "slot"),
    [
        ("@every 90s", "1970-01-01 00:00", "1970-01-01 00:01:30"),
        ("@every 90s", "1969-12-31 23:59:59", "1970-01-01 00:00"),
        ("@every 90s", "2026-01-01 00:00:00.5", "2026-01-01 00:01:30"),
        ("@every 1s", "2026-01-01 00:00:00.5", "2026-01-01 00:00:01"),
        ("@every 1d", "2026-01-01 12:00", "2026-01-02 00:00"),
        ("@every 7d", "2026-01-01 12:00", "2026-01-08 00:00"),
    ],
)
def test_every_is_anchored_at_the_unix_epoch_in_any_zone(text, after, slot):
    for zone in ("UTC", "Asia/Kathmandu"):
        assert parse_schedule(text, zone).after(at(after)) == at(slot)


def test_slots_exist_inside_the_limits_of_the_calendar_only():
    for text in ("* * * * *", "0 9 * * *", "@every 1h", "0 0 29 2 */7"):
        schedule = parse_schedule(text, "America/New_York")
        assert schedule.after(datetime.max.replace(tzinfo=UTC)) is None
        assert schedule.after(LAST_INSTANT - timedelta(seconds=1)) is None
        assert schedule.after(datetime.min.replace(tzinfo=UTC)) >= FIRST_INSTANT


def test_h_depends_on_the_key_and_nothing_else_does():
    hashed = [parse_schedule("H H * * *", key=f"job-{number}") for number in range(50)]
    assert len({schedule.after(at("2026-01-01")) for schedule in hashed}) > 40
    assert parse_schedule("H H * * *", key="a") == parse_schedule("H H * * *", key="a")
    assert parse_schedule("0 9 * * *", key="a") == parse_schedule("0 9 * * *", key="b")


def test_jobs_with_the_same_text_share_all_but_a_small_object():
    one, other = (parse_schedule(f"0 9 * * {days}", "Europe/Berlin") for days in ("1-5", "1-5"))
    assert one.rule is other.rule
    assert one.text is other.text
    assert one.zone is other.zone
    assert not hasattr(one, "__dict__")


def test_a_schedule_can_not_be_changed():
    schedule = parse_schedule("0 9 * * *")
    with pytest.raises(FrozenInstanceError):
        schedule.text = "* * * * *"


def test_a_schedule_survives_a_copy_to_another_process():
    schedule = parse_schedule("30 2 * * *", "Europe/Berlin")
    assert pickle.loads(pickle.dumps(schedule)) == schedule


def test_threads_that_share_an_expression_do_not_disturb_each_other():
    def walk(start: int) -> list[str]:
        after = at("2026-01-01") + timedelta(days=97 * start)
        schedule = parse_schedule("0 0 */3 * 1-5", "UTC")
        return shown(islice(schedule.between(after, LAST_INSTANT), 40))

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(walk, range(40)))
    assert together == [walk(start) for start in range(40)]


@pytest.mark.parametrize(
    ("zone", "advice", "fix"),
    [
        ("Europe/Berln", "did you mean Europe/Berlin?", "Europe/Berlin"),
        ("Mars/Olympus", "names of zones look like", None),
        ("../../etc/passwd", "names of zones look like", None),
    ],
)
def test_an_unknown_zone_is_a_mistake_in_the_name_of_the_zone(zone, advice, fix):
    with pytest.raises(ScheduleError) as refusal:
        parse_schedule("0 9 * * *", zone)
    (mistake,) = refusal.value.mistakes
    assert refusal.value.text == zone
    assert (mistake.rule, mistake.start, mistake.end) == ("unknown-timezone", 0, len(zone))
    assert advice in mistake.help
    assert mistake.fix == fix


def test_a_schedule_remembers_its_text_and_zone():
    schedule = parse_schedule("@daily", "Europe/Berlin")
    assert isinstance(schedule, Schedule)
    assert (schedule.text, schedule.timezone, schedule.zone.key) == (
        "@daily",
        "Europe/Berlin",
        "Europe/Berlin",
    )
    assert parse_schedule("@daily").timezone == "UTC"
