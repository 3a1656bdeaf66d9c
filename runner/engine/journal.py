"""The one writer of records: check ▸ append ▸ apply ▸ publish, many records synced by one write to disk."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from runner.errors import StopRequestedError, StorageError
from runner.execution.ledger import Ledger
from runner.execution.lifecycle import check_transition
from runner.execution.records import Record
from runner.ports import RecordStore

SUBSCRIBER_ROOM = 1000
"""Records that a slow subscriber may lag behind before it is cut off."""

BATCH = 1000
"""Records that are synced together at most."""


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    record: Record
    durable: asyncio.Future[None]


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
        self._wake = asyncio.Event()
        self._subscriptions: set[Subscription] = set()
        self._closed = False
        self._ended = False

    async def record(self, record: Record) -> None:
        """Write down one transition; returns when it is durable and the ledger knows it.

        Raises:
            IllegalTransitionError: when somebody else was first; nothing is written.
            StorageError: when it could not be made durable; nothing happened.
        """
        if self._closed:
            raise StopRequestedError("the runner is stopping")
        ahead = self._in_flight.get(record.id)
        present = ahead.record.status if ahead else self._ledger.status_of(record.id)
        check_transition(record.id, present, record.status)
        entry = _Entry(record, asyncio.get_running_loop().create_future())
        self._in_flight[record.id] = entry
        self._entries.append(entry)
        self._wake.set()
        await asyncio.shield(entry.durable)

    async def settled(self, execution: str) -> None:
        """Wait until no line of an execution is on its way: what the ledger says of it then is all there is."""
        while (entry := self._in_flight.get(execution)) is not None:
            await asyncio.wait([entry.durable])

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
                batch, self._entries = self._entries[:BATCH], self._entries[BATCH:]
                await self._write(batch)
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
            return
        for entry in batch:
            self._ledger.apply(entry.record)
            if self._in_flight[entry.record.id] is entry:
                del self._in_flight[entry.record.id]
            self._publish(entry.record)
            if not entry.durable.done():
                entry.durable.set_result(None)

    def _fail(self, batch: list[_Entry], error: StorageError) -> None:
        """Undo the claims of a batch that is not on disk, and of what was built on it meanwhile."""
        doomed = {entry.record.id for entry in batch}
        dependent = [entry for entry in self._entries if entry.record.id in doomed]
        self._entries = [entry for entry in self._entries if entry.record.id not in doomed]
        for entry in (*batch, *dependent):
            self._in_flight.pop(entry.record.id, None)
            if not entry.durable.done():
                entry.durable.set_exception(error)
                entry.durable.exception()

    def _publish(self, record: Record) -> None:
        for subscription in [*self._subscriptions]:
            if not subscription.offer(record):
                self._subscriptions.discard(subscription)
