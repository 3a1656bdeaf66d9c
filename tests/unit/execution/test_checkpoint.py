"""What a checkpoint holds of a ledger is all that the ledger needs to go on."""

from datetime import timedelta

import orjson
import pytest

from runner.execution.checkpoint import freeze, restored, to_data
from runner.execution.ledger import Ledger, fold
from runner.execution.lifecycle import Reason, Status
from runner.execution.records import Record
from runner.spec.models import Payload
from runner.testing import START, build_record

LINES: list[Record] = [
    build_record(number=1, payload=Payload({"a": None})),
    build_record(Status.RUNNING, number=1, started_at=START),
    build_record(Status.COMPLETED, number=1, finished_at=START, result=Payload(None)),
    build_record(number=2, job="b", at=START + timedelta(milliseconds=7), payload=Payload([1])),
    build_record(Status.CANCELLED, number=3, job="c", reason=Reason.MISSED, count=4),
    build_record(number=4, at=START + timedelta(seconds=9)),
    build_record(Status.RUNNING, number=4, started_at=START),
    build_record(Status.FAILED, number=4, finished_at=START),
    build_record(Status.CANCELLED, number=2, job="b", reason=Reason.BY_HAND),
]


def known(ledger: Ledger) -> object:
    return {job: freeze(ledger, job) for job in ledger.jobs()}, [*ledger.open()], ledger.latest


def through_a_checkpoint(ledger: Ledger) -> Ledger:
    data = {job: to_data(freeze(ledger, job)) for job in ledger.jobs()}
    return restored(orjson.loads(orjson.dumps(data)), ledger.latest)


@pytest.mark.parametrize("cut", range(len(LINES) + 1))
def test_a_ledger_goes_on_from_a_checkpoint_at_any_line_as_if_it_had_read_all(cut: int) -> None:
    ledger = through_a_checkpoint(fold(LINES[:cut]))
    assert known(ledger) == known(fold(LINES[:cut]))
    for line in LINES[cut:]:
        ledger.apply(line)
    assert known(ledger) == known(fold(LINES))


def test_what_is_frozen_does_not_change_with_the_ledger() -> None:
    ledger = fold(LINES[:1])
    frozen = freeze(ledger, "a")
    before = to_data(frozen)
    for line in LINES[1:3]:
        ledger.apply(line)
    assert to_data(frozen) == before


def test_data_of_another_shape_is_refused() -> None:
    for wrong in ({"a": {}}, {"a": None}, {"a": {"open": [{}], "recent": [], "counts": {}, "admitted": ""}}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            restored(wrong, "")
