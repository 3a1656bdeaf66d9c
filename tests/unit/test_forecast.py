"""What many schedules do together, counted without keeping their slots, is what their slots say."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from runner.forecast import BUSIEST, LONGEST, Forecast, Subject, forecast
from runner.schedule import parse_schedule
from runner.schedule.jitter import jitter_of

START = datetime(2026, 3, 28, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
GREENWICH = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")


def subject(name, text, zone="UTC", **more):
    return Subject(name, parse_schedule(text, zone, name), **more)


def look(*subjects, after=START, until=START + DAY, zone=GREENWICH) -> Forecast:
    return forecast(subjects, after, until, zone)


def of(found, job):
    return next(total for total in found.totals if total.job == job)


def test_without_jobs_nothing_happens():
    found = look()
    assert (found.slots, found.totals, found.collisions, found.hours) == (0, (), (), (0,) * 24)


def test_a_job_s_slots_are_counted_from_after_the_start_up_to_the_end():
    found = look(subject("a", "0 0 * * *"), subject("b", "0 */6 * * *"))
    assert found.slots == 5
    assert (of(found, "a").slots, of(found, "a").first, of(found, "a").last) == (1, START + DAY, START + DAY)
    assert (of(found, "b").slots, of(found, "b").first) == (4, START + 6 * HOUR)


def test_a_job_that_never_fires_is_told_with_no_slots():
    (total,) = look(subject("a", "0 0 30 2 *")).totals
    assert (total.slots, total.first, total.last) == (0, None, None)


def test_slots_of_a_pause_don_t_count():
    found = look(subject("a", "@hourly", since=START + 20 * HOUR), subject("b", "@hourly"))
    assert (of(found, "a").slots, of(found, "a").first) == (4, START + 21 * HOUR)
    assert of(found, "b").slots == 24


def test_a_slot_overlaps_when_the_run_before_it_is_still_going():
    found = look(
        subject("long", "0 9,10 * * *", takes=90 * MINUTE),
        subject("exact", "0 9,10 * * *", takes=HOUR),
        subject("unknown", "0 9,10 * * *"),
    )
    assert (of(found, "long").overlaps, of(found, "long").first_overlap) == (1, START + 10 * HOUR)
    assert (of(found, "exact").overlaps, of(found, "exact").first_overlap) == (0, None)
    assert of(found, "unknown").overlaps == 0


def test_a_clock_change_can_make_runs_overlap():
    daily = subject("a", "30 1 * * *", "Europe/Berlin", takes=timedelta(hours=23, minutes=30))
    (total,) = look(daily, until=START + 3 * DAY).totals
    assert (total.overlaps, total.first_overlap) == (1, START + timedelta(days=1, hours=23, minutes=30))


def test_minutes_with_the_most_starts_come_first_with_the_jobs_that_start():
    found = look(
        subject("a", "0 9,12 * * *"),
        subject("b", "0 9 * * *"),
        subject("c", "0 9,12 * * *"),
        subject("d", "30 9 * * *"),
    )
    assert [(each.minute, each.starts, each.jobs) for each in found.collisions] == [
        (START + 9 * HOUR, 3, ("a", "b", "c")),
        (START + 12 * HOUR, 2, ("a", "c")),
    ]


def test_only_the_busiest_minutes_are_told():
    found = look(subject("a", "* * * * *"), subject("b", "* * * * *"))
    assert [each.minute for each in found.collisions] == [START + n * MINUTE for n in range(1, BUSIEST + 1)]


def test_hours_are_those_of_the_clock_in_the_zone_that_is_asked_for():
    job = subject("a", "0 1 * * *")
    assert look(job, until=START + 3 * DAY).hours[1] == 3
    berlin = look(job, until=START + 3 * DAY, zone=BERLIN).hours
    assert (berlin[2], berlin[3]) == (1, 2)
    assert look(job, until=START + 3 * DAY, zone=ZoneInfo("Asia/Kolkata")).hours[6] == 3


def test_jitter_moves_starts_out_of_the_minute_of_the_slot():
    spread = [subject(f"job-{n}", "0 9 * * *", jitter=HOUR) for n in range(40)]
    found = look(*spread)
    minutes = Counter((9 * HOUR + jitter_of(each.id, START + 9 * HOUR, HOUR)) // MINUTE for each in spread)
    assert found.slots == 40
    assert found.hours[9] == 40
    assert [(each.minute - START) // MINUTE for each in found.collisions][:3] == [
        minute for minute, _ in sorted(minutes.items(), key=lambda item: (-item[1], item[0]))[:3]
    ]
    assert all(len(each.jobs) == each.starts for each in found.collisions)


def test_a_start_that_jitter_moves_past_the_end_belongs_to_its_slot():
    found = look(*(subject(f"job-{n}", "0 0 * * *", jitter=HOUR) for n in range(20)))
    assert (found.slots, found.hours[0]) == (20, 20)


def test_progress_is_told_in_jobs():
    told = []
    forecast(
        [subject("a", "@daily"), subject("b", "@daily"), subject("c", "@hourly")],
        START,
        START + DAY,
        GREENWICH,
        lambda done, of: told.append((done, of)),
    )
    assert told == [(2, 3), (3, 3)]


def test_a_time_that_is_naive_backwards_or_too_long_is_refused():
    with pytest.raises(ValueError, match="needs a time zone"):
        look(after=datetime(2026, 1, 1))  # noqa: DTZ001 - this is the mistake
    for until in (START - MINUTE, START + LONGEST + MINUTE):
        with pytest.raises(ValueError, match="at most 3653 days"):
            look(until=until)


TEXTS = ["*/7 * * * *", "30 2 * * *", "30 1,2,3 * * *", "0 9 * * 1-5", "@every 397s", "H H * * *", "15 */2 * * *"]
ZONES = ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/New_York", "Asia/Kathmandu"]


@pytest.mark.parametrize(("month", "day"), [(3, 7), (3, 28), (4, 4), (10, 3), (10, 24), (10, 31)])
def test_what_is_counted_is_what_the_slots_say(month, day):
    after = datetime(2026, month, day, 6, 0, 30, tzinfo=UTC)
    until = after + 2 * DAY
    jitters = (timedelta(0), timedelta(seconds=30))
    subjects = [
        subject(f"{zone}/{text}/{jitter}/{takes}", text, zone, takes=takes * MINUTE, jitter=jitter)
        for zone in ZONES
        for text in TEXTS
        for jitter in jitters
        for takes in (0, 6, 45)
    ]
    local = ZoneInfo("Australia/Lord_Howe")
    found = forecast(subjects, after, until, local)
    minutes, hours = Counter(), Counter()
    for each in subjects:
        slots = list(each.schedule.between(after, until))
        starts = [slot + jitter_of(each.id, slot, each.jitter) for slot in slots]
        minutes.update(start.replace(second=0, microsecond=0) for start in starts)
        hours.update(start.astimezone(local).hour for start in starts)
        close = [later for earlier, later in pairwise(starts) if later - earlier < each.takes]
        total = of(found, each.id)
        assert (total.slots, total.overlaps) == (len(slots), len(close))
        assert total.first_overlap == (close[0] if close else None)
    assert found.slots == sum(minutes.values())
    assert list(found.hours) == [hours[hour] for hour in range(24)]
    busiest = sorted(minutes.items(), key=lambda item: (-item[1], item[0]))[:BUSIEST]
    assert [(each.minute, each.starts) for each in found.collisions] == busiest
