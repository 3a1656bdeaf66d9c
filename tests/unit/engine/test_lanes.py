"""Who waits, who runs, and whose turn is next."""

from array import array
from collections.abc import Sequence
from datetime import timedelta

import pytest

from runner.engine.lanes import Lane, Lanes, Waiting
from runner.execution.admission import Occupancy
from runner.execution.lifecycle import Trigger
from runner.testing import START, build_record


def waiting(number: int, job: str = "a", *, ready: bool = True, trigger: Trigger = Trigger.MANUAL) -> Waiting:
    at = START + timedelta(seconds=number)
    return Waiting(build_record(number=number, job=job, trigger=trigger, at=at), ready=ready)


def lanes(**admitted: Sequence[float]) -> Lanes:
    return Lanes(lambda job: array("d", admitted.get(job, ())))


def fill(lanes: Lanes, *all_waiting: Waiting) -> None:
    for each in all_waiting:
        lanes[each.record.job].reserve(each)
        lanes.offer(each.record.job)


def start_all(lanes: Lanes, limits: dict[str, int], most: int) -> list[str]:
    """What starts, as job and number."""
    started = []
    for lane, each in lanes.startable(lambda job: limits.get(job, 0), most):
        lanes.start(lane, each)
        started.append(f"{each.record.job}{int(each.record.id)}")
    return started


# -- one lane ----------------------------------------------------------------------------------------------------


def test_a_reservation_takes_a_place_in_the_queue_and_in_the_window() -> None:
    lane = Lane(array("d"))
    lane.reserve(waiting(1))
    lane.reserve(waiting(2, trigger=Trigger.CRON))
    assert lane.occupancy == Occupancy(running=0, waiting_slots=1, waiting_others=1)
    assert lane.admitted_after(START) == 2


def test_a_reservation_that_is_given_back_leaves_nothing() -> None:
    lane = Lane(array("d"))
    kept, undone = waiting(1), waiting(2)
    lane.reserve(kept)
    lane.reserve(undone)
    lane.give_back(undone)
    assert lane.occupancy == Occupancy(0, 0, 1)
    assert lane.admitted_after(START) == 1
    assert lane.find(kept.record.id) is kept
    assert lane.find(undone.record.id) is None


def test_the_window_is_open_at_its_start_and_moves() -> None:
    lane = Lane(array("d", [START.timestamp() + second for second in range(10)]))
    assert [lane.admitted_after(START + timedelta(seconds=second)) for second in (-1, 0, 4, 8.5, 9)] == [
        10,
        9,
        5,
        1,
        0,
    ]


def test_the_first_that_is_ready_comes_first() -> None:
    lane = Lane(array("d"))
    assert lane.next_ready() is None
    for each in (waiting(1, ready=False), waiting(2), waiting(3)):
        lane.reserve(each)
    found = lane.next_ready()
    assert found is not None
    assert int(found.record.id) == 2


def test_what_leaves_the_queue_in_the_middle_leaves_nothing_and_the_order_stays() -> None:
    lane = Lane(array("d"))
    queue = [waiting(n, trigger=Trigger.CRON if n % 2 else Trigger.MANUAL) for n in range(5)]
    for each in queue:
        lane.reserve(each)
    assert lane.remove(queue[0].record.id) is queue[0]
    assert lane.remove(queue[3].record.id) is queue[3]
    assert lane.remove(queue[3].record.id) is None
    assert lane.occupancy == Occupancy(0, waiting_slots=1, waiting_others=2)
    assert lane.next_ready() is queue[1]


def test_one_that_becomes_ready_later_keeps_its_place_and_one_that_left_stays_out() -> None:
    lane = Lane(array("d"))
    first, second, gone = waiting(1, ready=False), waiting(2), waiting(3, ready=False)
    for each in (first, second, gone):
        lane.add(each)
    assert lane.next_ready() is second
    lane.make_ready(first)
    assert lane.next_ready() is first
    lane.remove(gone.record.id)
    lane.make_ready(gone)
    for each in (first, second):
        lane.remove(each.record.id)
    assert lane.next_ready() is None


