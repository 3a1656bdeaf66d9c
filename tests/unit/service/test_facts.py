"""What the files alone say, while no runner is up."""

from datetime import timedelta
from pathlib import Path

import pytest

from runner.clock import LoopClock
from runner.execution.ledger import fold
from runner.ports import Pause
from runner.service.facts import FileFacts
from runner.testing import START, build_record, desired, tree

pytestmark = pytest.mark.looptime

HOUR = timedelta(hours=1)
FILES = tree(a="mode: cron\nschedule: '30 * * * *'", b="mode: cron\nschedule: '45 * * * *'", c="mode: manual")


def facts(**pauses: Pause) -> FileFacts:
    ledger = fold([build_record(number=1, job="c"), build_record(number=2, job="c")])
    return FileFacts(Path("jobs.d"), Path(".jobsd"), desired(FILES), ledger, pauses, LoopClock(START))


async def test_a_job_is_due_next_at_its_next_slot_and_the_soonest_is_told() -> None:
    made = facts()
    assert made.next_slot("a") == START + HOUR / 2
    assert made.next_slot("c") is None
    assert made.soonest() == ("a", START + HOUR / 2)


async def test_a_paused_job_is_due_after_its_pause_or_not_at_all() -> None:
    made = facts(a=Pause("me", START, until=START + HOUR), b=Pause("me", START))
    assert made.next_slot("a") == START + 1.5 * HOUR
    assert made.next_slot("b") is None
    assert made.soonest() == ("a", START + 1.5 * HOUR)


async def test_a_pause_that_has_run_out_is_none() -> None:
    made = facts(a=Pause("me", START - HOUR, until=START))
    assert made.pause("a") is None
    assert made.next_slot("a") == START + HOUR / 2


async def test_nothing_runs_and_what_is_pending_waits_for_a_runner() -> None:
    made = facts()
    assert made.occupancy("c") == (0, 2)
    assert made.totals() == (0, 2)
    assert (made.live, made.since("c")) == (False, None)
    assert made.about() == {"jobs_dir": "jobs.d", "state_dir": ".jobsd"}
