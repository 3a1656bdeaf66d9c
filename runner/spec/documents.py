"""Jobs and defaults as people write them: the shape of each field, checked and turned into values."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from runner.spec.checks import Problem, check_jitter, refuse, slug
from runner.spec.fields import (
    Duration,
    FilterExpression,
    FilterOfResult,
    Globs,
    Id,
    LabelName,
    LabelValue,
    Name,
    PayloadPath,
    PositiveDuration,
    RateLimitText,
    References,
    ScheduleText,
    TextWithReferences,
    Time,
    Zone,
)
from runner.spec.models import BUILT_IN_AGENT, CatchUpPolicy, Mode, WhenFull

T = TypeVar("T")


def _given(value: object) -> object:
    if value is None:
        refuse(Problem("empty-value", "this field has no value", "give it one, or remove the line"))
    return value


Given = Annotated[T | None, BeforeValidator(_given)]
"""A field that may be left out: then it is None. Written without a value it is an error."""


class Written(BaseModel):
    """A mapping in a file: no field that is not listed, no conversion between types."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
        model_title_generator=lambda model: model.__name__.removeprefix("Written"),
    )


class WrittenConcurrency(Written):
    """How many executions of the job run at once, and what happens to one more."""

    limit: Annotated[int, Field(ge=1, le=10_000, description="How many run at once.")] = 1
    when_full: Annotated[
        WhenFull,
        Field(
            strict=False,
            description="What happens to one more: it waits (`queue`), is recorded and does not run (`skip`), "
            "or takes the place of the oldest running one (`replace`).",
        ),
    ] = WhenFull.QUEUE


class WrittenRetry(Written):
    """How a failed attempt is repeated: exponential backoff with full jitter."""

    attempts: Annotated[int, Field(ge=1, le=100, description="How many attempts, the first included.")] = 1
    backoff: Annotated[Given[PositiveDuration], Field(description="The longest wait before the second.")] = None
    max_backoff: Annotated[Given[PositiveDuration], Field(description="The longest wait before any.")] = None

    @model_validator(mode="after")
    def _ordered(self) -> "WrittenRetry":
        if self.backoff and self.max_backoff and self.backoff > self.max_backoff:
            message = "`max_backoff` is shorter than `backoff`"
            refuse(Problem("invalid-value", message, "make it at least as long", at=("max_backoff",)))
        return self


class WrittenCatchUp(Written):
    """What happens to slots that nobody could run, as the runner was down or the machine asleep."""

    policy: Annotated[
        CatchUpPolicy,
        Field(
            strict=False,
            description="Which of them run afterwards: none (`none`), the latest (`latest`) or all (`all`).",
        ),
    ] = CatchUpPolicy.LATEST
    within: Annotated[Given[PositiveDuration], Field(description="How old a slot may be to run.")] = None


class WrittenExpect(Written):
    """What must happen for the job to count as healthy."""

    success_within: Annotated[PositiveDuration, Field(description="How old the last success may be.")]


class WrittenBudget(Written):
    """What a run of an LLM agent may use."""

    requests: Annotated[Given[Annotated[int, Field(ge=1)]], Field(description="Model calls per run.")] = None
    tokens: Annotated[Given[Annotated[int, Field(ge=1)]], Field(description="Tokens per run.")] = None
    usd: Annotated[Given[Annotated[float, Field(gt=0)]], Field(description="US dollars per run.")] = None
    usd_per_day: Annotated[Given[Annotated[float, Field(gt=0)]], Field(description="US dollars per UTC day.")] = (
        None
    )

    @model_validator(mode="after")
    def _limits_something(self) -> "WrittenBudget":
        if not self.model_fields_set:
            message = "the budget limits nothing"
            refuse(Problem("missing-field", message, "give `requests`, `tokens`, `usd` or `usd_per_day`"))
        return self


class WrittenNotify(Written):
    """Who is told of what."""

    on: Annotated[
        list[Literal["failed", "recovered", "completed", "cancelled", "rate_limited", "missed", "overdue"]],
        Field(min_length=1, description="What is told."),
    ]
    url: Annotated[
        TextWithReferences,
        Field(min_length=1, description="Where to, in the notation of the Apprise library."),
    ]
    when: Annotated[
        Given[FilterOfResult], Field(description="A filter over `result` and `event`; an error counts as true.")
    ] = None


