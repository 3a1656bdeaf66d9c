"""Where time comes from: the machine's clock, or a virtual one that a test can step."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from runner.clock import LoopClock, SystemClock, monotonic, pause

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def test_the_machines_time_is_aware_in_utc_and_cut_to_milliseconds() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert before - timedelta(milliseconds=1) < now <= datetime.now(UTC)
    assert now.tzinfo is UTC
    assert now.microsecond % 1000 == 0


def test_the_clock_for_waiting_outside_of_a_loop_never_goes_back() -> None:
    before = monotonic()
    pause(0)
    assert monotonic() >= before


@pytest.mark.looptime
@pytest.mark.parametrize("clock", [SystemClock(), LoopClock(START)])
@pytest.mark.parametrize(("seconds", "passed"), [(90, 90), (0, 0), (-5, 0)])
async def test_sleeping_takes_the_loops_time_and_none_for_zero_or_less(
    clock: SystemClock | LoopClock, seconds: float, passed: float
) -> None:
    before = asyncio.get_running_loop().time()
    await clock.sleep(seconds)
    assert asyncio.get_running_loop().time() - before == passed


@pytest.mark.looptime
async def test_virtual_time_begins_at_its_start_and_goes_with_the_loop() -> None:
    clock = LoopClock(START)
    await asyncio.sleep(5)
    assert clock.now() == START
    await asyncio.sleep(86_400.5)
    assert clock.now() == START + timedelta(days=1, milliseconds=500)


@pytest.mark.looptime
async def test_virtual_time_is_cut_to_milliseconds() -> None:
    clock = LoopClock(START)
    clock.now()
    await asyncio.sleep(0.0019)
    assert clock.now() == START + timedelta(milliseconds=1)


@pytest.mark.looptime
async def test_a_step_moves_the_wall_clock_and_no_sleeper() -> None:
    clock = LoopClock(START)
    clock.now()
    sleeper = asyncio.create_task(clock.sleep(10))
    await asyncio.sleep(1)
    clock.step(3600)
    assert clock.now() == START + timedelta(hours=1, seconds=1)
    clock.step(-7200)
    assert clock.now() == START - timedelta(minutes=59, seconds=59)
    assert not sleeper.done()
    await asyncio.sleep(9)
    assert sleeper.done()
