"""Keeps the scheduler in step with the files: look at everything, plan, enact; looking twice does nothing."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from runner.clock import Clock
from runner.engine.dispatcher import Dispatcher
from runner.engine.scheduler import Scheduler
from runner.engine.trouble import Trouble
from runner.errors import Diagnostic, StorageError
from runner.execution.instants import format_instant
from runner.plan import NO_FILES, Action, Add, DesiredState, Plan, Remove, Replace, desire, plan
from runner.ports import ChangeLog, JobSource, LastGoodStore, Snapshot
from runner.spec.loader import ParsedFile

QUIET = 0.05
"""Seconds without file events after which a burst of them is over."""

LONGEST_BURST = 2.0
"""Seconds after which a burst is looked at although it goes on."""

RESCAN = 30.0
"""Seconds after which the files are looked at without any event."""

SECOND_LOOK = 10.0
"""Seconds after which a doubtful disappearance of many jobs is believed."""

MOST_TOLD = 20
"""Changes of one look that the runner's log names one by one."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Doubt:
    """Since when which jobs may have vanished for a moment only."""

    since: datetime
    jobs: frozenset[str]


class Reconciler:
    """Brings the actual state to the desired one. File events only set a flag."""

    def __init__(
        self,
        *,
        source: JobSource,
        scheduler: Scheduler,
        dispatcher: Dispatcher,
        changes: ChangeLog,
        last_good: LastGoodStore,
        clock: Clock,
        allow_empty: bool = False,
    ) -> None:
        self._source = source
        self._scheduler = scheduler
        self._dispatcher = dispatcher
        self._changes = changes
        self._last_good = last_good
        self._clock = clock
        self._allow_empty = allow_empty
        self._flag = asyncio.Event()
        self._turn = asyncio.Lock()
        self._trouble = Trouble()
        self._unkept: DesiredState | None = None
        self._doubt: _Doubt | None = None
        self.desired: DesiredState | None = None
        self.held: str | None = None
        self.synced_at: datetime | None = None

    def look_again(self) -> None:
        """Something may have changed."""
        self._flag.set()

    async def run(self) -> None:
        """Watch and reconcile until cancelled; what changed before the watching began is seen at once."""
        async with self._source.watch(self.look_again):
            self.look_again()
            try:
                while True:
                    await self._wait_for_a_reason()
                    await self._settle()
                    await self.sync()
                    await self._keep()
            finally:
                await self._keep()

    async def _wait_for_a_reason(self) -> None:
        patience = SECOND_LOOK / 4 if self._doubt else RESCAN
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._flag.wait()

    async def _settle(self) -> None:
        """Wait until a burst of events is over."""
        waited = 0.0
        while self._flag.is_set() and waited < LONGEST_BURST:
            self._flag.clear()
            await self._clock.sleep(QUIET)
            waited += QUIET
        self._flag.clear()

    async def sync(self, *, removing: frozenset[str] = frozenset()) -> None:
        """Look at everything once and apply what differs.

        `removing` names jobs whose documents a person has just deleted through us: no doubt holds them.
        """
        async with self._turn:
            snapshot = await self._read_whole()
            if snapshot.unsettled:
                self._flag.set()
            desired = self._desire(snapshot.files)
            self._report(desired)
            planned = self._plan(desired, removing)
            now = self._enact(planned)
            try:
                await self._scheduler.save()  # so that no kill undoes what is told of
            finally:
                self._write_changes(planned.actions, now)
            held = planned.held
            if desired.jobs and not desired.files:
                held = NO_FILES
                _log.warning("the last good versions run", reason=held)
            elif not planned.held and not planned.doubtful:
                self._unkept = desired
            self.desired, self.held, self.synced_at = desired, held, now

    async def _read_whole(self) -> Snapshot:
        """Read the files as one state, however long a git command changes them."""
        begun = self._clock.now()
        told = False
        while not (snapshot := await self._source.read()).whole:
            if not told and (self._clock.now() - begun).total_seconds() > LONGEST_BURST:
                told = True
                _log.info("waiting until nobody changes the files: git's index.lock is there")
            await self._clock.sleep(QUIET)
        return snapshot

    def _desire(self, files: tuple[ParsedFile, ...]) -> DesiredState:
        """What the files say; a runner that starts knows what was good last where they are broken or gone."""
        now = self._clock.now()
        if self.desired is not None:
            return desire(files, self._last(), now=now)
        desired = desire(files, now=now)
        if files and not any(problem.is_error for problem in desired.diagnostics):
            return desired
        known = self._last_good.known()
        if files or self._allow_empty or not known.jobs:
            return desire(files, known, now=now)
        return replace(known, agents={**desired.agents, **known.agents}, diagnostics=desired.diagnostics)

    async def _keep(self) -> None:
        """Keep the last good versions; nobody who looks, or starts, has to wait for that."""
        desired, self._unkept = self._unkept, None
        if desired is None:
            return
        try:
            await self._last_good.save(desired)
        except StorageError as error:
            self._unkept = desired
            self._trouble.say("can't keep the last good versions", error, self._clock.now())

    def _last(self) -> DesiredState | None:
        """What was known last; jobs whose removal is held back are still among it."""
        return replace(self.desired, jobs=dict(self._scheduler.jobs)) if self.desired else None

    def _plan(self, desired: DesiredState, removing: frozenset[str]) -> Plan:
        now = self._clock.now()
        actual = dict(self._scheduler.jobs)
        deleted = [Remove(actual.pop(job)) for job in sorted(removing & actual.keys() - desired.jobs.keys())]
        if self._doubt and self._doubt.jobs <= desired.jobs.keys():
            self._doubt = None
        confirmed = self._doubt is not None and (now - self._doubt.since).total_seconds() >= SECOND_LOOK
        planned = plan(desired, actual, allow_empty=self._allow_empty, confirmed=confirmed)
        if self._doubt and not confirmed:
            # New jobs beside those in doubt may have made them less than half: they stay in doubt.
            kept = tuple(action for action in planned.actions if not isinstance(action, Remove))
            planned = replace(planned, actions=kept, doubtful=True)
        if not planned.doubtful:
            self._doubt = None
        elif self._doubt is None:
            self._doubt = _Doubt(now, frozenset(actual.keys() - desired.jobs.keys()))
            _log.warning("more than half of the jobs vanished at once; looking again in 10 s")
        if planned.held and planned.held != self.held:
            _log.warning("nothing was removed", reason=planned.held)
        return replace(planned, actions=(*deleted, *planned.actions))

    def _enact(self, planned: Plan) -> datetime:
        """Apply the plan at one instant: what was due up to it belongs to the old definitions."""
        now = self._clock.now()
        for action in planned.actions:
            self._scheduler.enact(action, now)
            self._dispatcher.enact(action)
        return now

    def _write_changes(self, actions: tuple[Action, ...], now: datetime) -> None:
        if self.desired is None:
            lines = self._since_last_runner(now)
            _log.info("read the jobs", count=len(self._scheduler.jobs), changed=len(lines))
        else:
            lines = [line for action in actions if (line := _change(action, now))]
        for line in lines[:MOST_TOLD]:
            _log.info("job " + line["change"], job=line["job"])
        if len(lines) > MOST_TOLD:
            _log.info("and more changes, all of them in changes.jsonl", count=len(lines) - MOST_TOLD)
        try:
            self._changes.append(lines)
        except StorageError as error:
            _log.error("can't write down a change", error=str(error))

    def _since_last_runner(self, now: datetime) -> list[Mapping[str, Any]]:
        """What changed while no runner was up: a start by itself is no change."""
        known, jobs = self._changes.known(), self._scheduler.jobs
        at = {"v": 1, "at": format_instant(now)}
        lines: list[Mapping[str, Any]] = [
            {**at, "change": "removed", "old": known[job], "job": job}
            for job in sorted(known.keys() - jobs.keys())
        ]
        for job in (jobs[name] for name in sorted(jobs) if known.get(name) != jobs[name].digest):
            old = known.get(job.id)
            change = {"change": "replaced", "old": old} if old else {"change": "added"}
            place = {"job": job.id, "path": job.origin.path, "line": job.origin.line}
            lines.append({**at, **change, "new": job.digest, **place})
        return lines

    def _report(self, desired: DesiredState) -> None:
        """Say what is wrong with the files, once for each problem."""
        before = set(self.desired.diagnostics) if self.desired else set()
        for diagnostic in desired.diagnostics:
            if diagnostic.is_error and diagnostic not in before:
                _log.error("invalid file", at=_place(diagnostic), rule=diagnostic.rule, problem=diagnostic.message)


def _place(diagnostic: Diagnostic) -> str:
    span = diagnostic.span
    return f"{diagnostic.path}:{span.line}:{span.column}" if span else diagnostic.path


def _change(action: Action, now: datetime) -> Mapping[str, Any] | None:
    """The line of changes.jsonl for an action; None for a mere move within or between files."""
    line: dict[str, Any] = {"v": 1, "at": format_instant(now)}
    job = action.job
    match action:
        case Add():
            line |= {"change": "added", "new": job.digest}
        case Remove():
            line |= {"change": "removed", "old": job.digest}
        case Replace(old=old) if not action.same_definition:
            line |= {"change": "replaced", "old": old.digest, "new": job.digest}
        case Replace(old=old) if job.stale and job.stale != old.stale:
            problems = [f"{_place(problem)}: {problem.rule}: {problem.message}" for problem in job.stale]
            line |= {"change": "stale", "old": job.digest, "diagnostics": problems}
        case Replace(old=old) if old.stale and not job.stale:
            line |= {"change": "mended", "new": job.digest}
        case _:
            return None
    return line | {"job": job.id, "path": job.origin.path, "line": job.origin.line}