class WrittenAccept(Written):
    """Which broadcast events reach the job: patterns for attributes of CloudEvents."""

    type: Annotated[Given[Globs], Field(description="Patterns for the event's type.")] = None
    source: Annotated[Given[Globs], Field(description="Patterns for the event's source.")] = None
    subject: Annotated[Given[Globs], Field(description="Patterns for the event's subject.")] = None

    @model_validator(mode="after")
    def _selects_something(self) -> "WrittenAccept":
        if not self.model_fields_set:
            message = "this accepts nothing in particular"
            refuse(Problem("missing-field", message, "give a pattern for `type`, `source` or `subject`"))
        return self


# Fields of a signature beside `type` and `secret`, and the types that know them.
_SIGNATURE_FIELDS: Mapping[str, tuple[str, ...]] = {
    "header": ("hmac", "token"),
    "algorithm": ("hmac",),
    "encoding": ("hmac",),
    "prefix": ("hmac",),
    "timestamp_header": ("hmac",),
    "allow_identical": ("github", "hmac"),
}


class WrittenSignature(Written):
    """How deliveries to the job's endpoint are verified."""

    type: Annotated[
        Literal["standard-webhooks", "github", "hmac", "token"], Field(description="The kind of signature.")
    ]
    secret: Annotated[References, Field(description="The key, or several while keys are being changed.")]
    header: Annotated[
        Given[Annotated[str, Field(min_length=1)]], Field(description="The header that holds the signature.")
    ] = None
    algorithm: Annotated[
        Given[Literal["sha1", "sha256", "sha384", "sha512"]], Field(description="The hash function.")
    ] = None
    encoding: Annotated[Given[Literal["hex", "base64"]], Field(description="How the hash is written.")] = None
    prefix: Annotated[Given[str], Field(description="What stands before the hash, such as `sha256=`.")] = None
    timestamp_header: Annotated[
        Given[Annotated[str, Field(min_length=1)]],
        Field(description="The header with the time that is signed, too."),
    ] = None
    allow_identical: Annotated[bool, Field(description="Let deliveries with equal bodies run again.")] = False

    @model_validator(mode="after")
    def _fits_type(self) -> "WrittenSignature":
        for name, types in _SIGNATURE_FIELDS.items():
            if name in self.model_fields_set and self.type not in types:
                message = f"`{name}` has no meaning for a signature of type `{self.type}`"
                refuse(Problem("unknown-field", message, "remove it", at=(name,), on_key=True))
        if self.type == "hmac" and self.header is None:
            refuse(Problem("missing-field", "`header` is missing", "say which header holds the signature"))
        return self


# The fields of each kind of test beside its name, and how the other is written where one is missing.
_KINDS_OF_TEST: tuple[Mapping[str, str], ...] = (
    {"event": "{…}", "expect": "run"},
    {"at": "2026-03-27 17:00", "next": "[2026-03-30 09:00]"},
)


