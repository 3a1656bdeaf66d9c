"""A day of 200 jobs on the virtual clock: what the ledger says in the end is what a model of few lines says.

The model knows nothing of tasks, records or heaps: it goes through one job's day instant by instant. Ends of runs
never fall on the instant of a slot, of a retry or of a cancel, so that the order of events is beyond dispute.
"""

import asyncio
import contextlib
import heapq
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

import pytest

from runner.execution.ledger import Execution, Ledger, fold
from runner.execution.lifecycle import ErrorType, Outcome, Reason, Status
from runner.testing import START, MemoryEngine, Script, tree

pytestmark = pytest.mark.looptime

JOBS = 200
DAY = 24 * 3600
FAILURE = Outcome.failed(ErrorType.EXIT_CODE, "exit code 1")
CHANCE = 0.5
MOMENT = timedelta(seconds=0.05)


@dataclass
class Plan:
    """What one job is, and what happens to it: seconds count from the start of the day."""

    period: int
    when_full: str
    attempts: int
    backoff: int
    timeout: int
    runs: list[tuple[float, bool]]
    cancels: list[float]

    @property
    def text(self) -> str:
        """The job's document."""
        return (
            f"mode: cron\nschedule: '@every {self.period}m'\nconcurrency: {{when_full: {self.when_full}}}\n"
            f"retry: {{attempts: {self.attempts}, backoff: {self.backoff}s}}\ntimeout: {self.timeout}s\n"
        )

    @property
    def slots(self) -> list[int]:
        """The instants of the schedule, which are counted from the Unix epoch."""
        epoch, period = int(START.timestamp()), 60 * self.period
        first = period - epoch % period
        return list(range(first, DAY + 1, period))


def planned(draw: random.Random) -> Plan:
    """A job that often overlaps itself, fails now and then, and is cancelled a few times."""
    period = draw.choice([30, 45, 60, 90, 120])
    longest = draw.choice([30, 10 * 60, 60 * period, 120 * period])
    failing = draw.choice([0.0, 0.1, 0.5])
    return Plan(
        period=period,
        when_full=draw.choice(["queue", "skip"]),
        attempts=draw.choice([1, 2, 3]),
        backoff=draw.choice([10, 60, 600]),
        timeout=draw.choice([3601, 1201]),
        runs=[(draw.randrange(1, longest) + 0.007, draw.random() >= failing) for _ in range(150)],
        cancels=sorted(draw.randrange(0, DAY) + 0.5 for _ in range(draw.choice([0, 0, 2, 5]))),
    )


@dataclass(eq=False)
class Fate:
    """What the model says of one slot."""

    slot: int
    status: Status = Status.PENDING
    reason: Reason | None = None
    attempt: int = 1
    ready: bool = True
    finished: float | None = None


@dataclass
class Model:
    """One job's day: at most one execution runs, others wait in a queue."""

    plan: Plan
    fates: list[Fate] = field(default_factory=list)
    running: Fate | None = None
    queue: list[Fate] = field(default_factory=list)
    coming: list[tuple[float, int, str, Fate | None]] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=count)
    started: int = 0

    def live(self) -> list[Fate]:
        """Go through the day."""
        for slot in self.plan.slots:
            self.plan_for(slot, "slot", Fate(slot))
        for instant in self.plan.cancels:
            self.plan_for(instant, "cancel", None)
        while self.coming and self.coming[0][0] <= DAY:
            now, _, what, fate = heapq.heappop(self.coming)
            getattr(self, what)(now, fate)
            self.start_next(now)
        return self.fates

    def plan_for(self, instant: float, what: str, fate: Fate | None) -> None:
        heapq.heappush(self.coming, (instant, next(self.numbers), what, fate))

    def slot(self, now: float, fate: Fate) -> None:
        self.fates.append(fate)
        full = self.running is not None or self.queue
        if full and (self.plan.when_full == "skip" or self.queue):
            self.end(fate, now, Status.RATE_LIMITED, Reason.OVERLAP)
        else:
            self.queue.append(fate)

    def start_next(self, now: float) -> None:
        ready = [fate for fate in self.queue if fate.ready]
        if self.running is None and ready:
            fate = self.running = ready[0]
            self.queue.remove(fate)
            fate.status, fate.reason = Status.RUNNING, None
            seconds, succeeds = self.plan.runs[self.started]
            self.started += 1
            too_long = seconds > self.plan.timeout
            what = "failure" if too_long or not succeeds else "success"
            self.plan_for(now + min(seconds, self.plan.timeout), what, fate)

    def success(self, now: float, fate: Fate) -> None:
        if self.running is fate and fate.finished is None:
            self.running = None
            self.end(fate, now, Status.COMPLETED)

    def failure(self, now: float, fate: Fate) -> None:
        if self.running is not fate or fate.finished is not None:
            return
        self.running = None
        if fate.attempt == self.plan.attempts:
            self.end(fate, now, Status.FAILED)
            return
        longest = max(15 * 60, self.plan.backoff)
        delay = CHANCE * min(longest, self.plan.backoff * 2 ** (fate.attempt - 1))
        fate.attempt += 1
        fate.status, fate.reason, fate.ready = Status.PENDING, Reason.RETRY, False
        self.queue.append(fate)
        self.plan_for(now + delay, "retry", fate)

    def retry(self, now: float, fate: Fate) -> None:
        fate.ready = True

    def cancel(self, now: float, _: None) -> None:
        for fate in (*self.queue, *([self.running] if self.running else [])):
            self.end(fate, now, Status.CANCELLED, Reason.BY_HAND)
        self.queue, self.running = [], None

    def end(self, fate: Fate, now: float, status: Status, reason: Reason | None = None) -> None:
        fate.status, fate.reason, fate.finished = status, reason, now


