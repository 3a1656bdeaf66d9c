"""One file as documents that are valid by themselves, and everything that is wrong with the others."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from runner.errors import Diagnostic, Mistake, Severity
from runner.spec.agents import AGENT_TYPES, AgentDocument, CommandAgent
from runner.spec.checks import ID_PATTERN, slug, stays_inside
from runner.spec.document import Document, SourceFile
from runner.spec.documents import DefaultsDocument, JobDocument
from runner.spec.drafts import Defaults, JobDraft, draft_defaults, draft_job
from runner.spec.findings import findings, mistake_diagnostic
from runner.spec.models import BUILT_IN_AGENT, Agent, CommandSpec, Limits, LlmSpec, Origin
from runner.spec.quoting import shown
from runner.spec.source import scan
from runner.spec.suggest import did_you_mean
from runner.spec.support import MANIFEST, NOT_SUPPORTED_YET

_ID = re.compile(ID_PATTERN.removesuffix("$") + r"\Z")
_CLAIM = re.compile(r"^id: *[\"']?([a-z0-9-]{1,63})[\"']?[ \t]*(?:#.*)?$", re.MULTILINE)


class Kind(StrEnum):
    """What a document describes."""

    JOB = "job"
    AGENT = "agent"
    DEFAULTS = "defaults"


M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True, eq=False)
class ParsedDocument:
    """One document; two are equal only if they are one object.

    `kind` and `id` are None where they can't be read. `definition` is None if the document has errors.
    The positions of its values are not kept, because they are large: a `Reopener` finds them again. `agent` is
    the id that a job names, and `index` counts the documents of the file that are mappings.
    """

    kind: Kind | None
    id: str | None
    origin: Origin
    definition: JobDraft | Agent | Defaults | None
    diagnostics: tuple[Diagnostic, ...]
    file: SourceFile = field(repr=False)
    index: int
    agent: str | None = None


class Reopener:
    """Opens documents again, and reads a file once for all of its documents that are asked for in a row."""

    def __init__(self) -> None:
        self._file: SourceFile | None = None
        self._documents: tuple[Document, ...] = ()

    def open(self, parsed: ParsedDocument) -> Document:
        """Return a document with the positions of its values."""
        if self._file is not parsed.file:
            self._documents = scan(parsed.file).documents
            self._file = parsed.file
        return self._documents[parsed.index]


@dataclass(frozen=True, slots=True, eq=False)
class ParsedFile:
    """What one file says: depends on nothing but its bytes and its path.

    `claims` are the ids in texts that no document came from, and `whole` says that there is no such text.
    `diagnostics` holds those of the documents as well, by position.
    """

    file: SourceFile
    documents: tuple[ParsedDocument, ...]
    diagnostics: tuple[Diagnostic, ...]
    claims: frozenset[str] = frozenset()
    whole: bool = True

    @property
    def path(self) -> str:
        """The path as people see it."""
        return self.file.display

    @classmethod
    def unreadable(cls, file: SourceFile, reason: str) -> "ParsedFile":
        """Return what stands for a file that exists and can't be read."""
        diagnostic = Diagnostic("unreadable-file", f"the file can't be read: {reason}", file.display)
        return cls(file, (), (diagnostic,), whole=False)


def read(file: SourceFile) -> ParsedFile:
    """Parse and validate each document of a file by itself; what concerns several files is left for later."""
    found = scan(file)
    documents = tuple(_Reader(file, document, index).read() for index, document in enumerate(found.documents))
    known = {id(each) for document in found.documents for each in document.problems}
    diagnostics = [each for each in found.diagnostics if id(each) not in known]
    diagnostics += (each for document in documents for each in document.diagnostics)
    claims = frozenset(claim for text in found.lost for claim in _CLAIM.findall(text))
    return ParsedFile(file, documents, tuple(sorted(diagnostics, key=by_position)), claims, not found.lost)


