"""From firing to record: admits, starts, retries, cancels, and sees each execution to its one end."""

import asyncio
import contextlib
import functools
import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import orjson
import structlog

from runner.engine.lanes import Lane, Lanes, Waiting
from runner.engine.runs import Run, Services, definition_of
from runner.engine.scheduler import Due, Missed
from runner.engine.tasks import Tasks
from runner.errors import (
    ConflictError,
    InvalidRequestError,
    RunnerError,
    StopRequestedError,
    StorageError,
    UnknownExecutionError,
    UnknownJobError,
)
from runner.execution.admission import (
    Admission,
    Pressure,
    admit,
    consult_filter,
    more_attempts,
    payload_of,
    refuse_disabled,
    retry_delay,
    window_start,
)
from runner.execution.firing import Firing
from runner.execution.ledger import Execution, settle_lost
from runner.execution.lifecycle import IllegalTransitionError, Reason, Status, Trigger
from runner.execution.records import DEEPEST, Record, following, is_shallow, milliseconds
from runner.plan import Action, Add, Remove, Replace
from runner.spec.models import Job, Payload

INLINE_PAYLOAD = 16 * 1024
"""Bytes of JSON up to which a payload stands in the record itself."""

HOLD_REMOVED = 60.0
"""Seconds for which pending executions of a vanished job wait for its return."""

_DISK_PAUSE = 1.0
"""Seconds before a start is tried again that could not be written down."""

_log = structlog.get_logger()


