"""The life of an execution: its statuses, the one table of legal transitions, attempts and their outcomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from runner.spec.models import Job, Payload


class Status(StrEnum):
    """Where an execution is; the last five are terminal."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    RATE_LIMITED = "rate_limited"
    FILTERED = "filtered"
    CANCELLED = "cancelled"

    __hash__ = str.__hash__  # that of enumerations is written in Python, and every line is looked up by its status

    @property
    def terminal(self) -> bool:
        """Whether nothing can follow."""
        return not TRANSITIONS[self]


class Trigger(StrEnum):
    """What set an execution off."""

    MANUAL = "manual"
    CRON = "cron"
    PUSH = "push"


class Reason(StrEnum):
    """Why an execution has the status that it has, where the status alone does not say."""

    RETRY = "retry"
    REJECTED = "rejected"
    FILTER_ERROR = "filter_error"
    RATE = "rate"
    OVERLAP = "overlap"
    QUEUE_FULL = "queue_full"
    MISSED = "missed"
    REPLACED = "replaced"
    JOB_REMOVED = "job_removed"
    BY_HAND = "by_hand"


class ErrorType(StrEnum):
    """The closed set of ways in which an attempt fails."""

    EXIT_CODE = "exit_code"
    SIGNAL = "signal"
    TIMEOUT = "timeout"
    SPAWN = "spawn"
    SECRET = "secret"  # noqa: S105 - the name of an error, not a password
    PROTOCOL = "protocol"
    PROVIDER = "provider"
    TOOL_DENIED = "tool_denied"
    BUDGET_EXCEEDED = "budget_exceeded"
    RUNNER_LOST = "runner_lost"
    RUNNER_STOPPED = "runner_stopped"
    AGENT = "agent"


TRANSITIONS: Mapping[Status | None, frozenset[Status]] = MappingProxyType(
    {
        None: frozenset({Status.PENDING, Status.FILTERED, Status.RATE_LIMITED, Status.CANCELLED}),
        Status.PENDING: frozenset({Status.RUNNING, Status.CANCELLED, Status.FAILED}),
        Status.RUNNING: frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.PENDING}),
        Status.COMPLETED: frozenset(),
        Status.FAILED: frozenset(),
        Status.RATE_LIMITED: frozenset(),
        Status.FILTERED: frozenset(),
        Status.CANCELLED: frozenset(),
    }
)
"""From a status (None: no line yet) to those that may follow. Nothing else is ever written down."""


class IllegalTransitionError(Exception):
    """An execution can't go from its present status to the wanted one: somebody else was first."""

    def __init__(self, execution: str, present: Status | None, wanted: Status) -> None:
        super().__init__(f"execution {execution} is {present or 'not started'}, so it can't become {wanted}")
        self.execution = execution
        self.present = present
        self.wanted = wanted


def check_transition(execution: str, present: Status | None, wanted: Status) -> None:
    """Raise `IllegalTransitionError` unless the table allows `present` → `wanted`."""
    if wanted not in TRANSITIONS[present]:
        raise IllegalTransitionError(execution, present, wanted)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed: a type from the closed set, a sentence for people, details for machines."""

    type: ErrorType
    message: str
    detail: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Process:
    """The operating system's name of a run: a process id and its start time in clock ticks since boot."""

    pid: int
    started: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: with a result, or with a failure."""

    result: Payload | None = None
    failure: Failure | None = None
    usage: Mapping[str, Any] | None = None
    process: Process | None = None

    @classmethod
    def failed(
        cls,
        kind: ErrorType,
        message: str,
        detail: Mapping[str, Any] | None = None,
        process: Process | None = None,
    ) -> "Outcome":
        """Shorthand for an outcome with a failure."""
        return cls(failure=Failure(kind, message, detail), process=process)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of an agent for one execution, as handed to an executor; `number` counts from 1."""

    execution: str
    number: int
    job: Job
    payload: Payload | None
    previous: Payload | None
