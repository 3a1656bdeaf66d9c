"""What one can ask: answers from the jobs in force and from the records, with a runner or from files alone."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import datetime
from heapq import merge
from itertools import islice, repeat
from typing import Any, Protocol

from runner import __version__
from runner.clock import Clock
from runner.errors import InvalidRequestError, UnknownExecutionError, UnknownJobError
from runner.execution.health import filter_fails, is_overdue
from runner.execution.ledger import Execution, id_time, is_first, newest
from runner.execution.lifecycle import Status
from runner.execution.records import Record
from runner.schedule.durations import format_duration
from runner.schedule.words import in_words
from runner.service.facts import Facts
from runner.service.slots import local_time, slot_view
from runner.service.views import (
    AgentView,
    DefinitionView,
    DiagnosticView,
    DriftView,
    ErrorView,
    ExecutionView,
    HistoryQuery,
    JobDetail,
    JobView,
    LastExecution,
    NextRun,
    PauseView,
    SettingView,
    StatusView,
)
from runner.spec.models import CommandSpec, Job

SHORTEST_ID = 4
"""Characters that a shortened execution id must have."""

MOST = 10_000
"""Executions or instants that one question may ask for."""


class RecordReader(Protocol):
    """The log, newest line first."""

    def backwards(self, job: str | None = None, execution: str | None = None) -> Iterator[Record]:
        """Records of one job or one execution, or all."""
        ...

    def of_execution(self, execution: str) -> list[Record]:
        """All lines of an execution, oldest first."""
        ...

    def follow(self) -> Iterator[Record]:
        """Records as they are appended from now on, without end."""
        ...


class OutputReader(Protocol):
    """Captured output."""

    def read(self, execution: str, start: int = 0) -> bytes:
        """The output from byte `start` on."""
        ...


class Reading:
    """Questions and their answers."""

    def __init__(self, facts: Facts, records: RecordReader, outputs: OutputReader, clock: Clock) -> None:
        self._facts = facts
        self._records = records
        self._outputs = outputs
        self._clock = clock

    # -- jobs ------------------------------------------------------------------------------------------------

    def find(self, job: str) -> Job:
        """The job in force with this id.

        Raises:
            UnknownJobError: when there is none; the message says so when its file has errors.
        """
        found = self._facts.jobs.get(job)
        if found is not None:
            return found
        problem = next((d for d in self._diagnostics() if d.is_error and d.job == job), None)
        if problem is not None:
            line = problem.span.line if problem.span else 1
            raise UnknownJobError(f"job {job} is not in force: {problem.path}:{line}: {problem.message}")
        raise UnknownJobError(f"no job has the id {job!r}; 'jobsd list' shows all")

    def jobs(self) -> list[JobView]:
        """All jobs in force, by id."""
        return [self._view(job) for _, job in sorted(self._facts.jobs.items())]

    def job(self, job: str) -> JobDetail:
        """One job with all its settings."""
        found = self.find(job)
        view = self._view(found)
        return JobDetail(
            **{each.name: getattr(view, each.name) for each in fields(view)},
            prompt=found.prompt,
            schedule_in_words=in_words(found.schedule) if found.schedule else None,
            settings=_settings(found),
            next_runs=list(islice(self._slots(found, self._clock.now()), 5)),
            diagnostics=[DiagnosticView.of(d) for d in self._diagnostics() if d.job == job],
        )

    def _view(self, job: Job) -> JobView:
        running, pending = self._facts.occupancy(job.id)
        slot = self._facts.next_slot(job.id)
        pause = self._facts.pause(job.id)
        return JobView(
            id=job.id,
            name=job.name,
            description=job.description,
            agent=job.agent.id,
            mode=job.mode.value,
            schedule=job.schedule.text if job.schedule else None,
            timezone=job.timezone if job.schedule else None,
            filter=job.filter.text if job.filter else None,
            enabled=job.enabled,
            paused=PauseView.of(pause) if pause else None,
            stale=[DiagnosticView.of(problem) for problem in job.stale],
            next_run=slot,
            next_run_local=local_time(slot, job.timezone) if slot else None,
            running=running,
            pending=pending,
            last=self._last(job.id),
            overdue=self._is_overdue(job),
            filter_errors=self._facts.ledger.history(job.id).filter_errors,
            filter_fails=filter_fails(self._facts.ledger.history(job.id)),
            labels=dict(job.labels),
            definition=DefinitionView(path=job.origin.path, line=job.origin.line, sha256=job.digest),
            live=self._facts.live,
        )

    def _drift(self) -> list[DriftView]:
        found = ((job, self._facts.pause(job.id)) for _, job in sorted(self._facts.jobs.items()) if job.enabled)
        return [
            DriftView(job=job.id, path=job.origin.path, line=job.origin.line, pause=PauseView.of(pause))
            for job, pause in found
            if pause
        ]

    def _is_overdue(self, job: Job) -> bool:
        if job.expect is None:
            return False
        return is_overdue(job, self._facts.ledger.history(job.id), self._facts.since(job.id), self._clock.now())

    def _last(self, job: str) -> LastExecution | None:
        history = self._facts.ledger.history(job)
        newest_open = max(history.open) if history.open else None
        execution = history.open[newest_open] if newest_open else None
        if execution is None:
            execution = history.last
        if execution is None:
            return None
        record = execution.record
        error = ErrorView(type=record.error.type, message=record.error.message) if record.error else None
        return LastExecution(id=record.id, status=record.status, at=record.at, reason=record.reason, error=error)

    # -- time ------------------------------------------------------------------------------------------------

    def next_runs(self, job: str | None, count: int, start: datetime | None = None) -> list[NextRun]:
        """The coming instants of one job, or of all together, soonest first."""
        if not 1 <= count <= MOST:
            raise InvalidRequestError(f"the number of runs must be from 1 to {MOST}")
        jobs = {job: self.find(job)} if job else dict(self._facts.jobs)
        after = start or self._clock.now()
        slots = merge(*(zip(self._slots(one, after), repeat(name)) for name, one in jobs.items()))
        return [slot_view(jobs[name], slot) for slot, name in islice(slots, count)]

    def _slots(self, job: Job, after: datetime) -> Iterator[datetime]:
        pause = self._facts.pause(job.id)
        if job.schedule is None or not job.enabled or (pause and pause.until is None):
            return
        slot = job.schedule.after(max(after, pause.until) if pause and pause.until else after)
        while slot is not None:
            yield slot
            slot = job.schedule.after(slot)

    # -- executions ------------------------------------------------------------------------------------------

    def executions(self, query: HistoryQuery) -> list[ExecutionView]:
        """Executions, newest first."""
        if not 1 <= query.limit <= MOST:
            raise InvalidRequestError(f"the number of executions must be from 1 to {MOST}")
        found = self._newest(query)
        if query.statuses:
            found = (execution for execution in found if execution.status in query.statuses)
        return [ExecutionView.of(execution) for execution in islice(found, query.limit)]

    def _newest(self, query: HistoryQuery) -> Iterator[Execution]:
        """A job's executions, the newest first, after the one where the page before ended."""
        found = newest(self._records.backwards(job=query.job))
        if query.before is None:
            return found
        for execution in found:
            if execution.id == query.before:
                return found
        # It is gone, or of another job: then the ids alone say what is older.
        again = newest(self._records.backwards(job=query.job))
        return (execution for execution in again if execution.id < (query.before or ""))

    def execution(self, prefix: str) -> ExecutionView:
        """The execution whose id is, or uniquely starts with, `prefix`."""
        return ExecutionView.of(self.find_execution(prefix))

    def find_execution(self, prefix: str) -> Execution:
        """The execution whose id is, or uniquely starts with, `prefix`.

        Raises:
            UnknownExecutionError: when there is none, or there are several.
        """
        wanted = prefix.upper()
        if len(wanted) < SHORTEST_ID:
            raise UnknownExecutionError(f"execution id {prefix!r} is too short: {SHORTEST_ID} characters at least")
        whole = len(wanted) == len("01ARZ3NDEKTSV4RRFFQ69G5FAV")
        if whole:
            known = self._facts.ledger.get(wanted)
            lines = self._records.of_execution(wanted) if known is None or known.status.terminal else []
            matches = [*newest(reversed(lines))] or ([known] if known is not None else [])
        else:
            matches = [each for each in newest(self._records.backwards()) if _matches(each.id, wanted)]
        if len(matches) > 1:
            raise UnknownExecutionError(f"{len(matches)} executions match {prefix!r}; give more of the id")
        if not matches:
            raise UnknownExecutionError(f"no execution has the id {prefix!r}; 'jobsd history' shows them")
        return matches[0]

    def follow(self) -> Iterator[ExecutionView]:
        """Each transition as it is written from now on, by whatever runner, without end."""
        return map(self.transition, self._records.follow())

    def transition(self, record: Record) -> ExecutionView:
        """The view of one line alone; the time of the first line is in the id, where it is not at hand."""
        if is_first(record):
            return ExecutionView.of(Execution(record, record.at))
        known = self._facts.ledger.get(record.id)
        return ExecutionView.of(Execution(record, known.created_at if known else id_time(record)))

    def output(self, execution: str, start: int = 0) -> bytes:
        """The captured output of an execution (a whole id) from byte `start` on."""
        return self._outputs.read(execution, start)

    # -- the whole -------------------------------------------------------------------------------------------

    def agents(self) -> list[AgentView]:
        """All agents, by id."""
        desired = self._facts.desired
        views = []
        for _, agent in sorted(desired.agents.items() if desired else ()):
            spec = agent.spec
            views.append(
                AgentView(
                    id=agent.id,
                    name=agent.name,
                    description=agent.description,
                    type=agent.type,
                    command=list(spec.command) if isinstance(spec, CommandSpec) else None,
                    path=agent.origin.path if agent.origin else None,
                    line=agent.origin.line if agent.origin else None,
                    jobs=sorted(job.id for job in self._facts.jobs.values() if job.agent.id == agent.id),
                )
            )
        return views

    def status(self) -> StatusView:
        """How the runner stands."""
        ledger = self._facts.ledger
        counts: Counter[Status] = Counter()
        for job in ledger.jobs():
            for status, count in ledger.history(job).counts.items():
                counts[status] += count
        running, pending = self._facts.totals()
        coming = self._soonest()
        problems = self._diagnostics()
        return StatusView(
            live=self._facts.live,
            version=__version__,
            jobs=len(self._facts.jobs),
            invalid=len({(d.path, d.job) for d in problems if d.is_error}),
            running=running,
            pending=pending,
            counts={status.value: count for status, count in counts.items()},
            next=coming,
            paused=sorted(job for job in self._facts.jobs if self._facts.pause(job)),
            drift=self._drift(),
            stale=sorted(job.id for job in self._facts.jobs.values() if job.stale),
            overdue=sorted(job.id for job in self._facts.jobs.values() if self._is_overdue(job)),
            filter_fails=sorted(job for job in self._facts.jobs if filter_fails(ledger.history(job))),
            diagnostics=[DiagnosticView.of(problem) for problem in problems],
            **self._facts.about(),
        )

    def _soonest(self) -> NextRun | None:
        first = self._facts.soonest()
        if first is None:
            return None
        job, slot = first
        return slot_view(self._facts.jobs[job], slot)

    def _diagnostics(self) -> Iterable[Any]:
        return self._facts.desired.diagnostics if self._facts.desired else ()


