"""The tests in job files say what the filter and the schedule say, and nothing else plays a part."""

import pytest

from runner.plan import plan
from runner.rehearsal import Runs, Verdict, rehearse, untested
from runner.testing import desired

PUSH = "name: A\nmode: push\nfilter: event.amount > 10\n"
CRON = "name: A\nmode: cron\nschedule: '30 2 * * *'\ntimezone: Europe/Berlin\n"
BEFORE = "at: 2026-03-27 12:00"


def job(text, *others):
    files = {f"jobs.d/{number}.yaml": each for number, each in enumerate([text, *others])}
    state = desired(files)
    assert not [each for each in state.diagnostics if each.is_error]
    return state.jobs["a"]


def answer(text, *others):
    (only,) = rehearse(job(text, *others))
    return only.answer


@pytest.mark.parametrize(
    ("event", "becomes"), [("{amount: 11}", "run"), ("{amount: 10}", "filtered"), ("{amount: '11'}", "error")]
)
def test_an_event_runs_is_filtered_or_is_in_error(event, becomes):
    for expected in ("run", "filtered", "error"):
        found = answer(f"{PUSH}tests: [{{event: {event}, expect: {expected}}}]\n")
        assert isinstance(found, Verdict)
        assert (found.got, found.passed) == (becomes, expected == becomes)
        assert found.passed or found.explained.root.text == "event.amount > 10"


@pytest.mark.parametrize("mode", ["push", "manual", "cron\nschedule: '@daily'"])
def test_without_a_filter_every_event_runs(mode):
    found = answer(f"name: A\nmode: {mode}\ntests: [{{event: null, expect: filtered}}]\n")
    assert (found.got, found.passed, found.explained) == ("run", False, None)
    assert "no filter" in found.why


def test_a_manual_job_asks_no_filter():
    found = answer("name: A\nmode: manual\nfilter: event.amount > 10\ntests: [{event: {}, expect: run}]\n")
    assert found.passed


def test_a_disabled_job_is_tested_all_the_same():
    assert answer(f"{PUSH}enabled: false\ntests: [{{event: {{amount: 11}}, expect: run}}]\n").passed


def test_runs_are_those_after_a_time_on_the_clock_of_the_zone():
    found = answer(f"{CRON}tests: [{{{BEFORE}, next: [2026-03-28 02:30, 2026-03-29 03:00]}}]\n")
    assert isinstance(found, Runs)
    assert found.passed
    assert [run.note for run in found.runs] == [None, "moved from 02:30, which the clock skips"]


def test_a_run_at_the_time_itself_does_not_follow_it():
    found = answer(f"{CRON}tests: [{{at: 2026-03-27 02:30, next: [2026-03-27 02:30]}}]\n")
    assert not found.passed
    assert found.runs[0].got.isoformat() == "2026-03-28T02:30:00+01:00"


def test_the_zone_may_come_from_a_defaults_document():
    text = "name: A\nmode: cron\nschedule: '@daily'\ntests: [{at: 2026-03-27 12:00Z, next: [2026-03-28 00:00]}]\n"
    assert answer(text, "kind: defaults\ntimezone: Asia/Tokyo\n").passed is True
    assert answer(text.replace("2026-03-28 00:00", "2026-03-28T00:00+09:00")).passed is False


def test_instants_are_compared_as_instants():
    assert answer(f"{CRON}tests: [{{{BEFORE}, next: ['2026-03-28T01:30:00Z']}}]\n").passed
    assert answer(f"{CRON}tests: [{{at: '2026-03-27T11:00:00Z', next: ['2026-03-28T02:30+01:00']}}]\n").passed
    assert not answer(f"{CRON}tests: [{{{BEFORE}, next: ['2026-03-28T02:30:00Z']}}]\n").passed


def test_a_repeated_hour_shows_its_times_twice_and_a_start_means_the_first():
    text = CRON.replace("30 2", "*/30 *")
    times = "[2026-10-25 02:30, 2026-10-25 02:00, 2026-10-25 02:30, 2026-10-25 03:00]"
    assert answer(f"{text}tests: [{{at: 2026-10-25 02:00, next: {times}}}]\n").passed


def test_a_start_that_the_clock_skips_is_told():
    found = answer(f"{CRON}tests: [{{at: 2026-03-29 02:30, next: [2026-03-29 03:00]}}]\n")
    assert found.skipped
    assert not found.passed


def test_a_schedule_that_ends_has_no_more_runs():
    text = CRON.replace("30 2 * * *", "0 0 30 2 *")
    found = answer(f"{text}tests: [{{{BEFORE}, next: [2026-03-28 02:30, 2026-03-29 02:30]}}]\n")
    assert [run.got for run in found.runs] == [None, None]


def test_a_test_without_a_name_is_called_by_its_number():
    tests = "tests: [{event: {}, expect: error}, {name: big, event: {amount: 11}, expect: run}]\n"
    assert [each.name for each in rehearse(job(PUSH + tests))] == ["test 1", "big"]


def test_jobs_that_trigger_by_themselves_and_have_no_tests_are_untested():
    manual = "name: B\nmode: manual\n"
    tested = "name: C\nmode: push\ntests: [{event: 1, expect: run}]\n"
    state = desired({"a.yaml": PUSH, "b.yaml": manual, "c.yaml": tested})
    assert [each.id for each in untested(state.jobs.values())] == ["a"]


def test_tests_change_nothing_about_a_job():
    before = desired({"a.yaml": PUSH})
    after = desired({"a.yaml": f"{PUSH}tests: [{{event: 1, expect: error}}]\n"}, before)
    assert after.jobs["a"].tests
    assert after.jobs["a"] == before.jobs["a"]
    assert plan(after, before.jobs).actions == ()
