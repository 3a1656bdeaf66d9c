"""When a job is overdue."""

from datetime import timedelta

import pytest

from runner.execution.health import ALL_ERRORS, filter_fails, is_overdue
from runner.execution.ledger import JobHistory, fold
from runner.execution.lifecycle import Reason, Status
from runner.execution.records import FilterNote
from runner.testing import START, build_job, build_record

HOUR = timedelta(hours=1)
MOMENT = timedelta(milliseconds=1)


def job(more: str = "expect: {success_within: 2h}"):
    return build_job(f"id: a\nname: A\nmode: manual\nagent: robot\n{more}\n")


def history(*ends: tuple[Status, timedelta]) -> JobHistory:
    """A job's history: each execution begins at the start and ends so long after it."""
    records = []
    for number, (status, after) in enumerate(ends):
        records += [
            build_record(number=number),
            build_record(Status.RUNNING, number=number),
            build_record(status, number=number, at=START + after, finished_at=START + after),
        ]
    return fold(records).history("a")


@pytest.mark.parametrize(
    ("ends", "since", "late_after"),
    [
        ([(Status.COMPLETED, HOUR)], None, 3 * HOUR),
        ([(Status.COMPLETED, HOUR), (Status.FAILED, 2 * HOUR)], START + 9 * HOUR, 3 * HOUR),
        ([(Status.FAILED, HOUR)], None, 2 * HOUR),
        ([(Status.FAILED, HOUR)], START + 5 * HOUR, 2 * HOUR),
        ([], START + 5 * HOUR, 7 * HOUR),
    ],
)
def test_a_job_is_overdue_when_its_last_success_or_else_its_appearance_is_too_long_ago(ends, since, late_after):
    now = START + late_after
    assert not is_overdue(job(), history(*ends), since, now)
    assert is_overdue(job(), history(*ends), since, now + MOMENT)


def test_nothing_is_overdue_that_expects_nothing_is_disabled_or_of_which_nothing_is_known():
    late = START + 100 * HOUR
    done = history((Status.COMPLETED, HOUR))
    assert not is_overdue(job(""), done, START, late)
    assert not is_overdue(job("expect: {success_within: 2h}\nenabled: false"), done, START, late)
    assert not is_overdue(job(), JobHistory(), None, late)


def events(*verdicts: str) -> JobHistory:
    """A job's history of events with these verdicts of its filter."""
    lines = []
    for number, verdict in enumerate(verdicts):
        status = Status.PENDING if verdict == "pass" else Status.FILTERED
        reason = {"reject": Reason.REJECTED, "error": Reason.FILTER_ERROR}.get(verdict)
        lines.append(build_record(status, number=number, reason=reason, filter=FilterNote(verdict)))
    return fold(lines).history("a")


def test_errors_of_the_filter_are_counted() -> None:
    assert events("error", "pass", "reject", "error", "error").filter_errors == 3


def test_a_filter_that_fails_on_each_of_the_last_20_events_is_told_until_it_works_on_one() -> None:
    assert not filter_fails(events(*["error"] * (ALL_ERRORS - 1)))
    assert filter_fails(events("pass", *["error"] * ALL_ERRORS))
    assert filter_fails(events(*["error"] * 2 * ALL_ERRORS))
    assert not filter_fails(events(*["error"] * ALL_ERRORS, "reject"))
