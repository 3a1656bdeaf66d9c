"""The jobs in force and the instants at which they are due."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest

from runner.clock import LoopClock
from runner.engine.scheduler import Due, Scheduler
from runner.execution.lifecycle import Status
from runner.execution.records import Record
from runner.plan import Add, Remove, Replace
from runner.ports import Pause
from runner.schedule.jitter import jitter_of
from runner.spec.models import Job
from runner.testing import START, MemoryTracks, build_job, build_record

pytestmark = pytest.mark.looptime

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def job(schedule: str = "*/5 * * * *", more: str = "", *, id: str = "a") -> Job:  # noqa: A002 - the name in YAML
    return build_job(f"id: {id}\nname: A\nmode: cron\nschedule: '{schedule}'\nagent: robot\n{more}")


def empty() -> Scheduler:
    return Scheduler(LoopClock(START), MemoryTracks(), lambda _: None, START)


def scheduler(*jobs: Job) -> Scheduler:
    made = empty()
    for each in jobs or (job(),):
        made.enact(Add(each), START)
    return made


class Paper:
    """Writes everything down at once; every job has room."""

    def __init__(self) -> None:
        self.busy = 0.0
        self.full: set[str] = set()
        self.refused: set[str] = set()
        self.fired: list[Due] = []

    async def fire(self, due: Due) -> Mapping[str, Record]:
        self.fired.append(due)
        await asyncio.sleep(self.busy)
        return self.written(due)

    def written(self, due: Due) -> dict[str, Record]:
        jobs = [job.id for job, _ in (*due.slots, *due.missed)]
        return {job: build_record(Status.PENDING, job=job) for job in jobs if job not in self.refused}

    def has_room(self, job: str, before: str | None) -> bool:
        return job not in self.full


def take(made: Scheduler, now: datetime, paper: Paper | None = None) -> Due:
    """All that is due, one thing after the other, each written down."""
    paper, found = paper or Paper(), Due()
    while due := made.due(now, paper):
        made.settle(due, paper.written(due), now)
        found.slots.extend(due.slots)
        found.missed.extend(due.missed)
    return found


def slots(due: Due) -> list[datetime]:
    return [slot.at for _, slot in due.slots]


def missed(due: Due) -> list[tuple[datetime, datetime, int]]:
    return [(m.first, m.last, m.count) for _, m in due.missed]


def minute(number: float) -> datetime:
    return START + number * MINUTE


# -- slots -------------------------------------------------------------------------------------------------------


def test_a_job_is_due_at_its_slots_and_only_once_for_each() -> None:
    made = scheduler()
    assert made.next_slot("a") == minute(5)
    assert slots(take(made, minute(5) - SECOND)) == []
    assert slots(take(made, minute(5))) == [minute(5)]
    assert slots(take(made, minute(5))) == []
    assert made.next_slot("a") == minute(10)


def test_the_slot_at_the_very_instant_of_arrival_is_not_the_jobs() -> None:
    assert slots(take(scheduler(job("@every 1s")), START)) == []


def test_slots_of_all_jobs_come_in_order_of_time() -> None:
    made = scheduler(job("*/2 * * * *", id="b"), job("* * * * *", id="a"))
    due = take(made, minute(1)).slots + take(made, minute(2)).slots
    assert [(each.id, slot.at) for each, slot in due] == [("a", minute(1)), ("a", minute(2)), ("b", minute(2))]


def test_a_slot_that_is_late_by_up_to_a_minute_runs_and_of_the_older_ones_the_latest() -> None:
    made = scheduler(job("@every 10s"))
    due = take(made, minute(3))
    assert slots(due) == [minute(2) + n * 10 * SECOND for n in range(-1, 7)]
    assert [slot.caught_up for _, slot in due.slots] == [True, *[False] * 7]
    assert missed(due) == [(START + 10 * SECOND, minute(2) - 20 * SECOND, 10)]
    assert made.next_slot("a") == minute(3) + 10 * SECOND


def test_without_catching_up_a_single_slot_that_is_too_old_is_a_missed_range_of_one() -> None:
    due = take(scheduler(job(more="catch_up: {policy: none}\n")), minute(6) + SECOND)
    assert slots(due) == []
    assert missed(due) == [(minute(5), minute(5), 1)]


def test_all_slots_within_a_time_are_caught_up_in_order_a_few_each_second() -> None:
    made = scheduler(job("* * * * *", more="catch_up: {policy: all, within: 5m}\n"))
    due, paper = Due(), Paper()
    for tenth in range(10):
        more = take(made, minute(8) + tenth * SECOND / 10, paper)
        assert len(more.slots) <= 1 or not more.slots[-1][1].caught_up
        due.slots.extend(more.slots)
        due.missed.extend(more.missed)
    assert missed(due) == [(minute(1), minute(2), 2)]
    assert slots(due) == [minute(n) for n in range(3, 9)]
    assert [slot.caught_up for _, slot in due.slots] == [True] * 5 + [False]


def test_a_slot_to_catch_up_waits_for_room_and_by_then_it_is_the_latest_that_counts() -> None:
    made, paper = scheduler(job("* * * * *")), Paper()
    paper.full = {"a"}
    assert missed(take(made, minute(5), paper)) == [(minute(1), minute(2), 2)]
    assert not take(made, minute(5) + SECOND, paper)
    paper.full.clear()
    assert not take(made, minute(5) + 2 * SECOND, paper)
    made.room("a")
    due = take(made, minute(5) + 3 * SECOND, paper)
    assert missed(due) == [(minute(3), minute(3), 1)]
    assert [(slot.at, slot.caught_up) for _, slot in due.slots] == [(minute(4), True), (minute(5), False)]


def test_a_slot_that_could_not_be_written_down_is_tried_again_a_second_later() -> None:
    made, paper = scheduler(), Paper()
    paper.refused = {"a"}
    due = made.due(minute(5), paper)
    made.settle(due, paper.written(due), minute(5))
    assert made.next_slot("a") == minute(5)
    assert not made.due(minute(5), paper)
    assert slots(take(made, minute(5) + SECOND)) == [minute(5)]


def test_jitter_moves_the_start_and_never_the_slot() -> None:
    made = scheduler(each := job("*/5 * * * *", more="jitter: 2m\n"))
    shift = jitter_of("a", minute(5), each.jitter)
    assert timedelta(0) < shift < 2 * MINUTE
    assert not take(made, minute(5) + shift - SECOND / 1000)
    ((_, slot),) = take(made, minute(5) + shift).slots
    assert (slot.at, slot.start) == (minute(5), minute(5) + shift)
    assert made.next_slot("a") == minute(10)


def test_a_schedule_that_never_fires_again_is_not_due() -> None:
    assert scheduler(job("0 0 30 2 *")).next_slot("a") is None


def test_manual_and_disabled_and_unknown_jobs_have_no_slot() -> None:
    manual = build_job("id: b\nname: B\nmode: manual\nagent: robot\n")
    made = scheduler(manual, job(more="enabled: false\n"))
    assert (made.next_slot("a"), made.next_slot("b"), made.next_slot("c")) == (None, None, None)
    assert slots(take(made, minute(60))) == []
    assert [*made.jobs] == ["b", "a"]


# -- edits -------------------------------------------------------------------------------------------------------


def test_a_new_schedule_owns_the_instants_after_the_moment_of_the_edit() -> None:
    made = scheduler(old := job("*/5 * * * *"))
    made.enact(Replace(new := job("*/7 * * * *"), old), minute(7))
    assert slots(take(made, minute(7))) == [minute(5)]
    assert made.next_slot("a") == minute(14)
    assert made.jobs["a"] is new


def test_an_edit_of_the_description_does_not_reschedule_and_the_new_text_is_in_force() -> None:
    made = scheduler(old := job("@every 7m"))
    take(made, minute(7))
    before = made.next_slot("a")
    made.enact(Replace(new := job("@every 7m", "description: new\n"), old), minute(20))
    assert made.next_slot("a") == before
    assert before is not None
    assert [each for each, _ in take(made, before).slots] == [new]


def test_an_edit_of_the_zone_reschedules() -> None:
    made = scheduler(old := job("0 9 * * *"))
    made.enact(Replace(job("0 9 * * *", "timezone: Asia/Kolkata\n"), old), START)
    assert made.next_slot("a") == datetime.fromisoformat("2026-03-03T09:00:00+05:30")


def test_a_job_that_is_disabled_and_enabled_again_owns_only_what_comes_after() -> None:
    made = scheduler(on := job())
    off = job(more="enabled: false\n")
    made.enact(Replace(off, on), minute(4))
    assert slots(take(made, minute(30))) == []
    made.enact(Replace(on, off), minute(30))
    assert slots(take(made, minute(35))) == [minute(35)]


def test_a_removed_job_is_never_due_and_its_return_starts_afresh() -> None:
    made = scheduler(job())
    made.enact(Remove(job()), minute(1))
    assert slots(take(made, minute(10))) == []
    assert "a" not in made.jobs
    made.enact(Add(job()), minute(10))
    assert slots(take(made, minute(15))) == [minute(15)]


def test_an_edit_in_the_very_second_when_a_job_is_due_neither_loses_nor_doubles_its_slot() -> None:
    for edited in (minute(5) - SECOND / 2, minute(5), minute(5) + SECOND / 2):
        made = scheduler(old := job("*/5 * * * *"))
        before = slots(take(made, edited)) if edited < minute(5) else []
        made.enact(Replace(job("*/5 * * * *", "timezone: Asia/Kolkata\n"), old), edited)
        assert before + slots(take(made, minute(5) + SECOND)) == [minute(5)]


def test_the_slots_of_a_removed_job_that_were_due_are_missed() -> None:
    made = scheduler(job("* * * * *"))
    made.enact(Remove(job("* * * * *")), minute(2) + SECOND)
    due = take(made, minute(2) + 2 * SECOND)
    assert (slots(due), missed(due)) == ([], [(minute(1), minute(2), 2)])
    assert made.next_slot("a") is None
    assert not take(made, minute(60))


def test_a_job_that_comes_back_before_its_slots_are_missed_runs_them() -> None:
    made = scheduler(job("* * * * *"))
    made.enact(Remove(job("* * * * *")), minute(1) + SECOND)
    made.enact(Add(job("* * * * *")), minute(3) + SECOND)
    assert slots(take(made, minute(4))) == [minute(1), minute(4)]


def test_many_edits_of_a_job_that_is_due_far_in_the_future_leave_no_heap_behind() -> None:
    made = scheduler(old := job("0 0 1 1 *"))
    for number in range(1000):
        new = job(f"{number % 60} 0 1 1 *")
        made.enact(Replace(new, old), START)
        old = new
    assert len(made._heap) < 100
    assert made.next_slot("a") == datetime.fromisoformat("2027-01-01T00:39:00Z")


# -- pauses ------------------------------------------------------------------------------------------------------


def test_no_slots_exist_while_a_job_is_paused() -> None:
    made = scheduler()
    made.set_pauses({"a": Pause("me", minute(1))}, minute(1))
    assert made.next_slot("a") is None
    assert slots(take(made, minute(12))) == []
    assert made.paused("a") == Pause("me", minute(1))
    made.set_pauses({}, minute(12))
    assert made.next_slot("a") == minute(15)
    assert made.paused("a") is None


async def test_a_pause_with_an_end_ends_by_itself() -> None:
    made = scheduler()
    made.set_pauses({"a": Pause("me", START, until=minute(12))}, START)
    assert made.next_slot("a") == minute(15)
    assert slots(take(made, minute(14))) == []
    assert slots(take(made, minute(15))) == [minute(15)]
    assert made.paused("a") is not None
    await asyncio.sleep(12 * 60)
    assert made.paused("a") is None


def test_a_slot_that_was_due_when_the_pause_began_is_not_lost() -> None:
    made = scheduler(job("* * * * *"))
    now = minute(2) + SECOND
    made.set_pauses({"a": Pause("me", now, until=minute(3))}, now)
    due = take(made, minute(2) + 2 * SECOND)
    assert slots(due) == [minute(1), minute(2)]
    assert made.next_slot("a") == minute(4)


def test_a_slot_that_was_due_when_a_pause_without_end_began_is_not_lost_either() -> None:
    made = scheduler(job("@every 10s"))
    now = START + 25 * SECOND
    made.set_pauses({"a": Pause("me", now)}, now)
    assert slots(take(made, minute(1))) == [START + 10 * SECOND, START + 20 * SECOND]
    assert made.next_slot("a") is None


def test_an_edit_of_a_paused_job_does_not_wake_it() -> None:
    made = scheduler(old := job())
    made.set_pauses({"a": Pause("me", START)}, START)
    made.enact(Replace(job("* * * * *"), old), START)
    assert made.next_slot("a") is None


def test_a_pause_of_a_job_that_is_not_there_waits_for_it() -> None:
    made = empty()
    made.set_pauses({"a": Pause("me", START)}, START)
    made.enact(Add(job()), START)
    assert made.next_slot("a") is None
    assert [*made.pauses] == ["a"]


def test_pausing_one_job_leaves_the_others_alone() -> None:
    made = scheduler(job(id="a"), job(id="b"))
    made.set_pauses({"a": Pause("me", START)}, START)
    assert [each.id for each, _ in take(made, minute(5)).slots] == ["b"]


# -- the loop ----------------------------------------------------------------------------------------------------


class Bell(Paper):
    """A scheduler at work, and what it fired."""

    def __init__(self, *jobs: Job) -> None:
        super().__init__()
        self.clock = LoopClock(START)
        self.tracks = MemoryTracks()
        self.scheduler = Scheduler(self.clock, self.tracks, lambda _: None, START)
        self.at: list[datetime] = []
        for each in jobs:
            self.scheduler.enact(Add(each), START)

    async def fire(self, due: Due) -> Mapping[str, Record]:
        self.at.append(self.clock.now())
        return await super().fire(due)

    async def ring(self, seconds: float) -> None:
        task = asyncio.create_task(self.scheduler.run(self))
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    @property
    def slots(self) -> list[datetime]:
        return [slot.at for due in self.fired for _, slot in due.slots]


async def test_slots_are_fired_at_their_instants() -> None:
    bell = Bell(job())
    await bell.ring(15 * 60 + 1)
    assert bell.slots == [minute(5), minute(10), minute(15)]
    assert bell.at == bell.slots


async def test_a_job_that_comes_while_the_loop_sleeps_is_fired_in_time() -> None:
    bell = Bell()
    asyncio.get_running_loop().call_later(2, lambda: bell.scheduler.enact(Add(job("@every 5s")), bell.clock.now()))
    await bell.ring(5.5)
    assert bell.slots == [START + 5 * SECOND]
    assert bell.at == [START + 5 * SECOND]


async def test_what_came_due_while_a_firing_took_its_time_is_fired_next() -> None:
    bell = Bell(job("@every 10s"))
    bell.busy = 12
    await bell.ring(50)
    assert bell.slots == [START + n * 10 * SECOND for n in (1, 2, 3, 4)]


async def test_a_clock_that_is_set_forward_by_an_hour_makes_old_slots_missed_but_for_the_last() -> None:
    bell = Bell(job("* * * * *"))
    asyncio.get_running_loop().call_later(90, bell.clock.step, 3600)
    await bell.ring(125)
    assert [each for due in bell.fired for each in missed(due)] == [(minute(2), minute(59), 58)]
    assert bell.slots == [minute(1), minute(60), minute(61), minute(62)]


async def test_who_knows_that_the_clock_was_set_can_let_it_be_looked_at_before_its_time() -> None:
    bell = Bell(job("* * * * *"))
    asyncio.get_running_loop().call_later(1, bell.clock.step, 59)
    asyncio.get_running_loop().call_later(2, bell.scheduler.look_again)
    await bell.ring(3)
    assert bell.at == [minute(1) + SECOND]


async def test_a_clock_that_is_set_back_repeats_no_slot() -> None:
    bell = Bell(job("* * * * *"))
    asyncio.get_running_loop().call_later(150, bell.clock.step, -60)
    await bell.ring(5 * 60 + 1)
    assert bell.slots == [minute(1), minute(2), minute(3), minute(4)]


async def test_an_edit_after_the_clock_was_set_back_repeats_no_slot() -> None:
    bell = Bell(old := job("* * * * *"))
    asyncio.get_running_loop().call_later(130, bell.clock.step, -60)
    edit = Replace(job("* * * * *", "timezone: Europe/Berlin\n"), old)
    asyncio.get_running_loop().call_later(140, lambda: bell.scheduler.enact(edit, bell.clock.now()))
    await bell.ring(4 * 60 + 1)
    assert bell.slots == [minute(1), minute(2), minute(3)]


# -- starting again ----------------------------------------------------------------------------------------------


async def again(before: Job, after: Job, down: timedelta, mark: datetime | None = None) -> Due:
    """What a runner finds that starts again after a while, when the job's file says something else perhaps."""
    tracks = MemoryTracks()
    first = Scheduler(LoopClock(START), tracks, lambda _: None, START)
    first.enact(Add(before), START)
    await first.save()
    now = START + down
    second = Scheduler(LoopClock(now), tracks, lambda _: mark, now)
    second.enact(Add(after), now)
    return take(second, now)


