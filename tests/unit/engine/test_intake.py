"""First lines of missed ranges, and slots that the disk had no room for."""

from datetime import timedelta

from runner.engine.intake import Unwritten
from runner.engine.scheduler import Missed
from runner.testing import START, build_job

SECOND = timedelta(seconds=1)


def job(name: str):
    return build_job(f"id: {name}\nname: A\nmode: cron\nschedule: '@every 1s'\nagent: robot\n")


def test_slots_of_a_job_that_were_not_written_become_one_range_and_jobs_stay_apart() -> None:
    a, b = job("a"), job("b")
    unwritten = Unwritten()
    assert not unwritten
    for second in (2, 1, 3):
        unwritten.add(Missed(a, START + second * SECOND, START + second * SECOND, 1))
    unwritten.add(Missed(b, START, START, 1))
    unwritten.add(Missed(a, START, START + 10 * SECOND, 5))
    assert unwritten
    assert unwritten.take() == [Missed(a, START, START + 10 * SECOND, 8), Missed(b, START, START, 1)]
    assert not unwritten
    assert unwritten.take() == []
