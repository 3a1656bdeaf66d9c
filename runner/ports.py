"""The Protocols between the engine and its neighbours: what the engine needs, never who does it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from runner.execution.lifecycle import Attempt, Outcome
from runner.execution.records import Record
from runner.execution.slots import Track
from runner.plan import DesiredState
from runner.secrets import Secrets

if TYPE_CHECKING:
    # Only named here: a client of a runner parses no files.
    from runner.spec.loader import ParsedFile


class Output(Protocol):
    """Where the output of one run goes."""

    async def write(self, chunk: bytes) -> None:
        """Append bytes; what exceeds the cap is left out and counted."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What an agent gets for one attempt: the attempt, its output, secrets, and a folder of the job's own."""

    attempt: Attempt
    output: Output
    secrets: Secrets
    job_dir: Path


class Agent(Protocol):
    """Something that can be run."""

    async def run(self, context: Context) -> Outcome:
        """Run once. Being cancelled, it ends everything that it started before it lets go."""
        ...


class Executor(Protocol):
    """Where attempts run: in this process, or handed to a distributed engine."""

    async def run(self, attempt: Attempt) -> Outcome:
        """Run an attempt within its timeout. Being cancelled, it leaves nothing behind."""
        ...

    async def reap(self, executions: Sequence[str]) -> None:
        """Kill what an earlier runner left of these executions."""
        ...


class RecordStore(Protocol):
    """The log of records, with one writer."""

    async def append(self, records: Sequence[Record]) -> None:
        """Make the records durable, all of them or none.

        Raises:
            StorageError: when they could not be made durable; the log is as it was.
        """
        ...

    async def applied(self) -> None:
        """All that was appended is in the ledger: a moment for rotation and checkpoints. Never fails."""
        ...

    def read(self) -> Iterable[Record]:
        """All records, oldest first."""
        ...

    def backwards(self, job: str | None = None, execution: str | None = None) -> Iterator[Record]:
        """Records, newest first, of one job or execution where one is named."""
        ...

    async def delete(self, job: str) -> int:
        """Remove a job's records for good; how many lines went."""
        ...


class OutputStore(Protocol):
    """The captured output of runs, by execution."""

    def open(self, execution: str) -> AbstractAsyncContextManager[Output]:
        """Where to write the output of an attempt; attempts of one execution follow each other."""
        ...

    def read(self, execution: str, start: int = 0) -> bytes:
        """The output from byte `start` on; empty where there is none."""
        ...

    def delete(self, executions: Iterable[str]) -> None:
        """Remove the output of executions."""
        ...


class PayloadStore(Protocol):
    """Payloads that are too large for a record line."""

    def put(self, execution: str, raw: bytes) -> str:
        """Keep a payload durably; the reference that the record holds."""
        ...

    def get(self, reference: str) -> bytes:
        """The bytes behind a reference."""
        ...


@dataclass(frozen=True, slots=True)
class Pause:
    """A job that is switched off at run time: by whom, when, why, and until when (None: until it is ended)."""

    by: str
    at: datetime
    reason: str | None = None
    until: datetime | None = None


class TrackStore(Protocol):
    """Which schedules own which instants, job by job, as a runner that starts again has to know it."""

    def tracks(self) -> Mapping[str, Track]:
        """What was saved last, by job."""
        ...

    async def save(self, tracks: Mapping[str, Track]) -> None:
        """Replace the tracks of these jobs durably; an empty one is forgotten.

        Raises:
            StorageError: when the disk is full or failing; what was saved before may still be there.
        """
        ...


class LastGoodStore(Protocol):
    """The last good versions of what the files define, which outlive the runner."""

    def known(self) -> DesiredState:
        """The jobs, agents and defaults that were good last."""
        ...

    async def save(self, state: DesiredState) -> None:
        """Keep what is good now and drop what is there no more.

        Raises:
            StorageError: when the disk is full or failing; what was kept before still is.
        """
        ...


class StateStore(Protocol):
    """Small durable facts that are not in the records."""

    def pauses(self) -> Mapping[str, Pause]:
        """Who paused what."""
        ...

    def save_pauses(self, pauses: Mapping[str, Pause]) -> None:
        """Replace all pauses, durably."""
        ...


class ChangeLog(Protocol):
    """The log of applied changes."""

    def known(self) -> Mapping[str, str]:
        """The content hash of each job that was in force when the last runner ended, by id."""
        ...

    def append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Append one line for each change."""
        ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look at the job tree: the parsed files, whether somebody still writes one, and whether it is one state.

    What is not `whole` is a mixture of two states that somebody publishes as wholes, such as a git checkout.
    """

    files: "tuple[ParsedFile, ...]"
    unsettled: bool = False
    whole: bool = True


class JobSource(Protocol):
    """Where the job files are."""

    async def read(self) -> Snapshot:
        """Read everything; unchanged files are not parsed again."""
        ...

    def watch(self, changed: Callable[[], None]) -> AbstractAsyncContextManager[None]:
        """While entered, call `changed` whenever it may be worth looking again."""
        ...


class JobWriter(Protocol):
    """Edits of the job tree."""

    def create(self, name: str, text: str) -> str:
        """Write a new file; its path. Never replaces one."""
        ...

    def text(self, path: str) -> str:
        """The text of a file of the tree."""
        ...

    def replace(self, path: str, text: str, expected: str) -> None:
        """Replace a file's text in one step, if it still is `expected`."""
        ...

    def remove_document(self, path: str, line: int, expected: str) -> None:
        """Remove the document at a line; the file as well, when it was the last.

        The file must still be `expected`, or another document may stand at that line.
        """
        ...
