"""The fold over records: what every execution is now, and what to write down after a crash."""

import contextlib
from array import array
from bisect import insort
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime

from ulid import ULID

from runner.execution.lifecycle import (
    ErrorType,
    Failure,
    IllegalTransitionError,
    Reason,
    Status,
    check_transition,
)
from runner.execution.records import Record, following, milliseconds
from runner.spec.models import LARGEST_RATE, Payload

RECENT = 20
"""Of how many ended executions of a job the status stays in memory; the log has all."""

ENDED = 1000
"""How many ended executions of all jobs stay in memory, without payload and result, for whoever is late."""

WINDOW = LARGEST_RATE
"""How many admissions of a job are remembered for its rate limit: the largest count that a limit may have."""

_OF_ITS_LINE = frozenset(
    {
        "status",
        "reason",
        "at",
        "not_before",
        "finished_at",
        "duration_ms",
        "cancelled_by",
        "error",
        "definition",
    }
)
"""What one line says of its own moment; every other value holds on for the lines after it."""

_LASTING = tuple(f.name for f in fields(Record) if f.name not in _OF_ITS_LINE)


def merge(before: Record | None, line: Record) -> Record:
    """What is known of an execution after one more of its lines."""
    if before is None:
        return line
    kept = {
        name: value
        for name in _LASTING
        if getattr(line, name) is None and (value := getattr(before, name)) is not None
    }
    return replace(line, **kept) if kept else line


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution as its lines tell it: the merged values, and when the first line was written."""

    record: Record
    created_at: datetime

    @property
    def id(self) -> str:
        """The ULID."""
        return self.record.id

    @property
    def status(self) -> Status:
        """The present status."""
        return self.record.status


@dataclass(slots=True)
class JobHistory:
    """What the ledger remembers of one job: its open executions, how the recent ones ended, and a few sums.

    `first` is when the first of all was created; `last` is the execution that ended last, without payload and
    result. `settled` is the job's mark: its last slot that has an outcome. `filter_errors` counts events on which
    the filter failed, `errors_in_a_row` those since the last on which it did not.
    """

    open: dict[str, Execution] = field(default_factory=dict)
    first: datetime | None = None
    last: Execution | None = None
    recent: deque[Status] = field(default_factory=lambda: deque(maxlen=RECENT))
    counts: dict[Status, int] = field(default_factory=dict)
    previous: Payload | None = None
    last_success: datetime | None = None
    admitted: "array[float]" = field(default_factory=lambda: array("d"))
    settled: datetime | None = None
    filter_errors: int = 0
    errors_in_a_row: int = 0

    def take_first_line(self, line: Record) -> None:
        """Take in what a first line says: an admission, a slot or slots, the verdict of the filter."""
        if line.status is Status.PENDING:
            remember_admission(self.admitted, line.at)
        slot = line.until or line.scheduled_for
        if slot is not None and (self.settled is None or slot > self.settled):
            self.settled = slot
        if line.filter is not None:
            failed = line.reason is Reason.FILTER_ERROR
            self.filter_errors += failed
            self.errors_in_a_row = self.errors_in_a_row + 1 if failed else 0


def remember_admission(admitted: "array[float]", at: datetime) -> None:
    """Add an admission (Unix seconds) to a job's window, and let the oldest go now and then.

    The window stays in order of time also when the wall clock was stepped back.
    """
    insort(admitted, at.timestamp())
    if len(admitted) >= 2 * WINDOW:
        del admitted[:WINDOW]


class Ledger:
    """Everything that the records say, folded in the order in which they were written."""

    def __init__(self) -> None:
        self._open: dict[str, Execution] = {}
        self._jobs: dict[str, JobHistory] = {}
        self._ended: dict[str, Execution] = {}
        self._latest = ""

    def apply(self, record: Record) -> Execution:
        """Take in one record.

        Raises:
            IllegalTransitionError: when the execution can't become what the record says; nothing changed.
        """
        id_, status = record.id, record.status
        before = self._open.get(id_)
        check_transition(id_, before.record.status if before else self.status_of(id_), status)
        history = self._jobs.get(record.job)
        if history is None:
            history = self._jobs[record.job] = JobHistory(first=before.created_at if before else record.at)
        if before is None:
            execution = Execution(record, record.at)
            self._latest = max(self._latest, id_)
            history.take_first_line(record)
        else:
            execution = Execution(merge(before.record, record), before.created_at)
        if status.terminal:
            self._close(history, execution)
        else:
            self._open[id_] = history.open[id_] = execution
        return execution

    def _close(self, history: JobHistory, execution: Execution) -> None:
        self._open.pop(execution.id, None)
        history.open.pop(execution.id, None)
        slim = replace(execution, record=replace(execution.record, payload=None, result=None))
        history.last = slim
        history.recent.append(execution.status)
        self._ended[execution.id] = slim
        if len(self._ended) > ENDED:
            del self._ended[next(iter(self._ended))]
        history.counts[execution.status] = history.counts.get(execution.status, 0) + (execution.record.count or 1)
        if execution.status is Status.COMPLETED:
            history.previous = execution.record.result
            history.last_success = execution.record.finished_at

    def status_of(self, execution: str) -> Status | None:
        """The present status, or None where the ledger knows no such execution (any more)."""
        found = self._open.get(execution) or self._ended.get(execution)
        return found.record.status if found else None

    def get(self, execution: str) -> Execution | None:
        """The execution with this id, open or among those that ended last."""
        return self._open.get(execution) or self._ended.get(execution)

    def history(self, job: str) -> JobHistory:
        """What is remembered of a job; an empty history for an unknown one."""
        return self._jobs.get(job) or JobHistory()

    def open(self) -> Iterator[Execution]:
        """All executions that have not ended, oldest first."""
        return iter(sorted(self._open.values(), key=lambda execution: execution.id))

    def jobs(self) -> Iterator[str]:
        """The ids of all jobs that have records."""
        return iter(self._jobs)

    def forget(self, job: str) -> None:
        """Drop a deleted job's history."""
        history = self._jobs.pop(job, None)
        if history is None:
            return
        for execution in history.open:
            self._open.pop(execution, None)
        for execution in [ended.id for ended in self._ended.values() if ended.record.job == job]:
            del self._ended[execution]

    @property
    def latest(self) -> str:
        """The greatest id of all executions so far; empty where there is none."""
        return self._latest

    def restore(self, histories: Mapping[str, JobHistory], latest: str) -> None:
        """Take over what a checkpoint holds, in place of the lines that it stands for."""
        self._jobs = dict(histories)
        self._open = {id_: execution for history in histories.values() for id_, execution in history.open.items()}
        lasts = [history.last for history in histories.values() if history.last is not None]
        lasts.sort(key=lambda execution: execution.record.at)
        self._ended = {execution.id: execution for execution in lasts[-ENDED:]}
        self._latest = latest


