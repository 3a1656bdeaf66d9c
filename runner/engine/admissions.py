"""From firings to first lines: each is decided on, takes its place in the queue, and is written down."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from runner.engine.intake import Intake
from runner.engine.lanes import Lane, Lanes, Waiting
from runner.engine.runs import Services
from runner.errors import RunnerError
from runner.execution.admission import Pressure, admit, consult_filter, payload_of, window_start
from runner.execution.firing import Firing
from runner.execution.lifecycle import Status, Trigger
from runner.execution.records import Record
from runner.execution.slots import Range, Slot
from runner.spec.models import Job


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a firing, with the place in the queue that it has taken."""

    lane: Lane
    waiting: Waiting
    job: Job
    pressure: Pressure

    @property
    def record(self) -> Record:
        """The first line."""
        return self.waiting.record


class Admissions:
    """Decides on firings. What can't be written down did not happen and gives its place back."""

    def __init__(self, services: Services, intake: Intake, lanes: Lanes) -> None:
        self._clock, self._journal, self._trouble = services.clock, services.journal, services.trouble
        self._intake = intake
        self._lanes = lanes

    async def admit(self, job: Job, firing: Firing) -> Decision:
        """Decide on a firing; returns when its first line is durable.

        Raises:
            StorageError: when the decision could not be made durable; nothing happened.
            InvalidRequestError: when no log can hold the payload.
            StopRequestedError: when the journal takes no more.
        """
        decision = await self._decide(job, firing)
        try:
            await self._journal.record(decision.record)
        except RunnerError:
            self._undo(decision)
            raise
        return decision

    async def admit_slots(self, slots: Sequence[tuple[Job, Slot]], stopping: Callable[[], bool]) -> list[Decision]:
        """Decide on slots of different jobs, until the runner is `stopping`; those that are on record."""
        decisions = []
        for job, slot in slots:
            if stopping():
                break
            firing = Firing(job.id, Trigger.CRON, scheduled_for=slot.at, due=slot.start, caught_up=slot.caught_up)
            try:
                decisions.append(await self._decide(job, firing))
            except Exception as error:  # noqa: BLE001 - one job's trouble, or bug, must not cost the others' slots
                self._trouble.say("can't record a slot", error, self._clock.now(), job=job.id)
        failed = await self._journal.record_all([decision.record for decision in decisions])
        written = []
        for decision in decisions:
            why = failed.get(decision.record.id)
            if why is None:
                written.append(decision)
            else:
                self._undo(decision)
                self._trouble.say("can't record a slot", why, self._clock.now(), job=decision.job.id)
        return written

    async def miss(self, ranges: Sequence[tuple[Job, Range]], written: dict[str, Record]) -> None:
        """Write down ranges of slots that nobody could run, one line for each; those that are durable, by job."""
        now = self._clock.now()
        lines = [self._intake.missed(job, missed, now) for job, missed in ranges]
        failed = await self._journal.record_all(lines)
        for line in lines:
            if line.id not in failed:
                written[line.job] = line
        for error in failed.values():
            self._trouble.say("can't record missed slots", error, now)

    async def _decide(self, job: Job, firing: Firing) -> Decision:
        """Decide on a firing and take its place in the queue; nothing is written down yet."""
        now = self._clock.now()
        payload = payload_of(job, firing)
        note = consult_filter(job, payload)
        lane = self._lanes[job.id]
        admitted = lane.admitted_after(window_start(job.rate_limit, now)) if job.rate_limit else 0
        admission = admit(job, firing, note, admitted, lane.occupancy)
        waiting = Waiting(self._intake.first_line(job, firing, admission, payload, now))
        decision = Decision(lane, waiting, job, admission.pressure)
        if waiting.record.status is Status.PENDING:
            lane.reserve(waiting)
        if payload is not None:
            try:
                waiting.record = await self._intake.with_payload(waiting.record, payload)
            except RunnerError:
                self._undo(decision)
                raise
        return decision

    def _undo(self, decision: Decision) -> None:
        if decision.record.status is Status.PENDING:
            decision.lane.give_back(decision.waiting)
