"""What should run, by the files and by what they last said without errors; and what must change for it."""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from runner.errors import Diagnostic, Severity
from runner.schedule import lint_schedule
from runner.spec.drafts import Defaults, JobDraft
from runner.spec.findings import mistake_diagnostic
from runner.spec.ignores import silence
from runner.spec.loader import Kind, ParsedDocument, ParsedFile, Reopener, built_in_agent, by_position
from runner.spec.models import BUILT_IN_AGENT, Agent, Job
from runner.spec.resolve import agent_of, resolve_job
from runner.spec.suggest import did_you_mean
from runner.spec.tree import Tree, gather

MANY_JOBS = 5
"""With fewer jobs than this, any number may vanish at once without a second look."""

NO_FILES = "there are no files, so no job is removed"
"""Why nothing is removed when a directory is missing or wholly empty."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """A document that is not scheduled, because it has errors and nothing valid is known of it."""

    id: str | None
    path: str
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class _Resolved:
    """A job with what it was made from, so that it need not be made again."""

    job: Job
    warnings: tuple[Diagnostic, ...]
    agent: Agent
    layers: tuple[Defaults, ...]


@dataclass(frozen=True, slots=True)
class DesiredState:
    """What the files say.

    `jobs`, `agents` and `defaults` (by folder) hold what is valid now and, where a document has errors, what
    was valid last. `files` and `documents` count what was read. `diagnostics` are sorted by path and
    position, without those that comments silence, which are `ignored`.
    """

    jobs: Mapping[str, Job] = field(default_factory=dict)
    agents: Mapping[str, Agent] = field(default_factory=dict)
    defaults: Mapping[str, Defaults] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()
    ignored: tuple[Diagnostic, ...] = ()
    files: int = 0
    documents: int = 0
    invalid: tuple[Invalid, ...] = ()
    resolved: Mapping[ParsedDocument, _Resolved] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Add:
    """A job to take in."""

    job: Job


@dataclass(frozen=True, slots=True)
class Replace:
    """A job to put in the place of its older definition."""

    job: Job
    old: Job

    @property
    def same_definition(self) -> bool:
        """Whether only the place of the document, or what is known of its errors, changed."""
        return self.job.digest == self.old.digest


@dataclass(frozen=True, slots=True)
class Remove:
    """A job to let go."""

    job: Job


Action = Add | Replace | Remove


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in order: removals, replacements, additions, each by id.

    `held` says why no job is removed although the files have none, and `doubtful` that so many jobs vanished
    at once that a second look has to confirm it; then the removals are left out of the actions.
    """

    actions: tuple[Action, ...] = ()
    held: str | None = None
    doubtful: bool = False


def desire(files: Sequence[ParsedFile], last: DesiredState | None = None, *, now: datetime) -> DesiredState:
    """Return what the files say, with what `last` knew in the place of what has errors now.

    A job, an agent or a defaults document stays as it was if nothing valid has its id (of defaults: its
    folder) and a document with errors has that id, or stands in the same file and has no readable id, or one
    that nobody knew.
    `now` is an aware instant, for warnings about schedules.
    """
    return _Desire(sorted(files, key=lambda file: file.path), last or DesiredState(), now).state()


def plan(
    desired: DesiredState, actual: Mapping[str, Job], *, allow_empty: bool = False, confirmed: bool = False
) -> Plan:
    """Return what turns the actual jobs into the desired ones.

    Without any file nothing is removed unless `allow_empty`. When more than half of five or more jobs vanish
    at once, they are removed only if `confirmed`.
    """
    gone = sorted(actual.keys() - desired.jobs.keys())
    held = None
    doubtful = False
    if gone and desired.files == 0 and not allow_empty:
        held = NO_FILES
    elif len(actual) >= MANY_JOBS and len(gone) * 2 > len(actual) and not confirmed:
        doubtful = not allow_empty or desired.files > 0
    actions: list[Action] = []
    if held is None and not doubtful:
        actions += [Remove(actual[job_id]) for job_id in gone]
    # Identity first: jobs that nothing happened to are the same objects, and they are almost all.
    changed = sorted(
        job_id
        for job_id, job in desired.jobs.items()
        if (old := actual.get(job_id)) is not None and old is not job and not _equal(job, old)
    )
    actions += [Replace(desired.jobs[job_id], actual[job_id]) for job_id in changed]
    actions += [Add(desired.jobs[job_id]) for job_id in sorted(desired.jobs.keys() - actual.keys())]
    return Plan(tuple(actions), held, doubtful)


