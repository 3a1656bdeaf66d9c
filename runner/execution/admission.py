"""What becomes of a firing: the filter, the rate limit and the concurrency limit, as pure decisions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from runner.errors import JobDisabledError
from runner.execution.firing import Firing
from runner.execution.lifecycle import Reason, Status, Trigger
from runner.execution.records import FilterNote
from runner.filters import VerdictKind
from runner.spec.models import Job, Mode, Payload, RateLimit, Retry, WhenFull

QUEUE_LIMIT = 1000
"""How many pushed and manual executions of one job may wait."""


class Pressure(StrEnum):
    """What a new execution does to the ones that are there."""

    NONE = "none"
    REPLACE_OLDEST = "replace_oldest"


@dataclass(frozen=True, slots=True)
class Occupancy:
    """How full a job is: executions that run, slots of the schedule that wait, other executions that wait."""

    running: int
    waiting_slots: int
    waiting_others: int

    @property
    def total(self) -> int:
        """How many executions have not ended."""
        return self.running + self.waiting_slots + self.waiting_others


@dataclass(frozen=True, slots=True)
class Admission:
    """The first status of an execution, why, and what the filter said."""

    status: Status
    reason: Reason | None = None
    note: FilterNote | None = None
    pressure: Pressure = Pressure.NONE


def refuse_disabled(job: Job, paused: bool) -> None:  # noqa: FBT001 - a fact about the job, not an option
    """Raise `JobDisabledError` when nothing may trigger the job."""
    if not job.enabled:
        raise JobDisabledError(f"job {job.id} is disabled in {job.origin.path}; set enabled: true there")
    if paused:
        raise JobDisabledError(f"job {job.id} is paused; 'jobsd enable {job.id}' ends the pause")


def payload_of(job: Job, firing: Firing) -> Payload | None:
    """The payload of an execution: what was given, else the job's own for a cron tick or a run by hand.

    An execution that is run again gets what it had, also when that was nothing.
    """
    if firing.payload is not None or firing.trigger is Trigger.PUSH or firing.rerun_of is not None:
        return firing.payload
    return job.payload


def consult_filter(job: Job, payload: Payload | None) -> FilterNote | None:
    """What the job's filter says; None where it has no say (no filter, a manual job, no payload)."""
    if job.filter is None or job.mode is Mode.MANUAL or payload is None:
        return None
    verdict = job.filter.check(payload.value)
    problem = verdict.error
    if problem is None:
        return FilterNote(verdict.kind.value)
    return FilterNote(verdict.kind.value, problem.message, problem.path, problem.span)


def window_start(limit: RateLimit, now: datetime) -> datetime:
    """The instant after which admissions count against the limit."""
    return now - limit.window


def admit(
    job: Job,
    firing: Firing,
    note: FilterNote | None,
    admitted: int,
    occupancy: Occupancy,
) -> Admission:
    """Decide on one firing of an enabled job.

    Args:
        job: the definition in force.
        firing: what happened.
        note: what `consult_filter` said.
        admitted: executions admitted within the window of the job's rate limit.
        occupancy: how full the job is.
    """
    if note is not None and note.verdict == VerdictKind.REJECT:
        return Admission(Status.FILTERED, Reason.REJECTED, note)
    if note is not None and note.verdict == VerdictKind.ERROR:
        return Admission(Status.FILTERED, Reason.FILTER_ERROR, note)
    if job.rate_limit is not None and admitted >= job.rate_limit.count:
        return Admission(Status.RATE_LIMITED, Reason.RATE, note)
    return _admit_to_queue(job, firing, note, occupancy)


def _admit_to_queue(job: Job, firing: Firing, note: FilterNote | None, occupancy: Occupancy) -> Admission:
    if occupancy.total < job.concurrency.limit or firing.caught_up:
        return Admission(Status.PENDING, None, note)
    match job.concurrency.when_full:
        case WhenFull.SKIP:
            return Admission(Status.RATE_LIMITED, Reason.OVERLAP, note)
        case WhenFull.REPLACE:
            return Admission(Status.PENDING, None, note, Pressure.REPLACE_OLDEST)
        case WhenFull.QUEUE:
            if firing.trigger is Trigger.CRON and occupancy.waiting_slots > 0:
                return Admission(Status.RATE_LIMITED, Reason.OVERLAP, note)
            if firing.trigger is not Trigger.CRON and occupancy.waiting_others >= QUEUE_LIMIT:
                return Admission(Status.RATE_LIMITED, Reason.QUEUE_FULL, note)
            return Admission(Status.PENDING, None, note)


def retry_delay(retry: Retry, failed_attempt: int, chance: float) -> timedelta:
    """How long to wait before the attempt after `failed_attempt` (from 1): exponential with full jitter.

    `chance` is uniform in [0, 1). Full jitter draws from the whole range up to the exponential bound, which
    spreads retries best (Marc Brooker, "Exponential Backoff And Jitter", 2015).
    """
    bound = retry.backoff
    for _ in range(1, failed_attempt):
        if bound >= retry.max_backoff:
            break
        bound *= 2
    return min(bound, retry.max_backoff) * chance


def more_attempts(retry: Retry, attempt: int) -> bool:
    """Whether another attempt may follow attempt number `attempt`."""
    return attempt < retry.attempts
