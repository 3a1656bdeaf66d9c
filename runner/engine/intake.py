"""From a firing to its first line: what is written down, and where a large payload goes."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import orjson

from runner.engine.runs import definition_of
from runner.errors import InvalidRequestError
from runner.execution.admission import Admission
from runner.execution.firing import Firing
from runner.execution.lifecycle import Reason, Status, Trigger
from runner.execution.records import DEEPEST, Record, is_shallow, milliseconds
from runner.execution.slots import Range
from runner.ports import PayloadStore
from runner.spec.models import Job, Payload

INLINE_PAYLOAD = 16 * 1024
"""Bytes of JSON up to which a payload stands in the record itself."""


class Intake:
    """Writes first lines."""

    def __init__(self, new_id: Callable[[datetime], str], payloads: PayloadStore) -> None:
        self._new_id = new_id
        self._payloads = payloads

    def first_line(
        self, job: Job, firing: Firing, admission: Admission, payload: Payload | None, now: datetime
    ) -> Record:
        """The line that says what has become of a firing."""
        lateness = milliseconds(now - firing.due) if firing.due else None
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

    def missed(self, job: Job, missed: Range, now: datetime) -> Record:
        """The one line of a range of slots that nobody could run."""
        record = self.first_line(job, Firing(job.id, Trigger.CRON), Admission(Status.CANCELLED), None, now)
        return replace(
            record,
            reason=Reason.MISSED,
            from_=missed.first,
            until=missed.last,
            count=missed.count,
            finished_at=now,
        )

    async def with_payload(self, record: Record, payload: Payload) -> Record:
        """The line with its payload, or with a reference to a file that holds a large one.

        Raises:
            InvalidRequestError: when no log can hold the payload.
            StorageError: when the file could not be written.
        """
        if not is_shallow(payload.value, DEEPEST):
            raise InvalidRequestError(f"the payload has more than {DEEPEST} levels of lists and objects")
        try:
            raw = orjson.dumps(payload.value)
        except orjson.JSONEncodeError as error:
            raise InvalidRequestError(f"the payload can't be written as JSON: {error}") from None
        if len(raw) <= INLINE_PAYLOAD:
            return record
        reference = await asyncio.to_thread(self._payloads.put, record.id, raw)
        return replace(record, payload=None, payload_ref=reference, payload_sha256=hashlib.sha256(raw).hexdigest())
