"""The one writer: durable, then real, then known; many records by one append; a slow reader is cut off."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from runner.engine.journal import BATCH, ROOM, SUBSCRIBER_ROOM, Journal
from runner.errors import InvalidRequestError, StopRequestedError, StorageError
from runner.execution.ledger import Ledger
from runner.execution.lifecycle import IllegalTransitionError, Reason, Status
from runner.execution.records import Record
from runner.spec.models import Payload
from runner.testing import MemoryRecords, build_record

pytestmark = pytest.mark.looptime

ONE = f"{1:026d}"


class SlowRecords(MemoryRecords):
    """A disk that takes a second for each append, and counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.appends: list[int] = []

    async def append(self, records: Sequence[Record]) -> None:
        await asyncio.sleep(1)
        await super().append(records)
        self.appends.append(len(records))


class Desk:
    """A journal at work, with its store and its ledger."""

    def __init__(self) -> None:
        self.store = SlowRecords()
        self.ledger = Ledger()
        self.journal = Journal(self.store, self.ledger)

    async def record_all(self, *records: Record) -> list[BaseException | None]:
        return await asyncio.gather(*(self.journal.record(record) for record in records), return_exceptions=True)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    writing = asyncio.create_task(desk.journal.run())
    yield desk
    desk.journal.close()
    await writing


async def test_a_record_is_durable_and_in_the_ledger_when_record_returns(desk: Desk) -> None:
    record = build_record()
    await desk.journal.record(record)
    assert desk.store.lines == [record]
    assert desk.ledger.status_of(ONE) is Status.PENDING


async def test_nothing_is_real_before_it_is_durable(desk: Desk) -> None:
    with desk.journal.subscribe() as records:
        recording = asyncio.create_task(desk.journal.record(build_record()))
        await asyncio.sleep(0.5)
        assert desk.ledger.status_of(ONE) is None
        assert not recording.done()
        await recording
        assert await anext(aiter(records)) == build_record()


async def test_records_that_come_while_the_disk_is_busy_are_synced_together(desk: Desk) -> None:
    await desk.record_all(build_record(number=1), *(build_record(number=n) for n in range(2, 500)))
    assert desk.store.appends == [499]
    first = asyncio.create_task(desk.journal.record(build_record(number=1000)))
    await asyncio.sleep(0.1)
    await desk.record_all(*(build_record(number=n) for n in range(1001, 1101)))
    await first
    assert desk.store.appends == [499, 1, 100]


async def test_a_batch_has_a_bound_and_order_is_kept(desk: Desk) -> None:
    records = [build_record(number=n) for n in range(BATCH + 5)]
    await desk.record_all(*records)
    assert desk.store.appends == [BATCH, 5]
    assert desk.store.lines == records


async def test_an_illegal_record_is_refused_at_once_and_writes_nothing(desk: Desk) -> None:
    with pytest.raises(IllegalTransitionError):
        await desk.journal.record(build_record(Status.RUNNING))
    assert desk.store.lines == []


async def test_of_two_rivals_the_first_wins_although_neither_is_durable_yet(desk: Desk) -> None:
    await desk.journal.record(build_record())
    won, lost = await desk.record_all(build_record(Status.CANCELLED), build_record(Status.RUNNING))
    assert won is None
    assert isinstance(lost, IllegalTransitionError)
    assert lost.present is Status.CANCELLED
    assert [line.status for line in desk.store.lines] == [Status.PENDING, Status.CANCELLED]


async def test_several_lines_of_one_execution_may_be_on_their_way_together(desk: Desk) -> None:
    first = asyncio.create_task(desk.journal.record(build_record()))
    await asyncio.sleep(0.1)
    lines = [
        build_record(Status.RUNNING),
        build_record(reason=Reason.RETRY),
        build_record(Status.RUNNING, attempt=2),
        build_record(Status.COMPLETED),
        build_record(Status.FAILED),
    ]
    *done, late = await desk.record_all(*lines)
    await first
    assert done == [None] * 4
    assert isinstance(late, IllegalTransitionError)
    assert desk.ledger.status_of(ONE) is Status.COMPLETED


async def test_a_full_disk_fails_the_record_and_nothing_happened(desk: Desk) -> None:
    desk.store.failing = True
    with pytest.raises(StorageError):
        await desk.journal.record(build_record())
    assert desk.ledger.status_of(ONE) is None
    desk.store.failing = False
    await desk.journal.record(build_record())
    assert desk.ledger.status_of(ONE) is Status.PENDING


async def test_what_was_built_on_a_record_that_failed_fails_with_it_and_others_do_not(desk: Desk) -> None:
    desk.store.failing = True
    first = asyncio.create_task(desk.journal.record(build_record()))
    await asyncio.sleep(0.1)
    rest = asyncio.create_task(desk.record_all(build_record(Status.RUNNING), build_record(number=2)))
    await asyncio.sleep(0)
    with pytest.raises(StorageError):
        await first
    desk.store.failing = False
    dependent, other = await rest
    assert isinstance(dependent, StorageError)
    assert other is None
    assert desk.store.lines == [build_record(number=2)]


async def test_a_caller_that_goes_away_does_not_undo_its_record(desk: Desk) -> None:
    recording = asyncio.create_task(desk.journal.record(build_record()))
    await asyncio.sleep(0.5)
    recording.cancel()
    with pytest.raises(asyncio.CancelledError):
        await recording
    await desk.journal.settled(ONE)
    assert desk.ledger.status_of(ONE) is Status.PENDING


