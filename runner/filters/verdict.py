"""What a filter says of one payload: pass, reject, or error with what is wrong and where."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from runner.errors import RunnerError


class VerdictKind(StrEnum):
    """The three outcomes of a filter."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    REJECT = "reject"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class FilterProblem:
    """Why a filter has no answer for a payload.

    `type` is filtrex's name for the class of error, `start` and `end` are character offsets in the
    expression (the end exclusive), and `path` is the missing path as it is written, where that is the cause.
    The message never quotes the payload's values.
    """

    type: str
    message: str
    start: int
    end: int
    path: str | None = None
    help: str | None = None

    @property
    def span(self) -> tuple[int, int]:
        """Both offsets."""
        return (self.start, self.end)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome; `error` is given exactly where the kind is `error`."""

    kind: VerdictKind
    error: FilterProblem | None = None

    @property
    def passed(self) -> bool:
        """Whether the agent may run."""
        return self.kind is VerdictKind.PASS


PASSED: Final = Verdict(VerdictKind.PASS)
REJECTED: Final = Verdict(VerdictKind.REJECT)


class EvaluationError(RunnerError):
    """A filter has no value for a payload; `problem` says why."""

    exit_code = 1
    status = 422
    title = "Filter error"

    def __init__(self, problem: FilterProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem
