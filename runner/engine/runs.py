"""One run: from the line that says it started, through the agent, to the line that says how it ended."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import orjson
import structlog

from runner.clock import Clock
from runner.engine.journal import Journal
from runner.engine.trouble import Trouble
from runner.errors import InvalidRequestError, StorageError
from runner.execution.admission import more_attempts, retry_delay
from runner.execution.ledger import Ledger
from runner.execution.lifecycle import (
    Attempt,
    ErrorType,
    Failure,
    IllegalTransitionError,
    Outcome,
    Reason,
    Status,
)
from runner.execution.records import Definition, Record, following, milliseconds
from runner.ports import Executor, PayloadStore
from runner.spec.models import Job, Payload

_DISK_PAUSE = 1.0
"""Seconds between attempts to write down what already happened."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Services:
    """What every run needs."""

    clock: Clock
    journal: Journal
    ledger: Ledger
    executor: Executor
    payloads: PayloadStore
    chance: Callable[[], float] = random.SystemRandom().random
    trouble: Trouble = field(default_factory=Trouble)


def definition_of(job: Job) -> Definition:
    """Which text of the job is in force, as records name it."""
    return Definition(job.origin.path, job.origin.line, job.digest)


async def read_payload(record: Record, payloads: PayloadStore) -> Payload | None:
    """The payload of a line, or what lies in the file that it refers to.

    Raises:
        StorageError: when the file is gone or damaged.
    """
    if record.payload is not None or record.payload_ref is None:
        return record.payload
    try:
        return Payload(orjson.loads(await asyncio.to_thread(payloads.get, record.payload_ref)))
    except StorageError as error:
        raise StorageError(f"the payload is gone: {error}") from None
    except orjson.JSONDecodeError as error:
        raise StorageError(f"the payload is damaged: {error}") from None


def _writable(outcome: Outcome) -> Outcome:
    """The outcome, or a failure in its place when it holds what no record can hold."""
    result, failure = outcome.result, outcome.failure
    said = (failure.message, failure.detail) if failure else None
    try:
        orjson.dumps((result.value if result else None, outcome.usage, said))
    except orjson.JSONEncodeError as error:
        message = f"what the agent returned can't be written as JSON: {error}"
        return Outcome.failed(ErrorType.AGENT, message, process=outcome.process)
    return outcome


class Run:
    """A pending execution on its way through one attempt."""

    def __init__(self, pending: Record, job: Job, services: Services) -> None:
        self.job = job
        self.ended = asyncio.Event()
        self.answered = asyncio.Event()
        self.last = pending
        self.unrecorded: StorageError | None = None
        self._services = services
        self._pending = pending
        self._task: asyncio.Task[Outcome] | None = None
        self._cancelled: tuple[str, Reason] | None = None
        self._stop = asyncio.Event()

    @property
    def being_cancelled(self) -> bool:
        """Whether somebody asked for its end already."""
        return self._cancelled is not None

    def cancel(self, by: str, reason: Reason) -> None:
        """Ask for the end of the run; `ended` tells when it is there, `last` how it went."""
        if self._cancelled is None:
            self._cancelled = (by, reason)
            self._end_task()

    def stop(self) -> None:
        """End the run because the runner stops."""
        self._stop.set()
        self._end_task()

    def _unwanted(self) -> bool:
        return self._cancelled is not None or self._stop.is_set()

    def _end_task(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def carry(self) -> Record | None:
        """Run the attempt; the line it ended with.

        None when it did not start, because it was cancelled or the runner stops, and when the runner stops while
        the disk does not take the line: the next runner settles it.

        Raises:
            StorageError: when the start could not be written down; the execution is still pending.
        """
        running = await self._start()
        if running is None:
            return None
        self.last = running
        outcome = await self._run_agent(running)
        ending = await self._write_down(self._ending(running, outcome))
        if ending is not None:
            self.last = ending
        return ending

    async def _start(self) -> Record | None:
        """Write down the start, unless the runner stops or somebody cancelled the execution first."""
        pending, services = self._pending, self._services
        while not self._stop.is_set():
            now = services.clock.now()
            running = following(
                pending,
                Status.RUNNING,
                now,
                name=self.job.name,
                agent=self.job.agent.id,
                started_at=now,
                attempt=pending.attempt or 1,
                definition=definition_of(self.job),
            )
            try:
                await services.journal.record(running)
            except IllegalTransitionError:
                # A cancellation was first, but it happened only if it gets to the disk.
                await services.journal.settled(pending.id)
                if services.ledger.status_of(pending.id) is not Status.PENDING:
                    return None
            else:
                return running
        return None

    async def _run_agent(self, running: Record) -> Outcome | None:
        """The outcome, or None when the run was ended from outside."""
        if self._unwanted():
            return None
        attempt = await self._attempt(running)
        if isinstance(attempt, Outcome):
            return attempt
        self._task = asyncio.create_task(self._services.executor.run(attempt))
        if self._unwanted():
            self._task.cancel()
        try:
            await asyncio.wait([self._task])
        except asyncio.CancelledError:
            self._task.cancel()
            await asyncio.wait([self._task])
            raise
        if self._task.cancelled():
            return None if self._unwanted() else Outcome.failed(ErrorType.AGENT, "the agent cancelled itself")
        error = self._task.exception()
        if error is None:
            return _writable(self._task.result())
        _log.error("agent raised", execution=running.id, job=running.job, exc_info=error)
        return _writable(Outcome.failed(ErrorType.AGENT, f"{type(error).__name__}: {error}"))

    async def _attempt(self, running: Record) -> Attempt | Outcome:
        try:
            payload = await read_payload(self._pending, self._services.payloads)
        except StorageError as error:
            return Outcome.failed(ErrorType.AGENT, error.message)
        previous = self._services.ledger.history(self.job.id).previous
        return Attempt(running.id, running.attempt or 1, self.job, payload, previous)

    def _ending(self, running: Record, outcome: Outcome | None) -> Record:
        """The line that follows the attempt."""
        now = self._services.clock.now()
        started = running.started_at or now
        succeeded = outcome is not None and outcome.failure is None
        ended = following(
            running,
            Status.COMPLETED,
            now,
            started_at=started,
            finished_at=now,
            duration_ms=milliseconds(now - started),
            pid=outcome.process.pid if outcome and outcome.process else None,
            pid_start=outcome.process.started if outcome and outcome.process else None,
            usage=outcome.usage if outcome else None,
            result=outcome.result if outcome and succeeded else None,
        )
        if succeeded:
            return ended
        if self._cancelled is not None:
            by, reason = self._cancelled
            return replace(ended, status=Status.CANCELLED, reason=reason, cancelled_by=by)
        failure = outcome.failure if outcome else None
        if failure is None:
            failure = Failure(ErrorType.RUNNER_STOPPED, "the runner was stopped while this ran")
        return self._failed(replace(ended, error=failure), running.attempt or 1)

    def _failed(self, ended: Record, attempt: int) -> Record:
        if not more_attempts(self.job.retry, attempt):
            return replace(ended, status=Status.FAILED)
        delay = retry_delay(self.job.retry, attempt, self._services.chance())
        return replace(
            ended,
            status=Status.PENDING,
            reason=Reason.RETRY,
            attempt=attempt + 1,
            not_before=ended.at + timedelta(milliseconds=milliseconds(delay)),
            started_at=None,
            finished_at=None,
        )

    async def _write_down(self, record: Record) -> Record | None:
        """Record what has happened, however long the disk takes to have room for it; None when the runner stops.

        Meanwhile `unrecorded` says what is wrong, to those who wait for the end.
        """
        while True:
            try:
                await self._services.journal.record(record)
            except StorageError as error:
                now = self._services.clock.now()
                self._services.trouble.say("can't record the end of an execution", error, now, execution=record.id)
                self.unrecorded = error
                self.answered.set()
                if self._stop.is_set():
                    return None
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_DISK_PAUSE):
                        await self._stop.wait()
            except InvalidRequestError as error:
                record = _without_content(record, error)
            else:
                self.unrecorded = None
                return record


def _without_content(record: Record, error: InvalidRequestError) -> Record:
    """A failure in place of a line whose content the log can't hold.

    Raises:
        InvalidRequestError: when it is not the content that is wrong.
    """
    if record.result is None and record.usage is None and record.error is None:
        raise error
    bare = replace(record, result=None, usage=None, error=None)
    if record.status is Status.COMPLETED:
        return replace(bare, status=Status.FAILED, error=Failure(ErrorType.AGENT, error.message))
    return bare
