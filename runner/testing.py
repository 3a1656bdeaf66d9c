"""What tests of jobsd and of its plug-ins need: a scripted agent, records in memory, a whole engine, builders.

Everything here keeps the Protocols of `runner.ports`, so what passes with it passes with the real thing. No
other room imports this one.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

from runner.clock import LoopClock
from runner.engine.dispatcher import Dispatcher
from runner.engine.journal import Journal
from runner.engine.reconciler import Reconciler
from runner.engine.runs import Services
from runner.engine.scheduler import LOOK, Scheduler
from runner.errors import StorageError
from runner.execution.firing import Firing
from runner.execution.ledger import Execution, Ledger, fold, newest
from runner.execution.lifecycle import Attempt, ErrorType, Outcome, Status, Trigger
from runner.execution.records import Record, to_line
from runner.execution.slots import Track
from runner.plan import DesiredState, desire
from runner.ports import Snapshot
from runner.spec.document import SourceFile
from runner.spec.loader import ParsedFile, read
from runner.spec.models import Job, Mode, Payload

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""A Monday morning, far from any change of a clock."""

AGENT = """
---
kind: agent
id: robot
type: command
command: ["true"]
"""


def parse(files: Mapping[str, str]) -> tuple[ParsedFile, ...]:
    """Job files by path, parsed."""
    return tuple(read(SourceFile(path, text.encode(), "jobs.d")) for path, text in sorted(files.items()))


def desired(files: Mapping[str, str], last: DesiredState | None = None, now: datetime = START) -> DesiredState:
    """What job files say."""
    return desire(parse(files), last, now=now)


def build_job(text: str) -> Job:
    """The one job of a document; the command agent `robot` can be named in it.

    Raises:
        AssertionError: when the text has errors or not exactly one job.
    """
    state = desired({"job.yaml": text + AGENT})
    errors = [diagnostic for diagnostic in state.diagnostics if diagnostic.is_error]
    if errors or len(state.jobs) != 1:
        raise AssertionError(f"not one valid job: {errors or sorted(state.jobs)}")
    return next(iter(state.jobs.values()))


def tree(**jobs: str) -> dict[str, str]:
    """Job files by path: one for each job, whose id is the keyword (`_` stands for `-`), and one for `robot`.

    The text of a job needs no `id`, `name` and `agent`: `tree(a="mode: manual")`.
    """
    files = {}
    for keyword, text in jobs.items():
        job = keyword.replace("_", "-")
        files[f"{job}.yaml"] = f"id: {job}\nname: {job}\nagent: robot\n{text}\n"
    return files | {"agents/robot.yaml": AGENT}


def build_record(status: Status = Status.PENDING, /, **values: Any) -> Record:
    """A line of a manual job `a`; `number` gives the execution's id, everything else is a value of the record."""
    number = values.pop("number", 1)
    given: dict[str, Any] = {
        "id": f"{number:026d}",
        "job": "a",
        "name": "A",
        "agent": "robot",
        "mode": Mode.MANUAL,
        "trigger": Trigger.MANUAL,
        "at": START,
    }
    return Record(status=status, **given | values)


class MemoryRecords:
    """A record store without a disk; `failing` makes appends fail as a full disk would."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.lines: list[Record] = list(records)
        self.failing = False

    async def append(self, records: Sequence[Record]) -> None:
        """Take all records, or none and fail; what JSON can't hold is refused as a file would."""
        for record in records:
            to_line(record)
        await asyncio.sleep(0)
        if self.failing:
            raise StorageError("can't write executions.jsonl: no space left on device")
        self.lines.extend(records)

    async def applied(self) -> None:
        """Nothing is ever rotated."""

    def read(self) -> Iterator[Record]:
        """All records, oldest first."""
        return iter(list(self.lines))

    def backwards(self, job: str | None = None, execution: str | None = None) -> Iterator[Record]:
        """Records, newest first, of one job or execution where one is named."""
        return (r for r in reversed(list(self.lines)) if job in {None, r.job} and execution in {None, r.id})

    def of_execution(self, execution: str) -> list[Record]:
        """All lines of an execution, oldest first."""
        return [record for record in self.lines if record.id == execution]

    async def delete(self, job: str) -> int:
        """Remove a job's records; how many went."""
        before = len(self.lines)
        self.lines = [record for record in self.lines if record.job != job]
        return before - len(self.lines)