async def test_settled_waits_until_nothing_of_an_execution_is_on_its_way(desk: Desk) -> None:
    await desk.journal.settled(ONE)
    recording = asyncio.create_task(desk.journal.record(build_record()))
    await asyncio.sleep(0.5)
    following = asyncio.create_task(desk.journal.record(build_record(Status.RUNNING)))
    await asyncio.sleep(0)
    await desk.journal.settled(ONE)
    assert desk.ledger.status_of(ONE) is Status.RUNNING
    await recording
    await following


async def test_a_record_that_can_not_be_encoded_fails_its_own_caller_and_no_other(desk: Desk) -> None:
    records = [build_record(number=number) for number in range(BATCH + 100)]
    bad = {7, 300, BATCH - 1, BATCH + 50}
    for number in bad:
        records[number] = replace(records[number], payload=Payload(2**70))
    results = await desk.record_all(*records)
    assert {number for number, result in enumerate(results) if result is not None} == bad
    assert all(isinstance(results[number], InvalidRequestError) for number in bad)
    assert desk.store.lines == [record for number, record in enumerate(records) if number not in bad]


async def test_what_was_built_on_a_record_that_can_not_be_encoded_fails_with_it(desk: Desk) -> None:
    bad = build_record(payload=Payload(2**70))
    first, second, other = await desk.record_all(bad, build_record(Status.RUNNING), build_record(number=2))
    assert isinstance(first, InvalidRequestError)
    assert isinstance(second, InvalidRequestError)
    assert other is None
    assert desk.ledger.status_of(ONE) is None


async def test_what_waits_for_the_disk_has_a_bound_and_whoever_has_more_waits(desk: Desk) -> None:
    records = [build_record(number=number) for number in range(ROOM + 50)]
    recording = asyncio.create_task(desk.journal.record_all(records))
    late = asyncio.create_task(desk.journal.record(build_record(number=ROOM + 50)))
    await asyncio.sleep(0.5)
    assert desk.journal.waiting == ROOM
    assert await recording == {}
    await late
    assert sorted(int(line.id) for line in desk.store.lines) == list(range(ROOM + 51))
    assert desk.journal.waiting == 0


async def test_records_that_are_handed_in_together_fail_each_for_itself(desk: Desk) -> None:
    failed = await desk.journal.record_all([build_record(number=1), build_record(Status.RUNNING, number=2)])
    assert {int(id_): type(error) for id_, error in failed.items()} == {2: IllegalTransitionError}
    assert desk.store.lines == [build_record(number=1)]


async def test_a_line_of_an_execution_whose_history_was_deleted_meanwhile_does_not_end_the_journal(
    desk: Desk,
) -> None:
    await desk.journal.record(build_record())
    recording = asyncio.create_task(desk.journal.record(build_record(Status.RUNNING)))
    await asyncio.sleep(0.5)
    desk.ledger.forget("a")
    await recording
    await desk.journal.record(build_record(number=2))
    assert desk.ledger.status_of(f"{2:026d}") is Status.PENDING


# -- closing -----------------------------------------------------------------------------------------------------


async def test_what_was_handed_in_before_the_close_is_still_written_and_nothing_after() -> None:
    desk = Desk()
    writing = asyncio.create_task(desk.journal.run())
    recording = asyncio.create_task(desk.journal.record(build_record()))
    await asyncio.sleep(0.5)
    desk.journal.close()
    with pytest.raises(StopRequestedError):
        await desk.journal.record(build_record(number=2))
    await writing
    await recording
    assert desk.store.lines == [build_record()]


async def test_a_journal_that_was_closed_before_it_ran_ends_at_once() -> None:
    desk = Desk()
    desk.journal.close()
    await desk.journal.run()
    assert desk.store.appends == []


# -- subscriptions -----------------------------------------------------------------------------------------------


async def test_subscribers_see_every_record_in_order_and_the_end() -> None:
    desk = Desk()
    writing = asyncio.create_task(desk.journal.run())
    with desk.journal.subscribe() as first, desk.journal.subscribe() as second:
        records = [build_record(number=n) for n in range(3)]
        await desk.record_all(*records)
        desk.journal.close()
        await writing
        assert [record async for record in first] == [record async for record in second] == records
        assert not first.lagged


async def test_a_subscription_that_comes_after_the_end_ends_at_once() -> None:
    desk = Desk()
    desk.journal.close()
    await desk.journal.run()
    with desk.journal.subscribe() as records:
        assert [record async for record in records] == []


async def test_a_slow_subscriber_is_cut_off_and_told_while_others_go_on(desk: Desk) -> None:
    records = [build_record(number=number) for number in range(SUBSCRIBER_ROOM + 1)]
    with desk.journal.subscribe() as slow, desk.journal.subscribe() as quick:
        await desk.record_all(*records[:-1])
        following = aiter(quick)
        seen = [await anext(following) for _ in records[:-1]]
        await desk.journal.record(records[-1])
        assert [*seen, await anext(following)] == records
        assert [record async for record in slow] == records[:-1]
        assert (slow.lagged, quick.lagged) == (True, False)


async def test_a_subscriber_that_left_gets_nothing_more(desk: Desk) -> None:
    with desk.journal.subscribe() as records:
        pass
    await desk.journal.record(build_record())
    records.end()
    assert [record async for record in records] == []
