"""What a run of a command agent costs, against the least that asyncio needs to start a program and read its pipes.

Run it from the root of the repository: `python tests/bench/processes.py [RUNS]`. All sides run `true` with three
streams, one after the other and fifty at once; the ratio is what to look at, as machines differ. The second side
is the first in a session of its own, as a run is: on a kernel that schedules by session that alone takes its time.
"""

import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from time import perf_counter

from runner.agents.command import CommandAgent
from runner.execution.lifecycle import Attempt
from runner.leftovers import sweeping
from runner.ports import Context
from runner.secrets import Secrets
from runner.testing import build_job

ROUNDS = 5
AT_ONCE = 50


class Nowhere:
    """Takes output and keeps none."""

    async def write(self, chunk: bytes) -> None:
        """Forget it."""


def bare(*, session: bool) -> Callable[[int], Awaitable[None]]:
    """Start a program, give it its input, read its output, wait for its end."""
    pipe = asyncio.subprocess.PIPE

    async def one(_: int) -> None:
        process = await asyncio.create_subprocess_exec(
            "/bin/true", stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=session
        )
        await process.communicate(b"{}")

    return one


def agent(folder: Path) -> Callable[[int], Awaitable[None]]:
    """A run of an agent, without executor and records."""
    job = build_job("id: a\nname: A\nagent: robot\nmode: manual\n")
    runs = CommandAgent(folder, allow_root=True)
    numbers = count()
    secrets = Secrets(os.environ, None)

    async def one(_: int) -> None:
        attempt = Attempt(f"bench-{next(numbers)}", 1, job, None, None)
        outcome = await runs.run(Context(attempt, Nowhere(), secrets.fresh(), folder))
        assert outcome.failure is None, outcome.failure

    return one


async def in_turn(one: Callable[[int], Awaitable[None]], runs: int) -> float:
    """Runs a second, one after the other."""
    begun = perf_counter()
    for number in range(runs):
        await one(number)
    return runs / (perf_counter() - begun)


async def at_once(one: Callable[[int], Awaitable[None]], runs: int) -> float:
    """Runs a second, fifty at once."""
    begun = perf_counter()
    left = iter(range(runs))

    async def carry() -> None:
        for number in left:
            await one(number)

    await asyncio.gather(*(carry() for _ in range(AT_ONCE)))
    return runs / (perf_counter() - begun)


async def measure(runs: int) -> None:
    """Measure all sides in turns, and print the median of each."""
    with tempfile.TemporaryDirectory() as folder:
        sides = {
            "bare": bare(session=False),
            "bare in a session": bare(session=True),
            "agent": agent(Path(folder)),
        }
        for name, way in (("one after the other", in_turn), (f"{AT_ONCE} at once", at_once)):
            rates: dict[str, list[float]] = {side: [] for side in sides}
            for _ in range(ROUNDS):
                for side, one in sides.items():
                    async with sweeping() if side == "agent" else contextlib.nullcontext():
                        rates[side].append(await way(one, runs))
            medians = {side: statistics.median(found) for side, found in rates.items()}
            print(f"{name}: " + ", ".join(f"{side} {rate:.0f}/s" for side, rate in medians.items()))
            print(
                f"  agent to bare {medians['agent'] / medians['bare']:.2f},"
                f" to bare in a session {medians['agent'] / medians['bare in a session']:.2f}"
            )


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 300))
