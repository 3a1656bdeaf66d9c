"""A slot is shown with its instant, the clock on the wall of its zone, and its jitter."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from runner.schedule.jitter import jitter_of
from runner.service.slots import local_time, slot_view
from runner.testing import build_job

SLOT = datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_a_local_time_has_its_offset() -> None:
    start = datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert local_time(start, "Asia/Kolkata") == "2026-03-02T13:30:00+05:30"


def test_a_slot_says_what_the_clock_does_to_it() -> None:
    nightly = build_job("id: nightly\nname: Nightly\nmode: cron\nschedule: 30 2 * * *\ntimezone: Europe/Berlin")
    view = slot_view(nightly, SLOT)
    assert (view.job, view.scheduled_for, view.local) == (nightly.id, SLOT, "2026-03-29T03:00:00+02:00")
    assert (view.note, view.jitter_ms) == ("moved from 02:30, which the clock skips", None)


def test_a_slot_of_a_job_with_jitter_says_how_much_later_it_starts() -> None:
    spread = replace(
        build_job("id: hourly\nname: Hourly\nmode: cron\nschedule: 0 * * * *"), jitter=timedelta(minutes=5)
    )
    assert slot_view(spread, SLOT).jitter_ms == jitter_of(spread.id, SLOT, spread.jitter).total_seconds() * 1000
