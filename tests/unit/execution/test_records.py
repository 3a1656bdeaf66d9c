"""Lines of the log: what stands in them, and what is read back."""

import json
from datetime import timedelta

import orjson
import pytest

from runner.execution.firing import PushEvent
from runner.execution.lifecycle import ErrorType, Failure, Reason, Status, Trigger
from runner.execution.records import (
    Definition,
    FilterNote,
    ForeignLineError,
    following,
    from_line,
    milliseconds,
    to_dict,
    to_line,
)
from runner.spec.models import Mode, Payload
from runner.testing import START, build_record

LINE = to_line(build_record())


def changed(**values: object) -> bytes:
    """The plain line with other values; None removes the key."""
    data = {**json.loads(LINE), **values}
    return orjson.dumps({key: value for key, value in data.items() if value is not ...})


def test_a_line_holds_only_what_is_there() -> None:
    assert LINE == (
        b'{"v":1,"id":"00000000000000000000000001","job":"a","name":"A","agent":"robot","mode":"manual",'
        b'"trigger":"manual","status":"pending","at":"2026-03-02T08:00:00.000Z"}\n'
    )


def test_a_full_line_has_the_documented_keys_and_comes_back_equal() -> None:
    record = build_record(
        Status.FAILED,
        mode=Mode.PUSH,
        trigger=Trigger.PUSH,
        reason=Reason.RETRY,
        scheduled_for=START,
        lateness_ms=12,
        not_before=START,
        started_at=START,
        finished_at=START + timedelta(seconds=2),
        duration_ms=2000,
        attempt=2,
        actor="alice",
        cancelled_by="bob",
        rerun_of="0" * 26,
        event=PushEvent("1", "shop", "order", "d-1"),
        payload=Payload({"total": 3}),
        payload_ref="payloads/x",
        payload_sha256="ab",
        filter=FilterNote("error", "`event.x` is missing", "event.x", (0, 7)),
        pid=12,
        pid_start=3456,
        result=Payload([1, "zwei", None]),
        usage={"requests": 1},
        error=Failure(ErrorType.EXIT_CODE, "exit code 1", {"exit_code": 1}),
        from_=START,
        until=START,
        count=4,
        definition=Definition("jobs.d/a.yaml", 3, "cd"),
    )
    data = json.loads(to_line(record))
    assert data["from"] == data["until"] == "2026-03-02T08:00:00.000Z"
    assert data["filter"] == {
        "verdict": "error",
        "message": "`event.x` is missing",
        "path": "event.x",
        "span": [0, 7],
    }
    assert data["error"] == {"type": "exit_code", "message": "exit code 1", "detail": {"exit_code": 1}}
    assert data["event"] == {"id": "1", "source": "shop", "type": "order", "delivery": "d-1"}
    assert data["definition"] == {"path": "jobs.d/a.yaml", "line": 3, "sha256": "cd"}
    assert None not in data.values()
    assert from_line(to_line(record)) == record


def test_a_null_that_was_given_survives_and_one_that_was_not_given_does_not_appear() -> None:
    given = from_line(to_line(build_record(Status.COMPLETED, payload=Payload(None), result=Payload(None))))
    assert (given.payload, given.result) == (Payload(None), Payload(None))
    absent = from_line(LINE)
    assert (absent.payload, absent.result) == (None, None)


def test_nulls_inside_a_payload_stay() -> None:
    record = build_record(payload=Payload({"a": None, "b": [None]}))
    assert to_dict(record)["payload"] == {"a": None, "b": [None]}
    assert from_line(to_line(record)) == record


def test_absent_values_inside_objects_are_absent_keys() -> None:
    record = build_record(event=PushEvent(id="1"), filter=FilterNote("pass"), error=Failure(ErrorType.AGENT, "x"))
    data = to_dict(record)
    assert data["event"] == {"id": "1"}
    assert data["filter"] == {"verdict": "pass"}
    assert data["error"] == {"type": "agent", "message": "x"}


def test_a_line_is_one_line_whatever_is_in_it() -> None:
    line = to_line(build_record(payload=Payload("two\nlines\u2028\r")))
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")


def test_an_offset_in_a_line_is_understood() -> None:
    assert from_line(changed(at="2026-03-02T09:00:00+01:00")).at == START


def test_keys_that_a_newer_writer_added_are_ignored_at_every_depth() -> None:
    line = changed(
        v=2,
        novelty={"x": 1},
        event={"id": "1", "novelty": 1},
        filter={"verdict": "pass", "novelty": 1},
        error={"type": "agent", "message": "x", "novelty": 1},
        definition={"path": "a.yaml", "line": 1, "sha256": "ab", "novelty": 1},
    )
    record = from_line(line)
    assert record.event == PushEvent("1")
    assert record.filter == FilterNote("pass")
    assert record.error == Failure(ErrorType.AGENT, "x")
    assert record.definition == Definition("a.yaml", 1, "ab")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 2000, "not JSON"),
        (b"null", "the line"),
        (b"[]", "the line"),
        (b"3", "the line"),
        (b"{}", "v: Field required"),
        (changed(id=...), "id: Field required"),
        (changed(status="asleep"), "status: "),
        (changed(reason="boredom"), "reason: "),
        (changed(at="yesterday"), "at: "),
        (changed(at="2026-03-02T08:00:00"), "at: "),
        (changed(error={"type": "mood", "message": "x"}), "error.type: "),
        (changed(definition={}), "definition.path: "),
        (changed(attempt="first"), "attempt: "),
    ],
)
def test_a_foreign_line_is_an_error_that_says_where(raw: bytes, reason: str) -> None:
    with pytest.raises(ForeignLineError) as caught:
        from_line(raw)
    assert str(caught.value).startswith(reason)
    assert "\n" not in str(caught.value)


def test_the_next_line_says_nothing_that_an_earlier_line_said_of_its_own_moment() -> None:
    retry = build_record(
        reason=Reason.RETRY,
        attempt=2,
        scheduled_for=START,
        lateness_ms=5,
        not_before=START,
        started_at=START,
        finished_at=START,
        duration_ms=7,
        cancelled_by="x",
        actor="alice",
        payload=Payload(1),
        payload_ref="r",
        payload_sha256="s",
        filter=FilterNote("pass"),
        pid=1,
        pid_start=2,
        usage={"requests": 1},
        error=Failure(ErrorType.AGENT, "x"),
    )
    later = START + timedelta(seconds=1)
    assert following(retry, Status.RUNNING, later) == build_record(
        Status.RUNNING, at=later, attempt=2, scheduled_for=START, actor="alice"
    )


def test_a_span_of_time_is_whole_milliseconds_and_never_negative() -> None:
    assert milliseconds(timedelta(seconds=1.2346)) == 1235
    assert milliseconds(timedelta(seconds=-3)) == 0
