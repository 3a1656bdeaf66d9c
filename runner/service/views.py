"""What people and programs see of jobs, executions and the runner: one shape for HTTP, command line and page.

Views are plain values, so that a command that only shows an answer starts without the machinery that made it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from runner.errors import Diagnostic, Severity, Span
from runner.execution.instants import format_instant
from runner.execution.lifecycle import ErrorType, Reason, Status, Trigger

if TYPE_CHECKING:
    # Only named here: whoever shows an answer need not load what folds the records.
    from runner.execution.ledger import Execution
    from runner.ports import Pause


def _said(description: str) -> dict[str, str]:
    """What is known of a field beside its type."""
    return {"description": description}


@dataclass(frozen=True, slots=True)
class View:
    """A read-only answer; keys without a value are left out when it is written."""


V = TypeVar("V", bound=View)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosticView(View):
    """One problem in one place of one file."""

    rule: str = field(metadata=_said("Stable id of the rule that found it."))
    severity: str = field(metadata=_said("`error`, `warning` or `info`."))
    message: str
    path: str
    line: int | None = None
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None
    help: str | None = None
    source: str | None = field(
        default=None, metadata=_said("The first line of the span, as it stands in the file.")
    )
    job: str | None = None

    def diagnostic(self) -> Diagnostic:
        """The diagnostic that this is a view of, without its related places."""
        span = None
        if self.line is not None:
            column = self.column or 1
            span = Span(self.line, column, self.end_line or self.line, self.end_column or column)
        return Diagnostic(
            self.rule,
            self.message,
            self.path,
            span,
            Severity(self.severity),
            help=self.help,
            source=self.source,
            job=self.job,
        )

    @classmethod
    def of(cls, diagnostic: Diagnostic) -> "DiagnosticView":
        """The view of a diagnostic."""
        span = diagnostic.span
        place = (
            {
                "line": span.line,
                "column": span.column,
                "end_line": span.end_line,
                "end_column": span.end_column,
            }
            if span
            else {}
        )
        return cls(
            rule=diagnostic.rule,
            severity=diagnostic.severity.value,
            message=diagnostic.message,
            path=diagnostic.path,
            help=diagnostic.help,
            source=diagnostic.source,
            job=diagnostic.job,
            **place,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseView(View):
    """A job switched off at run time."""

    by: str = field(metadata=_said("Who paused it."))
    at: datetime
    reason: str | None = None
    until: datetime | None = field(default=None, metadata=_said("When it ends by itself."))

    @classmethod
    def of(cls, pause: "Pause") -> "PauseView":
        """The view of a pause."""
        return cls(by=pause.by, at=pause.at, reason=pause.reason, until=pause.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftView(View):
    """A job that is not as its file says: the file enables it, and somebody paused it at run time."""

    job: str
    path: str = field(metadata=_said("The file."))
    line: int
    pause: PauseView


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorView(View):
    """Why an attempt failed."""

    type: ErrorType
    message: str
    detail: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterView(View):
    """What the job's filter said about the payload."""

    verdict: str
    message: str | None = None
    path: str | None = None
    span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionView(View):
    """Which text of a job is in force."""

    path: str
    line: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LastExecution(View):
    """How a job's newest execution stands."""

    id: str
    status: Status
    at: datetime
    reason: Reason | None = None
    error: ErrorView | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView(View):
    """A job and how it stands."""

    id: str
    name: str
    description: str
    agent: str
    mode: str
    schedule: str | None = None
    timezone: str | None = None
    filter: str | None = None
    enabled: bool = field(metadata=_said("What the file says."))
    paused: PauseView | None = field(default=None, metadata=_said("The pause at run time, if there is one."))
    stale: list[DiagnosticView] = field(
        default_factory=list, metadata=_said("Why the file's present version is not in force.")
    )
    next_run: datetime | None = None
    next_run_local: str | None = field(
        default=None, metadata=_said("The same instant in the job's zone, with its offset.")
    )
    running: int = 0
    pending: int = 0
    last: LastExecution | None = None
    overdue: bool = field(default=False, metadata=_said("Whether the last success is older than the job expects."))
    filter_errors: int = field(default=0, metadata=_said("Events on which the filter failed so far."))
    filter_fails: bool = field(
        default=False, metadata=_said("Whether the filter failed on each of the last 20 events.")
    )
    labels: dict[str, str] = field(default_factory=dict)
    definition: DefinitionView
    live: bool = field(metadata=_said("Whether a running runner says so, or the files alone."))

    @property
    def state(self) -> str:
        """One word for tables."""
        if not self.enabled:
            return "disabled"
        if self.paused:
            return "paused"
        if self.stale:
            return "stale"
        if self.filter_fails:
            return "failing"
        return "overdue" if self.overdue else "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingView(View):
    """One value of a job, and where it comes from."""

    value: Any = None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDetail(JobView):
    """A job with everything that decides what it does."""

    prompt: str
    schedule_in_words: str | None = field(default=None, metadata=_said("The schedule as a sentence."))
    settings: dict[str, SettingView] = field(metadata=_said("Values in force, and where each comes from."))
    next_runs: list[datetime] = field(default_factory=list)
    diagnostics: list[DiagnosticView] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionView(View):
    """An execution as its lines tell it: `line` has all of that, with the keys of a record."""

    id: str
    job: str
    name: str
    agent: str
    mode: str
    trigger: Trigger
    status: Status
    at: datetime
    created_at: datetime = field(metadata=_said("When its first line was written."))
    reason: Reason | None = None
    scheduled_for: datetime | None = None
    lateness_ms: int | None = None
    not_before: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration_ms: int | None = None
    attempt: int | None = None
    actor: str | None = None
    cancelled_by: str | None = None
    rerun_of: str | None = None
    payload: Any = None
    filter: FilterView | None = None
    result: Any = None
    error: ErrorView | None = None
    count: int | None = None
    line: Mapping[str, Any]

    @classmethod
    def of(cls, execution: "Execution") -> "ExecutionView":
        """The view of an execution."""
        from runner.execution.records import to_dict  # noqa: PLC0415 - whoever has an execution has it loaded

        return read(cls, {**to_dict(execution.record), "created_at": format_instant(execution.created_at)})


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView(View):
    """An agent and who uses it."""

    id: str
    name: str
    description: str
    type: str
    command: list[str] | None = None
    path: str | None = field(default=None, metadata=_said("Its file; absent for the built-in agent."))
    line: int | None = None
    jobs: list[str] = field(default_factory=list, metadata=_said("Ids of the jobs that use it."))


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRun(View):
    """One coming instant of one job."""

    job: str
    scheduled_for: datetime
    local: str = field(metadata=_said("The same instant in the job's zone, with its offset."))
    note: str | None = field(default=None, metadata=_said("What a clock change does to it."))
    jitter_ms: int | None = field(
        default=None, metadata=_said("How much later than its slot it starts, where the job has a jitter.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusView(View):
    """How the runner stands."""

    live: bool = field(metadata=_said("Whether a runner answers."))
    version: str
    jobs_dir: str
    state_dir: str
    jobs: int
    invalid: int = field(default=0, metadata=_said("Documents with errors."))
    running: int = 0
    pending: int = 0
    counts: dict[str, int] = field(default_factory=dict, metadata=_said("Ended executions by status."))
    next: NextRun | None = None
    paused: list[str] = field(default_factory=list)
    drift: list[DriftView] = field(
        default_factory=list, metadata=_said("Paused jobs that their files enable: by whom, why, until when.")
    )
    stale: list[str] = field(default_factory=list)
    overdue: list[str] = field(
        default_factory=list, metadata=_said("Jobs whose last success is older than they expect.")
    )
    filter_fails: list[str] = field(
        default_factory=list, metadata=_said("Jobs whose filter failed on each of the last 20 events.")
    )
    held: str | None = field(default=None, metadata=_said("Why jobs that vanished from the files still run."))
    synced_at: datetime | None = None
    started_at: datetime | None = None
    pid: int | None = None
    diagnostics: list[DiagnosticView] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted(View):
    """What a deletion removed."""

    job: str
    records: int
    executions: int


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which executions: newest first, at most `limit`, older than the execution `before`."""

    job: str | None = None
    statuses: frozenset[Status] = frozenset()
    limit: int = 50
    before: str | None = None


class ForeignAnswerError(ValueError):
    """JSON data that is no such view; the message says where."""


def read(kind: type[V], data: Any) -> V:
    """A view from its JSON data; keys that nobody knows are passed over.

    Raises:
        ForeignAnswerError: when the data is not of this shape.
    """
    try:
        return msgspec.convert({**data, "line": data} if kind is ExecutionView else data, kind)
    except (msgspec.ValidationError, TypeError) as error:
        raise ForeignAnswerError(f"no {kind.__name__}: {error}") from None


def to_json(view: View) -> dict[str, Any]:
    """JSON data of a view, without the keys of absent values."""
    if isinstance(view, ExecutionView):
        return dict(view.line)
    return _present(msgspec.to_builtins(view, builtin_types=(datetime,)))


def _present(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data without nulls in the fixed keys of views; what users wrote (`settings`) stays as it is."""
    return {key: value if key == "settings" else _plain(value) for key, value in data.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return _present(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return format_instant(value) if isinstance(value, datetime) else value
