"""What there is to know about the jobs: a running engine says it live, the files say it as they are."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from runner.clock import Clock
from runner.engine.dispatcher import Dispatcher
from runner.engine.reconciler import Reconciler
from runner.engine.scheduler import Scheduler
from runner.execution.ledger import Ledger
from runner.plan import DesiredState
from runner.ports import Pause
from runner.spec.models import Job


class Facts(Protocol):
    """What there is to know: a running engine gives it live, the files give it as they are."""

    @property
    def live(self) -> bool:
        """Whether this is a running engine."""
        ...

    @property
    def desired(self) -> DesiredState | None:
        """What the files say."""
        ...

    @property
    def jobs(self) -> Mapping[str, Job]:
        """The jobs in force."""
        ...

    @property
    def ledger(self) -> Ledger:
        """The fold of the records."""
        ...

    def pause(self, job: str) -> Pause | None:
        """The pause of a job."""
        ...

    def next_slot(self, job: str) -> datetime | None:
        """When a job is due next."""
        ...

    def occupancy(self, job: str) -> tuple[int, int]:
        """How many executions of a job run, and how many wait."""
        ...

    def totals(self) -> tuple[int, int]:
        """How many executions run, and how many wait, of all jobs."""
        ...

    def soonest(self) -> tuple[str, datetime] | None:
        """The job that is due next, and when."""
        ...

    def since(self, job: str) -> datetime | None:
        """Since when a job has been in force, where that is known."""
        ...

    def about(self) -> Mapping[str, Any]:
        """Further values of the status: where things are, since when."""
        ...


@dataclass(frozen=True, slots=True)
class LiveFacts:
    """What a running engine knows."""

    jobs_dir: Path
    state_dir: Path
    reconciler: Reconciler
    scheduler: Scheduler
    dispatcher: Dispatcher
    ledger: Ledger
    started_at: datetime
    live: bool = True

    @property
    def desired(self) -> DesiredState | None:
        """What the files say."""
        return self.reconciler.desired

    @property
    def jobs(self) -> Mapping[str, Job]:
        """The jobs in force."""
        return self.scheduler.jobs

    def pause(self, job: str) -> Pause | None:
        """The pause of a job, unless it has run out."""
        return self.scheduler.paused(job)

    def next_slot(self, job: str) -> datetime | None:
        """When a job is due next."""
        return self.scheduler.next_slot(job)

    def occupancy(self, job: str) -> tuple[int, int]:
        """How many executions of a job run, and how many wait."""
        return self.dispatcher.occupancy(job)

    def totals(self) -> tuple[int, int]:
        """How many executions run, and how many wait, of all jobs."""
        return self.dispatcher.totals()

    def soonest(self) -> tuple[str, datetime] | None:
        """The job that is due next, and when."""
        return self.scheduler.soonest()

    def since(self, job: str) -> datetime | None:
        """Since when a job has been in force."""
        return self.scheduler.since(job)

    def about(self) -> Mapping[str, Any]:
        """Where things are, since when, and what is held back."""
        return {
            "jobs_dir": str(self.jobs_dir),
            "state_dir": str(self.state_dir),
            "held": self.reconciler.held,
            "synced_at": self.reconciler.synced_at,
            "started_at": self.started_at,
            "pid": os.getpid(),
        }


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What the files alone say, with no runner up."""

    jobs_dir: Path
    state_dir: Path
    desired: DesiredState
    ledger: Ledger
    pauses: Mapping[str, Pause]
    clock: Clock
    live: bool = False

    @property
    def jobs(self) -> Mapping[str, Job]:
        """The jobs that a runner would have."""
        return self.desired.jobs

    def pause(self, job: str) -> Pause | None:
        """The pause of a job, unless it has run out."""
        pause = self.pauses.get(job)
        return None if pause and pause.until and pause.until <= self.clock.now() else pause

    def next_slot(self, job: str) -> datetime | None:
        """When a job would be due next."""
        found, pause = self.desired.jobs[job], self.pause(job)
        if found.schedule is None or not found.enabled or (pause and pause.until is None):
            return None
        now = self.clock.now()
        return found.schedule.after(max(now, pause.until) if pause and pause.until else now)

    def occupancy(self, job: str) -> tuple[int, int]:
        """Nothing runs; what is pending waits for a runner."""
        return 0, len(self.ledger.history(job).open)

    def totals(self) -> tuple[int, int]:
        """Nothing runs; what is pending waits for a runner."""
        return 0, sum(1 for _ in self.ledger.open())

    def soonest(self) -> tuple[str, datetime] | None:
        """The job that would be due next, and when."""
        slots = ((slot, job) for job in self.jobs if (slot := self.next_slot(job)))
        first = min(slots, default=None)
        return (first[1], first[0]) if first else None

    def since(self, job: str) -> datetime | None:  # noqa: ARG002 - the signature is the Protocol's
        """The files don't say since when they are there."""
        return None

    def about(self) -> Mapping[str, Any]:
        """Where things are."""
        return {"jobs_dir": str(self.jobs_dir), "state_dir": str(self.state_dir)}
