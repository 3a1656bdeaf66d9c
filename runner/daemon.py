"""The composition root: the only file that names concrete classes and ties them together."""

import asyncio
import contextlib
import errno
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Barrier
from typing import Any

import structlog
from ulid import LaxMonotonicPolicy, ULIDGenerator

from runner.agents.command import CommandAgent
from runner.agents.insulin import Insulin
from runner.agents.users import ROOT_REFUSED
from runner.clock import Clock, SystemClock
from runner.engine.dispatcher import Dispatcher
from runner.engine.journal import Journal
from runner.engine.reconciler import Reconciler
from runner.engine.runs import Services
from runner.engine.scheduler import Scheduler
from runner.engine.trouble import Trouble
from runner.errors import RunnerError, StartError
from runner.executors.local import LocalExecutor
from runner.leftovers import sweeping
from runner.plan import DesiredState, desire
from runner.ports import Agent
from runner.secrets import Secrets
from runner.service.checking import Tree
from runner.service.commands import Engine, Service
from runner.service.facts import FileFacts, LiveFacts
from runner.service.reading import Reading
from runner.settings import Settings
from runner.sockets import Supervisor, listening
from runner.spec.document import SourceFile
from runner.spec.loader import read
from runner.spec.models import CommandSpec
from runner.storage.changes import ChangesFile
from runner.storage.edit import JobFiles
from runner.storage.git import changed_since
from runner.storage.jobs_dir import JobsDir
from runner.storage.last_good import LastGoodFile
from runner.storage.outputs import Outputs
from runner.storage.records import JsonlRecords, Rotation
from runner.storage.retention import Limits
from runner.storage.state import StateDirectory
from runner.storage.tracks import TracksFile
from runner.storage.verify import Verification
from runner.telemetry import quiet
from runner.web.api import application
from runner.web.server import server

DRAIN = 30.0
"""Seconds that running executions are given when the runner is told to stop."""

THREADS = 8
"""Threads for what blocks: files, hashes, looks at the tree."""

RETAIN_EVERY = 3600.0
"""Seconds between two looks for history that need not be kept."""

_log = structlog.get_logger()


def offline(settings: Settings) -> Reading:
    """Answers from the files and the state directory alone; writes nothing."""
    quiet()
    clock = SystemClock()
    state = StateDirectory(settings.state)
    records = JsonlRecords(state.executions)
    desired = desire(JobsDir(settings.jobs, clock).read_now().files, None, now=clock.now())
    facts = FileFacts(settings.jobs, settings.state, desired, records.ledger(), state.pauses(), clock)
    return Reading(facts, records, Outputs(state.outputs, state.root), clock)


def verification(settings: Settings) -> Verification:
    """A look at the whole log of records."""
    state = StateDirectory(settings.state)
    return Verification(state.root, state.executions)


def job_files(settings: Settings) -> JobFiles:
    """Edits of the job tree."""
    return JobFiles(settings.jobs)


def read_jobs(settings: Settings) -> DesiredState:
    """What the files say."""
    quiet()
    clock = SystemClock()
    return desire(JobsDir(settings.jobs, clock).read_now().files, None, now=clock.now())


def read_tree(settings: Settings) -> Tree:
    """The files, and what they say."""
    quiet()
    clock = SystemClock()
    files = JobsDir(settings.jobs, clock).read_now().files
    return Tree([each.file for each in files], desire(files, None, now=clock.now()))


def changed_files(revision: str, folder: Path) -> frozenset[Path]:
    """The files around a folder that differ from a git revision."""
    return changed_since(revision, folder)


def read_jobs_with(settings: Settings, relative: str, text: str) -> DesiredState:
    """What the files would say if one of them had this text."""
    quiet()
    clock = SystemClock()
    candidate = read(SourceFile(relative, text.encode(), str(settings.jobs)))
    others = [each for each in JobsDir(settings.jobs, clock).read_now().files if each.path != candidate.path]
    return desire([*others, candidate], None, now=clock.now())


@dataclass(frozen=True, slots=True)
class Runner:
    """A composed engine, its service, and where its records are written."""

    records: JsonlRecords
    changes: ChangesFile

    service: Service
    journal: Journal
    dispatcher: Dispatcher
    scheduler: Scheduler
    reconciler: Reconciler
    state: StateDirectory


