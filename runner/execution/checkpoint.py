"""A ledger as JSON data and back, so that a start need not read the whole log again."""

from array import array
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runner.execution.instants import format_instant
from runner.execution.ledger import RECENT, WINDOW, Execution, JobHistory, Ledger
from runner.execution.lifecycle import Status
from runner.execution.records import Record, read_carefully, read_plainly, to_dict
from runner.spec.models import Payload


@dataclass(frozen=True, slots=True)
class FrozenHistory:
    """What a ledger knew of one job at one moment; nothing of it changes any more."""

    open: tuple[Execution, ...]
    first: datetime | None
    last: Execution | None
    recent: tuple[Status, ...]
    counts: Mapping[Status, int]
    previous: Payload | None
    last_success: datetime | None
    admitted: "array[float]"
    settled: datetime | None
    filter_errors: int
    errors_in_a_row: int


def freeze(ledger: Ledger, job: str) -> FrozenHistory:
    """What the ledger knows of a job now: cheap, so that the ledger can go on at once."""
    history = ledger.history(job)
    return FrozenHistory(
        tuple(history.open.values()),
        history.first,
        history.last,
        tuple(history.recent),
        dict(history.counts),
        history.previous,
        history.last_success,
        history.admitted[-WINDOW:],
        history.settled,
        history.filter_errors,
        history.errors_in_a_row,
    )


def to_data(history: FrozenHistory) -> dict[str, Any]:
    """A job's history as JSON data. Admissions are the bytes of their array in base64, as they may be many."""
    data: dict[str, Any] = {
        "open": [_execution_data(execution) for execution in history.open],
        "recent": [status.value for status in history.recent],
        "counts": {status.value: count for status, count in history.counts.items()},
        "admitted": b64encode(history.admitted.tobytes()).decode("ascii"),
    }
    if history.first is not None:
        data["first"] = format_instant(history.first)
    if history.last is not None:
        data["last"] = _execution_data(history.last)
    if history.previous is not None:
        data["previous"] = history.previous.value
    if history.last_success is not None:
        data["last_success"] = format_instant(history.last_success)
    if history.settled is not None:
        data["settled"] = format_instant(history.settled)
    if history.filter_errors:
        data["filter_errors"] = [history.filter_errors, history.errors_in_a_row]
    return data


def _execution_data(execution: Execution) -> dict[str, Any]:
    return {"record": to_dict(execution.record), "created_at": format_instant(execution.created_at)}


def restored(jobs: Mapping[str, Any], latest: str) -> Ledger:
    """The ledger of a checkpoint's data, by job.

    Raises:
        ValueError: when the data is not what `to_data` gives (KeyError and TypeError, too).
    """
    ledger = Ledger()
    ledger.restore({job: _history(data) for job, data in jobs.items()}, latest)
    return ledger


def _history(data: Mapping[str, Any]) -> JobHistory:
    opened = [_execution(each) for each in data["open"]]
    filter_errors, in_a_row = data.get("filter_errors", (0, 0))
    return JobHistory(
        open={execution.id: execution for execution in opened},
        first=datetime.fromisoformat(data["first"]) if "first" in data else None,
        last=_execution(data["last"]) if "last" in data else None,
        recent=deque(map(Status, data["recent"]), maxlen=RECENT),
        counts={Status(status): count for status, count in data["counts"].items()},
        previous=Payload(data["previous"]) if "previous" in data else None,
        last_success=datetime.fromisoformat(data["last_success"]) if "last_success" in data else None,
        admitted=array("d", b64decode(data["admitted"], validate=True)),
        settled=datetime.fromisoformat(data["settled"]) if "settled" in data else None,
        filter_errors=filter_errors,
        errors_in_a_row=in_a_row,
    )


def _execution(data: Mapping[str, Any]) -> Execution:
    record: Record = read_plainly(data["record"]) or read_carefully(data["record"])
    return Execution(record, datetime.fromisoformat(data["created_at"]))
