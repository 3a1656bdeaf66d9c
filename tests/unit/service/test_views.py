"""The shape of answers: the keys of records, and nothing where there is nothing."""

from datetime import timedelta

import pytest

from runner.errors import Diagnostic, Severity, Span
from runner.execution.firing import PushEvent
from runner.execution.ledger import Execution
from runner.execution.lifecycle import ErrorType, Failure, Status
from runner.execution.records import Definition, FilterNote, to_dict
from runner.ports import Pause
from runner.service.views import (
    DiagnosticView,
    ExecutionView,
    ForeignAnswerError,
    HistoryQuery,
    JobView,
    NextRun,
    PauseView,
    SettingView,
    View,
    read,
    to_json,
)
from runner.spec.models import Payload
from runner.testing import START, build_record


def job(**values: object) -> JobView:
    given = {
        "id": "a",
        "name": "A",
        "description": "",
        "agent": "robot",
        "mode": "manual",
        "enabled": True,
        "definition": {"path": "a.yaml", "line": 1, "sha256": "ab"},
        "live": True,
    }
    return read(JobView, given | values)


def test_an_execution_has_the_keys_of_its_record_and_when_it_was_created() -> None:
    record = build_record(
        Status.FAILED,
        at=START + timedelta(seconds=2),
        event=PushEvent(id="1"),
        payload=Payload({"x": None}),
        filter=FilterNote("pass"),
        error=Failure(ErrorType.EXIT_CODE, "exit code 1", {"exit_code": 1, "signal": None}),
        usage={"cost": None},
        from_=START,
        definition=Definition("a.yaml", 1, "ab"),
    )
    assert to_json(ExecutionView.of(Execution(record, START))) == to_dict(record) | {
        "created_at": "2026-03-02T08:00:00.000Z"
    }


def test_a_null_that_was_given_is_shown_and_one_that_was_not_given_is_not() -> None:
    given = to_json(ExecutionView.of(Execution(build_record(payload=Payload(None), result=Payload(None)), START)))
    assert (given["payload"], given["result"]) == (None, None)
    absent = to_json(ExecutionView.of(Execution(build_record(), START)))
    assert "payload" not in absent
    assert None not in absent.values()


def test_a_diagnostic_survives_the_way_through_its_view_but_for_related_places() -> None:
    whole = Diagnostic("r", "m", "a.yaml", Span(1, 2, 3, 4), Severity.WARNING, help="h", source="s", job="a")
    bare = Diagnostic("r", "m", "a.yaml")
    for diagnostic in (whole, bare):
        view = DiagnosticView.of(diagnostic)
        assert read(DiagnosticView, to_json(view)).diagnostic() == diagnostic
    assert to_json(DiagnosticView.of(bare)) == {"rule": "r", "severity": "error", "message": "m", "path": "a.yaml"}


def test_a_pause_without_an_end_shows_none() -> None:
    assert to_json(PauseView.of(Pause("me", START))) == {"by": "me", "at": "2026-03-02T08:00:00.000Z"}
    assert to_json(PauseView.of(Pause("me", START, "x", START)))["until"] == "2026-03-02T08:00:00.000Z"


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({}, "active"),
        ({"stale": [{"rule": "r", "severity": "error", "message": "m", "path": "p"}]}, "stale"),
        ({"paused": {"by": "me", "at": START}, "stale": []}, "paused"),
        ({"enabled": False, "paused": {"by": "me", "at": START}}, "disabled"),
    ],
)
def test_the_state_of_a_job_is_one_word(values: dict[str, object], state: str) -> None:
    assert job(**values).state == state


def test_keys_without_a_value_are_left_out_at_every_depth_but_not_inside_what_users_wrote() -> None:
    data = to_json(
        job(
            paused={"by": "me", "at": START},
            last={"id": "1", "status": "failed", "at": START, "error": {"type": "agent", "message": "x"}},
            stale=[{"rule": "r", "severity": "error", "message": "m", "path": "p"}],
        )
    )
    assert data["paused"] == {"by": "me", "at": "2026-03-02T08:00:00.000Z"}
    assert data["last"]["error"] == {"type": "agent", "message": "x"}
    assert data["stale"] == [{"rule": "r", "severity": "error", "message": "m", "path": "p"}]
    assert "schedule" not in data
    assert to_json(SettingView(value=None, source="x")) == {"source": "x"}


def test_a_coming_run_shows_its_instant_twice() -> None:
    view = NextRun(job="a", scheduled_for=START, local="2026-03-02T09:00:00+01:00")
    assert to_json(view) == {
        "job": "a",
        "scheduled_for": "2026-03-02T08:00:00.000Z",
        "local": "2026-03-02T09:00:00+01:00",
    }


def test_a_view_is_read_from_its_json_and_keys_that_nobody_knows_are_passed_over() -> None:
    view = job(
        paused={"by": "me", "at": START},
        last={"id": "1", "status": "failed", "at": START, "error": {"type": "agent", "message": "x"}},
        next_run=START,
    )
    assert read(JobView, {**to_json(view), "new": 1}) == view


def test_an_execution_read_from_its_json_has_all_of_it() -> None:
    line = to_json(ExecutionView.of(Execution(build_record(payload=Payload(None), count=3), START))) | {"new": [1]}
    view = read(ExecutionView, line)
    assert (view.created_at, view.status, view.count) == (START, Status.PENDING, 3)
    assert to_json(view) == line


@pytest.mark.parametrize("kind", [NextRun, ExecutionView])
@pytest.mark.parametrize("data", [None, [], {"job": 1}, {"job": "a", "scheduled_for": "soon", "local": "x"}])
def test_what_is_no_view_is_refused_with_its_kind(kind: type[View], data: object) -> None:
    with pytest.raises(ForeignAnswerError, match=f"no {kind.__name__}: "):
        read(kind, data)


def test_a_question_about_history_asks_for_fifty_of_everything() -> None:
    query = HistoryQuery()
    assert (query.job, query.statuses, query.limit, query.before) == (None, frozenset(), 50, None)
