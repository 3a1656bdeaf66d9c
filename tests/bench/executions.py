"""How many executions a second the whole runner carries, and how late a thousand jobs of one second are.

    python tests/bench/executions.py [--executions N] [--rounds N] [--profile]

The peer is a loop that only starts processes with the same concurrency, writes their standard input and reads
their standard output and error through pipes. Both sides take turns within one run, so that whatever else the
machine does hits both; the median round counts. Everything lands on the disk that `TMPDIR` names.
"""

import argparse
import asyncio
import contextlib
import cProfile
import logging
import pstats
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import structlog

from runner.clock import SystemClock
from runner.daemon import Runner, composed, dispatching
from runner.execution.ledger import is_first
from runner.execution.lifecycle import Status
from runner.execution.records import Record
from runner.settings import Settings
from runner.spec.models import Payload

AT_ONCE = 50
PERIOD = 5
"""Seconds between two slots of the jobs that are due together."""

PROGRAM = "/bin/true"
AGENT = f"kind: agent\nid: program\ntype: command\ncommand: [{PROGRAM}]\n"
BY_HAND = f"id: job\nname: Job\nmode: manual\nagent: program\nconcurrency: {{limit: {AT_ONCE}}}\n"


async def peer_rate(count: int) -> float:
    """Processes a second of the bare loop."""
    room = asyncio.Semaphore(AT_ONCE)
    pipe = asyncio.subprocess.PIPE

    async def one(number: int) -> None:
        async with room:
            process = await asyncio.create_subprocess_exec(PROGRAM, stdin=pipe, stdout=pipe, stderr=pipe)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                await process.communicate(b'{"execution": "%d", "event": {"number": %d}}' % (number, number))

    start = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(count)))
    return count / (time.perf_counter() - start)


@contextlib.contextmanager
def runner_of(*documents: str) -> Iterator[Runner]:
    """A composed runner on a new state directory, with these documents."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "jobs.d"
        tree.mkdir()
        for number, text in enumerate([AGENT, *documents]):
            (tree / f"{number}.yaml").write_text(text)
        settings = Settings(jobs=tree, state=Path(folder) / ".jobsd", max_running=AT_ONCE, allow_root_agents=True)
        with composed(settings, SystemClock()) as runner:
            yield runner


async def runner_rate(count: int) -> float:
    """Executions a second through the whole runner: admitted, recorded, run, captured, recorded."""
    with runner_of(BY_HAND) as runner:
        async with dispatching(runner):
            with runner.service.follow() as records:
                start = time.perf_counter()
                feeding = asyncio.create_task(_feed(runner, count))
                async for record in _ends(records):
                    if record.status is not Status.COMPLETED:
                        message = f"{record.id} is {record.status}: {record.error}"
                        raise SystemExit(message)
                    count -= 1
                    if not count:
                        break
                taken = time.perf_counter() - start
                return await feeding / taken
    raise AssertionError


async def _feed(runner: Runner, count: int) -> int:
    """Run the job so many times, as several callers would, with a queue that is never full."""

    async def caller(numbers: range) -> None:
        for number in numbers:
            await runner.service.run("job", Payload({"number": number}), "bench")

    callers = 20
    await asyncio.gather(*(caller(range(first, count, callers)) for first in range(callers)))
    return count


async def _ends(records: AsyncIterator[Record]) -> AsyncIterator[Record]:
    async for record in records:
        if record.status.terminal:
            yield record


async def burst(jobs: int) -> tuple[float, float, float]:
    """Jobs that are due in one instant: median and greatest delay of their records, and of the last start (ms)."""
    documents = [
        f"id: j{number}\nname: J {number}\nmode: cron\nagent: program\nschedule: '@every {PERIOD}s'\n"
        for number in range(jobs)
    ]
    with runner_of("---\n".join(documents)) as runner:
        async with dispatching(runner):
            scheduling = asyncio.create_task(runner.scheduler.run(runner.dispatcher))
            delays: dict[str, float] = {}
            started = 0
            last_start = 0.0
            with runner.service.follow() as records:
                async for record in records:
                    slot = record.scheduled_for
                    if slot is None:
                        continue
                    if is_first(record) and len(delays) < jobs:
                        # The line is durable when it is published; `at` is only when it was decided on.
                        published = SystemClock().now()
                        delays[record.id] = (published - slot) / timedelta(milliseconds=1)
                    elif record.status is Status.RUNNING and record.id in delays and record.started_at:
                        started += 1
                        last_start = (record.started_at - slot) / timedelta(milliseconds=1)
                        if started == jobs:
                            break
            scheduling.cancel()
            await asyncio.wait([scheduling])
    return statistics.median(delays.values()), max(delays.values()), last_start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Benchmark of executions.")
    parser.add_argument("--executions", type=int, default=600, help="how many in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1000, help="how many are due at once")
    parser.add_argument("--profile", action="store_true", help="only say where the time goes")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if given.profile:
        profile = cProfile.Profile()
        profile.runcall(asyncio.run, runner_rate(given.executions))
        pstats.Stats(profile).sort_stats("tottime").print_stats(35)
        return
    rounds = []
    for _ in range(given.rounds):
        peer, ours = asyncio.run(peer_rate(given.executions)), asyncio.run(runner_rate(given.executions))
        rounds.append((ours / peer, ours, peer))
        print(f"runner {ours:6.0f}/s   bare loop {peer:6.0f}/s   ratio {ours / peer:.2f}")
    print(f"median ratio {statistics.median(ratio for ratio, _, _ in rounds):.2f}")
    for _ in range(3):
        middle, most, last = asyncio.run(burst(given.jobs))
        print(
            f"{given.jobs} jobs due at once: recorded after {middle:.0f} ms (median), {most:.0f} ms (last); "
            f"last start after {last:.0f} ms"
        )


if __name__ == "__main__":
    main()
