"""A service around an engine in memory."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from runner.errors import ConflictError, StorageError, UnknownJobError
from runner.execution.ledger import Ledger
from runner.execution.records import Record
from runner.plan import DesiredState
from runner.ports import Pause
from runner.service.commands import Engine, Service
from runner.service.reading import Reading
from runner.spec.models import Job
from runner.testing import MemoryEngine, MemoryRecords, tree


class MemoryOutputs:
    """Captured output without a disk."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def read(self, execution: str, start: int = 0) -> bytes:
        return self.kept.get(execution, b"")[start:]

    def delete(self, executions: Iterable[str]) -> None:
        for execution in executions:
            self.kept.pop(execution, None)


class MemoryState:
    """Durable facts without a disk."""

    def __init__(self) -> None:
        self.saved: dict[str, Pause] = {}
        self.failing = False

    def pauses(self) -> Mapping[str, Pause]:
        return self.saved

    def save_pauses(self, pauses: Mapping[str, Pause]) -> None:
        if self.failing:
            raise StorageError("no space left on device")
        self.saved = dict(pauses)


class Followable(MemoryRecords):
    """Records whose followers see what is there and then come to an end."""

    def follow(self) -> Iterator[Record]:
        return self.read()


class EngineFacts:
    """What a running engine in memory knows."""

    live = True

    def __init__(self, engine: MemoryEngine) -> None:
        self._engine = engine

    @property
    def desired(self) -> DesiredState | None:
        return self._engine.reconciler.desired

    @property
    def jobs(self) -> Mapping[str, Job]:
        return self._engine.scheduler.jobs

    @property
    def ledger(self) -> Ledger:
        return self._engine.ledger

    def pause(self, job: str) -> Pause | None:
        return self._engine.scheduler.paused(job)

    def next_slot(self, job: str) -> Any:
        return self._engine.scheduler.next_slot(job)

    def occupancy(self, job: str) -> tuple[int, int]:
        return self._engine.dispatcher.occupancy(job)

    def totals(self) -> tuple[int, int]:
        return self._engine.dispatcher.totals()

    def soonest(self) -> Any:
        return self._engine.scheduler.soonest()

    def since(self, job: str) -> Any:
        return self._engine.scheduler.since(job)

    def about(self) -> Mapping[str, Any]:
        return {"jobs_dir": "jobs.d", "state_dir": ".jobsd"}


class Desk:
    """A service, and everything in memory behind it."""

    def __init__(self, files: Mapping[str, str], **options: Any) -> None:
        self.engine = MemoryEngine(files, **options)
        self.outputs, self.state = MemoryOutputs(), MemoryState()
        self.removed_dirs: list[str] = []
        self.reading = Reading(EngineFacts(self.engine), self.engine.records, self.outputs, self.engine.clock)
        self.service = Service(
            Engine(
                clock=self.engine.clock,
                scheduler=self.engine.scheduler,
                dispatcher=self.engine.dispatcher,
                reconciler=self.engine.reconciler,
                journal=self.engine.journal,
                ledger=self.engine.ledger,
                records=self.engine.records,
                outputs=self.outputs,
                state=self.state,
                writer=self,
                remove_job_dir=self.removed_dirs.append,
            ),
            self.reading,
        )

    def text(self, path: str) -> str:
        """The text of a file."""
        name = path.removeprefix("jobs.d/")
        if name not in self.engine.files.files:
            raise UnknownJobError(f"{path} is gone")
        return self.engine.files.files[name]

    def remove_document(self, path: str, line: int, expected: str) -> None:
        """Remove the file, whose one document starts at its first line."""
        assert self.text(path) == expected
        if line != 1:
            raise ConflictError("another document")
        self.engine.files.files.pop(path.removeprefix("jobs.d/"), None)


@pytest.fixture
def desk() -> Callable[..., AbstractAsyncContextManager[Desk]]:
    """Call it with the text of each job; enter what it gives."""

    @contextlib.asynccontextmanager
    async def opened(
        *, records: Iterable[Record] = (), files: Mapping[str, str] = {}, **jobs: str
    ) -> AsyncIterator[Desk]:
        made = Desk({**tree(**jobs), **files}, records=records)
        async with made.engine.running():
            yield made

    return opened
