"""How long a year of 500 jobs takes to simulate, and what 100,000 cron jobs cost while none of them is due.

    python tests/bench/schedule.py [--jobs N] [--seconds N] [--profile]

The year has 80 % daily jobs, 15 % hourly ones and 5 % that start every quarter of an hour, from 50 expressions
in six zones. It is measured as people wait for it, `jobsd simulate` from start to end, and by itself.
"""

import argparse
import asyncio
import cProfile
import gc
import pstats
import random
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from runner.clock import SystemClock
from runner.engine.scheduler import Due, Scheduler
from runner.execution.records import Record
from runner.forecast import Subject, forecast
from runner.plan import Add
from runner.schedule import parse_schedule
from runner.spec.models import Job
from runner.testing import MemoryTracks, build_job

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2027, 1, 1, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Auckland")
SHARE = 0.01
"""Of one core: what the idle runner may use at most."""

BYTES = 6 * 1024
"""Memory of a registered job beside its parsed specification: what it may need at most."""


def year_of_jobs() -> dict[str, tuple[str, str]]:
    """Schedule and zone by id."""
    chance = random.Random(1)
    daily = [f"{chance.randrange(60)} {chance.randrange(24)} * * {chance.choice(['*', '1-5'])}" for _ in range(35)]
    hourly = [f"{minute} * * * *" for minute in chance.sample(range(60), 10)]
    quarter = [f"{minute}-59/15 * * * *" for minute in range(5)]
    kinds = [daily] * 400 + [hourly] * 75 + [quarter] * 25
    return {f"job-{n}": (chance.choice(kind), chance.choice(ZONES)) for n, kind in enumerate(kinds)}


def simulate_alone() -> tuple[float, int]:
    """Seconds of the calculation, and how many slots there are."""
    jobs = year_of_jobs()
    start = time.perf_counter()
    subjects = [Subject(name, parse_schedule(text, zone, name)) for name, (text, zone) in jobs.items()]
    slots = forecast(subjects, BEGIN, END, ZoneInfo("Europe/Berlin")).slots
    return time.perf_counter() - start, slots


def simulate_by_command() -> float:
    """Seconds of `jobsd simulate` over files."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "jobs.d").mkdir()
        for name, (text, zone) in year_of_jobs().items():
            document = f"id: {name}\nname: {name}\nmode: cron\nschedule: '{text}'\ntimezone: {zone}\n"
            (Path(folder) / "jobs.d" / f"{name}.yaml").write_text(document)
        jobsd = Path(sys.executable).with_name("jobsd")
        command = [jobsd, "simulate", "--from", BEGIN.isoformat(), "--to", END.isoformat(), "--duration", "5m"]
        start = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


def idle_jobs(count: int) -> list[Job]:
    """Daily jobs of which none is due in the next hour."""
    now = SystemClock().now()
    one = build_job('id: one\nname: One\nmode: cron\nschedule: "@daily"\n')
    times = [now + timedelta(hours=2, minutes=minute) for minute in range(20 * 60)]
    texts = [f"{at.minute} {at.hour} * * *" for at in times]
    return [
        replace(one, id=f"job-{n}", schedule=parse_schedule(texts[n % len(texts)], "UTC", f"job-{n}"))
        for n in range(count)
    ]


class Nobody:
    """Who is never asked, since nothing is due."""

    async def fire(self, due: Due) -> Mapping[str, Record]:
        """Not called."""
        raise AssertionError(due)

    def has_room(self, job: str, before: str | None) -> bool:
        """Not called."""
        raise AssertionError(job, before)


async def idle(jobs: list[Job], seconds: float) -> tuple[float, float]:
    """Bytes for each job that is registered, and the share of a core that all of them use while idle."""
    now = SystemClock().now()
    scheduler = Scheduler(SystemClock(), MemoryTracks(), lambda _: None, now)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for job in jobs:
        scheduler.enact(Add(job), now)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    running = asyncio.create_task(scheduler.run(Nobody()))
    await asyncio.sleep(1)
    used = _processor_time()
    await asyncio.sleep(seconds)
    used = _processor_time() - used
    running.cancel()
    await asyncio.wait([running])
    return (after - before) / len(jobs), used / seconds


def _processor_time() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Benchmark of schedules.")
    parser.add_argument("--jobs", type=int, default=100_000, help="how many are registered")
    parser.add_argument("--seconds", type=float, default=10, help="how long they are idle")
    parser.add_argument("--profile", action="store_true", help="only say where the time of the year goes")
    given = parser.parse_args()
    if given.profile:
        profile = cProfile.Profile()
        profile.runcall(simulate_alone)
        pstats.Stats(profile).sort_stats("tottime").print_stats(20)
        return
    for _ in range(3):
        seconds, slots = simulate_alone()
        print(f"a year of 500 jobs, {slots:,} slots: {seconds:.2f} s   by command {simulate_by_command():.2f} s")
    size, share = asyncio.run(idle(idle_jobs(given.jobs), given.seconds))
    print(f"{given.jobs:,} idle jobs: {share:.2%} of a core (promised {SHARE:.0%})")
    print(f"{given.jobs:,} idle jobs: {size:,.0f} bytes each beside the specification (promised {BYTES:,})")


if __name__ == "__main__":
    main()
