"""From firing to record: admits, starts, retries, cancels, and sees each execution to its one end."""

import asyncio
import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from runner.engine.admissions import Admissions, Decision
from runner.engine.intake import Intake
from runner.engine.lanes import Lane, Lanes, Waiting
from runner.engine.runs import Run, Services, read_payload
from runner.engine.scheduler import Due
from runner.engine.tasks import Tasks
from runner.errors import (
    ConflictError,
    StopRequestedError,
    StorageError,
    UnknownExecutionError,
    UnknownJobError,
)
from runner.execution.admission import (
    Pressure,
    more_attempts,
    refuse_disabled,
    retry_delay,
)
from runner.execution.firing import Firing
from runner.execution.ledger import Execution, settle_lost
from runner.execution.lifecycle import IllegalTransitionError, Reason, Status
from runner.execution.records import Record, following
from runner.execution.slots import Slot
from runner.plan import Action, Add, Remove, Replace
from runner.spec.models import Job, Payload

HOLD_REMOVED = 60.0
"""Seconds for which pending executions of a vanished job wait for its return."""

_DISK_PAUSE = 1.0
"""Seconds before a start is tried again that could not be written down."""

_TOGETHER = 100
"""Slots that are decided on in one go, before others have their turn in the event loop."""

T = TypeVar("T")