def enacted(plan: Plan, actual: Mapping[str, Job]) -> dict[str, Job]:
    """Return the jobs that there are after a plan was followed."""
    jobs = dict(actual)
    for action in plan.actions:
        if isinstance(action, Remove):
            jobs.pop(action.job.id, None)
        else:
            jobs[action.job.id] = action.job
    return jobs


def _equal(new: Job, old: Job) -> bool:
    """Whether nobody could tell two versions of a job apart, by what they do or by what is shown of them."""
    return (
        new.digest == old.digest
        and new.origin == old.origin
        and new.stale == old.stale
        and new.sources == old.sources
        and (
            new.agent is old.agent or (new.agent.origin, new.agent.folder) == (old.agent.origin, old.agent.folder)
        )
    )


class _Desire:
    """One look at all files."""

    def __init__(self, files: Sequence[ParsedFile], last: DesiredState, now: datetime) -> None:
        self._files = files
        self._last = last
        self._now = now
        self._reopener = Reopener()
        known = {Kind.JOB: last.jobs, Kind.AGENT: last.agents, Kind.DEFAULTS: last.defaults}
        self._tree: Tree = gather(files, known)
        self._found: list[Diagnostic] = [each for file in files for each in file.diagnostics]
        self._found += self._tree.duplicates
        self._agents = self._all_agents()
        self._refused: dict[str, tuple[Diagnostic, ...]] = {}
        self._unusable: dict[str, tuple[Diagnostic, ...]] = {}
        self._defaults = self._all_defaults()
        self._layers: dict[str, tuple[Defaults, ...]] = {}
        self._resolved: dict[ParsedDocument, _Resolved] = {}

    def state(self) -> DesiredState:
        """Return what the files say."""
        jobs = self._all_jobs()
        shown, ignored = silence((each.file for each in self._files), self._found)
        return DesiredState(
            jobs=jobs,
            agents=self._agents,
            defaults=self._defaults,
            diagnostics=tuple(sorted(shown, key=by_position)),
            ignored=tuple(ignored),
            files=len(self._files),
            documents=sum(len(file.documents) for file in self._files),
            invalid=self._invalid(jobs),
            resolved=self._resolved,
        )

    def _all_agents(self) -> dict[str, Agent]:
        shelf = self._tree.agents
        agents = {BUILT_IN_AGENT: self._last.agents.get(BUILT_IN_AGENT) or built_in_agent()}
        agents |= {
            agent_id: agent
            for agent_id, agent in self._last.agents.items()
            if agent.origin and self._tree.problems(shelf, agent_id, agent.origin.path)
        }
        for agent_id, document in shelf.valid.items():
            if isinstance(document.definition, Agent):
                agents[agent_id] = document.definition
        return agents

    def _all_defaults(self) -> dict[str, Defaults]:
        shelf = self._tree.defaults
        found: dict[str, Defaults] = {}
        for folder, document in shelf.valid.items():
            defaults = document.definition
            if isinstance(defaults, Defaults) and self._agent_of_defaults_exists(document, defaults):
                found[folder] = defaults
        for folder, defaults in self._last.defaults.items():
            is_broken = folder in self._unusable or self._tree.problems(shelf, folder, defaults.path)
            if folder not in found and is_broken:
                found[folder] = defaults
        return found

    def _agent_of_defaults_exists(self, document: ParsedDocument, defaults: Defaults) -> bool:
        if defaults.agent is None or defaults.agent in self._agents or self._tree.may_have_agent(defaults.agent):
            return True
        error = self._unknown_agent(document, defaults.agent)
        self._found.append(error)
        self._unusable[defaults.folder] = (error,)
        return False

    def _all_jobs(self) -> dict[str, Job]:
        shelf = self._tree.jobs
        jobs: dict[str, Job] = {}
        refused = self._refused
        for job_id, document in shelf.valid.items():
            if isinstance(document.definition, JobDraft):
                made = self._job(document, document.definition)
                if isinstance(made, Diagnostic):
                    refused[job_id] = (made,)
                    self._found.append(made)
                else:
                    jobs[job_id] = made.job
                    self._resolved[document] = made
                    self._found += made.warnings
        self._found += self._unknown_agents_of_broken()
        for job_id, job in self._last.jobs.items():
            if job_id in jobs:
                continue
            problems = refused.get(job_id) or self._tree.problems(shelf, job_id, job.origin.path)
            if problems:
                jobs[job_id] = job if job.stale == problems else replace(job, stale=problems)
        return jobs

    def _unknown_agents_of_broken(self) -> list[Diagnostic]:
        """Return the unknown agents of jobs that have other errors, so that all is said in one go."""
        return [
            self._unknown_agent(document, document.agent)
            for document in self._tree.broken
            if document.agent
            and document.agent not in self._agents
            and not self._tree.may_have_agent(document.agent)
        ]

    def _job(self, document: ParsedDocument, draft: JobDraft) -> _Resolved | Diagnostic:
        layers = self._layers_above(document.file.folder)
        agent_id, giver = agent_of(draft, layers)
        agent = self._agents.get(agent_id)
        if agent is None:
            return self._without_agent(document, agent_id, giver)
        known = self._last.resolved.get(document)
        if known is not None and known.agent is agent and _same(known.layers, layers):
            return known
        job = resolve_job(draft, agent, layers, document.origin)
        return _Resolved(job, self._warnings(document, job), agent, layers)

    def _without_agent(self, document: ParsedDocument, agent_id: str, giver: Defaults | None) -> Diagnostic:
        if not self._tree.may_have_agent(agent_id):
            return self._unknown_agent(document, agent_id, giver)
        # The agent's own errors are the ones to mend, so this is only for information.
        found = self._reopener.open(document)
        span = found.start_span() if giver else found.value_span(("agent",))
        message = f"this job can't run, because its agent `{agent_id}` has errors"
        advice = "mend the agent: its errors are told in its own file"
        return found.diagnostic(
            "agent-has-errors", message, span, severity=Severity.INFO, help=advice, job=document.id
        )

    def _unknown_agent(self, document: ParsedDocument, agent_id: str, giver: Defaults | None = None) -> Diagnostic:
        found = self._reopener.open(document)
        span = found.start_span() if giver else found.value_span(("agent",))
        message = f"no agent has the id `{agent_id}`"
        if giver:
            message += f", which {giver.path} names"
        meant = did_you_mean(agent_id, self._agents)
        if meant:
            advice = f"did you mean `{meant}`?"
        else:
            advice = "known are " + ", ".join(f"`{each}`" for each in sorted(self._agents)[:10])
        return found.diagnostic(
            "unknown-agent", message, span, help=advice, fix=None if giver else meant, job=document.id
        )

    def _warnings(self, document: ParsedDocument, job: Job) -> tuple[Diagnostic, ...]:
        mistakes = lint_schedule(job.schedule, self._now) if job.schedule else ()
        if not mistakes:
            return ()
        found = self._reopener.open(document)
        return tuple(mistake_diagnostic(found, ("schedule",), mistake, job.id) for mistake in mistakes)

    def _layers_above(self, folder: str) -> tuple[Defaults, ...]:
        """Return the defaults documents of a folder and the folders above it, the nearest first."""
        if folder not in self._layers:
            own = self._defaults.get(folder)
            above = self._layers_above(posixpath.dirname(folder)) if folder else ()
            self._layers[folder] = (own, *above) if own else above
        return self._layers[folder]

    def _invalid(self, jobs: Mapping[str, Job]) -> tuple[Invalid, ...]:
        """Return what is not scheduled at all."""
        kept_paths = {job.origin.path for job in jobs.values() if job.stale}
        found: dict[tuple[str, str], Invalid] = {}
        for job_id, problems in self._refused.items():
            found[job_id, ""] = Invalid(job_id, self._tree.jobs.valid[job_id].origin.path, problems)
        for job_id, problems in self._tree.jobs.broken.items():
            found[job_id, ""] = Invalid(job_id, problems[0].path, problems)
        for path, problems in self._tree.nameless.items():
            if path not in kept_paths:
                found["", path] = Invalid(None, path, problems)
        return tuple(
            invalid for _, invalid in sorted(found.items()) if invalid.id is None or invalid.id not in jobs
        )


def _same(first: tuple[Defaults, ...], second: tuple[Defaults, ...]) -> bool:
    return len(first) == len(second) and all(a is b for a, b in zip(first, second, strict=True))
