"""The jobs in force and the instants at which they are due."""

import asyncio
from datetime import datetime, timedelta

import pytest

from runner.clock import LoopClock
from runner.engine.scheduler import Due, Scheduler
from runner.plan import Add, Remove, Replace
from runner.ports import Pause
from runner.spec.models import Job
from runner.testing import START, build_job

pytestmark = pytest.mark.looptime

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def job(schedule: str = "*/5 * * * *", more: str = "", *, id: str = "a") -> Job:  # noqa: A002 - the name in YAML
    return build_job(f"id: {id}\nname: A\nmode: cron\nschedule: '{schedule}'\nagent: robot\n{more}")


def scheduler(*jobs: Job) -> Scheduler:
    made = Scheduler(LoopClock(START))
    for each in jobs or (job(),):
        made.enact(Add(each), START)
    return made


def slots(due: Due) -> list[datetime]:
    return [slot for _, slot in due.slots]


def minute(number: float) -> datetime:
    return START + number * MINUTE


# -- slots -------------------------------------------------------------------------------------------------------


def test_a_job_is_due_at_its_slots_and_only_once_for_each() -> None:
    made = scheduler()
    assert made.next_slot("a") == minute(5)
    assert slots(made.due(minute(5) - SECOND)) == []
    assert slots(made.due(minute(5))) == [minute(5)]
    assert slots(made.due(minute(5))) == []
    assert made.next_slot("a") == minute(10)


def test_the_slot_at_the_very_instant_of_arrival_is_not_the_jobs() -> None:
    assert slots(scheduler(job("@every 1s")).due(START)) == []


def test_slots_of_all_jobs_come_in_order_of_time() -> None:
    made = scheduler(job("*/2 * * * *", id="b"), job("* * * * *", id="a"))
    due = made.due(minute(1)).slots + made.due(minute(2)).slots
    assert [(each.id, slot) for each, slot in due] == [("a", minute(1)), ("a", minute(2)), ("b", minute(2))]


def test_a_slot_that_is_late_by_up_to_a_minute_runs_and_older_ones_are_one_missed_range() -> None:
    made = scheduler(job("@every 10s"))
    due = made.due(minute(3))
    assert slots(due) == [minute(2) + n * 10 * SECOND for n in range(7)]
    (missed,) = due.missed
    assert (missed.first, missed.last, missed.count) == (START + 10 * SECOND, minute(2) - 10 * SECOND, 11)
    assert made.next_slot("a") == minute(3) + 10 * SECOND


def test_a_single_slot_that_is_too_old_is_a_range_of_one() -> None:
    due = scheduler().due(minute(6) + SECOND)
    assert slots(due) == []
    assert [(m.first, m.last, m.count) for m in due.missed] == [(minute(5), minute(5), 1)]


def test_a_schedule_that_never_fires_again_is_not_due() -> None:
    assert scheduler(job("0 0 30 2 *")).next_slot("a") is None


def test_manual_and_disabled_and_unknown_jobs_have_no_slot() -> None:
    manual = build_job("id: b\nname: B\nmode: manual\nagent: robot\n")
    made = scheduler(manual, job(more="enabled: false\n"))
    assert (made.next_slot("a"), made.next_slot("b"), made.next_slot("c")) == (None, None, None)
    assert slots(made.due(minute(60))) == []
    assert [*made.jobs] == ["b", "a"]


# -- edits -------------------------------------------------------------------------------------------------------


def test_a_new_schedule_owns_the_instants_after_the_moment_of_the_edit() -> None:
    made = scheduler(old := job("*/5 * * * *"))
    made.enact(Replace(new := job("*/7 * * * *"), old), minute(7))
    assert made.next_slot("a") == minute(14)
    assert made.jobs["a"] is new


def test_an_edit_of_the_description_does_not_reschedule_and_the_new_text_is_in_force() -> None:
    made = scheduler(old := job("@every 7m"))
    made.due(minute(7))
    before = made.next_slot("a")
    made.enact(Replace(new := job("@every 7m", "description: new\n"), old), minute(20))
    assert made.next_slot("a") == before
    assert before is not None
    assert [each for each, _ in made.due(before).slots] == [new]


def test_an_edit_of_the_zone_reschedules() -> None:
    made = scheduler(old := job("0 9 * * *"))
    made.enact(Replace(job("0 9 * * *", "timezone: Asia/Kolkata\n"), old), START)
    assert made.next_slot("a") == datetime.fromisoformat("2026-03-03T09:00:00+05:30")


def test_a_job_that_is_disabled_and_enabled_again_owns_only_what_comes_after() -> None:
    made = scheduler(on := job())
    off = job(more="enabled: false\n")
    made.enact(Replace(off, on), minute(4))
    assert slots(made.due(minute(30))) == []
    made.enact(Replace(on, off), minute(30))
    assert slots(made.due(minute(35))) == [minute(35)]


