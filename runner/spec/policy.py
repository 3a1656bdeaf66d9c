"""What `jobsd.yaml` says under `validate`: severities of rules, fields that are required, values that are not."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import Field, ValidationError

from runner.errors import Diagnostic, Related, Severity
from runner.spec.document import Document, Location, MappingNode, SourceFile
from runner.spec.documents import Given, Written
from runner.spec.findings import findings
from runner.spec.jsonschema import Schema, published
from runner.spec.loader import ParsedDocument, Reopener
from runner.spec.models import Job, Mode
from runner.spec.quoting import shown
from runner.spec.resolve import BUILT_IN
from runner.spec.rules import (
    FIXED_SEVERITY,
    POLICY_FORBIDDEN,
    POLICY_REQUIRED,
    POLICY_RULES,
    RULES,
    UNKNOWN_RULE,
    near,
)
from runner.spec.source import scan
from runner.spec.suggest import did_you_mean

SECTION: Final = "validate"
"""The key of the settings file."""

LABEL: Final = "labels."


class Level(StrEnum):
    """How much a rule matters; `off` means not at all."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    OFF = "off"


class WrittenPolicy(Written):
    """What `jobsd validate` asks of the files beyond what the runner does."""

    rules: Annotated[
        Given[dict[str, Annotated[Level, Field(strict=False)]]],
        Field(
            description="Severities by rule: `error`, `warning`, `info` or `off`. An error stays an error.",
            examples=[{"schedule-both-days": "error", "schedule-dst-repeat": "off"}],
        ),
    ] = None
    require: Annotated[
        Given[list[str]],
        Field(
            description="Fields that somebody has to write for each job.",
            examples=[["labels.owner", "timeout", "expect"]],
        ),
    ] = None
    forbid: Annotated[
        Given[dict[str, list[Any]]],
        Field(
            description="Values that no job may have, by field.",
            examples=[{"concurrency.when_full": ["replace"], "agent": ["insulin"]}],
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Policy:
    """The severities that are not the usual ones (None: off), and what is required and forbidden, with where."""

    levels: Mapping[str, Severity | None] = field(default_factory=dict)
    require: Mapping[str, Related] = field(default_factory=dict)
    forbid: Mapping[str, Sequence[tuple[Any, Related]]] = field(default_factory=dict)

    def severity(self, diagnostic: Diagnostic) -> Severity | None:
        """Return how much a diagnostic matters here; an error that keeps a document from use stays one."""
        if diagnostic.is_error and diagnostic.rule not in POLICY_RULES:
            return Severity.ERROR
        return self.levels.get(diagnostic.rule, diagnostic.severity)


REQUIRED: Final[Mapping[str, frozenset[Mode]]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("agent", "concurrency", "description", "enabled", "expect", "id", "labels", "payload", "prompt"),
            frozenset(Mode),
        ),
        **dict.fromkeys(("rate_limit", "retry", "timeout"), frozenset(Mode)),
        **dict.fromkeys(("catch_up", "jitter", "timezone"), frozenset({Mode.CRON})),
        "filter": frozenset({Mode.PUSH}),
    }
)
"""The fields that can be required, and of jobs of which modes they are, where they have a meaning."""

FORBIDDEN: Final[Mapping[str, Callable[[Job], Any]]] = MappingProxyType(
    {
        "agent": lambda job: job.agent.id,
        "agent.type": lambda job: job.agent.type,
        "catch_up.policy": lambda job: job.catch_up.policy.value,
        "concurrency.limit": lambda job: job.concurrency.limit,
        "concurrency.when_full": lambda job: job.concurrency.when_full.value,
        "enabled": lambda job: job.enabled,
        "id": lambda job: job.id,
        "mode": lambda job: job.mode.value,
        "retry.attempts": lambda job: job.retry.attempts,
        "schedule": lambda job: job.schedule.text if job.schedule else None,
        "timezone": lambda job: job.timezone if job.mode is Mode.CRON else None,
    }
)
"""The fields of which values can be forbidden, and the value that a job has."""


def policy_schema() -> Schema:
    """Return the JSON Schema of the section, with the names that editors complete."""
    schema = published(WrittenPolicy, "Validate")
    rules, require, forbid = (schema["properties"][name] for name in ("rules", "require", "forbid"))
    rules["properties"] = {
        rule.id: {"$ref": "#/$defs/Level", "description": rule.title}
        for rule in RULES.values()
        if not rule.is_fixed
    }
    label = f"^{re.escape(LABEL)}."
    require["items"] = {"anyOf": [{"enum": sorted(REQUIRED)}, {"type": "string", "pattern": label}]}
    values = forbid.pop("additionalProperties")
    forbid["properties"] = dict.fromkeys(FORBIDDEN, values)
    forbid["patternProperties"] = {label: values}
    forbid["additionalProperties"] = False
    return schema


def read_policy(file: SourceFile) -> tuple[Policy, tuple[Diagnostic, ...]]:
    """Return what a settings file says, and what is wrong with that; what is wrong has no effect."""
    documents = scan(file).documents
    if not documents or SECTION not in documents[0].data:
        return Policy(), ()
    whole = documents[0]
    root, data = whole.root.items[SECTION][1], whole.data[SECTION]
    if not isinstance(root, MappingNode):
        message = f"expected a mapping with {', '.join(f'`{name}`' for name in WrittenPolicy.model_fields)}"
        return Policy(), (whole.diagnostic("wrong-type", message, whole.value_span((SECTION,))),)
    section = Document(file, whole.text, data, root, whole.base)
    try:
        written = WrittenPolicy.model_validate(data)
    except ValidationError as error:
        return Policy(), tuple(findings(error, section, WrittenPolicy, {}))
    reader = _Reader(section)
    return reader.policy(written), tuple(reader.found)


