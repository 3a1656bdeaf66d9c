"""What can go wrong, as values: diagnostics for files, mistakes inside expressions, errors for requests.

Mistakes in files are `Diagnostic` values, failures of an agent are `Outcome` values
(`runner.execution.lifecycle`), wrong requests are `RunnerError` exceptions, and bugs are any other exception.
"""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a diagnostic matters: an error keeps a document from being used, the others do not."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A range of characters in a file: lines and columns count from 1, the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Related:
    """A second place that a diagnostic speaks of, such as the other use of a duplicate id."""

    path: str
    span: Span
    message: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem in one place of one file.

    `rule` is a stable kebab-case id, `message` says what is wrong without a trailing full stop, `help` says
    what to do, `fix` is a text that could replace the span, and `source` is the first line of the span as it
    stands in the file, so that carets can be drawn without reading the file again.
    """

    rule: str
    message: str
    path: str
    span: Span | None = None
    severity: Severity = Severity.ERROR
    help: str | None = None
    fix: str | None = None
    source: str | None = None
    job: str | None = None
    related: tuple[Related, ...] = ()

    @property
    def is_error(self) -> bool:
        """Whether the document with this problem can't be used."""
        return self.severity is Severity.ERROR


@dataclass(frozen=True, slots=True)
class Mistake:
    """One problem inside an expression text: `start` and `end` are character offsets, the end exclusive."""

    rule: str
    message: str
    start: int
    end: int
    help: str | None = None
    fix: str | None = None
    severity: Severity = Severity.ERROR


class RunnerError(Exception):
    """A request that can't be done, with one clear message for the person who made it.

    `exit_code` is what the command line exits with and `status` what HTTP answers.
    """

    exit_code = 4
    status = 409
    title = "Refused"

    @property
    def message(self) -> str:
        """The one line for people."""
        return str(self)


class ExpressionError(RunnerError):
    """An expression (a filter, a schedule) that can't be compiled; `mistakes` has at least one entry."""

    exit_code = 1
    status = 422
    title = "Invalid expression"

    def __init__(self, text: str, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__(mistakes[0].message)
        self.text = text
        self.mistakes = mistakes


class UnknownJobError(RunnerError):
    """No job has this id."""

    status = 404
    title = "Unknown job"


class UnknownExecutionError(RunnerError):
    """No execution has this id, or a shortened id fits several."""

    status = 404
    title = "Unknown execution"


class JobDisabledError(RunnerError):
    """The job is disabled in its file or paused at run time, so nothing triggers it."""

    title = "Job disabled"


class ConflictError(RunnerError):
    """The request does not fit the present state."""

    title = "Conflict"


class StateInUseError(RunnerError):
    """Another runner holds the lock of the state directory."""

    title = "State directory in use"


class InvalidRequestError(RunnerError):
    """The request itself is wrong: a payload that is not JSON, an option that does not exist."""

    exit_code = 2
    status = 422
    title = "Invalid request"


class PayloadTooLargeError(InvalidRequestError):
    """The payload exceeds what one event may carry."""

    status = 413
    title = "Payload too large"


class NoRunnerError(RunnerError):
    """The command needs a running runner and none answers on the socket."""

    exit_code = 3
    status = 503
    title = "No runner"


class StopRequestedError(RunnerError):
    """The runner is stopping and takes no new work."""

    exit_code = 3
    status = 503
    title = "Stopping"


class StorageError(RunnerError):
    """A record could not be made durable: the disk is full or the file can't be written."""

    exit_code = 1
    status = 507
    title = "Storage failed"


class StartError(RunnerError):
    """The runner can't start: a directory or a socket is not usable."""

    exit_code = 1
    status = 500
    title = "Cannot start"


class InvalidDocumentError(RunnerError):
    """A document that was handed in (created, edited) has errors; nothing was changed."""

    exit_code = 1
    status = 422
    title = "Invalid document"

    def __init__(self, message: str, diagnostics: tuple[Diagnostic, ...] = ()) -> None:
        super().__init__(message)
        self.diagnostics = diagnostics