async def test_slots_of_the_time_without_a_runner_are_caught_up() -> None:
    due = await again(job(), job(), 31 * MINUTE)
    assert (missed(due), slots(due)) == ([(minute(5), minute(25), 5)], [minute(30)])


async def test_slots_that_are_settled_on_record_are_not_settled_again() -> None:
    due = await again(job(), job(), 31 * MINUTE, mark=minute(20))
    assert (missed(due), slots(due)) == ([(minute(25), minute(25), 1)], [minute(30)])


async def test_a_slot_that_came_due_seconds_before_the_start_is_caught_up_as_well() -> None:
    due = await again(job(), job(more="catch_up: {policy: none}\n"), 5 * MINUTE + SECOND)
    assert (missed(due), slots(due)) == ([(minute(5), minute(5), 1)], [])


async def test_a_schedule_or_zone_that_changed_without_a_runner_is_not_caught_up() -> None:
    for after in (job("*/7 * * * *"), job(more="timezone: Asia/Kolkata\n")):
        due = await again(job(), after, 31 * MINUTE)
        assert (missed(due), slots(due)) == ([(minute(5), minute(30), 6)], [])


async def test_a_job_that_is_disabled_when_the_runner_starts_again_has_no_slots() -> None:
    assert not await again(job(), job(more="enabled: false\n"), 31 * MINUTE)