class _Reader:
    """Reads a section whose shape is right."""

    def __init__(self, section: Document) -> None:
        self._section = section
        self.found: list[Diagnostic] = []

    def policy(self, written: WrittenPolicy) -> Policy:
        """Return what has an effect."""
        return Policy(
            {
                rule: None if level is Level.OFF else Severity(level)
                for rule, level in (written.rules or {}).items()
                if self._is_rule(rule, level)
            },
            {
                name: self._place(("require", index), "required here")
                for index, name in enumerate(written.require or ())
                if self._is_known(name, REQUIRED, ("require", index))
            },
            {
                name: self._values(name, values)
                for name, values in (written.forbid or {}).items()
                if self._is_known(name, FORBIDDEN, ("forbid", name))
            },
        )

    def _values(self, name: str, values: Sequence[Any]) -> Sequence[tuple[Any, Related]]:
        return [
            (value, self._place(("forbid", name, index), "forbidden here")) for index, value in enumerate(values)
        ]

    def _is_rule(self, rule: str, level: Level) -> bool:
        location = ("rules", rule)
        if rule not in RULES:
            meant = near(rule)
            advice = f"did you mean `{meant}`?" if meant else "`jobsd docs rules` lists all"
            self._say(UNKNOWN_RULE, f"no rule is called `{shown(rule)}`", location, advice, fix=meant)
            return False
        if RULES[rule].is_fixed and level is not Level.ERROR:
            span = self._section.value_span(location)
            message = f"`{rule}` can't be `{level}`: a document with this error can't be used"
            self.found.append(self._section.diagnostic(FIXED_SEVERITY, message, span, help="remove the line"))
            return False
        return True

    def _is_known(self, name: str, known: Iterable[str], location: Location) -> bool:
        if name in known or (name.startswith(LABEL) and name != LABEL):
            return True
        meant = did_you_mean(name, known)
        listed = ", ".join(f"`{each}`" for each in sorted((*known, "labels.NAME")))
        advice = f"did you mean `{meant}`?" if meant else f"known here: {listed}"
        message = f"`{shown(name)}` is no field that can stand in `{location[0]}`"
        self._say("unknown-field", message, location, advice, fix=meant)
        return False

    def _say(self, rule: str, message: str, location: Location, advice: str, fix: str | None) -> None:
        span = self._section.key_span(location)
        severity = RULES[rule].severity
        self.found.append(self._section.diagnostic(rule, message, span, severity=severity, help=advice, fix=fix))

    def _place(self, location: Location, message: str) -> Related:
        return Related(self._section.file.display, self._section.value_span(location), message)


def violations(policy: Policy, jobs: Iterable[tuple[ParsedDocument, Job]]) -> Iterator[Diagnostic]:
    """Yield what the jobs lack of what is required, and what they have of what is forbidden."""
    reopener = Reopener()
    for parsed, job in jobs:
        missing = [name for name in policy.require if not _is_written(job, name)]
        bad = [
            (name, value, place)
            for name, values in policy.forbid.items()
            for value, place in values
            if _is(_value(job, name), value)
        ]
        if not missing and not bad:
            continue
        document = reopener.open(parsed)
        yield from (_missing(document, job, name, policy.require[name]) for name in missing)
        yield from (_forbidden(document, job, *each) for each in bad)


def _is_written(job: Job, name: str) -> bool:
    """Whether somebody wrote a field for a job, or the job can do without, because of its mode."""
    if name.startswith(LABEL):
        return name.removeprefix(LABEL) in job.labels
    return job.mode not in REQUIRED[name] or job.sources[name] not in {BUILT_IN, "name", "description"}


def _value(job: Job, name: str) -> Any:
    return job.labels.get(name.removeprefix(LABEL)) if name.startswith(LABEL) else FORBIDDEN[name](job)


def _is(value: Any, forbidden: Any) -> bool:
    """Whether two values are one, also in their type: 1 is not true."""
    return type(value) is type(forbidden) and bool(value == forbidden)


def _missing(document: Document, job: Job, name: str, place: Related) -> Diagnostic:
    label = name.removeprefix(LABEL) if name.startswith(LABEL) else None
    span = document.key_span(("labels",)) if label and document.has(("labels",)) else document.start_span()
    what = f"the label `{label}`" if label else f"the field `{name}`"
    advice = f"add `labels: {{{label}: …}}`" if label else f"add `{name}: …`"
    return document.diagnostic(
        POLICY_REQUIRED,
        f"{what} is required of each job here, and nobody gives it",
        span,
        help=f"{advice}, here or in a defaults document",
        job=job.id,
        related=(place,),
    )


def _forbidden(document: Document, job: Job, name: str, value: Any, place: Related) -> Diagnostic:
    top, _, rest = name.partition(".")
    location: Location = (top,) if name == "agent.type" or not rest else (top, rest)
    source = job.sources.get(top, "job")
    origin = "" if document.has(location) else f", which {_origin(source)}"
    written = str(value).lower() if isinstance(value, bool) else str(value)
    return document.diagnostic(
        POLICY_FORBIDDEN,
        f"`{name}` may not be `{shown(written)}` here{origin}",
        document.value_span(location) if document.has(location) else document.start_span(),
        help="write another value" if document.has(location) else f"write `{top}` in the job, with another value",
        job=job.id,
        related=(place,),
    )


def _origin(source: str) -> str:
    """Return where a value comes from, in words that go on after `which`."""
    return (
        "is built in" if source == BUILT_IN else f"comes from {source.replace('defaults ', 'the defaults of ', 1)}"
    )
