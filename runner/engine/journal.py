"""The one writer of records: check ▸ append ▸ apply ▸ publish, many records synced by one write to disk."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

import structlog

from runner.errors import InvalidRequestError, StopRequestedError, StorageError
from runner.execution.ledger import Ledger
from runner.execution.lifecycle import IllegalTransitionError, check_transition
from runner.execution.records import Record
from runner.ports import RecordStore

SUBSCRIBER_ROOM = 1000
"""Records that a slow subscriber may lag behind before it is cut off."""

BATCH = 1000
"""Records that are synced together at most."""

ROOM = 4 * BATCH
"""Records that may wait for the disk; whoever has more waits until there is room."""

_log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Group:
    """Records that were handed in together: `done` when each is durable or has failed."""

    done: asyncio.Future[None]
    left: int = 1
    failed: dict[str, Exception] = field(default_factory=dict)

    def count_down(self) -> None:
        self.left -= 1
        if self.left == 0 and not self.done.done():
            self.done.set_result(None)


@dataclass(slots=True, eq=False)  # frozen ones cost twice as much to make
class _Entry:
    record: Record
    group: _Group


class Subscription:
    """A live view of the records, with bounded room: one that lags too far ends and says so."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Record | None] = asyncio.Queue(SUBSCRIBER_ROOM + 1)
        self.lagged = False

    def offer(self, record: Record) -> bool:
        """Hand over a record; False when there is no room and the subscription is over."""
        if self._queue.qsize() >= SUBSCRIBER_ROOM:
            self.lagged = True
            self.end()
            return False
        self._queue.put_nowait(record)
        return True

    def end(self) -> None:
        """No more records will come."""
        with contextlib.suppress(asyncio.QueueFull):
            self._queue.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[Record]:
        """The records as they become durable, until the end."""
        while (record := await self._queue.get()) is not None:
            yield record


class Journal:
    """Makes transitions durable, then real, then known."""

    def __init__(self, store: RecordStore, ledger: Ledger) -> None:
        self._store = store
        self._ledger = ledger
        self._entries: list[_Entry] = []
        self._in_flight: dict[str, _Entry] = {}
        self._room = asyncio.Semaphore(ROOM)
        self._size = BATCH
        self._writing = 0
        self._wake = asyncio.Event()
        self._landed = asyncio.Event()
        self._subscriptions: set[Subscription] = set()
        self._closed = False
        self._ended = False

    @property
    def waiting(self) -> int:
        """How many records wait for the disk, or are on their way to it."""
        return len(self._entries) + self._writing

    async def record(self, record: Record) -> None:
        """Write down one transition; returns when it is durable and the ledger knows it.

        Raises:
            IllegalTransitionError: when somebody else was first; nothing is written.
            StorageError: when it could not be made durable; nothing happened.
            InvalidRequestError: when the log can't hold it; nothing happened.
            StopRequestedError: when the journal takes no more.
        """
        group = _Group(asyncio.get_running_loop().create_future())
        await self._room.acquire()
        try:
            self._enter(record, group)
        except (IllegalTransitionError, StopRequestedError):
            self._room.release()
            raise
        group.count_down()
        await group.done
        if group.failed:
            raise group.failed[record.id].with_traceback(None)

    async def record_all(self, records: Sequence[Record]) -> dict[str, Exception]:
        """Write down transitions of different executions; what `record` would raise, by execution.

        Waits while too many records wait for the disk, and returns when each is durable or has failed.
        """
        group = _Group(asyncio.get_running_loop().create_future())
        for record in records:
            await self._room.acquire()
            try:
                self._enter(record, group)
            except (IllegalTransitionError, StopRequestedError) as error:
                self._room.release()
                group.failed[record.id] = error
        group.count_down()
        await group.done
        return group.failed

    def _enter(self, record: Record, group: _Group) -> None:
        if self._closed:
            raise StopRequestedError("the runner is stopping")
        ahead = self._in_flight.get(record.id)
        present = ahead.record.status if ahead else self._ledger.status_of(record.id)
        check_transition(record.id, present, record.status)
        entry = self._in_flight[record.id] = _Entry(record, group)
        group.left += 1
        self._entries.append(entry)
        self._wake.set()

    async def settled(self, execution: str) -> None:
        """Wait until no line of an execution is on its way: what the ledger says of it then is all there is."""
        while execution in self._in_flight:
            self._landed.clear()
            await self._landed.wait()

    @contextlib.contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """A live view of what becomes durable from now on."""
        subscription = Subscription()
        if self._ended:
            subscription.end()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    async def run(self) -> None:
        """Write until `close`; what was handed in before is still written."""
        while not (self._closed and not self._entries):
            await self._wake.wait()
            self._wake.clear()
            while self._entries:
                batch, self._entries = self._entries[: self._size], self._entries[self._size :]
                self._writing = len(batch)
                await self._write(batch)
                self._writing = 0
                self._landed.set()
        self._ended = True
        for subscription in self._subscriptions:
            subscription.end()

    def close(self) -> None:
        """Take no more records and let `run` end."""
        self._closed = True
        self._wake.set()

    async def _write(self, batch: list[_Entry]) -> None:
        try:
            await self._store.append([entry.record for entry in batch])
        except StorageError as error:
            self._fail(batch, error)
        except Exception as error:  # noqa: BLE001 - one record that can't be encoded must not end the journal
            self._narrow(batch, error)
        else:
            self._size = min(BATCH, 2 * self._size)
            for entry in batch:
                self._apply(entry)
            await self._store.applied()

    def _narrow(self, batch: list[_Entry], error: Exception) -> None:
        """Nothing of a batch was written because of one record in it: look for that one in smaller batches."""
        if len(batch) > 1:
            self._entries[:0] = batch
            self._size = len(batch) // 2
            return
        (entry,) = batch
        _log.error("a record can't be written", execution=entry.record.id, job=entry.record.job, error=repr(error))
        self._size = BATCH
        self._fail(batch, InvalidRequestError(f"the record can't be written: {error}"))

    def _apply(self, entry: _Entry) -> None:
        """Make real what is durable."""
        record = entry.record
        try:
            self._ledger.apply(record)
        except IllegalTransitionError as error:
            # Its job's history was deleted while the line was on its way.
            _log.warning("a line of a deleted execution", execution=record.id, error=str(error))
        if self._in_flight.get(record.id) is entry:
            del self._in_flight[record.id]
        self._publish(record)
        self._room.release()
        entry.group.count_down()

    def _fail(self, batch: list[_Entry], error: Exception) -> None:
        """Undo the claims of a batch that is not on disk, and of what was built on it meanwhile."""
        doomed = {entry.record.id for entry in batch}
        dependent = [entry for entry in self._entries if entry.record.id in doomed]
        if dependent:
            self._entries = [entry for entry in self._entries if entry.record.id not in doomed]
        for entry in (*batch, *dependent):
            self._in_flight.pop(entry.record.id, None)
            entry.group.failed[entry.record.id] = error
            self._room.release()
            entry.group.count_down()

    def _publish(self, record: Record) -> None:
        for subscription in [*self._subscriptions]:
            if not subscription.offer(record):
                self._subscriptions.discard(subscription)