def by_position(diagnostic: Diagnostic) -> tuple[str, int, int, str]:
    """Return what diagnostics are sorted by."""
    span = diagnostic.span
    return (diagnostic.path, span.line if span else 0, span.column if span else 0, diagnostic.rule)


class _Reader:
    """Reads one document."""

    def __init__(self, file: SourceFile, document: Document, index: int) -> None:
        self._file = file
        self._document = document
        self._index = index
        self._data = dict(document.data)
        self._diagnostics: list[Diagnostic] = list(document.problems)
        # What is known to be wrong with a line as YAML needs no second diagnostic about its meaning.
        self._spoilt = frozenset(each.span.line for each in document.problems if each.span)

    def read(self) -> ParsedDocument:
        """Return the document, with all that is wrong with it."""
        if MANIFEST in self._data:
            self._add(
                "kubernetes-field",
                "this is a manifest of Kubernetes, not a document of jobsd",
                MANIFEST,
                on_key=True,
            )
            return self._parsed(None, None, None)
        kind = self._kind()
        identity = self._identity(kind)
        definition = self._definition(kind, identity) if kind else None
        return self._parsed(kind, identity, definition)

    def _parsed(
        self, kind: Kind | None, identity: str | None, definition: JobDraft | Agent | Defaults | None
    ) -> ParsedDocument:
        if any(each.is_error for each in self._diagnostics):
            definition = None
        job = identity if kind is Kind.JOB else None
        diagnostics = tuple(replace(each, job=job) if job else each for each in self._diagnostics)
        origin = Origin(self._file.display, self._document.line)
        return ParsedDocument(
            kind, identity, origin, definition, diagnostics, self._file, self._index, self._named_agent(kind)
        )

    def _named_agent(self, kind: Kind | None) -> str | None:
        written = self._data.get("agent")
        return written if kind is Kind.JOB and isinstance(written, str) and _ID.match(written) else None

    def _kind(self) -> Kind | None:
        if "kind" not in self._data and "mode" not in self._data and {"type", "command"} & self._data.keys():
            name = "type" if "type" in self._data else "command"
            message = "this document looks like an agent, and without `kind` it is a job"
            self._add("missing-kind", message, name, on_key=True, help="add `kind: agent`")
            self._data["kind"] = Kind.AGENT.value
            return Kind.AGENT
        written = self._data.get("kind", Kind.JOB)
        if isinstance(written, str) and written in set(Kind):
            return Kind(written)
        meant = did_you_mean(written, [kind.value for kind in Kind]) if isinstance(written, str) else None
        self._add(
            "unknown-value",
            "expected `job`, `agent` or `defaults`",
            "kind",
            help=f"did you mean `{meant}`?" if meant else None,
            fix=meant,
        )
        return None

    def _identity(self, kind: Kind | None) -> str | None:
        """Return the id that the document has or would have, where it can be told."""
        if kind is Kind.DEFAULTS:
            return None
        if "id" in self._data:
            written = self._data["id"]
            return written if isinstance(written, str) and _ID.match(written) else None
        name = self._data.get("name")
        return (slug(name) or None) if isinstance(name, str) else None

    def _definition(self, kind: Kind, identity: str | None) -> JobDraft | Agent | Defaults | None:
        self._refuse_unsupported(NOT_SUPPORTED_YET[kind])
        if kind is Kind.JOB:
            return self._job(identity)
        if kind is Kind.AGENT:
            return self._agent(identity)
        parsed = self._validate(DefaultsDocument, kind)
        if parsed is None:
            return None
        lines = {name: self._document.key_span((name,)).line for name in self._data}
        return draft_defaults(parsed, self._file.display, self._file.folder, lines)

    def _job(self, identity: str | None) -> JobDraft | None:
        parsed = self._validate(JobDocument, Kind.JOB)
        self._check_mode()
        self._check_prompt()
        self._check_identity(identity)
        if parsed and parsed.filter:
            self._diagnostics += (
                mistake_diagnostic(self._document, ("filter",), warning) for warning in parsed.filter.warnings
            )
        if parsed is None or identity is None:
            return None
        lines = [self._document.value_span(("tests", place)).line for place in range(len(parsed.tests or ()))]
        return draft_job(parsed, identity, lines)

    def _check_identity(self, identity: str | None) -> None:
        name = self._data.get("name")
        if identity is None and "id" not in self._data and isinstance(name, str) and name.strip():
            message = "no id can be made from this name, which has no Latin letter or digit"
            self._add("missing-id", message, "name", help="add `id: …`")

    def _check_mode(self) -> None:
        data = self._data
        mode = written if isinstance(written := data.get("mode"), str) else ""
        if mode == "cron" and "schedule" not in data:
            advice = 'add `schedule: "0 9 * * 1-5"` or the like'
            self._add("missing-field", "a cron job needs the field `schedule`", "mode", help=advice)
        if mode in {"manual", "push"} and "schedule" in data:
            message = f"a job whose mode is `{mode}` has no schedule"
            advice = "remove it, or write `mode: cron`"
            self._add("schedule-without-cron", message, "schedule", on_key=True, help=advice)
        for name in ("accept", "signature"):
            if mode in {"manual", "cron"} and name in data:
                message = f"`{name}` is for jobs whose mode is `push`"
                self._add("push-only", message, name, on_key=True, help="remove it, or write `mode: push`")
        if "filter" in data and mode == "manual":
            message = "the filter of a manual job has no effect"
            advice = "remove it, or write `mode: push`"
            self._add(
                "filter-without-effect",
                message,
                "filter",
                on_key=True,
                help=advice,
                severity=Severity.WARNING,
            )
        if "filter" in data and mode == "cron" and "payload" not in data:
            message = "the filter has no effect on the schedule, because a tick without `payload` has no event"
            advice = "add `payload`, or remove the filter"
            self._add(
                "filter-without-effect",
                message,
                "filter",
                on_key=True,
                help=advice,
                severity=Severity.WARNING,
            )

    def _check_prompt(self) -> None:
        prompt = self._data.get("prompt")
        if not isinstance(prompt, str):
            return
        for found in re.finditer(r"\$\{(?:env|file):[^}\s]*\}?", prompt):
            message = "references to secrets are not resolved in a prompt"
            advice = "put it into the `env` of the agent"
            mistake = Mistake("secret-not-resolved", message, *found.span(), advice, severity=Severity.WARNING)
            self._diagnostics.append(mistake_diagnostic(self._document, ("prompt",), mistake))

    def _agent(self, identity: str | None) -> Agent | None:
        written = self._data.get("type")
        model = AGENT_TYPES.get(written) if isinstance(written, str) else None
        if model is None:
            self._unknown_type(written)
            self._validate(AgentDocument, Kind.AGENT, ignore=_agent_fields())
            return None
        if written in NOT_SUPPORTED_YET["agent type"]:
            message = f"agents of type `{written}` are not supported yet"
            self._add("not-supported-yet", message, "type", help="use an agent of type `command`")
        if identity in NOT_SUPPORTED_YET["agent id"]:
            message = f"replacing the built-in agent `{identity}` is not supported yet"
            self._add("not-supported-yet", message, "id" if "id" in self._data else "name")
        parsed = self._validate(model, Kind.AGENT)
        self._check_identity(identity)
        self._check_folder()
        if parsed is None or identity is None or not isinstance(parsed, CommandAgent):
            return None
        written_limits = parsed.limits.model_dump() if parsed.limits else {}
        limits = Limits(**written_limits) if any(each is not None for each in written_limits.values()) else None
        spec = CommandSpec(tuple(parsed.command), parsed.env or {}, parsed.cwd, parsed.user, limits)
        return build_agent(
            parsed, identity, spec, Origin(self._file.display, self._document.line), self._file.folder
        )

    def _unknown_type(self, written: object) -> None:
        if not isinstance(written, str):
            return
        meant = did_you_mean(written, AGENT_TYPES)
        message = f"no type of agent is called `{shown(written)}`"
        advice = (
            f"did you mean `{meant}`?" if meant else "known are " + ", ".join(f"`{each}`" for each in AGENT_TYPES)
        )
        self._add("unknown-type", message, "type", help=advice, fix=meant)

    def _check_folder(self) -> None:
        cwd = self._data.get("cwd")
        if isinstance(cwd, str) and not cwd.startswith("/") and not stays_inside(self._file.folder, cwd):
            advice = "name a folder below the one that holds the job files"
            self._add("path-outside", "this folder lies outside the tree", "cwd", help=advice)

    def _refuse_unsupported(self, names: frozenset[str]) -> None:
        for name in self._data:
            if name in names:
                self._add(
                    "not-supported-yet", f"`{name}` is not supported yet", name, on_key=True, help="remove it"
                )

    def _validate(self, model: type[M], kind: Kind, ignore: frozenset[str] = frozenset()) -> M | None:
        """Return the document as a model, or None after adding what is wrong, but not fields in `ignore`."""
        try:
            return model.model_validate(self._data)
        except ValidationError as error:
            for each in findings(error, self._document, model, _elsewhere(kind), ignore):
                if each.span is None or each.span.line not in self._spoilt:
                    self._diagnostics.append(each)
            return None

    def _add(self, rule: str, message: str, name: str, *, on_key: bool = False, **more: Any) -> None:
        """Add a diagnostic at the value or the key of a field."""
        span = self._document.key_span((name,)) if on_key else self._document.value_span((name,))
        self._diagnostics.append(self._document.diagnostic(rule, message, span, **more))