class WrittenTest(Written):
    """A check that `jobsd test` makes: an event and what becomes of it, or a time and the runs that follow it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": list(kind), "properties": dict.fromkeys(other, False)}
                for kind, other in (_KINDS_OF_TEST, reversed(_KINDS_OF_TEST))
            ]
        }
    )

    name: Annotated[Given[Name], Field(description="What is checked.")] = None
    event: Annotated[Any, Field(description="A payload that the job gets.")] = None
    expect: Annotated[
        Given[Literal["run", "filtered", "error"]],
        Field(
            description="What becomes of the event: the job runs (`run`), the filter rejects it (`filtered`), "
            "or the filter has no answer (`error`)."
        ),
    ] = None
    at: Annotated[
        Given[Time],
        Field(description="The time to look ahead from; without an offset, on the clock of the job's zone."),
    ] = None
    next: Annotated[
        Given[Annotated[list[Time], Field(min_length=1)]],
        Field(description="The next runs after `at`; without an offset, on the clock of the job's zone."),
    ] = None

    @model_validator(mode="after")
    def _one_kind(self) -> "WrittenTest":
        given = self.model_fields_set - {"name"}
        for kind in _KINDS_OF_TEST:
            if given and given < kind.keys():
                (missing,) = kind.keys() - given
                message = f"the field `{missing}` is missing in this test"
                refuse(Problem("missing-field", message, f"add `{missing}: {kind[missing]}`"))
        if all(given != kind.keys() for kind in _KINDS_OF_TEST):
            message = "a test has either `event` and `expect`, or `at` and `next`"
            refuse(Problem("invalid-value", message, "divide it into two tests, or complete it"))
        return self


Labels = dict[LabelName, LabelValue]


class WithDefaults(Written):
    """Fields that a job may have, and that a defaults document may give to the jobs below it."""

    timezone: Annotated[
        Given[Zone], Field(description="The IANA time zone of the schedule; `UTC` if not given.")
    ] = None
    agent: Annotated[
        Given[Id], Field(description=f"The id of the agent to run; `{BUILT_IN_AGENT}` if not given.")
    ] = None
    timeout: Annotated[
        Given[PositiveDuration],
        Field(description="How long an attempt may take before it is stopped and failed; `1h` if not given."),
    ] = None
    concurrency: Given[WrittenConcurrency] = None
    rate_limit: Annotated[
        Given[RateLimitText], Field(description="How many executions in a moving window, such as `10/hour`.")
    ] = None
    retry: Given[WrittenRetry] = None
    catch_up: Given[WrittenCatchUp] = None
    expect: Given[WrittenExpect] = None
    budget: Given[WrittenBudget] = None
    notify: Annotated[Given[list[WrittenNotify]], Field(description="Who is told of what.")] = None
    labels: Annotated[Given[Labels], Field(description="Short texts to select jobs by, and for metrics.")] = None


class DefaultsDocument(WithDefaults):
    """Values for the jobs of this folder and the folders below it; the nearest document wins."""

    kind: Annotated[Literal["defaults"], Field(description="What this document is.")]


class JobDocument(WithDefaults):
    """A job: an agent, and what makes it run."""

    kind: Annotated[Literal["job"], Field(description="What this document is; `job` if not given.")] = "job"
    name: Annotated[
        Name,
        Field(description="A descriptive name, 1 to 100 characters.", examples=["Daily Revenue Summary"]),
    ]
    id: Annotated[
        Given[Id],
        Field(
            description="The key in URLs, records and commands, unique over the tree; made from the name "
            "if not given. Changing it makes another job.",
            examples=["daily-revenue-summary"],
        ),
    ] = None
    description: Annotated[str, Field(description="What the job does.")] = ""
    prompt: Annotated[
        Given[str], Field(description="What the agent is asked to do; the description if not given.")
    ] = None
    mode: Annotated[
        Mode,
        Field(
            strict=False,
            description="What makes the job run: a person, a schedule, or an event that is pushed.",
        ),
    ]
    schedule: Annotated[
        Given[ScheduleText],
        Field(description="When the job runs: five cron fields, `@daily` and the like, or `@every 90s`."),
    ] = None
    filter: Annotated[
        Given[FilterExpression], Field(description="Which payloads run the job: an expression over `event`.")
    ] = None
    payload: Annotated[
        Any, Field(description="The JSON payload of a cron tick, and of a run by hand that is given none.")
    ] = None
    accept: Given[WrittenAccept] = None
    signature: Given[WrittenSignature] = None
    enabled: Annotated[bool, Field(description="A disabled job does not run, by any means.")] = True
    jitter: Annotated[
        Given[Duration], Field(description="Spreads the start of a slot over this duration; `0s` if not given.")
    ] = None
    redact: Annotated[
        Given[Annotated[list[PayloadPath], Field(min_length=1)]],
        Field(description="Paths in the payload that no record, log or page shows."),
    ] = None
    queue: Annotated[Given[Id], Field(description="Where a distributed executor runs the job.")] = None
    tests: Annotated[
        Given[Annotated[list[WrittenTest], Field(min_length=1)]],
        Field(description="Checks of filter and schedule, which `jobsd test` makes."),
    ] = None

    @model_validator(mode="after")
    def _slots_fit(self) -> "JobDocument":
        for name in ("jitter", "catch_up"):
            if getattr(self, name) and self.mode is not Mode.CRON:
                message = f"`{name}` is for jobs whose mode is `cron`"
                advice = "remove it, or write `mode: cron`"
                refuse(Problem("cron-only", message, advice, at=(name,), on_key=True))
        if self.jitter and self.schedule is not None:
            check_jitter(self.jitter, self.schedule, self.id or slug(self.name))
        return self

    @model_validator(mode="after")
    def _tests_fit(self) -> "JobDocument":
        for place, test in enumerate(self.tests or ()):
            if test.at and self.mode is not Mode.CRON:
                message = "`at` and `next` are for jobs whose mode is `cron`"
                advice = "test an `event`, or write `mode: cron`"
                refuse(Problem("cron-only", message, advice, at=("tests", place, "at"), on_key=True))
        return self