def _matches(execution: str, wanted: str) -> bool:
    """Ids share their first characters when they are of one time, so the end identifies as well."""
    return execution.startswith(wanted) or execution.endswith(wanted)


def _settings(job: Job) -> dict[str, SettingView]:
    """Each value in force, and where it comes from."""
    values: dict[str, Any] = {
        "agent": job.agent.id,
        "prompt": job.prompt,
        "mode": job.mode.value,
        "schedule": job.schedule.text if job.schedule else None,
        "timezone": job.timezone,
        "filter": job.filter.text if job.filter else None,
        "payload": job.payload.value if job.payload else None,
        "enabled": job.enabled,
        "jitter": format_duration(job.jitter) if job.jitter else None,
        "catch_up": {"policy": job.catch_up.policy.value, "within": format_duration(job.catch_up.within)}
        if job.schedule
        else None,
        "timeout": format_duration(job.timeout),
        "concurrency": {"limit": job.concurrency.limit, "when_full": job.concurrency.when_full.value},
        "rate_limit": job.rate_limit.text if job.rate_limit else None,
        "retry": {
            "attempts": job.retry.attempts,
            "backoff": format_duration(job.retry.backoff),
            "max_backoff": format_duration(job.retry.max_backoff),
        },
        "expect": {"success_within": format_duration(job.expect.success_within)} if job.expect else None,
        "labels": dict(job.labels),
    }
    return {
        name: SettingView(value=value, source=job.sources.get(name, "built-in"))
        for name, value in values.items()
        if value is not None
    }