def _ids(clock: Clock) -> Callable[[datetime], str]:
    """ULIDs that rise even within a millisecond and across a step back of the clock."""
    generator = ULIDGenerator(clock=lambda: int(clock.now().timestamp() * 1000), policy=LaxMonotonicPolicy())
    return lambda now: str(generator.generate(now))


@contextlib.contextmanager
def composed(settings: Settings, clock: Clock, only: frozenset[str] | None = None) -> Iterator[Runner]:
    """An engine on the state directory, as its one writer; nothing of it runs yet.

    With `only`, no executions of other jobs are started.
    """
    state = StateDirectory(settings.state)
    state.create()
    with contextlib.ExitStack() as stack:
        stack.enter_context(state.lock())
        outputs = Outputs(state.outputs, state.root)
        rotation = Rotation(settings.history.rotate_bytes, settings.history.rotate_age)
        records = JsonlRecords(state.executions, outputs.delete, rotation)
        records.open()
        stack.callback(records.close)
        changes = ChangesFile(state.changes, rotation)
        changes.open()
        stack.callback(changes.close)
        ledger = records.ledger()
        journal = Journal(records, ledger)
        agents: dict[str, Agent] = {
            "command": CommandAgent(settings.jobs.absolute(), allow_root=settings.allow_root_agents),
            "llm": Insulin(),
        }
        secrets = Secrets.of_process(settings.secrets_dir)
        executor = LocalExecutor(agents, outputs, secrets, state.jobs.absolute())
        services = Services(clock, journal, ledger, executor, outputs)
        last_good = LastGoodFile(state.last_good)
        last_good.open()
        stack.callback(last_good.close)
        tracks = TracksFile(state.schedules)
        tracks.open()
        stack.callback(tracks.close)
        scheduler = Scheduler(clock, tracks, lambda job: ledger.history(job).settled, clock.now())
        scheduler.set_pauses(state.pauses(), clock.now())
        dispatcher = Dispatcher(
            services, new_id=_ids(clock), max_running=settings.max_running, only=only, freed=scheduler.room
        )
        reconciler = Reconciler(
            source=JobsDir(settings.jobs, clock, poll=settings.poll),
            scheduler=scheduler,
            dispatcher=dispatcher,
            changes=changes,
            last_good=last_good,
            clock=clock,
            allow_empty=settings.allow_empty,
        )
        facts = LiveFacts(settings.jobs, settings.state, reconciler, scheduler, dispatcher, ledger, clock.now())
        engine = Engine(
            clock=clock,
            scheduler=scheduler,
            dispatcher=dispatcher,
            reconciler=reconciler,
            journal=journal,
            ledger=ledger,
            records=records,
            outputs=outputs,
            state=state,
            writer=JobFiles(settings.jobs),
            remove_job_dir=lambda job: shutil.rmtree(state.jobs / job, ignore_errors=True),
        )
        service = Service(engine, Reading(facts, records, outputs, clock))
        yield Runner(records, changes, service, journal, dispatcher, scheduler, reconciler, state)


@contextlib.asynccontextmanager
async def foreground(settings: Settings, only: frozenset[str]) -> AsyncIterator[Service]:
    """A service without a runner: it takes the runner's place on the state directory for a moment.

    Nothing is scheduled and nothing listens; executions of the jobs in `only` are started.
    """
    quiet()
    with composed(settings, SystemClock(), only) as runner:
        async with dispatching(runner):
            yield runner.service


@contextlib.asynccontextmanager
async def _threads() -> AsyncIterator[None]:
    """All threads for what blocks, started now: later, a limit of processes may let none be started."""
    with ThreadPoolExecutor(THREADS, "jobsd") as pool:
        together = Barrier(THREADS + 1)
        try:
            for _ in range(THREADS):
                pool.submit(together.wait)
        except RuntimeError as error:
            together.abort()
            raise StartError(
                f"the runner can't start its threads: {error}; raise the limit of processes"
            ) from None
        together.wait()
        asyncio.get_running_loop().set_default_executor(pool)
        yield