class Dispatcher:
    """Turns firings into executions and carries each to its end.

    With `only`, executions of other jobs are taken in but not started: they wait for the next runner. `freed` is
    told the job of each execution that makes room for another one.
    """

    def __init__(
        self,
        services: Services,
        *,
        new_id: Callable[[datetime], str],
        max_running: int,
        only: frozenset[str] | None = None,
        freed: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._services = services
        self._clock, self._journal, self._ledger = services.clock, services.journal, services.ledger
        self._max_running = max_running
        self._only = only
        self._freed = freed
        self._jobs: dict[str, Job] = {}
        self._lanes = Lanes(lambda job: self._ledger.history(job).admitted[:])
        self._admissions = Admissions(services, Intake(new_id, services.payloads), self._lanes)
        self._runs: dict[str, Run] = {}
        self._tasks = Tasks(self._clock, services.trouble)
        self._holds: dict[str, asyncio.Task[None]] = {}
        self._stopping = False
        self._firing = 0
        self._stopped = asyncio.Event()
        self.recovered = asyncio.Event()

    # -- life ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Settle what the last runner left, then own the tasks of all executions until `stop`."""
        async with self._tasks.opened():
            await self._recover()
            self.recovered.set()
            self._pump()
            await self._stopped.wait()

    async def _recover(self) -> None:
        lost = [execution for execution in self._ledger.open() if execution.status is Status.RUNNING]
        await self._services.executor.reap([execution.id for execution in lost])
        for execution in lost:
            now = self._clock.now()
            job = self._jobs.get(execution.record.job)
            attempt = execution.record.attempt or 1
            retry_at = None
            if job is not None and more_attempts(job.retry, attempt):
                retry_at = now + retry_delay(job.retry, attempt, self._services.chance())
            await self._journal.record(settle_lost(execution, now, retry_at))
        for execution in self._ledger.open():
            self._enqueue(execution.record)

    async def stop(self, grace: float) -> None:
        """Start nothing more, give what runs `grace` seconds, then end it; what is pending stays pending."""
        self._stopping = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._all_ended()
        await self.hasten()
        self._stopped.set()

    async def hasten(self) -> None:
        """End what runs now."""
        self._stopping = True
        for run in self._runs.values():
            run.stop()
        await self._all_ended()

    async def _all_ended(self) -> None:
        await asyncio.gather(*(run.ended.wait() for run in [*self._runs.values()]))

    # -- definitions -----------------------------------------------------------------------------------------

    def enact(self, action: Action) -> None:
        """Take note of a change of the jobs in force."""
        match action:
            case Add(job=job) | Replace(job=job):
                self._jobs[job.id] = job
                if hold := self._holds.pop(job.id, None):
                    hold.cancel()
                self._lanes.offer(job.id)
                self._pump()
            case Remove(job=job):
                del self._jobs[job.id]
                if self.recovered.is_set():
                    self._hold(job.id)

    def _hold(self, job: str, seconds: float = HOLD_REMOVED) -> None:
        """Give a vanished job time to come back, before what waits for it is cancelled."""
        if job not in self._holds and not self._stopped.is_set():
            self._holds[job] = self._tasks.later(seconds, functools.partial(self._abandon, job))

    async def _abandon(self, job: str) -> None:
        """Cancel what still waits for a job that has not come back."""
        self._holds.pop(job, None)
        lane = self._lanes.get(job)
        for waiting in [*lane.waiting.values()] if lane else []:
            if job in self._jobs:
                return
            try:
                await self._end(waiting.record.id, Reason.JOB_REMOVED)
            except StorageError:
                self._hold(job, _DISK_PAUSE)
                raise

    def occupancy(self, job: str) -> tuple[int, int]:
        """How many executions of a job run, and how many wait."""
        lane = self._lanes.get(job)
        return (len(lane.running), len(lane.waiting)) if lane else (0, 0)

    def totals(self) -> tuple[int, int]:
        """How many executions of all jobs run, and how many wait."""
        return self._lanes.running, self._lanes.waiting

    # -- admission -------------------------------------------------------------------------------------------

    async def submit(self, firing: Firing, *, paused: bool = False) -> Record:
        """Decide on a firing; returns its first line once that is durable.

        Raises:
            UnknownJobError: when the job is not there.
            JobDisabledError: when nothing may trigger the job.
            StorageError: when the decision could not be made durable; nothing happened.
            StopRequestedError: when the runner is stopping.
        """
        if self._stopping or not self._tasks.is_open:
            raise StopRequestedError("the runner is stopping and takes no new work")
        job = self._jobs.get(firing.job)
        if job is None:
            raise UnknownJobError(f"no job has the id {firing.job!r}")
        refuse_disabled(job, paused)
        return await self._tasks.see_through(self._admit(job, firing))

    async def _admit(self, job: Job, firing: Firing) -> Record:
        decision = await self._admissions.admit(job, firing)
        self._enact_decision(decision)
        return decision.record

    def _enact_decision(self, decision: Decision) -> None:
        """Let an execution whose first line is durable take its course."""
        if decision.record.status is Status.PENDING:
            if decision.pressure is Pressure.REPLACE_OLDEST:
                self._make_room(decision.lane, decision.job.concurrency.limit)
            self._make_ready(decision.waiting)

    # -- slots -----------------------------------------------------------------------------------------------

    async def fire(self, due: Due) -> Mapping[str, Record]:
        """Decide on what the scheduler found; the lines that are durable, by job."""
        written: dict[str, Record] = {}
        await self._tasks.see_through(self._fire(due, written))
        return written

    async def _fire(self, due: Due, written: dict[str, Record]) -> None:
        """Part by part: while the first is written, others are decided on, and requests have their turn.

        To start a process takes longer than to record a slot, so nothing starts until all slots are on record.
        """
        self._firing += 1
        try:
            async with asyncio.TaskGroup() as group:
                for slots in _parts(due.slots):
                    group.create_task(self._fire_slots(slots, written))
                    await asyncio.sleep(0)
                for missed in _parts(due.missed):
                    group.create_task(self._admissions.miss(missed, written))
                    await asyncio.sleep(0)
        finally:
            self._firing -= 1
            self._pump()

    async def _fire_slots(self, slots: Sequence[tuple[Job, Slot]], written: dict[str, Record]) -> None:
        for decision in await self._admissions.admit_slots(slots, lambda: self._stopping):
            written[decision.job.id] = decision.record
            self._enact_decision(decision)

    def has_room(self, job: str, before: str | None) -> bool:
        """Whether one more execution of a job could start, and the execution `before` it has ended."""
        known = self._jobs.get(job)
        if known is None:
            return True
        lane, ended = self._lanes[job], self._ledger.status_of(before) if before else None
        return (ended is None or ended.terminal) and lane.occupancy.total < known.concurrency.limit

    def _make_room(self, lane: Lane, limit: int) -> None:
        """End the oldest of what runs or waits, so that only the newest are left, as many as may run."""
        live = [id_ for id_ in lane.running if (run := self._runs.get(id_)) and not run.being_cancelled]
        live += [id_ for id_ in lane.waiting if self._ledger.get(id_)]
        for execution in sorted(live)[: max(0, len(live) - limit)]:
            self._tasks.spawn(functools.partial(self._end, execution, Reason.REPLACED))

    # -- starting --------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Start what may start, one of each job in turn."""
        if self._stopping or self._firing or not self.recovered.is_set():
            return
        for lane, waiting in self._lanes.startable(self._limit_of, self._max_running):
            job = self._jobs[waiting.record.job]
            self._lanes.start(lane, waiting)
            run = self._runs[waiting.record.id] = Run(waiting.record, job, self._services)
            self._tasks.spawn(functools.partial(self._carry, run))

    def _limit_of(self, job: str) -> int:
        known = self._jobs.get(job)
        if known is None or (self._only is not None and job not in self._only):
            return 0
        return known.concurrency.limit

    async def _carry(self, run: Run) -> None:
        pending = run.last
        again: Record | None = None
        delay = 0.0
        try:
            last = await run.carry()
            if last is not None and last.status is Status.PENDING:
                again = replace(last, payload=pending.payload, payload_ref=pending.payload_ref)
        except StorageError as error:
            now = self._clock.now()
            self._services.trouble.say("can't record the start of an execution", error, now, execution=pending.id)
            again, delay = pending, _DISK_PAUSE
        finally:
            del self._runs[pending.id]
            self._lanes.end(pending.job, pending.id)
            if again is not None and not self._stopping:
                self._enqueue(again, delay)
            run.ended.set()
            run.answered.set()
            self._pump()
            self._freed(pending.job)

    def _enqueue(self, record: Record, delay: float = 0.0) -> None:
        """Put a pending execution into its lane, to start when its retry delay is over."""
        waiting = Waiting(record)
        self._lanes[record.job].add(waiting)
        if record.not_before is not None:
            delay = max(delay, (record.not_before - self._clock.now()).total_seconds())

        async def make_ready() -> None:
            self._make_ready(waiting)

        if delay > 0:
            self._tasks.later(delay, make_ready)
        else:
            self._make_ready(waiting)

    def _make_ready(self, waiting: Waiting) -> None:
        job = waiting.record.job
        self._lanes[job].make_ready(waiting)
        if job not in self._jobs:
            self._hold(job)
        self._lanes.offer(job)
        self._pump()

    # -- cancelling ------------------------------------------------------------------------------------------

    async def cancel(self, execution: str, by: str, reason: Reason = Reason.BY_HAND) -> Record:
        """End a pending or running execution; returns its `cancelled` line once that is durable.

        Raises:
            UnknownExecutionError: when there is no such execution.
            ConflictError: when it has ended already, or ended by itself before it could be cancelled.
            StorageError: when it has ended, but the disk does not take the line that says so at present.
        """
        while True:
            run = self._runs.get(execution)
            if run is not None:
                run.cancel(by, reason)
                await run.answered.wait()
                if run.unrecorded is not None and not run.ended.is_set():
                    raise StorageError(
                        f"execution {execution} has ended, but that can't be recorded yet: {run.unrecorded}"
                    )
                await run.ended.wait()
                if run.last.status is Status.CANCELLED:
                    return run.last
                continue
            found = self._ledger.get(execution)
            if found is None:
                raise UnknownExecutionError(f"no execution {execution}")
            if found.status.terminal:
                raise ConflictError(f"execution {execution} has ended already: {found.status}")
            try:
                return await self._cancel_pending(found.record, by, reason)
            except IllegalTransitionError:
                await self._journal.settled(execution)

    async def _end(self, execution: str, reason: Reason) -> None:
        """Cancel, for a reason of jobsd's own, what may have ended by itself meanwhile."""
        with contextlib.suppress(ConflictError, UnknownExecutionError):
            await self.cancel(execution, "jobsd", reason)

    async def _cancel_pending(self, pending: Record, by: str, reason: Reason) -> Record:
        now = self._clock.now()
        record = following(pending, Status.CANCELLED, now, reason=reason, cancelled_by=by, finished_at=now)
        await self._journal.record(record)
        if self._lanes[pending.job].remove(pending.id) is not None:
            self._lanes.offer(pending.job)
            self._pump()
            self._freed(pending.job)
        return record

    async def payload_of(self, record: Record) -> Payload | None:
        """The payload that an execution had, also one that is kept in a file.

        Raises:
            StorageError: when the file is gone or damaged.
        """
        return await read_payload(record, self._services.payloads)

    def open_of(self, job: str) -> list[Execution]:
        """A job's executions that have not ended, oldest first."""
        return [execution for _, execution in sorted(self._ledger.history(job).open.items())]

    def forget(self, job: str) -> None:
        """Drop a deleted job's lane; nothing of it runs or waits any more."""
        self._lanes.drop(job)


def _parts(items: Sequence[T]) -> list[Sequence[T]]:
    """The items in groups that are dealt with in one go."""
    return [items[start : start + _TOGETHER] for start in range(0, len(items), _TOGETHER)]