def test_executions_that_come_and_go_behind_a_waiting_one_leave_no_trace() -> None:
    lane = Lane(array("d"))
    lane.add(waiting(0))
    for number in range(1, 1000):
        lane.add(waiting(number))
        lane.remove(f"{number:026d}")
    assert len(lane._ready) < 100
    assert lane.next_ready() is lane.find(f"{0:026d}")


# -- all lanes ---------------------------------------------------------------------------------------------------


def test_a_new_lane_takes_its_window_from_the_records() -> None:
    assert lanes(a=[START.timestamp()])["a"].admitted_after(START - timedelta(seconds=1)) == 1


def test_jobs_take_turns_and_each_goes_first_come_first_served() -> None:
    filled = lanes()
    fill(filled, *(waiting(n, "a") for n in range(3)), *(waiting(n, "b") for n in range(2)), waiting(0, "c"))
    assert start_all(filled, {"a": 9, "b": 9, "c": 9}, 99) == ["a0", "b0", "c0", "a1", "b1", "a2"]


def test_a_jobs_own_limit_holds_and_an_end_makes_room() -> None:
    filled = lanes()
    fill(filled, waiting(1), waiting(2), waiting(3))
    assert start_all(filled, {"a": 2}, 99) == ["a1", "a2"]
    assert start_all(filled, {"a": 2}, 99) == []
    filled.end("a", f"{1:026d}")
    assert start_all(filled, {"a": 2}, 99) == ["a3"]


def test_the_limit_over_all_holds_and_whose_turn_it_was_is_remembered() -> None:
    filled = lanes()
    fill(filled, *(waiting(n, job) for job in "abc" for n in (1, 2)))
    limits = dict.fromkeys("abc", 9)
    assert start_all(filled, limits, 2) == ["a1", "b1"]
    assert filled.running == 2
    filled.end("a", f"{1:026d}")
    assert start_all(filled, limits, 2) == ["c1"]
    filled.end("b", f"{1:026d}")
    assert start_all(filled, limits, 2) == ["a2"]


def test_what_never_ran_frees_no_place() -> None:
    filled = lanes()
    fill(filled, waiting(1))
    start_all(filled, {"a": 1}, 1)
    filled.end("a", f"{2:026d}")
    filled.end("b", f"{1:026d}")
    assert filled.running == 1


def test_a_job_whose_limit_is_zero_waits_until_it_is_offered_again() -> None:
    filled = lanes()
    fill(filled, waiting(1))
    assert start_all(filled, {}, 9) == []
    assert start_all(filled, {"a": 1}, 9) == []
    filled.offer("a")
    assert start_all(filled, {"a": 1}, 9) == ["a1"]


def test_looking_for_something_to_start_makes_no_lanes() -> None:
    empty = lanes()
    empty.offer("a")
    assert start_all(empty, {"a": 1}, 1) == []
    assert empty.get("a") is None


def test_lanes_with_anything_in_them_are_open() -> None:
    filled = lanes()
    fill(filled, waiting(1, "a"), waiting(1, "b"))
    start_all(filled, {"b": 1}, 9)
    assert filled["c"].occupancy == Occupancy(0, 0, 0)
    assert [job for job, _ in filled.open()] == ["a", "b"]


def test_a_dropped_lane_is_gone_and_dropping_twice_does_nothing() -> None:
    filled = lanes()
    fill(filled, waiting(1))
    filled.drop("a")
    filled.drop("a")
    assert filled.get("a") is None
    assert start_all(filled, {"a": 1}, 9) == []


@pytest.mark.parametrize(
    ("trigger", "slot"), [(Trigger.CRON, True), (Trigger.PUSH, False), (Trigger.MANUAL, False)]
)
def test_only_what_the_schedule_set_off_is_a_slot(*, trigger: Trigger, slot: bool) -> None:
    assert waiting(1, trigger=trigger).is_slot is slot
