"""A point in time is written in one form."""

from datetime import UTC, datetime, timedelta, timezone

from runner.execution.instants import format_instant


def test_times_are_utc_with_milliseconds_whatever_the_zone_and_precision() -> None:
    berlin = timezone(timedelta(hours=1))
    assert format_instant(datetime(2026, 10, 30, 9, 0, 0, 999_999, berlin)) == "2026-10-30T08:00:00.999Z"
    assert format_instant(datetime(2026, 10, 30, 8, tzinfo=UTC)) == "2026-10-30T08:00:00.000Z"
