"""The oldest slot that waits to be caught up has its turn first, and there are ten turns a second."""

from datetime import timedelta

import pytest

from runner.engine.backlog import PACE, Backlog
from runner.testing import START

MINUTE = timedelta(minutes=1)


def anyone(job, before):
    return True


def nobody(job, before):
    return False


def backlog(**slots):
    """Jobs by their slots, in minutes before now."""
    made = Backlog()
    for job, minutes in slots.items():
        made.add(job, START - minutes * MINUTE, None)
    return made


def turns(made, now=START, has_room=anyone):
    """Whose turn it is now, as long as nobody spends it."""
    found = []
    while (job := made.next(now, has_room)) is not None:
        found.append(job)
    return found


def test_the_oldest_slot_comes_first_and_of_equal_ones_that_of_the_first_job():
    assert turns(backlog(b=1, c=5, a=1)) == ["c", "a", "b"]


def test_a_job_that_had_its_turn_waits_no_more():
    made = backlog(a=1)
    assert (turns(made), turns(made)) == (["a"], [])


def test_nobody_waits_where_nothing_was_added():
    assert Backlog().next(START, anyone) is None
    assert Backlog().seconds_to_next(START) is None


def test_a_job_waits_with_the_slot_that_was_added_last():
    made = backlog(a=9, b=5)
    made.add("a", START - MINUTE, None)
    assert turns(made) == ["b", "a"]


def test_a_job_that_was_dropped_has_no_turn():
    made = backlog(a=2, b=1)
    made.drop("a")
    made.drop("unknown")
    assert turns(made) == ["b"]


def test_a_job_that_was_dropped_and_added_again_has_one_turn():
    made = backlog(a=2)
    made.drop("a")
    made.add("a", START - 3 * MINUTE, None)
    assert turns(made) == ["a"]


def test_there_is_one_start_in_a_tenth_of_a_second():
    made = backlog(a=2, b=1)
    assert made.next(START, anyone) == "a"
    made.spend(START)
    assert made.next(START + PACE - timedelta.resolution, anyone) is None
    assert made.seconds_to_next(START) == PACE.total_seconds() == 0.1
    assert made.next(START + PACE, anyone) == "b"


def test_a_turn_that_was_not_spent_goes_on_to_the_next_job():
    assert turns(backlog(a=2, b=1)) == ["a", "b"]


def test_a_clock_that_was_set_back_delays_nobody():
    made = backlog(a=1)
    made.spend(START + 60 * MINUTE)
    assert made.seconds_to_next(START) == 0.0
    assert turns(made) == ["a"]


def test_a_job_without_room_lets_the_others_pass_and_is_not_asked_again():
    made = backlog(a=2, b=1)
    asked = []

    def only_b(job, before):
        asked.append(job)
        return job == "b"

    assert turns(made, has_room=only_b) == ["b"]
    assert turns(made, has_room=only_b) == []
    assert asked == ["a", "b"]
    assert made.seconds_to_next(START) is None


def test_a_job_that_may_have_room_again_keeps_its_place_and_what_it_waits_for():
    made = Backlog()
    made.add("a", START - 2 * MINUTE, "01K")
    assert turns(made, has_room=nobody) == []
    made.add("b", START - MINUTE, None)
    assert made.unblock("a")
    seen = []
    assert turns(made, has_room=lambda job, before: not seen.append((job, before))) == ["a", "b"]
    assert seen == [("a", "01K"), ("b", None)]


@pytest.mark.parametrize("job", ["a", "b", "c", "unknown"])
def test_only_a_job_that_waits_for_room_is_told_of_it(job):
    made = backlog(a=3, b=2)
    assert turns(made, has_room=lambda job, before: job == "a") == ["a"]
    made.add("c", START, None)
    assert made.unblock(job) is (job == "b")


def test_a_job_that_waits_for_room_can_be_dropped_and_added_anew():
    made = backlog(a=2, b=1)
    turns(made, has_room=nobody)
    made.drop("a")
    made.add("b", START - 5 * MINUTE, None)
    assert not made.unblock("a")
    assert not made.unblock("b")
    assert turns(made) == ["b"]
