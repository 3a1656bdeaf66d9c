"""Whatever meets whatever at whatever moment: each execution takes legal steps and ends exactly once."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import looptime
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import ConflictError, RunnerError, StorageError, UnknownJobError
from runner.execution.ledger import Ledger
from runner.execution.lifecycle import ErrorType, Outcome, Reason, Status
from runner.execution.records import Record
from runner.testing import START, MemoryEngine, Script, tree

MOMENTS = st.integers(0, 24).map(lambda quarter: quarter / 4)
"""Seconds on a coarse grid, so that things happen at the very same instant."""

DELAYS = st.lists(st.sampled_from([0, 0, 0.25, 0.5, 1]), min_size=1, max_size=5)
OUTCOMES = st.sampled_from([Outcome(), Outcome.failed(ErrorType.EXIT_CODE, "exit code 1")])


@dataclass(frozen=True)
class Deed:
    """Something that somebody does at a moment: run the job, cancel an execution (by its number), edit."""

    at: float
    what: str
    number: int


JOBS = st.builds(
    "mode: manual\nconcurrency: {{limit: {}, when_full: {}}}\nretry: {{attempts: {}, backoff: 1s}}".format,
    st.integers(1, 2),
    st.sampled_from(["queue", "skip", "replace"]),
    st.integers(1, 3),
)
DEEDS = st.lists(
    st.builds(
        Deed,
        MOMENTS,
        st.sampled_from(
            ["run", "run", "run", "cancel", "cancel", "remove", "restore", "fill", "clean", "hang up"]
        ),
        st.integers(0, 5),
    ),
    min_size=2,
    max_size=14,
)
SCRIPTS = st.lists(st.builds(Script, MOMENTS.map(lambda moment: moment / 4), OUTCOMES), max_size=12)


def sampled(soak: bool, *strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], None]:  # noqa: FBT001 - the fixture's value
    """Check what holds for every sample, at once."""

    def check(holds: Callable[..., None]) -> None:
        settings(max_examples=5_000 if soak else 100, deadline=None)(given(*strategies)(holds))()

    return check


def on_virtual_time(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        runner.run(work)


def slow_disk(engine: MemoryEngine, delays: Sequence[float]) -> None:
    """Make appends take their time, each another one."""
    append, turn = engine.records.append, 0

    async def slowly(records: Sequence[Record]) -> None:
        nonlocal turn
        turn += 1
        await asyncio.sleep(delays[turn % len(delays)])
        await append(records)

    engine.records.append = slowly  # type: ignore[method-assign] - a slow disk


class Story:
    """An engine, and what several people do to it."""

    def __init__(self, job: str, scripts: list[Script], delays: list[float]) -> None:
        self.files = tree(a=job, b="mode: manual")
        self.engine = MemoryEngine(self.files)
        self.engine.executor.script("a", *scripts)
        slow_disk(self.engine, delays)
        self.cancelled: list[Record] = []
        self.accepted: list[Record] = []

    async def act(self, deed: Deed) -> None:
        await asyncio.sleep(deed.at)
        match deed.what:
            case "run":
                await self.run()
            case "hang up":
                task = asyncio.create_task(self.run())
                await asyncio.sleep(deed.number / 8)
                task.cancel()
                await asyncio.wait([task])
            case "cancel":
                await self.cancel(deed.number)
            case "remove":
                self.edit({"b.yaml": self.files["b.yaml"], "agents/robot.yaml": self.files["agents/robot.yaml"]})
            case "restore":
                self.edit(self.files)
            case "fill" | "clean":
                self.engine.records.failing = deed.what == "fill"

    def edit(self, files: dict[str, str]) -> None:
        self.engine.files.files = dict(files)
        self.engine.files.changed()

    async def run(self) -> None:
        with contextlib.suppress(UnknownJobError, StorageError):
            self.accepted.append(await self.engine.run("a"))

    async def cancel(self, number: int) -> None:
        known = sorted({record.id for record in self.engine.records.lines})
        if number < len(known):
            with contextlib.suppress(ConflictError, StorageError):
                self.cancelled.append(await self.engine.dispatcher.cancel(known[number], "somebody"))

    def check_steps(self) -> None:
        """Every line is legal, and what people were told is what stands in the log."""
        ledger = Ledger()
        for line in self.engine.records.lines:
            ledger.apply(line)
        assert all(line in self.engine.records.lines for line in (*self.accepted, *self.cancelled))

    def check_ends(self) -> None:
        """Every execution has ended, once, and nothing is left behind."""
        by_id: dict[str, list[Status]] = {}
        for line in self.engine.records.lines:
            by_id.setdefault(line.id, []).append(line.status)
        for statuses in by_id.values():
            assert [status.terminal for status in statuses] == [False] * (len(statuses) - 1) + [True]
        assert [*self.engine.ledger.open()] == []
        assert self.engine.dispatcher.occupancy("a") == (0, 0)
        assert self.engine.executor.running == []
        cancelled = {line.id for line in self.engine.records.lines if line.status is Status.CANCELLED}
        assert {record.id for record in self.cancelled} <= cancelled

    def check_attempts(self) -> None:
        """The agent was called only after a line that says so, and never twice for one."""
        started = [(line.id, line.attempt) for line in self.engine.records.lines if line.status is Status.RUNNING]
        called = [(attempt.execution, attempt.number) for attempt in self.engine.executor.attempts]
        assert len(set(started)) == len(started)
        assert len(set(called)) == len(called)
        assert set(called) <= set(started)


def test_every_execution_ends_exactly_once_whoever_races_with_whom(soak):
    @sampled(soak, JOBS, SCRIPTS, DELAYS, DEEDS)
    def _(job: str, scripts: list[Script], delays: list[float], deeds: list[Deed]) -> None:
        async def play() -> None:
            story = Story(job, scripts, delays)
            async with story.engine.running():
                # Whoever waits for the end of a run waits until the disk can take it.
                asyncio.get_running_loop().call_later(10, setattr, story.engine.records, "failing", False)
                await asyncio.gather(*(story.act(deed) for deed in deeds))
                await asyncio.sleep(10)
                story.edit(story.files)
                await asyncio.sleep(300)
                story.check_ends()
            story.check_steps()
            story.check_attempts()

        on_virtual_time(play())


def test_a_runner_that_is_stopped_at_any_moment_leaves_only_what_the_next_one_can_take_up(soak):
    @sampled(soak, JOBS, SCRIPTS, DELAYS, DEEDS, MOMENTS, st.sampled_from([0, 0.5, 3]))
    def _(
        job: str, scripts: list[Script], delays: list[float], deeds: list[Deed], moment: float, grace: float
    ) -> None:
        async def play() -> None:
            story = Story(job, scripts, delays)
            async with story.engine.running():
                acting = [asyncio.create_task(story.act(deed)) for deed in deeds if deed.what in {"run", "cancel"}]
                await asyncio.sleep(moment)
                await story.engine.dispatcher.stop(grace)
                assert not any(each.status is Status.RUNNING for each in story.engine.ledger.open())
                for task in acting:
                    task.cancel()
                for ended in await asyncio.gather(*acting, return_exceptions=True):
                    assert ended is None or isinstance(ended, RunnerError | asyncio.CancelledError)
            story.check_steps()
            await go_on(story, job)

        on_virtual_time(play())


def test_a_runner_that_dies_after_any_line_is_followed_by_one_that_ends_everything_once(soak):
    @sampled(soak, JOBS, SCRIPTS, DELAYS, DEEDS, st.integers(0, 60))
    def _(job: str, scripts: list[Script], delays: list[float], deeds: list[Deed], crash: int) -> None:
        async def play() -> None:
            story = Story(job, scripts, delays)
            async with story.engine.running():
                await asyncio.gather(*(story.act(deed) for deed in deeds if deed.what in {"run", "cancel"}))
                await asyncio.sleep(60)
            story.engine.records.lines = story.engine.records.lines[:crash]
            await go_on(story, job)

        on_virtual_time(play())


async def go_on(story: Story, job: str) -> None:
    """Start another runner on what is on record, and let it end everything."""
    before = story.engine.records.lines
    story.engine = MemoryEngine(tree(a=job), records=before, start=START + timedelta(hours=1))
    story.cancelled, story.accepted = [], []
    async with story.engine.running():
        await asyncio.sleep(300)
        story.check_ends()
    assert story.engine.records.lines[: len(before)] == before
    story.check_steps()
    story.check_attempts()


def test_of_what_replaces_the_newest_remain_and_what_was_replaced_is_never_retried(soak):
    @sampled(soak, st.integers(1, 3), SCRIPTS, DELAYS, st.lists(MOMENTS, min_size=1, max_size=10))
    def _(limit: int, scripts: list[Script], delays: list[float], moments: list[float]) -> None:
        async def play() -> None:
            concurrency = f"concurrency: {{limit: {limit}, when_full: replace}}"
            story = Story(f"mode: manual\n{concurrency}\nretry: {{attempts: 2, backoff: 1s}}", scripts, delays)
            async with story.engine.running():
                await asyncio.gather(*(story.act(Deed(moment, "run", 0)) for moment in moments))
                await asyncio.sleep(60)
                story.check_ends()
            executions = story.engine.executions("a")
            assert len(executions) == len(moments)
            replaced = [each.record.reason is Reason.REPLACED for each in executions]
            assert not any(replaced[:limit])
            assert story.engine.executor.most_running <= limit

        on_virtual_time(play())
