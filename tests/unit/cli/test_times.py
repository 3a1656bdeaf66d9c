"""Times of options and of lines."""

from datetime import UTC, datetime, timedelta, timezone

import click
import pytest

from runner.cli.times import instant, slot_remarks, slot_time
from runner.service.views import NextRun


def read(text):
    return instant(click.Context(click.Command("x")), click.Option(["--from"]), text)


def run(**more):
    return NextRun(job="a", scheduled_for=datetime(2026, 3, 29, 1, tzinfo=UTC), **more)


def test_a_time_keeps_its_offset():
    assert read("2026-03-29T00:00+01:00") == datetime(2026, 3, 29, tzinfo=timezone(timedelta(hours=1)))
    assert read("2026-03-29").utcoffset() is not None
    assert read(None) is None


def test_what_is_no_time_is_refused_with_an_example():
    with pytest.raises(click.BadParameter, match="'soon' is not an ISO 8601 time such as"):
        read("soon")


def test_a_slot_is_shown_as_the_clock_shows_it_with_its_offset():
    assert slot_time(run(local="2026-03-29T03:00:00+02:00")) == "Sun 2026-03-29 03:00 +02:00"
    assert slot_time(run(local="2026-03-29T03:01:30+05:45")) == "Sun 2026-03-29 03:01:30 +05:45"


def test_what_is_special_about_a_slot_is_said_in_one_line():
    local = "2026-03-29T03:00:00+02:00"
    assert slot_remarks(run(local=local)) == ""
    assert slot_remarks(run(local=local, note="moved from 02:30")) == "moved from 02:30"
    assert slot_remarks(run(local=local, jitter_ms=81_500)) == "starts 81.500 s later"
    assert slot_remarks(run(local=local, note="moved", jitter_ms=0)) == "moved; starts 0.000 s later"