def test_a_removed_job_is_never_due_and_its_return_starts_afresh() -> None:
    made = scheduler(job())
    made.enact(Remove(job()), minute(1))
    assert slots(made.due(minute(10))) == []
    assert "a" not in made.jobs
    made.enact(Add(job()), minute(10))
    assert slots(made.due(minute(15))) == [minute(15)]


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
    assert slots(made.due(minute(12))) == []
    assert made.paused("a") == Pause("me", minute(1))
    made.set_pauses({}, minute(12))
    assert made.next_slot("a") == minute(15)
    assert made.paused("a") is None


async def test_a_pause_with_an_end_ends_by_itself() -> None:
    made = scheduler()
    made.set_pauses({"a": Pause("me", START, until=minute(12))}, START)
    assert made.next_slot("a") == minute(15)
    assert slots(made.due(minute(14))) == []
    assert slots(made.due(minute(15))) == [minute(15)]
    assert made.paused("a") is not None
    await asyncio.sleep(12 * 60)
    assert made.paused("a") is None


def test_a_slot_that_was_due_when_the_pause_began_is_not_lost() -> None:
    made = scheduler(job("* * * * *"))
    now = minute(2) + SECOND
    made.set_pauses({"a": Pause("me", now, until=minute(3))}, now)
    due = made.due(minute(2) + 2 * SECOND)
    assert slots(due) == [minute(2)]
    assert [(m.first, m.count) for m in due.missed] == [(minute(1), 1)]
    assert made.next_slot("a") == minute(4)


def test_a_slot_that_was_due_when_a_pause_without_end_began_is_not_lost_either() -> None:
    made = scheduler(job("@every 10s"))
    now = START + 25 * SECOND
    made.set_pauses({"a": Pause("me", now)}, now)
    assert slots(made.due(minute(1))) == [START + 10 * SECOND, START + 20 * SECOND]
    assert made.next_slot("a") is None


def test_an_edit_of_a_paused_job_does_not_wake_it() -> None:
    made = scheduler(old := job())
    made.set_pauses({"a": Pause("me", START)}, START)
    made.enact(Replace(job("* * * * *"), old), START)
    assert made.next_slot("a") is None


def test_a_pause_of_a_job_that_is_not_there_waits_for_it() -> None:
    made = Scheduler(LoopClock(START))
    made.set_pauses({"a": Pause("me", START)}, START)
    made.enact(Add(job()), START)
    assert made.next_slot("a") is None
    assert [*made.pauses] == ["a"]


def test_pausing_one_job_leaves_the_others_alone() -> None:
    made = scheduler(job(id="a"), job(id="b"))
    made.set_pauses({"a": Pause("me", START)}, START)
    assert [each.id for each, _ in made.due(minute(5)).slots] == ["b"]


# -- the loop ----------------------------------------------------------------------------------------------------


class Bell:
    """A scheduler at work, and what it fired: when, and which slots."""

    def __init__(self, *jobs: Job) -> None:
        self.clock = LoopClock(START)
        self.scheduler = Scheduler(self.clock)
        self.clock.now()
        for each in jobs:
            self.scheduler.enact(Add(each), START)
        self.fired: list[tuple[datetime, Due]] = []
        self.busy = 0.0

    async def fire(self, due: Due) -> None:
        self.fired.append((self.clock.now(), due))
        await asyncio.sleep(self.busy)

    async def ring(self, seconds: float) -> None:
        task = asyncio.create_task(self.scheduler.run(self.fire))
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    @property
    def slots(self) -> list[datetime]:
        return [slot for _, due in self.fired for _, slot in due.slots]


async def test_slots_are_fired_at_their_instants() -> None:
    bell = Bell(job())
    await bell.ring(15 * 60 + 1)
    assert bell.slots == [minute(5), minute(10), minute(15)]
    assert [at for at, _ in bell.fired] == bell.slots


async def test_a_job_that_comes_while_the_loop_sleeps_is_fired_in_time() -> None:
    bell = Bell()
    asyncio.get_running_loop().call_later(2, lambda: bell.scheduler.enact(Add(job("@every 5s")), bell.clock.now()))
    await bell.ring(5.5)
    assert bell.slots == [START + 5 * SECOND]
    assert bell.fired[0][0] == START + 5 * SECOND


async def test_what_came_due_while_a_firing_took_its_time_is_fired_next() -> None:
    bell = Bell(job("@every 10s"))
    bell.busy = 35
    await bell.ring(50)
    assert bell.slots == [START + n * 10 * SECOND for n in (1, 2, 3, 4)]


async def test_a_clock_that_is_set_forward_by_an_hour_makes_old_slots_missed() -> None:
    bell = Bell(job("* * * * *"))
    asyncio.get_running_loop().call_later(90, bell.clock.step, 3600)
    await bell.ring(125)
    missed = [missed for _, due in bell.fired for missed in due.missed]
    assert [(m.first, m.last, m.count) for m in missed] == [(minute(2), minute(60), 59)]
    assert bell.slots == [minute(1), minute(61), minute(62)]


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