class MemoryPayloads:
    """Large payloads without a disk."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def put(self, execution: str, raw: bytes) -> str:
        """Keep a payload; its reference."""
        self.kept[execution] = raw
        return execution

    def get(self, reference: str) -> bytes:
        """The bytes behind a reference."""
        if reference not in self.kept:
            raise StorageError(f"{reference}: no such file or directory")
        return self.kept[reference]


@dataclass(slots=True)
class Script:
    """What one attempt does: take some seconds of the loop's time, then end like this."""

    seconds: float = 0.0
    outcome: Outcome = field(default_factory=Outcome)


class ScriptedExecutor:
    """Runs nothing: each attempt of a job takes the next script of that job, or ends well at once.

    A job's timeout holds as in earnest.
    """

    def __init__(self) -> None:
        self.scripts: dict[str, list[Script]] = {}
        self.attempts: list[Attempt] = []
        self.running: list[str] = []
        self.most_running = 0
        self.reaped: list[str] = []

    def script(self, job: str, *scripts: Script) -> None:
        """What the next attempts of a job do."""
        self.scripts.setdefault(job, []).extend(scripts)

    async def run(self, attempt: Attempt) -> Outcome:
        """Follow the script."""
        self.attempts.append(attempt)
        self.running.append(attempt.execution)
        self.most_running = max(self.most_running, len(self.running))
        scripts = self.scripts.get(attempt.job.id)
        script = scripts.pop(0) if scripts else Script()
        try:
            async with asyncio.timeout(attempt.job.timeout.total_seconds()):
                await asyncio.sleep(script.seconds)
        except TimeoutError:
            return Outcome.failed(ErrorType.TIMEOUT, "stopped after its timeout")
        else:
            return script.outcome
        finally:
            self.running.remove(attempt.execution)

    async def reap(self, executions: Sequence[str]) -> None:
        """Note what was to be reaped."""
        self.reaped.extend(executions)


class MemoryFiles:
    """A job tree without a disk: change `files`, then call `changed` as a watcher would."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = dict(files)
        self.unsettled = False
        self._parsed: dict[tuple[str, str], ParsedFile] = {}
        self._listeners: list[Callable[[], None]] = []

    async def read(self) -> Snapshot:
        """The files as they are."""
        parsed = []
        for path, text in sorted(self.files.items()):
            if (path, text) not in self._parsed:
                self._parsed[path, text] = parse({path: text})[0]
            parsed.append(self._parsed[path, text])
        return Snapshot(tuple(parsed), self.unsettled)

    @contextlib.asynccontextmanager
    async def watch(self, changed: Callable[[], None]) -> AsyncIterator[None]:
        """Remember whom to tell."""
        self._listeners.append(changed)
        yield
        self._listeners.remove(changed)

    def changed(self) -> None:
        """Tell that files may have changed."""
        for listener in self._listeners:
            listener()


class MemoryChanges:
    """The log of changes as a list."""

    def __init__(self) -> None:
        self.lines: list[Mapping[str, Any]] = []

    def known(self) -> Mapping[str, str]:
        """No runner was here before."""
        return {}

    def append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Append lines."""
        self.lines.extend(lines)


class MemoryTracks:
    """The tracks of all jobs without a disk; `failing` makes saving fail as a full disk would."""

    def __init__(self) -> None:
        self.saved: dict[str, Track] = {}
        self.failing = False

    def tracks(self) -> Mapping[str, Track]:
        """What was saved last, by job."""
        return dict(self.saved)

    async def save(self, tracks: Mapping[str, Track]) -> None:
        """Replace the tracks of these jobs."""
        await asyncio.sleep(0)
        if self.failing:
            raise StorageError("can't write schedules.jsonl: no space left on device")
        self.saved |= tracks
        self.saved = {job: track for job, track in self.saved.items() if track}