@contextlib.asynccontextmanager
async def dispatching(runner: Runner) -> AsyncIterator[None]:
    """While entered, executions are carried: the jobs are known, the last runner's leftovers settled."""
    async with _threads(), sweeping(), asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(runner.journal.run())
        await runner.reconciler.sync()
        carrying = tasks.create_task(runner.dispatcher.run())
        recovered = asyncio.ensure_future(runner.dispatcher.recovered.wait())
        await asyncio.wait([recovered, carrying], return_when=asyncio.FIRST_COMPLETED)
        recovered.cancel()
        try:
            yield
        finally:
            await runner.dispatcher.stop(DRAIN)
            await carrying
            runner.journal.close()
            await writing


async def online(settings: Settings, ready: Callable[[Runner], None]) -> None:
    """Run until a signal says to stop. `ready` is called once when the runner answers on its socket."""
    clock = SystemClock()
    with composed(settings, clock) as runner, listening(runner.state.socket) as listener:
        _say_little_of_lack(clock)
        stop, reload = _on_signals(runner)
        supervisor = Supervisor.of_process()
        web = server(application(runner.service))
        async with dispatching(runner), asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(runner.scheduler.run(runner.dispatcher)),
                tasks.create_task(runner.reconciler.run()),
            ]
            background.append(tasks.create_task(_reload_when_told(runner, reload, supervisor)))
            background.append(tasks.create_task(_keep_history(settings, runner, clock)))
            serving = tasks.create_task(web.serve(sockets=[listener]))
            _warn_of_root(settings, runner)
            ready(runner)
            _tell(supervisor.ready)
            await stop.wait()
            _tell(supervisor.stopping)
            _log.info("stopping", drain_s=DRAIN)
            for task in background:
                task.cancel()
            await runner.dispatcher.stop(DRAIN)
            runner.journal.close()
            web.should_exit = True
            await serving
        _log.info("stopped")


async def _keep_history(settings: Settings, runner: Runner, clock: Clock) -> None:
    """Let go, now and every hour, what need not be kept: of each job, and of jobs that vanished."""
    history = settings.history
    limits = Limits(history.count, history.age, history.bytes)
    while True:
        try:
            await runner.records.retain(limits, clock.now())
            await asyncio.to_thread(runner.changes.tidy)
            since = clock.now() - history.orphans
            for job, at in (await asyncio.to_thread(runner.changes.removed)).items():
                if at < since and job not in runner.scheduler.jobs:
                    await runner.service.forget_orphan(job)
        except (RunnerError, OSError) as error:
            _log.error("old history can't be removed", reason=str(error))
        await clock.sleep(RETAIN_EVERY)


def _say_little_of_lack(clock: Clock) -> None:
    """Let the event loop say that no connection can be taken once a minute, not at each of many tries."""
    trouble = Trouble()

    def on_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
            trouble.say("can't take a connection", error, clock.now())
        else:
            loop.default_exception_handler(context)

    asyncio.get_running_loop().set_exception_handler(on_error)


def _warn_of_root(settings: Settings, runner: Runner) -> None:
    """Say at the start that agents of jobs can't be run, rather than at each run alone."""
    if os.geteuid() != 0 or settings.allow_root_agents:
        return
    specs = {job.agent.id: job.agent.spec for job in runner.scheduler.jobs.values()}
    refused = [name for name, spec in specs.items() if isinstance(spec, CommandSpec) and spec.user is None]
    if refused:
        _log.warning(ROOT_REFUSED, agents=sorted(refused))


async def _reload_when_told(runner: Runner, reload: asyncio.Event, supervisor: Supervisor) -> None:
    """Look at the files and the clock when `reload` is set; the service manager is told of begin and end."""
    while True:
        await reload.wait()
        reload.clear()
        _tell(supervisor.reloading)
        await runner.reconciler.sync()
        runner.scheduler.look_again()
        _tell(supervisor.ready)


def _tell(message: Callable[[], None]) -> None:
    """Send a message to the service manager; the jobs go on where it does not listen."""
    try:
        message()
    except OSError as error:
        _log.warning("the service manager can't be told", reason=(error.strerror or "failed").lower())


def _on_signals(runner: Runner) -> tuple[asyncio.Event, asyncio.Event]:
    """Events that TERM and INT set, and HUP; a second TERM or INT hastens the end."""
    loop = asyncio.get_running_loop()
    stop, reload = asyncio.Event(), asyncio.Event()
    hastening: list[asyncio.Task[None]] = []

    def on_stop() -> None:
        if stop.is_set() and not hastening:
            hastening.append(asyncio.ensure_future(runner.dispatcher.hasten()))
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_stop)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    return stop, reload
