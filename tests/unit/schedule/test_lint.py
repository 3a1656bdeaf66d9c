"""Valid schedules that are probably not meant get a warning at the place in their text."""

from datetime import UTC, datetime

import pytest

from runner.errors import Severity
from runner.schedule import lint_schedule, parse_schedule

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)


def lint(text, zone="UTC", now=NOW, key=""):
    return lint_schedule(parse_schedule(text, zone, key), now)


def rules(text, zone="UTC", now=NOW, key=""):
    return [mistake.rule for mistake in lint(text, zone, now, key)]


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("0 9 * * 1-5", "Europe/Berlin"),
        ("0 */6 * * *", "Europe/Berlin"),
        ("0 0 1 * *", "Europe/Berlin"),
        ("*/30 * * * *", "Europe/Berlin"),
        ("* * * * *", "Europe/Berlin"),
        ("@daily", "Europe/Berlin"),
        ("@every 90s", "Europe/Berlin"),
        ("30 2 * * *", "UTC"),
        ("30 2 * * *", "Asia/Tokyo"),
        ("0 0 28 * *", "UTC"),
        ("0 0 28-31 * *", "UTC"),
        ("0 0 1-31 * *", "UTC"),
        ("0 0 */10 * *", "UTC"),
        ("0 0 31 1,3,5,7,8,10,12 *", "UTC"),
        ("0 0 H * *", "UTC"),
        ("0 0 * * 1", "UTC"),
        ("0 0 */2 * 1", "UTC"),
    ],
)
def test_an_ordinary_schedule_has_no_warnings(text, zone):
    assert rules(text, zone, key="a-job") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0 30 2 *", "the schedule never fires: February has no day 30"),
        ("0 0 30,31 FEB *", "the schedule never fires: February has no day 30"),
        ("0 0 31 2,4,6 *", "the schedule never fires: neither February, April nor June has a day 31"),
    ],
)
def test_a_schedule_that_never_fires_is_pointed_at_by_day_and_month(text, message):
    (mistake,) = lint(text)
    assert (mistake.rule, mistake.message) == ("schedule-never-fires", message)
    assert mistake.severity is Severity.WARNING
    assert text[mistake.start : mistake.end] == " ".join(text.split()[2:4])
    assert mistake.help


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "0 0 31 * *",
            "there is no day 31 in February, April, June, September and November: the job skips it",
        ),
        ("0 0 30 * *", "there is no day 30 in February: the job skips it"),
        ("0 0 29 * *", "there is no day 29 in February of common years: the job skips it"),
        ("0 0 29 2 *", "there is no day 29 in February of common years: the job skips it"),
        ("0 0 15,30 * *", "there is no day 30 in February: the job skips it"),
        ("0 0 31 1-4 *", "there is no day 31 in February and April: the job skips it"),
        ("0 0 30-31 * *", "there is no day 30 in February: the job skips it"),
    ],
)
def test_a_day_that_some_of_the_months_lack_is_warned_about(text, message):
    (mistake,) = lint(text)
    assert (mistake.rule, mistake.message) == ("schedule-skips-months", message)
    assert mistake.severity is Severity.WARNING
    assert text[mistake.start : mistake.end] == text.split()[2]


def test_both_day_fields_are_explained_to_be_joined_by_or():
    text = "0 9 13 * 5"
    (mistake,) = lint(text)
    assert mistake.rule == "schedule-both-days"
    assert "'13' and also on each weekday that fits '5': cron joins the two fields by OR" in mistake.message
    assert text[mistake.start : mistake.end] == "13 * 5"