class MemoryLastGood:
    """The last good versions without a disk."""

    def __init__(self) -> None:
        self.kept = DesiredState()

    def known(self) -> DesiredState:
        """The jobs, agents and defaults that were good last."""
        return DesiredState(jobs=self.kept.jobs, agents=self.kept.agents, defaults=self.kept.defaults)

    async def save(self, state: DesiredState) -> None:
        """Keep what is good now."""
        self.kept = state


class MemoryEngine:
    """A whole engine on virtual time, with everything outside of it in memory."""

    def __init__(
        self,
        files: Mapping[str, str],
        *,
        records: Iterable[Record] = (),
        start: datetime = START,
        max_running: int = 100,
        chance: float = 0.5,
        tracks: "MemoryTracks | None" = None,
        last_good: "MemoryLastGood | None" = None,
        look: float = LOOK,
    ) -> None:
        self.clock = LoopClock(start)
        self.records = MemoryRecords(records)
        self.ledger: Ledger = fold(self.records.read())
        self.executor = ScriptedExecutor()
        self.files = MemoryFiles(files)
        self.changes = MemoryChanges()
        self.journal = Journal(self.records, self.ledger)
        known = (int(record.id) for record in self.records.lines if record.id.isdecimal())
        numbers = count(max(known, default=0) + 1)
        self.services = Services(
            self.clock, self.journal, self.ledger, self.executor, MemoryPayloads(), lambda: chance
        )
        self.tracks = tracks or MemoryTracks()
        self.last_good = last_good or MemoryLastGood()
        self.scheduler = Scheduler(
            self.clock, self.tracks, lambda job: self.ledger.history(job).settled, start, look
        )
        self.dispatcher = Dispatcher(
            self.services,
            new_id=lambda _: f"{next(numbers):026d}",
            max_running=max_running,
            freed=self.scheduler.room,
        )
        self.reconciler = Reconciler(
            source=self.files,
            scheduler=self.scheduler,
            dispatcher=self.dispatcher,
            changes=self.changes,
            last_good=self.last_good,
            clock=self.clock,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["MemoryEngine"]:
        """The engine at work."""
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(self.journal.run())
            await self.reconciler.sync()
            carrying = tasks.create_task(self.dispatcher.run())
            await self.dispatcher.recovered.wait()
            background = [
                tasks.create_task(self.scheduler.run(self.dispatcher)),
                tasks.create_task(self.reconciler.run()),
            ]
            try:
                yield self
            finally:
                for task in background:
                    task.cancel()
                await self.dispatcher.stop(0)
                await carrying
                self.journal.close()
                await writing

    async def run(self, job: str, payload: Any = None, *, trigger: Trigger = Trigger.MANUAL) -> Record:
        """Fire a job by hand or by a pushed event; None is no payload."""
        given = None if payload is None else Payload(payload)
        paused = self.scheduler.paused(job) is not None
        return await self.dispatcher.submit(Firing(job, trigger, given, actor="tester"), paused=paused)

    async def ended(self, execution: str) -> Record:
        """Wait until an execution has ended; its last line."""
        with self.journal.subscribe() as records:
            last = self.last(execution)
            if last is not None and last.status.terminal:
                return last
            async for record in records:
                if record.id == execution and record.status.terminal:
                    return record
        raise AssertionError(f"execution {execution} never ended")

    def last(self, execution: str) -> Record | None:
        """The last line of an execution."""
        return next((r for r in reversed(self.records.lines) if r.id == execution), None)

    def statuses(self, execution: str) -> list[Status]:
        """The statuses that an execution went through."""
        return [record.status for record in self.records.lines if record.id == execution]

    def executions(self, job: str | None = None) -> list[Execution]:
        """All executions, newest first."""
        return list(newest(self.records.backwards(job=job)))