def told(execution: Execution) -> tuple[int, Status, str, int]:
    """What the ledger says of an execution, in the words of the model."""
    record = execution.record
    assert record.scheduled_for is not None
    slot = int((record.scheduled_for - START).total_seconds())
    return slot, record.status, str(record.reason), record.attempt or 1


@contextlib.asynccontextmanager
async def at_work(made: MemoryEngine) -> AsyncIterator[None]:
    """The engine without its looks at the files, which do not change on this day."""
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(made.journal.run())
        await made.reconciler.sync()
        carrying = tasks.create_task(made.dispatcher.run())
        await made.dispatcher.recovered.wait()
        scheduling = tasks.create_task(made.scheduler.run(made.dispatcher))
        try:
            yield
        finally:
            scheduling.cancel()
            await made.dispatcher.stop(0)
            await carrying
            made.journal.close()
            await writing


async def test_the_ledger_of_a_day_is_what_a_model_of_it_says() -> None:
    draw = random.Random(20260302)
    plans = {f"j{number}": planned(draw) for number in range(JOBS)}
    made = MemoryEngine(
        tree(**{job: plan.text for job, plan in plans.items()}), max_running=2 * JOBS, chance=CHANCE
    )
    for job, plan in plans.items():
        made.executor.script(
            job, *(Script(seconds, Outcome() if succeeds else FAILURE) for seconds, succeeds in plan.runs)
        )
    cancels = sorted((instant, job) for job, plan in plans.items() for instant in plan.cancels)
    async with at_work(made):
        begin = asyncio.get_running_loop().time()
        for instant, job in cancels:
            await asyncio.sleep(begin + instant - asyncio.get_running_loop().time())
            opened = made.dispatcher.open_of(job)
            await asyncio.gather(*(made.dispatcher.cancel(each.id, "tester") for each in opened))
        await asyncio.sleep(begin + DAY + 0.001 - asyncio.get_running_loop().time())
        fates = {job: Model(plan).live() for job, plan in plans.items()}
        _assert_same(made.ledger, made.executions(), fates)
        again = fold(made.records.read())
        assert all(again.history(job) == made.ledger.history(job) for job in plans)
    seen = Counter(fate.reason or fate.status for all_of_job in fates.values() for fate in all_of_job)
    assert min(seen[what] for what in (Status.COMPLETED, Status.FAILED, Reason.BY_HAND, Reason.OVERLAP)) > 50


def _assert_same(ledger: Ledger, executions: Iterable[Execution], fates: Mapping[str, list[Fate]]) -> None:
    by_job: dict[str, list[Execution]] = {job: [] for job in fates}
    for execution in executions:
        by_job[execution.record.job].append(execution)
    for job, expected in fates.items():
        history = ledger.history(job)
        assert sorted(map(told, by_job[job])) == [
            (fate.slot, fate.status, str(fate.reason), fate.attempt) for fate in expected
        ], job
        still_open = [fate for fate in expected if fate.finished is None]
        assert sorted(map(told, history.open.values())) == [
            (fate.slot, fate.status, str(fate.reason), fate.attempt) for fate in still_open
        ]
        ended = {fate.slot: fate for fate in expected if fate.finished is not None}
        assert history.counts == Counter(fate.status for fate in ended.values())
        for execution in by_job[job]:
            if execution.status.terminal:
                finished = ended[told(execution)[0]].finished or 0
                assert abs(execution.record.at - START - timedelta(seconds=finished)) < MOMENT
        successes = [fate.finished or 0 for fate in ended.values() if fate.status is Status.COMPLETED]
        if history.last_success is not None or successes:
            assert history.last_success is not None
            assert abs(history.last_success - START - timedelta(seconds=max(successes))) < MOMENT
