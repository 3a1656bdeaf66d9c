"""A job starts at a time after its slot that only the job and the slot decide."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from runner.schedule.jitter import jitter_of

SLOT = datetime(2026, 3, 29, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
MILLISECOND = timedelta(milliseconds=1)


def test_without_a_spread_a_job_starts_at_its_slot():
    assert jitter_of("daily-report", SLOT, timedelta(0)) == timedelta(0)


def test_no_version_may_move_the_starts_of_running_installations():
    assert jitter_of("daily-report", SLOT, HOUR) == timedelta(seconds=81, milliseconds=581)
    assert jitter_of("daily-report", SLOT + HOUR, HOUR) == timedelta(seconds=2872, milliseconds=6)
    assert jitter_of("other-report", SLOT, timedelta(minutes=5)) == timedelta(seconds=122, milliseconds=547)


def test_the_zone_in_which_a_slot_is_written_does_not_matter():
    berlin = SLOT.astimezone(timezone(timedelta(hours=2)))
    assert jitter_of("a", berlin, HOUR) == jitter_of("a", SLOT, HOUR)


@pytest.mark.parametrize("spread", [MILLISECOND, timedelta(seconds=1), HOUR, timedelta(days=3653)])
def test_a_start_is_shifted_by_whole_milliseconds_and_by_less_than_the_spread(spread):
    for number in range(500):
        shift = jitter_of(f"job-{number}", SLOT, spread)
        assert timedelta(0) <= shift < spread
        assert shift % MILLISECOND == timedelta(0)


def test_jobs_of_one_slot_are_spread_evenly():
    tenths = [0] * 10
    for number in range(10_000):
        tenths[jitter_of(f"job-{number}", SLOT, HOUR) // timedelta(minutes=6)] += 1
    # Five standard deviations of a uniform distribution.
    assert all(850 <= count <= 1150 for count in tenths)


def test_slots_of_one_job_are_spread_evenly():
    tenths = [0] * 10
    for number in range(10_000):
        tenths[jitter_of("a-job", SLOT + number * HOUR, HOUR) // timedelta(minutes=6)] += 1
    assert all(850 <= count <= 1150 for count in tenths)


def test_a_naive_slot_and_a_negative_spread_are_refused():
    with pytest.raises(ValueError, match="needs a time zone"):
        jitter_of("a", datetime(2026, 1, 1), HOUR)  # noqa: DTZ001 - this is the mistake
    with pytest.raises(ValueError, match="zero or more"):
        jitter_of("a", SLOT, -HOUR)
