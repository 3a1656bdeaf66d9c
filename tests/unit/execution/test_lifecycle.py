"""The one table of transitions: total, and as promised."""

import itertools

import pytest

from runner.execution.lifecycle import (
    TRANSITIONS,
    ErrorType,
    Failure,
    IllegalTransitionError,
    Outcome,
    Process,
    Status,
    check_transition,
)

PROMISED = {
    None: {"pending", "filtered", "rate_limited", "cancelled"},
    "pending": {"running", "cancelled", "failed"},
    "running": {"completed", "failed", "cancelled", "pending"},
    "completed": set(),
    "failed": set(),
    "filtered": set(),
    "rate_limited": set(),
    "cancelled": set(),
}


def test_the_table_says_for_every_status_what_may_follow() -> None:
    assert TRANSITIONS.keys() == {None, *Status}
    assert {before: {*after} for before, after in TRANSITIONS.items()} == PROMISED


@pytest.mark.parametrize(("before", "after"), [*itertools.product([None, *Status], Status)])
def test_a_transition_is_allowed_exactly_where_the_table_has_it(before: Status | None, after: Status) -> None:
    if after in PROMISED[before]:
        check_transition("x", before, after)
    else:
        with pytest.raises(IllegalTransitionError) as caught:
            check_transition("x", before, after)
        assert (caught.value.execution, caught.value.present, caught.value.wanted) == ("x", before, after)


def test_five_statuses_are_terminal() -> None:
    assert {status.value for status in Status if status.terminal} == {
        "completed",
        "failed",
        "filtered",
        "rate_limited",
        "cancelled",
    }


def test_every_status_can_be_reached() -> None:
    reached: set[Status] = set()
    todo: list[Status | None] = [None]
    while todo:
        new = TRANSITIONS[todo.pop()] - reached
        reached |= new
        todo += new
    assert reached == {*Status}


def test_the_message_of_an_illegal_transition_says_from_where_to_where() -> None:
    assert str(IllegalTransitionError("x", None, Status.RUNNING)) == (
        "execution x is not started, so it can't become running"
    )
    assert str(IllegalTransitionError("x", Status.FAILED, Status.RUNNING)) == (
        "execution x is failed, so it can't become running"
    )


def test_an_outcome_without_a_failure_is_a_success_and_needs_no_result() -> None:
    assert Outcome().failure is None
    assert Outcome().result is None


def test_a_failed_outcome_has_a_type_a_message_details_and_the_process() -> None:
    outcome = Outcome.failed(ErrorType.EXIT_CODE, "exit code 3", {"exit_code": 3}, Process(7, 99))
    assert outcome.failure == Failure(ErrorType.EXIT_CODE, "exit code 3", {"exit_code": 3})
    assert outcome.process == Process(7, 99)
    assert outcome.result is None
