"""A month of edits, pauses, restarts, kills, clock steps, sleep and full disks: each slot has exactly one outcome.

The model knows nothing of marks, segments or heaps: a job has the instants of the schedules that it had, while it
had them. Whatever the runner went through, its records must name each of these instants once, and no other.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from runner.execution.ledger import is_first
from runner.execution.lifecycle import ErrorType, Outcome, Reason
from runner.execution.records import Record
from runner.execution.slots import start_of
from runner.plan import Action, Add, Remove, Replace
from runner.ports import Pause
from runner.schedule.cron import Schedule
from runner.spec.models import Job
from runner.testing import MemoryEngine, MemoryTracks, Script, tree

pytestmark = pytest.mark.looptime

SECOND = timedelta(seconds=1)
MONTHS = (datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 10, 10, tzinfo=UTC))
"""Thirty days from here, the clocks of Europe change."""

LENGTH = timedelta(days=30)
ZONES = ("Europe/Berlin", "Europe/Berlin", "UTC", "Australia/Lord_Howe")
SCHEDULES = (
    "0 * * * *",
    "30 2 * * *",
    "15 */2 * * *",
    "0 9 * * 1-5",
    "45 1,2,3 * * *",
    "@every 7h",
    "*/30 8-18 * * 1",
)
POLICIES = ("none", "latest", "all")
FAILURE = Outcome.failed(ErrorType.EXIT_CODE, "exit code 1")
LOOK = 600.0
"""Seconds between two looks at the wall clock: often ones would only take longer."""


@dataclass
class Life:
    """The instants that a job has, as the model knows them."""

    schedule: Schedule | None = None
    pause: Pause | None = None
    since: datetime | None = None
    slots: dict[datetime, Job] = field(default_factory=dict)
    job: Job | None = None

    def change(self, now: datetime, job: Job | None, pause: Pause | None) -> None:
        """The job has its schedule until now, and perhaps another one from now on."""
        self.close(now)
        self.job, self.pause = job, pause
        self.schedule = job.schedule if job and job.enabled else None
        self.since = now
        if pause is not None:
            self.since = max(now, pause.until) if pause.until else None

    def close(self, now: datetime) -> None:
        if self.schedule and self.since and self.job and self.since < now:
            self.slots |= dict.fromkeys(self.schedule.between(self.since, now), self.job)


class Month:
    """One seed's month: an engine that lives through it, engine after engine, and what it did to each job."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.begin = self.draw.choice(MONTHS)
        self.texts = {f"j{number}": self.text() for number in range(4)}
        self.lives = {job: Life() for job in self.texts}
        self.engine = self.born(self.begin, [], MemoryTracks())
        self.high = self.begin
        self.done: Counter[str] = Counter()

    def text(self) -> str:
        """A job's document."""
        draw = self.draw
        jitter = draw.choice(["0s", "0s", "20m"])
        return (
            f"mode: cron\nschedule: '{draw.choice(SCHEDULES)}'\ntimezone: {draw.choice(ZONES)}\njitter: {jitter}\n"
            f"catch_up: {{policy: {draw.choice(POLICIES)}, within: {draw.choice(['10m', '3h', '2d'])}}}\n"
            f"concurrency: {{when_full: {draw.choice(['queue', 'skip', 'replace'])}}}\n"
            f"retry: {{attempts: {draw.choice([1, 3])}, backoff: 10m}}\n"
            f"{draw.choice(['', 'rate_limit: 3/day'])}\n"
        )

    def born(self, start: datetime, records: list[Record], tracks: MemoryTracks) -> MemoryEngine:
        """An engine that starts with what the one before it left."""
        made = MemoryEngine(tree(**self.texts), records=records, start=start, tracks=tracks, look=LOOK)
        for job in self.texts:
            scripts = [
                Script(self.draw.choice([0, 60, 5000, 40_000]), self.draw.choice([Outcome(), FAILURE]))
                for _ in range(50)
            ]
            made.executor.script(job, *(self.draw.choice(scripts) for _ in range(1500)))
        enact = made.scheduler.enact

        def noting(action: Action, now: datetime) -> None:
            enact(action, now)
            self.note(action, now)

        made.scheduler.enact = noting  # type: ignore[method-assign] - the model has to know the moment
        made.scheduler.set_pauses({job: life.pause for job, life in self.lives.items() if life.pause}, start)
        return made

    def note(self, action: Action, now: datetime) -> None:
        life = self.lives[action.job.id]
        match action:
            case Add(job=job) if (
                life.schedule == job.schedule and life.job is not None and life.job.enabled == job.enabled
            ):
                life.job = job
            case Add(job=job):
                life.change(now, job, life.pause)
            case Replace(job=job, old=old):
                if job.trigger_key == old.trigger_key:
                    life.job = job
                else:
                    life.change(now, job, life.pause)
            case Remove():
                life.change(now, None, life.pause)

    # -- what happens ----------------------------------------------------------------------------------------

    async def live(self) -> None:
        """Go through the month, and a day more in which nothing is due and all is settled."""
        kinds = [
            "edit",
            "edit",
            "pause",
            "resume",
            "forward",
            "back",
            "stop",
            "kill",
            "kill",
            "disk",
            "toggle",
            "vanish",
        ]
        until = self.begin + LENGTH
        while self.now < until:
            async with self.at_work() as killed:
                while not killed.is_set() and self.now < until:
                    await asyncio.sleep(self.draw.expovariate(1 / 30_000))
                    kind = self.draw.choice(kinds)
                    if await getattr(self, kind)():
                        self.done[kind] += 1
                    if kind in {"stop", "kill"}:
                        break
        async with self.at_work():
            await self.calm()
            self.set_pause({job: Pause("tester", self.now) for job in self.lives})
            for _ in range(200):
                await asyncio.sleep(3600)
                if not any(self.engine.scheduler._entries[job].slot for job in self.engine.scheduler.jobs):
                    break

    @property
    def now(self) -> datetime:
        return self.engine.clock.now()

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncIterator[asyncio.Event]:
        """An engine from its start to its end, which leaves what a process leaves that is killed or stopped."""
        made, killed = self.engine, asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(made.journal.run())
            await made.reconciler.sync()
            carrying = tasks.create_task(made.dispatcher.run())
            await made.dispatcher.recovered.wait()
            scheduling = tasks.create_task(made.scheduler.run(made.dispatcher))
            yield killed
            if made is self.engine:  # not killed: it ends in good order
                scheduling.cancel()
                await made.dispatcher.stop(0)
            else:
                made.records.failing = made.tracks.failing = True
                scheduling.cancel()
                await made.dispatcher.stop(0)
            await carrying
            made.journal.close()
            await writing
        if made is self.engine:
            self.restart()

    def restart(self) -> None:
        """Another engine after a while, perhaps with other files."""
        old = self.engine
        gap = self.draw.choice([0.0, 1.0, 50.0, 4000.0, 90_000.0])
        start = self.now + timedelta(seconds=gap)
        if self.draw.random() < 0.3 and start > self.high:
            job = self.draw.choice(sorted(self.texts))
            if "enabled: false" not in self.texts[job]:
                self.texts[job] = self.text()
        tracks = MemoryTracks()
        tracks.saved = dict(old.tracks.saved)
        self.engine = self.born(start, list(old.records.lines), tracks)
        self.high = max(self.high, self.now)

    async def calm(self) -> None:
        """Wait until the clock is where it has been before, and the disk has room."""
        self.engine.records.failing = False
        if self.now <= self.high:
            await asyncio.sleep(60 + (self.high - self.now).total_seconds())

    async def look(self) -> None:
        self.engine.files.files = tree(**self.texts)
        await self.engine.reconciler.sync()

    async def edit(self) -> bool:
        await self.calm()
        job = self.draw.choice(sorted(self.texts))
        self.texts[job] = self.text()
        await self.look()
        return True

    async def toggle(self) -> bool:
        await self.calm()
        job = self.draw.choice(sorted(self.texts))
        text = self.texts[job]
        off = "enabled: false\n"
        self.texts[job] = text.replace(off, "") if off in text else text + off
        await self.look()
        return True

    async def vanish(self) -> bool:
        await self.calm()
        job = self.draw.choice(sorted(self.texts))
        text = self.texts.pop(job)
        await self.look()
        await asyncio.sleep(self.draw.choice([0.5, 4000.0]))
        self.texts[job] = text
        await self.look()
        return True

    def set_pause(self, pauses: dict[str, Pause]) -> None:
        now = self.now
        self.engine.scheduler.set_pauses(pauses, now)
        for job, life in self.lives.items():
            if life.pause != pauses.get(job):
                life.change(now, life.job, pauses.get(job))

    async def pause(self) -> bool:
        await self.calm()
        now = self.now
        until = self.draw.choice([None, now + timedelta(seconds=self.draw.choice([100, 7000, 100_000]))])
        self.set_pause(self.present() | {self.draw.choice(sorted(self.lives)): Pause("tester", now, until=until)})
        return True

    async def resume(self) -> bool:
        await self.calm()
        self.set_pause({job: pause for job, pause in self.present().items() if self.draw.random() < 0.3})
        return True

    def present(self) -> dict[str, Pause]:
        return {job: life.pause for job, life in self.lives.items() if life.pause}

    async def forward(self) -> bool:
        self.engine.clock.step(self.draw.choice([1, 59, 61, 3600, 20_000]))
        self.high = max(self.high, self.now)
        return True

    async def back(self) -> bool:
        self.high = max(self.high, self.now)
        self.engine.clock.step(-self.draw.choice([1, 59, 61, 3600, 7200]))
        return True

    async def disk(self) -> bool:
        self.engine.records.failing = True
        await asyncio.sleep(self.draw.choice([2, 70, 700]))
        self.engine.records.failing = False
        return True

    async def stop(self) -> bool:
        await self.calm()
        return True

    async def kill(self) -> bool:
        """The process is gone in the middle of something, with what is on disk by then."""
        await self.calm()
        records, reached = self.engine.records, asyncio.Event()
        append, turns = records.append, self.draw.randrange(1, 6)
        before = self.draw.random() < 0.5

        async def counting(lines: list[Record]) -> None:
            nonlocal turns
            turns -= 1
            if turns == 0 and before:
                reached.set()
                await asyncio.sleep(1)
            await append(lines)
            if turns == 0:
                reached.set()
                await asyncio.sleep(1)

        records.append = counting  # type: ignore[method-assign] - a moment to die at
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(50_000):
                await reached.wait()
        if self.engine.scheduler._unsaved:
            records.append = append  # type: ignore[method-assign]
            return False
        self.high = max(self.high, self.now)
        self.restart()
        return True

    # -- what is left ----------------------------------------------------------------------------------------

    def check(self) -> None:
        """Each slot of each job has one outcome, and nothing else has."""
        end = self.now
        for job, life in self.lives.items():
            life.close(end)
            outcomes: Counter[datetime] = Counter()
            for line in filter(is_first, self.engine.records.lines):
                if line.job != job:
                    continue
                if line.reason is Reason.MISSED:
                    assert line.from_ is not None
                    assert line.until is not None
                    hit = [slot for slot in life.slots if line.from_ <= slot <= line.until]
                    assert (min(hit), max(hit), len(hit)) == (line.from_, line.until, line.count), (job, line)
                    outcomes.update(hit)
                elif line.scheduled_for is not None:
                    outcomes[line.scheduled_for] += 1
            due = {slot for slot, owner in life.slots.items() if start_of(slot, owner) <= end}
            assert {slot: n for slot, n in outcomes.items() if n > 1} == {}, job
            assert sorted(due - outcomes.keys()) == [], f"{job}: no outcome"
            assert sorted(outcomes.keys() - life.slots.keys()) == [], f"{job}: no slot"


async def test_whatever_happens_in_a_month_each_slot_has_exactly_one_outcome(soak: bool) -> None:  # noqa: FBT001 - the fixture's value
    done: Counter[str] = Counter()
    for seed in range(1000 if soak else 3):
        month = Month(seed)
        try:
            await month.live()
            month.check()
        except (Exception, AssertionError) as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        done += month.done
    assert min(done.values()) > 0
