"""What becomes of a firing: filter, then rate limit, then concurrency; and how long a retry waits."""

from datetime import timedelta

import pytest

from runner.errors import JobDisabledError
from runner.execution.admission import (
    QUEUE_LIMIT,
    Admission,
    Occupancy,
    Pressure,
    admit,
    consult_filter,
    more_attempts,
    payload_of,
    refuse_disabled,
    retry_delay,
    window_start,
)
from runner.execution.firing import Firing
from runner.execution.lifecycle import Reason, Status, Trigger
from runner.execution.records import FilterNote
from runner.spec.models import Job, Payload, RateLimit, Retry
from runner.testing import START, build_job

EMPTY = Occupancy(0, 0, 0)
PASS, REJECT, ERROR = FilterNote("pass"), FilterNote("reject"), FilterNote("error", "x is missing", "x", (0, 1))


def job(text: str = "mode: manual") -> Job:
    return build_job(f"name: A\nagent: robot\n{text}\n")


def decide(
    text: str, occupancy: Occupancy = EMPTY, *, trigger: Trigger = Trigger.MANUAL, admitted: int = 0
) -> Admission:
    return admit(job(f"mode: manual\n{text}"), Firing("a", trigger), None, admitted, occupancy)


# -- disabled ----------------------------------------------------------------------------------------------------


def test_a_disabled_job_refuses_and_names_its_file() -> None:
    with pytest.raises(
        JobDisabledError, match=r"^job a is disabled in jobs\.d/job\.yaml; set enabled: true there$"
    ):
        refuse_disabled(job("mode: manual\nenabled: false"), paused=False)


def test_a_paused_job_refuses_and_says_how_the_pause_ends() -> None:
    with pytest.raises(JobDisabledError, match="'jobsd enable a' ends the pause"):
        refuse_disabled(job(), paused=True)


def test_an_enabled_job_does_not_refuse() -> None:
    refuse_disabled(job(), paused=False)


# -- payload and filter ------------------------------------------------------------------------------------------

OWN = "mode: manual\npayload: {own: 1}"


@pytest.mark.parametrize(
    ("given", "trigger", "expected"),
    [
        (None, Trigger.MANUAL, Payload({"own": 1})),
        (None, Trigger.CRON, Payload({"own": 1})),
        (None, Trigger.PUSH, None),
        (Payload(None), Trigger.MANUAL, Payload(None)),
        (Payload(2), Trigger.PUSH, Payload(2)),
    ],
)
def test_the_jobs_own_payload_stands_in_for_none_given_but_never_for_an_event(
    given: Payload | None, trigger: Trigger, expected: Payload | None
) -> None:
    assert payload_of(job(OWN), Firing("a", trigger, given)) == expected


CRON = "mode: cron\nschedule: '0 9 * * *'\n"


@pytest.mark.parametrize(
    ("text", "payload", "consulted"),
    [
        (CRON + "payload: 1\nfilter: event.total > 1", Payload({"total": 3}), True),
        ("mode: push\nfilter: event.total > 1", Payload({"total": 3}), True),
        ("mode: push\nfilter: event.total > 1", None, False),
        (CRON + "payload: 1\nfilter: event.total > 1", None, False),
        ("mode: push", Payload({"total": 3}), False),
        ("mode: manual\nfilter: event.total > 1", Payload({"total": 3}), False),
    ],
)
def test_the_filter_is_asked_if_and_only_if_the_mode_is_cron_or_push_and_there_is_a_payload(
    *, text: str, payload: Payload | None, consulted: bool
) -> None:
    assert consult_filter(job(text), payload) == (PASS if consulted else None)


def test_a_payload_of_null_is_a_payload() -> None:
    note = consult_filter(job("mode: push\nfilter: event.total > 1"), Payload(None))
    assert note is not None
    assert note.verdict == "error"


def test_a_filter_that_rejects_says_only_that() -> None:
    assert consult_filter(job("mode: push\nfilter: event.total > 1"), Payload({"total": 1})) == REJECT


def test_a_filter_error_says_what_and_where() -> None:
    note = consult_filter(job("mode: push\nfilter: 1 < event.total"), Payload({}))
    assert note is not None
    assert (note.verdict, note.path, note.span) == ("error", "event.total", (4, 15))
    assert note.message


# -- the order of admission --------------------------------------------------------------------------------------