async def test_a_job_that_is_new_when_the_runner_starts_again_has_only_later_slots() -> None:
    assert not await again(job(id="b"), job(), 31 * MINUTE)


async def test_a_new_schedule_fires_nothing_before_it_is_durable_but_a_full_disk_stops_no_job() -> None:
    bell = Bell(job("@every 10s"))
    bell.tracks.failing = True
    await bell.ring(15)
    assert bell.slots == [START + 10 * SECOND]
    assert bell.tracks.saved == {}
    bell.tracks.failing = False
    await bell.ring(10)
    assert [*bell.tracks.saved] == ["a"]


def test_after_the_clock_was_set_back_the_slots_of_a_new_job_are_those_of_a_runner_that_is_up() -> None:
    made = scheduler(job(id="b"))
    made.due(minute(-60), Paper())
    made.enact(Add(job(more="catch_up: {policy: none}\n")), minute(-58))
    due = take(made, minute(-55))
    assert (slots(due), missed(due)) == ([minute(-55)], [])


async def test_an_edit_in_the_moment_of_a_stop_is_durable_all_the_same() -> None:
    bell = Bell(job())
    task = asyncio.create_task(bell.scheduler.run(bell))
    await asyncio.sleep(1)
    bell.scheduler.enact(Add(job(id="b")), bell.clock.now())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [*bell.tracks.saved] == ["a", "b"]
