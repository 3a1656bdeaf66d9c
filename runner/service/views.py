"""What people and programs see of jobs, executions and the runner: one shape for HTTP, command line and page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from runner.errors import Diagnostic, Severity, Span
from runner.execution.ledger import Execution
from runner.execution.lifecycle import Reason, Status
from runner.execution.records import (
    DefinitionLine,
    ErrorLine,
    Instant,
    RecordLine,
    to_dict,
)
from runner.ports import Pause


class View(BaseModel):
    """A read-only answer; keys without a value are left out when it is written."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class DiagnosticView(View):
    """One problem in one place of one file."""

    rule: str = Field(description="Stable id of the rule that found it.")
    severity: str = Field(description="`error`, `warning` or `info`.")
    message: str
    path: str
    line: int | None = None
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None
    help: str | None = None
    source: str | None = Field(None, description="The first line of the span, as it stands in the file.")
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


class PauseView(View):
    """A job switched off at run time."""

    by: str = Field(description="Who paused it.")
    at: Instant
    reason: str | None = None
    until: Instant | None = Field(None, description="When it ends by itself.")

    @classmethod
    def of(cls, pause: Pause) -> "PauseView":
        """The view of a pause."""
        return cls(by=pause.by, at=pause.at, reason=pause.reason, until=pause.until)


class LastExecution(View):
    """How a job's newest execution stands."""

    id: str
    status: Status
    at: Instant
    reason: Reason | None = None
    error: ErrorLine | None = None


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
    enabled: bool = Field(description="What the file says.")
    paused: PauseView | None = Field(None, description="The pause at run time, if there is one.")
    stale: list[DiagnosticView] = Field(
        default_factory=list, description="Why the file's present version is not in force."
    )
    next_run: Instant | None = None
    next_run_local: str | None = Field(None, description="The same instant in the job's zone, with its offset.")
    running: int = 0
    pending: int = 0
    last: LastExecution | None = None
    overdue: bool = Field(False, description="Whether the last success is older than the job expects.")
    labels: dict[str, str] = Field(default_factory=dict)
    definition: DefinitionLine
    live: bool = Field(description="Whether a running runner says so, or the files alone.")

    @property
    def state(self) -> str:
        """One word for tables."""
        if not self.enabled:
            return "disabled"
        if self.paused:
            return "paused"
        if self.stale:
            return "stale"
        return "overdue" if self.overdue else "active"


class SettingView(View):
    """One value of a job, and where it comes from."""

    value: Any
    source: str


class JobDetail(JobView):
    """A job with everything that decides what it does."""

    prompt: str
    settings: dict[str, SettingView] = Field(description="Values in force, and where each comes from.")
    next_runs: list[Instant] = Field(default_factory=list)
    diagnostics: list[DiagnosticView] = Field(default_factory=list)


class ExecutionView(RecordLine):
    """An execution as its lines tell it, with the keys of a record."""

    created_at: Instant = Field(description="When its first line was written.")

    @classmethod
    def of(cls, execution: Execution) -> "ExecutionView":
        """The view of an execution."""
        return cls.model_validate({**to_dict(execution.record), "created_at": execution.created_at})

    def to_json(self) -> dict[str, Any]:
        """JSON data with absent keys absent, as in a record."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class AgentView(View):
    """An agent and who uses it."""

    id: str
    name: str
    description: str
    type: str
    command: list[str] | None = None
    path: str | None = Field(None, description="Its file; absent for the built-in agent.")
    line: int | None = None
    jobs: list[str] = Field(default_factory=list, description="Ids of the jobs that use it.")


class NextRun(View):
    """One coming instant of one job."""

    job: str
    scheduled_for: Instant
    local: str = Field(description="The same instant in the job's zone, with its offset.")
    note: str | None = Field(None, description="What a clock change does to it.")


class StatusView(View):
    """How the runner stands."""

    live: bool = Field(description="Whether a runner answers.")
    version: str
    jobs_dir: str
    state_dir: str
    jobs: int
    invalid: int = Field(0, description="Documents with errors.")
    running: int = 0
    pending: int = 0
    counts: dict[str, int] = Field(default_factory=dict, description="Ended executions by status.")
    next: NextRun | None = None
    paused: list[str] = Field(default_factory=list)
    stale: list[str] = Field(default_factory=list)
    overdue: list[str] = Field(
        default_factory=list, description="Jobs whose last success is older than they expect."
    )
    held: str | None = Field(None, description="Why jobs that vanished from the files still run.")
    synced_at: Instant | None = None
    started_at: Instant | None = None
    pid: int | None = None
    diagnostics: list[DiagnosticView] = Field(default_factory=list)


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


def to_json(view: BaseModel) -> dict[str, Any]:
    """JSON data of a view, without the keys of absent values."""
    if isinstance(view, ExecutionView):
        return view.to_json()
    return _present(view.model_dump(mode="json", by_alias=True))


def _present(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data without nulls in the fixed keys of views; what users wrote (`settings`) stays as it is."""
    return {
        key: [_present(item) if isinstance(item, dict) else item for item in value]
        if isinstance(value, list)
        else _present(value)
        if isinstance(value, dict) and key != "settings"
        else value
        for key, value in data.items()
        if value is not None
    }