def test_what_the_filter_rejects_is_filtered_even_over_the_limits() -> None:
    limited = job("mode: push\nrate_limit: 1/hour\nconcurrency: {when_full: skip}")
    full = Occupancy(1, 0, 0)
    firing = Firing("a", Trigger.PUSH)
    assert admit(limited, firing, REJECT, 1, full) == Admission(Status.FILTERED, Reason.REJECTED, REJECT)
    assert admit(limited, firing, ERROR, 1, full) == Admission(Status.FILTERED, Reason.FILTER_ERROR, ERROR)
    assert admit(limited, firing, PASS, 1, full) == Admission(Status.RATE_LIMITED, Reason.RATE, PASS)
    assert admit(limited, firing, PASS, 0, full) == Admission(Status.RATE_LIMITED, Reason.OVERLAP, PASS)
    assert admit(limited, firing, PASS, 0, EMPTY) == Admission(Status.PENDING, None, PASS)


def test_the_rate_limit_admits_its_count_and_no_more() -> None:
    assert decide("rate_limit: 3/hour", admitted=2).status is Status.PENDING
    assert decide("rate_limit: 3/hour", admitted=3) == Admission(Status.RATE_LIMITED, Reason.RATE)


def test_the_window_of_a_rate_limit_ends_now() -> None:
    assert window_start(RateLimit(1, timedelta(hours=1), "1/hour"), START) == START - timedelta(hours=1)


# -- concurrency -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("taken", [Occupancy(1, 0, 0), Occupancy(0, 1, 0), Occupancy(0, 0, 1)])
@pytest.mark.parametrize("trigger", Trigger)
def test_skip_limits_what_runs_and_waits(taken: Occupancy, trigger: Trigger) -> None:
    skip = "concurrency: {limit: %d, when_full: skip}"
    assert decide(skip % 1, taken, trigger=trigger) == Admission(Status.RATE_LIMITED, Reason.OVERLAP)
    assert decide(skip % 2, taken, trigger=trigger) == Admission(Status.PENDING)


def test_one_slot_of_a_schedule_waits_and_further_ones_are_overlap() -> None:
    assert decide("", Occupancy(1, 0, 7), trigger=Trigger.CRON) == Admission(Status.PENDING)
    assert decide("", Occupancy(1, 1, 0), trigger=Trigger.CRON) == Admission(Status.RATE_LIMITED, Reason.OVERLAP)


@pytest.mark.parametrize("trigger", [Trigger.MANUAL, Trigger.PUSH])
def test_a_thousand_others_wait_and_for_further_ones_the_queue_is_full(trigger: Trigger) -> None:
    assert QUEUE_LIMIT == 1000
    assert decide("", Occupancy(1, 1, 999), trigger=trigger) == Admission(Status.PENDING)
    full = Admission(Status.RATE_LIMITED, Reason.QUEUE_FULL)
    assert decide("", Occupancy(1, 0, 1000), trigger=trigger) == full


def test_replace_admits_and_puts_pressure_on_the_oldest_only_when_full() -> None:
    replace = "concurrency: {limit: 2, when_full: replace}"
    assert decide(replace, Occupancy(1, 0, 0)) == Admission(Status.PENDING)
    assert decide(replace, Occupancy(2, 0, 0)) == Admission(Status.PENDING, pressure=Pressure.REPLACE_OLDEST)


# -- retries -----------------------------------------------------------------------------------------------------

RETRY = Retry(5, timedelta(seconds=30), timedelta(minutes=15))


@pytest.mark.parametrize(("attempt", "longest"), [(1, 30), (2, 60), (3, 120), (5, 480), (6, 900), (99, 900)])
def test_a_retry_waits_anything_up_to_a_bound_that_doubles_until_its_maximum(attempt: int, longest: int) -> None:
    assert retry_delay(RETRY, attempt, 0.0) == timedelta(0)
    assert retry_delay(RETRY, attempt, 0.5) == timedelta(seconds=longest / 2)
    assert retry_delay(RETRY, attempt, 1.0) == timedelta(seconds=longest)


def test_the_longest_backoff_and_the_last_attempt_that_a_file_may_ask_for_have_a_delay() -> None:
    decade = timedelta(days=3653)
    assert retry_delay(Retry(100, decade, decade), 99, 1.0) == decade


def test_attempts_count_the_first() -> None:
    assert not more_attempts(Retry(attempts=1), 1)
    assert more_attempts(Retry(attempts=3), 2)
    assert not more_attempts(Retry(attempts=3), 3)
