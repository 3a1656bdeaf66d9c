"""Every slot of a job has one outcome, whenever one looks, and whatever became of the schedule meanwhile."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.execution.slots import (
    LATE,
    Range,
    Segment,
    Slot,
    all_due,
    first_slot,
    next_turn,
    rescheduled,
    resumed,
    start_of,
    unsettled,
)
from runner.schedule import parse_schedule
from runner.schedule.cron import FIRST_INSTANT
from runner.schedule.jitter import jitter_of
from runner.spec.models import CatchUp, CatchUpPolicy
from runner.testing import START, build_job

TICK = timedelta.resolution
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

EACH_MINUTE = parse_schedule("* * * * *")
EACH_FIVE = parse_schedule("*/5 * * * *")
JOB = build_job("id: a\nname: A\nmode: cron\nschedule: '* * * * *'\nagent: robot\n")


def minute(number):
    return START + number * MINUTE


def job(policy="latest", within=HOUR, jitter=timedelta(0)):
    schedule = EACH_FIVE if jitter else EACH_MINUTE
    return replace(JOB, schedule=schedule, catch_up=CatchUp(CatchUpPolicy(policy), within), jitter=jitter)


def track(*segments):
    """Schedules, each with the minutes after and up to which it owns the instants."""
    return tuple(
        Segment(schedule, minute(after), None if until is None else minute(until))
        for schedule, after, until in segments
    )


MINUTES = track((EACH_MINUTE, 0, None))
CHANGED = track((EACH_MINUTE, 0, 3), (EACH_FIVE, 3, None))


def turns(subject, schedules, settled, now, up_since=FIRST_INSTANT):
    """All that is to happen now, each thing settled before the next."""
    found = []
    while (turn := next_turn(subject, schedules, settled, now, up_since)) is not None:
        found.append(turn)
        assert settled < (turn.first if isinstance(turn, Range) else turn.at)
        settled = turn.last if isinstance(turn, Range) else turn.at
    return found


def outline(found):
    """What happens in short, slots as minutes after the start: `miss 1-3 (3)`, `catch up 4`, `run 5`."""

    def at(instant):
        return f"{(instant - START) / MINUTE:g}"

    def said(turn):
        if isinstance(turn, Range):
            return f"miss {at(turn.first)}-{at(turn.last)} ({turn.count})"
        return f"{'catch up' if turn.caught_up else 'run'} {at(turn.at)}"

    return [said(turn) for turn in found]


# -- what is to happen -------------------------------------------------------------------------------------------


def test_nothing_is_to_happen_before_a_slot_is_due():
    assert turns(job(), MINUTES, START, minute(1) - TICK) == []
    assert turns(job(), MINUTES, START, minute(1)) == [Slot(minute(1), minute(1))]


def test_without_a_schedule_nothing_is_ever_due():
    assert turns(job(), (), FIRST_INSTANT, minute(9)) == []
    assert first_slot((), FIRST_INSTANT) is None


def test_what_is_settled_is_never_due_again():
    assert outline(turns(job(), MINUTES, minute(4), minute(5))) == ["run 5"]
    assert turns(job(), MINUTES, minute(7), minute(5)) == []


@pytest.mark.parametrize("policy", CatchUpPolicy)
def test_a_slot_that_is_due_for_a_minute_is_late_and_runs(policy):
    assert outline(turns(job(policy), MINUTES, START, minute(1) + LATE)) == ["run 1", "run 2"]


@pytest.mark.parametrize(
    ("policy", "within", "now", "expected"),
    [
        ("none", HOUR, 5.5, ["miss 1-4 (4)", "run 5"]),
        ("latest", HOUR, 5.5, ["miss 1-3 (3)", "catch up 4", "run 5"]),
        ("all", HOUR, 5.5, ["catch up 1", "catch up 2", "catch up 3", "catch up 4", "run 5"]),
        ("latest", HOUR, 2.5, ["catch up 1", "run 2"]),
        ("all", 3 * MINUTE, 5.5, ["miss 1-2 (2)", "catch up 3", "catch up 4", "run 5"]),
        ("all", 3 * MINUTE, 6, ["miss 1-2 (2)", "catch up 3", "catch up 4", "run 5", "run 6"]),
        ("latest", MINUTE, 5.5, ["miss 1-4 (4)", "run 5"]),
        ("all", SECOND, 5.5, ["miss 1-4 (4)", "run 5"]),
    ],
)
def test_a_slot_that_is_due_for_longer_is_caught_up_as_the_policy_says_or_missed(policy, within, now, expected):
    assert outline(turns(job(policy, within), MINUTES, START, minute(now))) == expected


@pytest.mark.parametrize(
    ("policy", "within", "expected"),
    [
        ("none", HOUR, ["miss 60-180 (3)"]),
        ("latest", HOUR, ["miss 60-120 (2)", "catch up 180"]),
        ("all", 2 * HOUR, ["miss 60-60 (1)", "catch up 120", "catch up 180"]),
    ],
)
def test_an_outage_of_three_hours_is_made_up_for_as_the_page_on_jobs_says(policy, within, expected):
    hourly, now = track((parse_schedule("@hourly"), 30, None)), minute(210)
    assert outline(turns(job(policy, within), hourly, minute(30), now, up_since=now)) == expected


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("none", ["miss 1-3 (3)", "run 4"]),
        ("latest", ["miss 1-2 (2)", "catch up 3", "run 4"]),
        ("all", ["catch up 1", "catch up 2", "catch up 3", "run 4"]),
    ],
)
def test_what_was_due_before_the_runner_was_up_is_not_late_however_short_ago_that_is(policy, expected):
    assert outline(turns(job(policy), MINUTES, START, minute(4), up_since=minute(3))) == expected


@pytest.mark.parametrize("policy", CatchUpPolicy)
def test_a_start_that_the_clock_has_not_reached_again_settles_nothing_that_is_still_to_come(policy):
    found = turns(job(policy), MINUTES, START, minute(3), up_since=minute(60))
    last = found[-1]
    assert (last.last if isinstance(last, Range) else last.at) == minute(3)


@pytest.mark.parametrize("policy", ["latest", "all"])
def test_as_time_goes_by_what_waits_to_be_caught_up_becomes_too_old(policy):
    subject = job(policy, within=3 * MINUTE)
    assert outline([next_turn(subject, MINUTES, minute(4), minute(6.5), START)]) == ["catch up 5"]
    expected = {
        "latest": "miss 5-7 (3)",  # the latest is another one by now
        "all": "miss 5-6 (2)",
    }
    assert outline([next_turn(subject, MINUTES, minute(4), minute(9.5), START)]) == [expected[policy]]


def test_an_outage_of_years_is_one_range():
    now = START + timedelta(days=700)
    (missed, latest, late) = turns(job(), MINUTES, START, now - 30 * SECOND, up_since=START)
    assert missed == Range(minute(1), now - 3 * MINUTE, 700 * 1440 - 3)
    assert (latest.at, latest.caught_up) == (now - 2 * MINUTE, True)
    assert (late.at, late.caught_up) == (now - MINUTE, False)


# -- jitter ------------------------------------------------------------------------------------------------------


def test_a_start_never_passes_the_next_slot_which_a_change_of_the_clock_can_bring_close():
    text = "id: {id}\nname: A\nmode: cron\nschedule: 30 2,3 * * *\ntimezone: Europe/Berlin\n"
    text += "jitter: 55m\nagent: robot\n"
    change = datetime(2026, 3, 29, 1, tzinfo=UTC)
    for number in range(50):
        subject = build_job(text.format(id=f"job-{number}"))
        schedules = (Segment(subject.schedule, change - 12 * HOUR),)
        assert change <= start_of(change, subject) <= change + 30 * MINUTE
        for minutes in range(0, 300, 5):
            found = turns(subject, schedules, change - HOUR, change + minutes * MINUTE)
            assert not any(isinstance(turn, Range) for turn in found) or minutes >= 30


def test_a_slot_with_jitter_is_due_at_its_start_and_late_from_then_on():
    subject, slot = job("none", jitter=4 * MINUTE), minute(5)
    start = start_of(slot, subject)
    assert start == slot + jitter_of("a", slot, 4 * MINUTE) > slot
    schedules = track((EACH_FIVE, 0, None))
    assert next_turn(subject, schedules, START, start - TICK, START) is None
    for now in (start, start + LATE):
        assert next_turn(subject, schedules, START, now, START) == Slot(slot, start)
    assert next_turn(subject, schedules, START, start + LATE + TICK, START) == Range(slot, slot, 1)


def test_a_slot_whose_start_is_still_to_come_is_no_part_of_a_missed_range():
    subject, schedules = job("none", jitter=4 * MINUTE), track((EACH_FIVE, 0, None))
    start = start_of(minute(30), subject)
    found = turns(subject, schedules, START, start - TICK, up_since=start - TICK)
    assert outline(found) == ["miss 5-25 (5)"]
    assert turns(subject, schedules, minute(25), start) == [Slot(minute(30), start)]


# -- schedules that were changed ---------------------------------------------------------------------------------


def test_each_schedule_has_the_slots_of_the_instants_that_it_owns():
    late = turns(job("all"), CHANGED, START, minute(10.5))
    assert outline(late) == ["catch up 1", "catch up 2", "catch up 3", "catch up 5", "run 10"]


def test_a_missed_range_goes_over_all_schedules():
    missed, _ = turns(job("none"), CHANGED, START, minute(15.5))
    assert missed == Range(minute(1), minute(10), 5)


def test_the_slots_of_a_schedule_that_was_lost_are_missed_and_not_caught_up():
    lost = (replace(CHANGED[0], lost=True), CHANGED[1])
    assert outline(turns(job("all"), lost, START, minute(15.5))) == [
        "miss 1-3 (3)",
        "catch up 5",
        "catch up 10",
        "run 15",
    ]
    assert outline(turns(job("latest"), lost, START, minute(5))) == ["miss 1-3 (3)", "run 5"]
    assert outline(turns(job("latest"), lost, minute(1), minute(4.5))) == ["miss 2-3 (2)"]


def test_all_that_is_due_of_a_job_that_is_gone_is_one_range():
    gone = track((EACH_MINUTE, 0, 3), (EACH_FIVE, 3, 12))
    assert all_due(gone, START, minute(20)) == Range(minute(1), minute(10), 5)
    assert all_due(gone, minute(2), minute(4)) == Range(minute(3), minute(3), 1)
    assert all_due(gone, minute(10), minute(20)) is None
    assert all_due(MINUTES, START, minute(1) - TICK) is None
    assert all_due(MINUTES, START, minute(1)) == Range(minute(1), minute(1), 1)


def test_an_edit_gives_the_instants_up_to_now_to_the_old_schedule_and_those_after_to_the_new():
    assert rescheduled(MINUTES, START, minute(3), EACH_FIVE) == CHANGED


def test_an_edit_at_the_very_instant_of_a_slot_leaves_it_to_the_old_schedule():
    found = rescheduled(MINUTES, minute(4), minute(5), EACH_FIVE)
    assert outline(turns(job("all"), found, minute(4), minute(5))) == ["run 5"]
    assert outline(turns(job("all"), found, minute(5), minute(10))) == ["run 10"]


def test_a_schedule_that_ended_and_has_no_slot_left_is_forgotten():
    assert unsettled(CHANGED, minute(2)) == CHANGED
    assert unsettled(CHANGED, minute(3)) == CHANGED[1:]
    assert rescheduled(MINUTES, minute(3), minute(3.5), EACH_FIVE) == track((EACH_FIVE, 3.5, None))


def test_a_job_without_a_schedule_keeps_only_what_is_due_already():
    assert rescheduled(MINUTES, START, minute(3), None) == track((EACH_MINUTE, 0, 3))
    assert rescheduled(MINUTES, minute(3), minute(3), None) == ()
    assert rescheduled((), START, minute(3), None) == ()


def test_while_a_job_is_paused_no_slots_exist():
    paused = rescheduled(MINUTES, START, minute(2.5), EACH_MINUTE, after=minute(5))
    assert outline(turns(job("all"), paused, START, minute(7))) == [
        *("catch up 1", "catch up 2"),
        *("run 6", "run 7"),
    ]
    ended = rescheduled(paused, minute(2), minute(3.5), EACH_MINUTE)
    assert outline(turns(job("all"), ended, minute(2), minute(4))) == ["run 4"]


def test_a_pause_that_ended_before_now_is_none():
    assert rescheduled((), START, minute(3), EACH_FIVE, after=minute(1)) == track((EACH_FIVE, 3, None))


def test_a_clock_that_was_set_back_gives_no_settled_instant_to_another_schedule():
    found = rescheduled(MINUTES, minute(9), minute(4), EACH_FIVE)
    assert found == track((EACH_FIVE, 9, None))
    assert outline(turns(job("all"), found, minute(9), minute(10))) == ["run 10"]


# -- after a restart ---------------------------------------------------------------------------------------------


def test_a_schedule_that_is_the_same_after_a_restart_goes_on():
    assert resumed(CHANGED, START, minute(9), EACH_FIVE) == CHANGED
    assert resumed(MINUTES, START, minute(9), parse_schedule("* * * * *")) == MINUTES


@pytest.mark.parametrize("other", [EACH_FIVE, parse_schedule("* * * * *", "Asia/Kolkata")])
def test_a_schedule_or_zone_that_changed_while_the_runner_was_down_is_not_caught_up(other):
    found = resumed(MINUTES, minute(2), minute(4), other)
    assert found == (Segment(EACH_MINUTE, START, minute(4), lost=True), Segment(other, minute(4)))
    assert outline(turns(job("all"), found, minute(2), minute(4), up_since=minute(4))) == ["miss 3-4 (2)"]


def test_a_job_whose_schedule_went_while_the_runner_was_down_has_no_slots_but_those_of_an_earlier_edit():
    assert resumed(MINUTES, minute(2), minute(9), None) == ()
    assert resumed(CHANGED, START, minute(9), None) == CHANGED[:1]


def test_a_job_that_was_off_or_unknown_before_the_restart_has_slots_from_now_on():
    off = track((EACH_MINUTE, 0, 3))
    assert resumed((), START, minute(9), EACH_FIVE) == track((EACH_FIVE, 9, None))
    assert resumed(off, minute(3), minute(9), EACH_MINUTE) == track((EACH_MINUTE, 9, None))
    assert resumed(off, START, minute(9), EACH_MINUTE) == (*off, *track((EACH_MINUTE, 9, None)))


def test_a_pause_that_is_still_in_force_after_a_restart_goes_on():
    paused = rescheduled(MINUTES, START, minute(2), EACH_MINUTE, after=minute(20))
    assert resumed(paused, START, minute(9), EACH_MINUTE, after=minute(20)) == paused


def test_a_pause_that_began_just_before_the_runner_died_holds_and_what_was_due_before_is_caught_up():
    found = resumed(MINUTES, minute(2), minute(9), EACH_MINUTE, after=minute(20))
    assert found == track((EACH_MINUTE, 0, 9), (EACH_MINUTE, 20, None))


def test_a_second_restart_changes_nothing():
    once = resumed(MINUTES, minute(2), minute(4), EACH_FIVE)
    assert resumed(once, minute(2), minute(7), EACH_FIVE) == once


# -- all together ------------------------------------------------------------------------------------------------

TEXTS = ["* * * * *", "*/5 * * * *", "3,4,50 * * * *", "@every 45s", "30 */2 * * *", None]
"""Schedules; the last one is none."""


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_happens_each_slot_of_the_schedule_in_force_has_exactly_one_outcome(data):
    """Edits, looks that come late, restarts, and edits while nothing runs, at instants of any kind."""
    subject = job(
        data.draw(st.sampled_from(CatchUpPolicy)),
        timedelta(minutes=data.draw(st.sampled_from([1, 7, 90]))),
        timedelta(seconds=data.draw(st.sampled_from([0, 0, 40]))),
    )
    now = settled = up_since = START
    schedules, schedule, since = (), None, START
    expected, seen = [], []

    def owned(until):
        return list(schedule.between(since, until)) if schedule else []

    for _ in range(data.draw(st.integers(1, 8))):
        now += timedelta(seconds=data.draw(st.sampled_from([0, 1, 30, 60, 300, 1800, 9000])))
        step = data.draw(st.sampled_from(["edit", "edit while down", "look", "look", "restart"]))
        change = rescheduled if step == "edit" else resumed
        if step.startswith("edit"):
            expected += owned(now)
            text = data.draw(st.sampled_from(TEXTS if step == "edit" else TEXTS[:-1]))
            schedule, since = parse_schedule(text) if text else None, now
        if step != "look":
            schedules = change(schedules, settled, now, schedule)
        if change is resumed and step != "look":
            up_since = now
        for turn in turns(subject, schedules, settled, now, up_since):
            if isinstance(turn, Slot):
                seen.append(turn.at)
                settled = turn.at
            else:
                missed = [slot for slot in (*expected, *owned(now)) if turn.first <= slot <= turn.last]
                assert (missed[0], missed[-1], len(missed)) == (turn.first, turn.last, turn.count)
                seen += missed
                settled = turn.last
    due = [slot for slot in (*expected, *owned(now)) if start_of(slot, subject) <= now]
    assert seen == due