def fold(records: Iterable[Record], ledger: Ledger | None = None) -> Ledger:
    """The ledger of a whole log, or of the log that goes on where the ledger ends.

    Lines that the table of transitions does not allow (a log edited by hand) are passed over.
    """
    ledger = ledger or Ledger()
    for record in records:
        with contextlib.suppress(IllegalTransitionError):
            ledger.apply(record)
    return ledger


def newest(backwards: Iterable[Record]) -> Iterator[Execution]:
    """Executions from the lines of a log read backwards, the newest first.

    First lines stand in the order of creation, and everything else that is said of an execution stands after
    its first line: so when that comes up, the execution is whole.
    """
    later: dict[str, Record] = {}
    for record in backwards:
        known = later.get(record.id)
        merged = merge(record, known) if known else record
        if is_first(record):
            later.pop(record.id, None)
            yield Execution(merged, record.at)
        else:
            later[record.id] = merged


def is_first(record: Record) -> bool:
    """Whether a line is the first of its execution."""
    match record.status:
        case Status.PENDING:
            return record.reason is not Reason.RETRY
        case Status.FILTERED | Status.RATE_LIMITED:
            return True
        case Status.CANCELLED:
            return record.reason is Reason.MISSED
        case _:
            return False


def id_time(record: Record) -> datetime:
    """When an execution was created, as its ULID says; else the time of the line."""
    try:
        return ULID.from_str(record.id).datetime.astimezone(UTC)
    except (ValueError, OverflowError):
        return record.at


def settle_lost(execution: Execution, now: datetime, retry_at: datetime | None) -> Record:
    """The line that settles an execution that ran when its runner died.

    Args:
        execution: a running execution whose processes are gone.
        now: the instant of the new line.
        retry_at: when another attempt may start, or None when no attempts remain.
    """
    last = execution.record
    lost = Failure(ErrorType.RUNNER_LOST, "the runner died while this ran")
    settled = replace(following(last, Status.FAILED, now), error=lost)
    if retry_at is not None:
        return replace(
            settled,
            status=Status.PENDING,
            reason=Reason.RETRY,
            attempt=(last.attempt or 1) + 1,
            not_before=retry_at,
        )
    return replace(
        settled,
        started_at=last.started_at,
        finished_at=now,
        duration_ms=milliseconds(now - (last.started_at or now)),
    )