class Dispatcher:
    """Turns firings into executions and carries each to its end.

    With `only`, executions of other jobs are taken in but not started: they wait for the next runner.
    """

    def __init__(
        self,
        services: Services,
        *,
        new_id: Callable[[datetime], str],
        max_running: int,
        only: frozenset[str] | None = None,
    ) -> None:
        self._services = services
        self._clock, self._journal, self._ledger = services.clock, services.journal, services.ledger
        self._new_id = new_id
        self._max_running = max_running
        self._only = only
        self._jobs: dict[str, Job] = {}
        self._lanes = Lanes(lambda job: self._ledger.history(job).admitted[:])
        self._runs: dict[str, Run] = {}
        self._tasks = Tasks(self._clock)
        self._holds: dict[str, asyncio.Task[None]] = {}
        self._stopping = False
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
        for waiting in [*lane.waiting] if lane else []:
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
        now = self._clock.now()
        payload = payload_of(job, firing)
        note = consult_filter(job, payload)
        lane = self._lanes[job.id]
        start = window_start(job.rate_limit, now) if job.rate_limit else now
        admission = admit(job, firing, note, lane.admitted_after(start), lane.occupancy)
        record = self._first_line(job, firing, admission, payload, now)
        waiting = Waiting(record)
        if record.status is Status.PENDING:
            lane.reserve(waiting)
        try:
            record = waiting.record = await self._with_payload(record, payload)
            await self._journal.record(record)
        except RunnerError:
            if record.status is Status.PENDING:
                lane.give_back(waiting)
            raise
        if record.status is Status.PENDING:
            if admission.pressure is Pressure.REPLACE_OLDEST:
                self._make_room(lane, job.concurrency.limit)
            self._make_ready(waiting)
        return record

    def _first_line(
        self, job: Job, firing: Firing, admission: Admission, payload: Payload | None, now: datetime
    ) -> Record:
        lateness = milliseconds(now - firing.scheduled_for) if firing.scheduled_for else None
        return Record(
            id=self._new_id(now),
            job=job.id,
            name=job.name,
            agent=job.agent.id,
            mode=job.mode,
            trigger=firing.trigger,
            status=admission.status,
            reason=admission.reason,
            at=now,
            scheduled_for=firing.scheduled_for,
            lateness_ms=lateness,
            actor=firing.actor,
            rerun_of=firing.rerun_of,
            event=firing.event,
            payload=payload,
            filter=admission.note,
            definition=definition_of(job),
        )

    async def _with_payload(self, record: Record, payload: Payload | None) -> Record:
        """The line with its payload, or with a reference to a file that holds a large one."""
        if payload is None:
            return record
        if not is_shallow(payload.value, DEEPEST):
            raise InvalidRequestError(f"the payload has more than {DEEPEST} levels of lists and objects")
        try:
            raw = orjson.dumps(payload.value)
        except orjson.JSONEncodeError as error:
            raise InvalidRequestError(f"the payload can't be written as JSON: {error}") from None
        if len(raw) <= INLINE_PAYLOAD:
            return record
        reference = await asyncio.to_thread(self._services.payloads.put, record.id, raw)
        return replace(record, payload=None, payload_ref=reference, payload_sha256=hashlib.sha256(raw).hexdigest())

    async def fire(self, due: Due) -> None:
        """Submit what the scheduler found, all at once; a slot that can't be recorded is said in the log."""
        await asyncio.gather(
            *(self._fire_slot(job, slot) for job, slot in due.slots),
            *(self._record_missed(missed) for missed in due.missed),
        )

    async def _fire_slot(self, job: Job, slot: datetime) -> None:
        """Submit a slot: it was there before whatever has become of the job since."""
        if self._stopping:
            return
        try:
            await self._tasks.see_through(self._admit(job, Firing(job.id, Trigger.CRON, scheduled_for=slot)))
        except RunnerError as error:
            _log.error("can't record a slot", job=job.id, scheduled_for=slot.isoformat(), error=str(error))

    async def _record_missed(self, missed: Missed) -> None:
        """Write down a range of slots that nobody could run: one line for all."""
        job, now = missed.job, self._clock.now()
        record = self._first_line(job, Firing(job.id, Trigger.CRON), Admission(Status.CANCELLED), None, now)
        line = replace(
            record,
            reason=Reason.MISSED,
            from_=missed.first,
            until=missed.last,
            count=missed.count,
            finished_at=now,
        )
        try:
            await self._journal.record(line)
        except (StorageError, StopRequestedError) as error:
            _log.error("can't record missed slots", job=job.id, count=missed.count, error=str(error))

    def _make_room(self, lane: Lane, limit: int) -> None:
        """End the oldest of what runs or waits, so that only the newest are left, as many as may run."""
        live = [id_ for id_ in lane.running if (run := self._runs.get(id_)) and not run.being_cancelled]
        live += [waiting.record.id for waiting in lane.waiting if self._ledger.get(waiting.record.id)]
        for execution in sorted(live)[: max(0, len(live) - limit)]:
            self._tasks.spawn(functools.partial(self._end, execution, Reason.REPLACED))

    # -- starting --------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Start what may start, one of each job in turn."""
        if self._stopping or not self.recovered.is_set():
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
            _log.error("can't record the start of an execution", execution=pending.id, error=str(error))
            again, delay = pending, _DISK_PAUSE
        finally:
            del self._runs[pending.id]
            self._lanes.end(pending.job, pending.id)
            if again is not None and not self._stopping:
                self._enqueue(again, delay)
            run.ended.set()
            self._pump()

    def _enqueue(self, record: Record, delay: float = 0.0) -> None:
        """Put a pending execution into its lane, to start when its retry delay is over."""
        waiting = Waiting(record)
        self._lanes[record.job].waiting.append(waiting)
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
        waiting.ready = True
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
        """
        while True:
            run = self._runs.get(execution)
            if run is not None:
                run.cancel(by, reason)
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
        record = replace(
            following(pending, Status.CANCELLED, now), reason=reason, cancelled_by=by, finished_at=now
        )
        await self._journal.record(record)
        lane = self._lanes[pending.job]
        waiting = lane.find(pending.id)
        if waiting is not None:
            lane.waiting.remove(waiting)
            self._lanes.offer(pending.job)
            self._pump()
        return record

    def open_of(self, job: str) -> list[Execution]:
        """A job's executions that have not ended, oldest first."""
        return [execution for _, execution in sorted(self._ledger.history(job).open.items())]

    def forget(self, job: str) -> None:
        """Drop a deleted job's lane; nothing of it runs or waits any more."""
        self._lanes.drop(job)
