"""What one can tell a running runner: run, cancel, pause, delete."""

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta

from runner.clock import Clock
from runner.engine.dispatcher import Dispatcher
from runner.engine.journal import Journal, Subscription
from runner.engine.reconciler import Reconciler
from runner.engine.scheduler import Scheduler
from runner.errors import ConflictError, JobDisabledError, UnknownJobError
from runner.execution.firing import Firing
from runner.execution.ledger import Execution, Ledger, merge
from runner.execution.lifecycle import Trigger
from runner.ports import JobWriter, OutputStore, Pause, RecordStore, StateStore
from runner.service.reading import Reading
from runner.service.views import Deleted, ExecutionView, JobView
from runner.spec.models import Job, Mode, Payload


@dataclass(frozen=True, slots=True)
class Engine:
    """The living parts that commands act on."""

    clock: Clock
    scheduler: Scheduler
    dispatcher: Dispatcher
    reconciler: Reconciler
    journal: Journal
    ledger: Ledger
    records: RecordStore
    outputs: OutputStore
    state: StateStore
    writer: JobWriter
    remove_job_dir: Callable[[str], None]


class Service:
    """Commands, and through `reading` all questions."""

    def __init__(self, engine: Engine, reading: Reading) -> None:
        self._engine = engine
        self.reading = reading

    # -- executions ------------------------------------------------------------------------------------------

    async def run(self, job: str, payload: Payload | None, actor: str) -> ExecutionView:
        """Run a job by hand; the answer is its first line, durable."""
        return await self._submit(Firing(self.reading.find(job).id, Trigger.MANUAL, payload, actor=actor))

    async def deliver(self, job: str, payload: Payload, actor: str) -> ExecutionView:
        """Offer an event to a push job.

        Raises:
            ConflictError: when the job is not of mode push.
        """
        found = self.reading.find(job)
        if found.mode is not Mode.PUSH:
            raise ConflictError(
                f"job {job} is of mode {found.mode.value} and takes no events; 'jobsd run {job}' runs it by hand"
            )
        return await self._submit(Firing(job, Trigger.PUSH, payload, actor=actor))

    async def rerun(self, execution: str, actor: str) -> ExecutionView:
        """Run the job of an execution again with the same payload; `execution` may be shortened while unique.

        Raises:
            ConflictError: when it stands for slots that were missed, which had no payload.
        """
        found = (await asyncio.to_thread(self.reading.find_execution, execution)).record
        if found.count is not None:
            raise ConflictError(f"execution {found.id} never ran: its slots were missed; 'jobsd run {found.job}'")
        job = self.reading.find(found.job)
        payload = await self._engine.dispatcher.payload_of(found)
        return await self._submit(Firing(job.id, Trigger.MANUAL, payload, actor=actor, rerun_of=found.id))

    async def _submit(self, firing: Firing) -> ExecutionView:
        pause = self._engine.scheduler.paused(firing.job)
        record = await self._engine.dispatcher.submit(firing, paused=pause is not None)
        return ExecutionView.of(Execution(record, record.at))

    async def cancel(self, execution: str, actor: str) -> ExecutionView:
        """Cancel an execution; `execution` may be shortened while unique.

        Raises:
            ConflictError: when it has ended.
        """
        # What has not ended is in memory, so that a long history does not delay the end of what runs.
        found = self._engine.ledger.get(execution.upper())
        if found is None:
            found = await asyncio.to_thread(self.reading.find_execution, execution)
        if found.status.terminal:
            raise ConflictError(f"execution {found.id} has ended already: {found.status}")
        return await self._cancel(found, actor)

    async def _cancel(self, known: Execution, actor: str) -> ExecutionView:
        record = await self._engine.dispatcher.cancel(known.id, actor)
        return ExecutionView.of(Execution(merge(known.record, record), known.created_at))

    async def cancel_job(self, job: str, actor: str) -> list[ExecutionView]:
        """Cancel all executions of a job that have not ended; those that end by themselves first are left out."""
        self.reading.find(job)
        return await self._cancel_all(job, actor)

    async def _cancel_all(self, job: str, actor: str) -> list[ExecutionView]:
        """Cancel everything at once, so that the end of one does not let the next one start."""

        async def cancel(known: Execution) -> ExecutionView | None:
            with contextlib.suppress(ConflictError):
                return await self._cancel(known, actor)
            return None

        views = await asyncio.gather(*(cancel(known) for known in self._engine.dispatcher.open_of(job)))
        return [view for view in views if view is not None]

    def follow(self) -> AbstractContextManager[Subscription]:
        """A live view of all records as they become durable."""
        return self._engine.journal.subscribe()

    # -- pauses ----------------------------------------------------------------------------------------------

    def pause(self, job: str, actor: str, reason: str | None, duration: timedelta | None) -> JobView:
        """Switch a job off at run time; its file stays as it is."""
        found = self.reading.find(job)
        if not found.enabled:
            raise JobDisabledError(f"job {job} is disabled already, in {found.origin.path}")
        now = self._engine.clock.now()
        self._save_pauses(
            {job: Pause(actor, now, reason, None if duration is None else now + duration)}, frozenset()
        )
        return self.reading.job(job)

    def resume(self, job: str) -> JobView:
        """End the pause of a job."""
        found = self.reading.find(job)
        if not found.enabled:
            raise JobDisabledError(
                f"job {job} is disabled in {found.origin.path}:{found.origin.line}; set enabled: true there"
            )
        self._save_pauses({}, frozenset({job}))
        return self.reading.job(job)

    def _save_pauses(self, new: dict[str, Pause], ended: frozenset[str]) -> None:
        now = self._engine.clock.now()
        pauses = {
            job: pause
            for job, pause in {**self._engine.scheduler.pauses, **new}.items()
            if job not in ended and (pause.until is None or pause.until > now)
        }
        self._engine.state.save_pauses(pauses)
        self._engine.scheduler.set_pauses(pauses, now)

    # -- deleting --------------------------------------------------------------------------------------------

    async def delete(self, job: str, actor: str) -> Deleted:
        """Remove a job's document and, for good, its history, its outputs and its own folder."""
        found = await self._remove_document(job)
        await self._engine.reconciler.sync(removing=frozenset({job}))
        if job in self._engine.scheduler.jobs:
            raise ConflictError(f"job {job} is still there after its document was removed; nothing else was")
        await self._cancel_all(job, actor)
        if job in self._engine.scheduler.pauses:
            self._save_pauses({}, frozenset({job}))
        return await self._purge(found.id)

    async def _remove_document(self, job: str) -> Job:
        """Take a job's document out of its file, unless the file has gone already; the job as it was."""
        path = self.reading.find(job).origin.path
        try:
            text = await asyncio.to_thread(self._engine.writer.text, path)
        except UnknownJobError:
            return self.reading.find(job)
        # Where the document stands is known of this very text only after another look.
        await self._engine.reconciler.sync()
        found = self.reading.find(job)
        if found.stale:
            raise ConflictError(f"{path} has errors; mend it, or remove the document by hand first")
        if found.origin.path != path:
            raise ConflictError(f"job {job} has just moved to {found.origin.path}; nothing was removed")
        await asyncio.to_thread(self._engine.writer.remove_document, path, found.origin.line, text)
        return found

    async def forget_orphan(self, job: str) -> None:
        """Remove, for good, what is left of a job that vanished from the files, unless something of it is open."""
        if self._engine.ledger.history(job).open or job not in set(self._engine.ledger.jobs()):
            return
        await self._purge(job)

    async def _purge(self, job: str) -> Deleted:
        executions = await asyncio.to_thread(self._executions_of, job)
        gone = await self._engine.records.delete(job)
        self._engine.ledger.forget(job)
        self._engine.dispatcher.forget(job)
        await asyncio.to_thread(self._engine.outputs.delete, executions)
        await asyncio.to_thread(self._engine.remove_job_dir, job)
        return Deleted(job=job, records=gone, executions=len(executions))

    def _executions_of(self, job: str) -> set[str]:
        return {record.id for record in self._engine.records.backwards(job=job)}

    # -- signs of life ---------------------------------------------------------------------------------------

    def look_again(self) -> None:
        """Look at the files, as after SIGHUP."""
        self._engine.reconciler.look_again()