def build_agent(
    document: AgentDocument, agent_id: str, spec: CommandSpec | LlmSpec, origin: Origin | None, folder: str
) -> Agent:
    """Return an agent as the house knows it."""
    name = document.name or agent_id
    digest = agent_digest(agent_id, name, document.description, document.type, document.timeout, spec)
    return Agent(
        agent_id, name, document.description, document.type, document.timeout, digest, origin, folder, spec
    )


def agent_digest(
    agent_id: str,
    name: str,
    description: str,
    type_name: str,
    timeout: timedelta | None,
    spec: CommandSpec | LlmSpec,
) -> str:
    """Return the SHA-256 of what an agent is, wherever it stands."""
    content = {
        "id": agent_id,
        "name": name,
        "description": description,
        "type": type_name,
        "timeout": timeout.total_seconds() if timeout else None,
        "spec": _content(spec),
    }
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _content(spec: CommandSpec | LlmSpec) -> dict[str, Any]:
    """Return what a digest covers; fields that came later only where they are given, so that digests stay."""
    content = asdict(spec)
    for name in ("user", "limits"):
        if content.get(name) is None:
            content.pop(name, None)
    if limits := content.get("limits"):
        limits["cpu"] = limits["cpu"].total_seconds() if limits["cpu"] else None
    return content


def built_in_agent() -> Agent:
    """Return the agent that needs no document."""
    spec = LlmSpec()
    description = "The built-in agent: a language model without tools."
    digest = agent_digest(BUILT_IN_AGENT, "Insulin", description, "llm", None, spec)
    return Agent(BUILT_IN_AGENT, "Insulin", description, "llm", None, digest, None, "", spec)


@cache
def _agent_fields() -> frozenset[str]:
    return frozenset(name for model in AGENT_TYPES.values() for name in model.model_fields)


@cache
def _elsewhere(kind: Kind) -> Mapping[str, str]:
    """Return what to say of fields that only other kinds of documents have."""
    job = frozenset(JobDocument.model_fields)
    if kind is Kind.JOB:
        return {
            name: f"`{name}` is a field of agents: write `kind: agent` if this is one"
            for name in _agent_fields() - job
        }
    if kind is Kind.DEFAULTS:
        return {name: f"a defaults document can't give `{name}`: write it into each job" for name in job}
    return {name: f"`{name}` is a field of jobs: remove `kind: agent` if this is one" for name in job}