def test_a_fixed_time_that_the_clock_will_skip_or_repeat_is_shown_with_its_local_date():
    text = " 30 2 * * *"
    gap, repeat = lint(text, "Europe/Berlin")
    assert gap.rule == "schedule-dst-gap"
    assert gap.message == (
        "02:30 does not exist in Europe/Berlin on 2026-03-29, when the clock goes from 02:00 to 03:00: "
        "the job runs right after that"
    )
    assert repeat.rule == "schedule-dst-repeat"
    assert repeat.message == (
        "02:30 comes twice in Europe/Berlin on 2026-10-25, when the clock goes back from 03:00 to 02:00: "
        "the job runs once, the first time"
    )
    assert {text[mistake.start : mistake.end] for mistake in (gap, repeat)} == {"30 2"}
    assert {mistake.severity for mistake in (gap, repeat)} == {Severity.WARNING}


def test_only_changes_that_the_schedule_meets_are_warned_about():
    assert rules("30 2 * * 1-6", "Europe/Berlin") == []
    assert rules("30 2 * 3 *", "Europe/Berlin") == ["schedule-dst-gap"]
    assert rules("0 2 * * *", "Europe/Berlin") == ["schedule-dst-gap", "schedule-dst-repeat"]
    assert rules("0 3 * * *", "Europe/Berlin") == []
    assert rules("*/15 2-3 * * *", "Europe/Berlin") == []
    assert rules("15 2 * * *", "Australia/Lord_Howe") == ["schedule-dst-gap"]
    assert rules("45 1 * * *", "Australia/Lord_Howe") == ["schedule-dst-repeat"]


def test_a_word_is_pointed_at_as_a_whole():
    gap, *_ = lint("@daily", "Africa/Cairo")
    assert (gap.rule, gap.start, gap.end) == ("schedule-dst-gap", 0, 6)
    assert "on 2026-04-24" in gap.message


def test_the_next_change_is_shown_until_it_has_come():
    def dates(now):
        return [mistake.message.split(" on ")[1][:10] for mistake in lint("30 2 * * *", "Europe/Berlin", now)]

    assert dates(datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)) == ["2026-03-29", "2026-10-25"]
    assert dates(datetime(2026, 3, 29, 1, 0, tzinfo=UTC)) == ["2026-10-25", "2027-03-28"]


def test_a_correction_of_the_clock_is_said_to_drop_the_run():
    gap, *_ = lint("30 1 * * *", "Antarctica/Casey", datetime(2020, 9, 1, tzinfo=UTC))
    assert gap.message == (
        "01:30 does not exist in Antarctica/Casey on 2020-10-04, when the clock goes from 00:01 to 03:01: "
        "the job does not run then"
    )


def test_a_step_longer_than_its_field_is_pointed_at():
    text = "*/90 * * * *"
    (mistake,) = lint(text)
    assert mistake.rule == "schedule-long-step"
    assert text[mistake.start : mistake.end] == "*/90"
    assert rules("*/30 */12 * * *") == []
    assert rules("H/90 * * * *") == []


def test_a_naive_present_is_refused():
    with pytest.raises(ValueError, match="needs a time zone"):
        lint("0 9 * * *", now=datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused


@pytest.mark.parametrize(
    ("text", "zone", "told"),
    [
        ("*/25 2 * * *", "Europe/Berlin", "02:00 to 02:50 do not exist in Europe/Berlin on 2026-03-29"),
        ("*/59 2 * * 0", "Europe/Berlin", "02:00 to 02:59 do not exist in Europe/Berlin on 2026-03-29"),
        ("*/40 2 * * *", "Australia/Lord_Howe", None),
        ("*/25 1-3 * * *", "Europe/Berlin", None),
        ("*/25 2 * * 1", "Europe/Berlin", None),
        ("*/25 2 * * *", "UTC", None),
    ],
)
def test_a_job_that_follows_elapsed_time_is_told_the_day_on_which_the_clock_skips_all_of_its_times(
    text, zone, told
):
    found = lint(text, zone)
    assert [mistake.message.split(",")[0] for mistake in found] == ([told] if told else [])
    for mistake in found:
        assert (mistake.rule, text[mistake.start : mistake.end]) == ("schedule-dst-gap", text[:-6])
        assert mistake.message.endswith("the clock goes from 02:00 to 03:00: the job does not run on that day")
