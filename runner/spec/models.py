"""Jobs and agents as the house knows them: frozen values, resolved and complete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from runner.errors import Diagnostic

if TYPE_CHECKING:
    # Only named here: whoever shows a job need not load the compilers of filters and schedules.
    from runner.filters import Filter
    from runner.schedule import Schedule

BUILT_IN_AGENT = "insulin"
"""The id of the agent that needs no document and runs a job that names none."""


LARGEST_RATE = 10_000
"""The largest count of a rate limit: so many admissions of a job are remembered."""


class Mode(StrEnum):
    """What makes a job run."""

    MANUAL = "manual"
    CRON = "cron"
    PUSH = "push"


class WhenFull(StrEnum):
    """What happens to an execution that would exceed the job's concurrency limit."""

    QUEUE = "queue"
    SKIP = "skip"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Payload:
    """A JSON value that was given: the wrapper tells a given null from nothing given."""

    value: Any


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many executions of one job run at once, and what happens to one more."""

    limit: int = 1
    when_full: WhenFull = WhenFull.QUEUE


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `count` executions in any `window`; `text` is the notation as written, such as `10/hour`."""

    count: int
    window: timedelta
    text: str


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failed attempt is repeated: `attempts` counts the first, so 1 means no retry."""

    attempts: int = 1
    backoff: timedelta = timedelta(seconds=30)
    max_backoff: timedelta = timedelta(minutes=15)


class CatchUpPolicy(StrEnum):
    """Which of the slots run that came due while nobody could run them."""

    NONE = "none"
    LATEST = "latest"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class CatchUp:
    """What becomes of slots that came due while nobody could run them: none older than `within` runs."""

    policy: CatchUpPolicy = CatchUpPolicy.LATEST
    within: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Expect:
    """What must happen for a job to count as healthy: its last success is not older than `success_within`."""

    success_within: timedelta


@dataclass(frozen=True, slots=True)
class EventTest:
    """What a job's file expects of an event: `run`, `filtered` or `error`; `line` is where the test begins."""

    name: str | None
    line: int
    event: Any
    expect: str


@dataclass(frozen=True, slots=True)
class ScheduleTest:
    """Which runs a job's file expects after a time; times without a zone are those of the job's clock."""

    name: str | None
    line: int
    at: datetime
    next: tuple[datetime, ...]


Test = EventTest | ScheduleTest


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a document stands: `path` as people see it, from the working directory, and its first line."""

    path: str
    line: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What each process of a command may use: bytes of memory, processor time, files open at once."""

    memory: int | None = None
    cpu: timedelta | None = None
    files: int | None = None


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A program to start: references in `env` are unresolved, `cwd` is relative to the agent's folder.

    `user` is the name or the number of the user that it runs as.
    """

    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    user: str | None = None
    limits: Limits | None = None


@dataclass(frozen=True, slots=True)
class LlmSpec:
    """A language model to ask; without `model`, the settings decide when the run starts."""

    model: str | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """Who does the work of a job.

    `origin` is None for the built-in agent. `folder` is the folder of the agent's file, relative to the root
    of the tree and empty for the root itself. `digest` covers everything that changes what a run does.
    """

    id: str
    name: str
    description: str
    type: str
    timeout: timedelta | None
    digest: str
    origin: Origin | None
    folder: str
    spec: CommandSpec | LlmSpec


@dataclass(frozen=True, slots=True)
class Job:
    """One job with every value resolved from its document, its agent, defaults documents and built-ins.

    `sources` says for every field where its value comes from, in words for people. `digest` is the SHA-256 of
    the resolved definition and does not depend on where it stands. `stale` holds the errors of a newer text
    that could not be used, so that this older definition stays in force. `tests` are what the file says of the
    job, and no part of what it is: neither the digest nor a comparison looks at them.
    """

    id: str
    name: str
    description: str
    agent: Agent
    prompt: str
    mode: Mode
    schedule: Schedule | None
    timezone: str
    filter: Filter | None
    payload: Payload | None
    enabled: bool
    timeout: timedelta
    concurrency: Concurrency
    rate_limit: RateLimit | None
    retry: Retry
    labels: Mapping[str, str]
    digest: str
    origin: Origin
    sources: Mapping[str, str]
    stale: tuple[Diagnostic, ...] = ()
    expect: Expect | None = None
    jitter: timedelta = timedelta(0)
    catch_up: CatchUp = CatchUp()
    tests: tuple[Test, ...] = field(default=(), compare=False)

    @property
    def trigger_key(self) -> tuple[Mode, str | None, str, bool]:
        """What decides when the job fires; two definitions with equal keys need no rescheduling."""
        return (self.mode, self.schedule.text if self.schedule else None, self.timezone, self.enabled)
