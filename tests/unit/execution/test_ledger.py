"""The fold over records: what is known of executions and jobs, and what is written down after a crash."""

from datetime import timedelta

import pytest

from runner.execution.ledger import ENDED, RECENT, WINDOW, Ledger, fold, is_first, merge, newest, settle_lost
from runner.execution.lifecycle import ErrorType, Failure, IllegalTransitionError, Reason, Status, Trigger
from runner.execution.records import Definition, FilterNote, Record
from runner.spec.models import Payload
from runner.testing import START, build_record

SECOND = timedelta(seconds=1)


def life(number: int, end: Status = Status.COMPLETED, **last: object) -> list[Record]:
    """The lines of an execution that ran for a second."""
    at = START + number * timedelta(minutes=1)
    values = {"finished_at": at + SECOND, "started_at": at, **last}
    return [
        build_record(number=number, at=at, payload=Payload({"n": number})),
        build_record(Status.RUNNING, number=number, at=at, started_at=at, attempt=1),
        build_record(end, number=number, at=at + SECOND, **values),
    ]


def retry(number: int = 1, **values: object) -> Record:
    failure = Failure(ErrorType.EXIT_CODE, "exit code 1")
    given = {"reason": Reason.RETRY, "attempt": 2, "error": failure, "not_before": START + SECOND, **values}
    return build_record(number=number, **given)


# -- merging -----------------------------------------------------------------------------------------------------


def test_what_a_line_does_not_say_holds_on_from_the_lines_before() -> None:
    first = build_record(payload=Payload(None), filter=FilterNote("pass"), actor="alice", scheduled_for=START)
    merged = merge(first, build_record(Status.RUNNING, attempt=1))
    assert merged == build_record(
        Status.RUNNING,
        attempt=1,
        payload=Payload(None),
        filter=FilterNote("pass"),
        actor="alice",
        scheduled_for=START,
    )


def test_what_a_line_says_of_its_own_moment_does_not_hold_on() -> None:
    before = retry(duration_ms=5, definition=Definition("a.yaml", 1, "old"))
    after = merge(before, build_record(Status.RUNNING))
    assert (after.reason, after.not_before, after.error, after.duration_ms, after.definition) == (None,) * 5
    assert after.attempt == 2


# -- applying ----------------------------------------------------------------------------------------------------


def test_an_open_execution_is_found_with_all_that_its_lines_said() -> None:
    ledger = fold(life(1)[:2])
    execution = ledger.get(f"{1:026d}")
    assert execution is not None
    assert execution.status is Status.RUNNING
    assert execution.record.payload == Payload({"n": 1})
    assert execution.created_at == START + timedelta(minutes=1)
    assert [*ledger.history("a").open] == [execution.id]


def test_an_illegal_record_raises_and_changes_nothing() -> None:
    ledger = fold(life(1))
    with pytest.raises(IllegalTransitionError):
        ledger.apply(build_record(Status.RUNNING, number=1))
    with pytest.raises(IllegalTransitionError):
        ledger.apply(build_record(Status.RUNNING, number=2))
    assert ledger.status_of(f"{1:026d}") is Status.COMPLETED
    assert ledger.get(f"{2:026d}") is None
    assert [*ledger.open()] == []
    assert ledger.history("a").counts == {Status.COMPLETED: 1}


def test_lines_that_the_table_does_not_allow_are_passed_over_in_a_log() -> None:
    lines = life(1)
    ledger = fold([lines[1], *lines, lines[2], build_record(Status.CANCELLED, number=1)])
    assert ledger.status_of(f"{1:026d}") is Status.COMPLETED
    assert ledger.history("a").counts == {Status.COMPLETED: 1}


def test_open_executions_come_oldest_first_whatever_the_order_of_their_last_lines() -> None:
    ledger = fold([build_record(number=2), build_record(number=1), build_record(Status.RUNNING, number=2)])
    assert [execution.id for execution in ledger.open()] == [f"{1:026d}", f"{2:026d}"]


def test_the_previous_result_is_that_of_the_last_completed_run() -> None:
    ledger = fold([*life(1, result=Payload("one")), *life(2, Status.FAILED)])
    assert ledger.history("a").previous == Payload("one")
    assert ledger.history("a").last_success == START + timedelta(minutes=1, seconds=1)
    for record in life(3):
        ledger.apply(record)
    assert ledger.history("a").previous is None


def test_a_missed_range_counts_as_many_as_it_stands_for() -> None:
    ledger = fold([build_record(Status.CANCELLED, reason=Reason.MISSED, count=7), *life(2)])
    assert ledger.history("a").counts == {Status.CANCELLED: 7, Status.COMPLETED: 1}


def test_of_ended_executions_the_last_and_some_statuses_are_remembered_without_what_may_be_large() -> None:
    ledger = fold(record for number in range(1, RECENT + 3) for record in life(number, result=Payload("x")))
    history = ledger.history("a")
    assert [*history.recent] == [Status.COMPLETED] * RECENT
    assert history.last is ledger.get(f"{RECENT + 2:026d}")
    assert history.last is not None
    assert history.last.record.payload is history.last.record.result is None
    assert history.counts == {Status.COMPLETED: RECENT + 2}
    assert ledger.latest == f"{RECENT + 2:026d}"


def test_executions_that_ended_long_ago_are_left_to_the_log() -> None:
    ledger = fold(build_record(Status.FILTERED, number=number) for number in range(ENDED + 2))
    assert [ledger.get(f"{number:026d}") is None for number in range(4)] == [True, True, False, False]


def test_an_unknown_job_has_an_empty_history_which_is_not_kept() -> None:
    ledger = Ledger()
    assert not ledger.history("b").open
    assert [*ledger.jobs()] == []


def test_a_forgotten_job_leaves_nothing_behind_and_others_stay() -> None:
    ledger = fold([*life(1), *life(2)[:2], build_record(number=3, job="b")])
    ledger.forget("a")
    ledger.forget("never-seen")
    assert ledger.get(f"{1:026d}") is ledger.get(f"{2:026d}") is None
    assert [execution.id for execution in ledger.open()] == [f"{3:026d}"]
    assert [*ledger.jobs()] == ["b"]


# -- the window of the rate limit --------------------------------------------------------------------------------


def test_admissions_are_first_pending_lines_and_nothing_else() -> None:
    ledger = fold(
        [
            *life(1)[:2],
            retry(1),
            build_record(Status.FILTERED, number=2),
            build_record(Status.RATE_LIMITED, number=3),
            build_record(Status.CANCELLED, number=4, reason=Reason.MISSED),
        ]
    )
    assert [*ledger.history("a").admitted] == [(START + timedelta(minutes=1)).timestamp()]


def test_admissions_are_in_order_of_time_even_when_the_clock_was_stepped_back() -> None:
    instants = [START, START + 2 * SECOND, START + SECOND]
    ledger = fold(build_record(number=number, at=at) for number, at in enumerate(instants))
    assert [*ledger.history("a").admitted] == sorted(at.timestamp() for at in instants)


def test_as_many_admissions_are_remembered_as_a_limit_may_count() -> None:
    first = build_record()
    ledger = Ledger()
    history = None
    for number in range(2 * WINDOW + 5):
        ledger.apply(build_record(Status.PENDING, number=number, at=first.at + number * SECOND))
    history = ledger.history("a")
    assert WINDOW <= len(history.admitted) < 2 * WINDOW
    assert history.admitted[-1] == (first.at + (2 * WINDOW + 4) * SECOND).timestamp()


# -- reading backwards -------------------------------------------------------------------------------------------


def test_executions_come_newest_first_and_whole_from_lines_read_backwards() -> None:
    lines = [*life(1)[:2], *life(2), retry(1), build_record(Status.RUNNING, number=1, attempt=2)]
    first, second = newest(reversed(lines))
    assert (first.id, first.status) == (f"{2:026d}", Status.COMPLETED)
    assert first.record.payload == Payload({"n": 2})
    assert (second.id, second.status) == (f"{1:026d}", Status.RUNNING)
    assert (second.record.attempt, second.record.payload) == (2, Payload({"n": 1}))
    assert second.created_at == START + timedelta(minutes=1)


def test_no_more_lines_are_read_than_the_wanted_executions_need() -> None:
    lines = iter([*reversed(life(2)), *reversed(life(1))])
    assert next(newest(lines)).id == f"{2:026d}"
    assert len([*lines]) == 3


@pytest.mark.parametrize(
    ("record", "first"),
    [
        (build_record(), True),
        (retry(), False),
        (build_record(Status.FILTERED), True),
        (build_record(Status.RATE_LIMITED), True),
        (build_record(Status.CANCELLED, reason=Reason.MISSED), True),
        (build_record(Status.CANCELLED, reason=Reason.BY_HAND), False),
        (build_record(Status.RUNNING), False),
        (build_record(Status.COMPLETED), False),
        (build_record(Status.FAILED), False),
    ],
)
def test_the_first_line_of_an_execution_is_known_by_itself(*, record: Record, first: bool) -> None:
    assert is_first(record) is first


# -- after a crash -----------------------------------------------------------------------------------------------


def running(**values: object) -> Ledger:
    lines = [
        build_record(scheduled_for=START, lateness_ms=3, payload=Payload(1), filter=FilterNote("pass"), **values),
        build_record(
            Status.RUNNING, started_at=START, attempt=1, definition=Definition("a.yaml", 1, "x"), **values
        ),
    ]
    return fold(lines)


def test_a_lost_run_without_attempts_left_has_failed_since_the_runner_was_lost() -> None:
    ledger = running(trigger=Trigger.CRON)
    (lost,) = ledger.open()
    now = START + timedelta(seconds=90)
    line = settle_lost(lost, now, None)
    assert line == build_record(
        Status.FAILED,
        trigger=Trigger.CRON,
        at=now,
        scheduled_for=START,
        attempt=1,
        started_at=START,
        finished_at=now,
        duration_ms=90_000,
        error=Failure(ErrorType.RUNNER_LOST, "the runner died while this ran"),
        definition=Definition("a.yaml", 1, "x"),
    )
    assert ledger.apply(line).status is Status.FAILED


def test_a_lost_run_with_attempts_left_is_retried_with_its_payload() -> None:
    ledger = running()
    (lost,) = ledger.open()
    line = settle_lost(lost, START + SECOND, START + 2 * SECOND)
    assert (line.status, line.reason, line.attempt) == (Status.PENDING, Reason.RETRY, 2)
    assert (line.not_before, line.started_at, line.lateness_ms) == (START + 2 * SECOND, None, None)
    assert line.error is not None
    assert line.error.type is ErrorType.RUNNER_LOST
    assert ledger.apply(line).record.payload == Payload(1)


def test_a_lost_run_has_no_negative_duration_when_the_clock_was_stepped_back() -> None:
    (lost,) = running().open()
    assert settle_lost(lost, START - SECOND, None).duration_ms == 0
