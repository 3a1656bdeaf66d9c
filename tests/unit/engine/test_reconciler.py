"""In step with the files: bursts, broken files, vanishing jobs, and edits that lose and double nothing."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from runner.engine.reconciler import QUIET, Reconciler
from runner.errors import StorageError
from runner.execution.lifecycle import ErrorType, Outcome, Reason, Status, Trigger
from runner.plan import NO_FILES
from runner.testing import START, MemoryChanges, MemoryEngine, Script, tree

pytestmark = pytest.mark.looptime

MANUAL = "mode: manual"
EVERY_MINUTE = "mode: cron\nschedule: '* * * * *'"
BROKEN = "id: a\nname: A\nmode: manual\nagent: robot\nnonsense: 1\n"
FIVE = dict.fromkeys("abcde", MANUAL)


def minute(number: float) -> datetime:
    return START + timedelta(minutes=number)


def edit(engine: MemoryEngine, remove: Iterable[str] = (), **jobs: str) -> None:
    """Change job files and say so, as a watcher would."""
    for job in remove:
        del engine.files.files[f"{job}.yaml"]
    engine.files.files |= tree(**jobs)
    engine.files.changed()


def changes(engine: MemoryEngine) -> list[tuple[str, str]]:
    return [(line["change"], line["job"]) for line in engine.changes.lines]


def slots(engine: MemoryEngine, job: str = "a") -> list[datetime]:
    """The slots that are on record, each as often as it is."""
    return [
        line.scheduled_for
        for line in engine.records.lines
        if line.job == job and line.trigger is Trigger.CRON and line.scheduled_for and line.lateness_ms is not None
    ]


# -- looking -----------------------------------------------------------------------------------------------------


async def test_the_first_look_adds_all_jobs_and_the_second_does_nothing() -> None:
    engine = MemoryEngine(tree(a=MANUAL, b=EVERY_MINUTE))
    await engine.reconciler.sync()
    assert [*engine.scheduler.jobs] == ["a", "b"]
    assert changes(engine) == [("added", "a"), ("added", "b")]
    before = dict(engine.scheduler.jobs)
    await engine.reconciler.sync()
    assert len(engine.changes.lines) == 2
    assert all(engine.scheduler.jobs[job] is before[job] for job in before)


async def test_a_change_that_is_reported_is_in_force_within_a_fraction_of_a_second() -> None:
    engine = MemoryEngine(tree(a=MANUAL))
    async with engine.running():
        edit(engine, b=MANUAL)
        await asyncio.sleep(0.2)
        assert "b" in engine.scheduler.jobs


async def test_a_change_that_nobody_reports_is_found_within_half_a_minute() -> None:
    engine = MemoryEngine(tree(a=MANUAL))
    async with engine.running():
        engine.files.files |= tree(b=MANUAL)
        await asyncio.sleep(31)
        assert "b" in engine.scheduler.jobs


async def test_a_burst_of_changes_is_one_look() -> None:
    engine = MemoryEngine(tree(a=MANUAL))
    async with engine.running():
        for number in range(20):
            edit(engine, a=f"{MANUAL}\ndescription: version {number}")
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
        assert changes(engine) == [("added", "a"), ("replaced", "a")]
        assert engine.scheduler.jobs["a"].description == "version 19"


async def test_a_burst_that_goes_on_is_looked_at_after_two_seconds() -> None:
    engine = MemoryEngine(tree(a=MANUAL))
    async with engine.running():
        for number in range(130):
            edit(engine, a=f"{MANUAL}\ndescription: version {number}")
            await asyncio.sleep(0.02)
        assert len(engine.changes.lines) > 1


async def test_while_somebody_is_still_writing_the_files_are_looked_at_again_soon() -> None:
    engine = MemoryEngine(tree(a=MANUAL))
    async with engine.running():
        engine.files.unsettled = True
        edit(engine, a=f"{MANUAL}\ndescription: half")
        await asyncio.sleep(0.2)
        engine.files.files |= tree(a=f"{MANUAL}\ndescription: whole")
        engine.files.unsettled = False
        await asyncio.sleep(0.3)
        assert engine.scheduler.jobs["a"].description == "whole"


async def test_each_change_is_written_down_with_its_hashes_and_place() -> None:
    engine = MemoryEngine(tree(a=MANUAL))
    await engine.reconciler.sync()
    old = engine.scheduler.jobs["a"].digest
    engine.files.files |= tree(a=f"{MANUAL}\ndescription: new")
    await engine.reconciler.sync()
    new = engine.scheduler.jobs["a"].digest
    engine.files.files |= tree(b=MANUAL)
    del engine.files.files["a.yaml"]
    await engine.reconciler.sync()
    place = {"v": 1, "at": "2026-03-02T08:00:00.000Z", "job": "a", "path": "jobs.d/a.yaml", "line": 1}
    assert [line for line in engine.changes.lines if line["job"] == "a"] == [
        place | {"change": "added", "new": old},
        place | {"change": "replaced", "old": old, "new": new},
        place | {"change": "removed", "old": new},
    ]


async def test_a_document_that_only_moves_is_no_change() -> None:
    engine = MemoryEngine(tree(a=MANUAL))
    await engine.reconciler.sync()
    engine.files.files["moved.yaml"] = engine.files.files.pop("a.yaml")
    await engine.reconciler.sync()
    assert changes(engine) == [("added", "a")]
    assert engine.scheduler.jobs["a"].origin.path == "jobs.d/moved.yaml"


async def test_a_change_that_can_not_be_written_down_is_in_force_all_the_same() -> None:
    class FullDisk:
        def known(self):
            return {}

        def append(self, _: Iterable[Mapping[str, Any]]) -> None:
            raise StorageError("no space left on device")

    engine = MemoryEngine(tree(a=MANUAL))
    reconciler = Reconciler(
        source=engine.files,
        scheduler=engine.scheduler,
        dispatcher=engine.dispatcher,
        last_good=engine.last_good,
        changes=FullDisk(),
        clock=engine.clock,
    )
    await reconciler.sync()
    assert "a" in engine.scheduler.jobs


async def test_a_change_is_told_when_its_slots_would_survive_a_kill_and_not_before() -> None:
    class Reader(MemoryChanges):
        """Notes of which jobs the schedules were durable when their changes were told."""

        def append(self, lines: Iterable[Mapping[str, Any]]) -> None:
            durable.append([*engine.tracks.saved])
            super().append(lines)

    durable: list[list[str]] = []
    engine = MemoryEngine(tree(a=EVERY_MINUTE))
    reconciler = Reconciler(
        source=engine.files,
        scheduler=engine.scheduler,
        dispatcher=engine.dispatcher,
        last_good=engine.last_good,
        changes=Reader(),
        clock=engine.clock,
    )
    await reconciler.sync()
    edit(engine, b=EVERY_MINUTE)
    await reconciler.sync()
    assert durable == [["a"], ["a", "b"]]


# -- broken files ------------------------------------------------------------------------------------------------


async def test_a_broken_file_leaves_the_last_good_version_at_work_and_marks_it() -> None:
    engine = MemoryEngine(tree(a=EVERY_MINUTE, b=MANUAL))
    async with engine.running():
        engine.files.files["a.yaml"] = BROKEN
        edit(engine, b=f"{MANUAL}\ndescription: new")
        await asyncio.sleep(61)
        assert [problem.rule for problem in engine.scheduler.jobs["a"].stale] == ["unknown-field"]
        assert engine.scheduler.jobs["b"].description == "new"
        assert slots(engine) == [minute(1)]
        edit(engine, a=EVERY_MINUTE)
        await asyncio.sleep(1)
        assert engine.scheduler.jobs["a"].stale == ()
        assert [change for change in changes(engine) if change[1] == "a"] == [
            ("added", "a"),
            ("stale", "a"),
            ("mended", "a"),
        ]
        assert engine.changes.lines[2]["diagnostics"][0].startswith("jobs.d/a.yaml:5:1: unknown-field: ")


async def test_a_job_that_never_was_valid_is_not_scheduled() -> None:
    engine = MemoryEngine({**tree(b=MANUAL), "a.yaml": BROKEN})
    await engine.reconciler.sync()
    assert [*engine.scheduler.jobs] == ["b"]
    assert engine.reconciler.desired is not None
    assert [diagnostic.rule for diagnostic in engine.reconciler.desired.diagnostics] == ["unknown-field"]


async def test_a_problem_is_said_in_the_log_once(capsys: pytest.CaptureFixture[str]) -> None:
    engine = MemoryEngine({**tree(b=MANUAL), "a.yaml": BROKEN})
    for _ in range(3):
        await engine.reconciler.sync()
    assert capsys.readouterr().out.count("invalid file") == 1


# -- vanishing ---------------------------------------------------------------------------------------------------


async def test_an_empty_tree_removes_nothing_and_says_so() -> None:
    engine = MemoryEngine(tree(a=EVERY_MINUTE))
    async with engine.running():
        engine.files.files.clear()
        engine.files.changed()
        await asyncio.sleep(61)
        assert engine.reconciler.held == "there are no files, so no job is removed"
        assert slots(engine) == [minute(1)]
        edit(engine, a=EVERY_MINUTE)
        await asyncio.sleep(1)
        assert engine.reconciler.held is None
        assert changes(engine) == [("added", "a")]


async def test_an_empty_tree_removes_everything_where_that_is_allowed() -> None:
    engine = MemoryEngine(tree(a=MANUAL))
    engine.reconciler._allow_empty = True
    await engine.reconciler.sync()
    engine.files.files.clear()
    await engine.reconciler.sync()
    assert [*engine.scheduler.jobs] == []


async def test_when_more_than_half_of_five_vanish_a_second_look_ten_seconds_later_decides() -> None:
    engine = MemoryEngine(tree(**FIVE))
    async with engine.running():
        edit(engine, remove="abc", d=f"{MANUAL}\ndescription: new", f=MANUAL)
        await asyncio.sleep(9)
        assert [*engine.scheduler.jobs] == ["a", "b", "c", "d", "e", "f"]
        assert engine.scheduler.jobs["d"].description == "new"
        await asyncio.sleep(4)
        assert [*engine.scheduler.jobs] == ["d", "e", "f"]


async def test_jobs_that_are_back_before_the_second_look_never_went() -> None:
    engine = MemoryEngine(tree(**FIVE))
    async with engine.running():
        edit(engine, remove="abcd")
        await asyncio.sleep(5)
        edit(engine, **FIVE)
        await asyncio.sleep(5)
        edit(engine, remove="abcd")
        await asyncio.sleep(8)
        assert [*engine.scheduler.jobs] == ["a", "b", "c", "d", "e"]
        assert [change for change, _ in changes(engine)] == ["added"] * 5


@pytest.mark.parametrize(("jobs", "vanishing"), [("abcd", "abcd"), ("abcdef", "abc")])
async def test_few_jobs_or_half_of_them_may_vanish_at_once(jobs: str, vanishing: str) -> None:
    engine = MemoryEngine(tree(**dict.fromkeys(jobs, MANUAL)))
    async with engine.running():
        edit(engine, remove=vanishing)
        await asyncio.sleep(1)
        assert set(engine.scheduler.jobs) == set(jobs) - set(vanishing)


async def test_a_job_that_a_person_deleted_goes_without_doubt_and_no_other_goes_with_it() -> None:
    engine = MemoryEngine(tree(**dict.fromkeys("abcdef", MANUAL)))
    await engine.reconciler.sync()
    for job in "abcd":
        del engine.files.files[f"{job}.yaml"]
    await engine.reconciler.sync(removing=frozenset("a"))
    assert set(engine.scheduler.jobs) == set("bcdef")


async def test_the_last_job_may_be_deleted_by_a_person_although_nothing_is_left() -> None:
    engine = MemoryEngine(tree(a=MANUAL))
    await engine.reconciler.sync()
    engine.files.files.clear()
    await engine.reconciler.sync(removing=frozenset("a"))
    assert [*engine.scheduler.jobs] == []
    assert engine.reconciler.held is None


# -- what becomes of the executions of a vanished job ------------------------------------------------------------


async def test_what_waits_is_held_for_a_minute_and_cancelled_and_what_runs_ends_well() -> None:
    engine = MemoryEngine(tree(a=MANUAL, b=MANUAL))
    async with engine.running():
        engine.executor.script("a", Script(90))
        running, waiting = await engine.run("a"), await engine.run("a")
        edit(engine, remove="a")
        await asyncio.sleep(59)
        assert engine.statuses(waiting.id) == [Status.PENDING]
        await asyncio.sleep(2)
        last = engine.last(waiting.id)
        assert last is not None
        assert (last.status, last.reason, last.cancelled_by) == (Status.CANCELLED, Reason.JOB_REMOVED, "jobsd")
        assert (await engine.ended(running.id)).status is Status.COMPLETED


async def test_a_job_that_comes_back_in_time_saves_what_waits() -> None:
    engine = MemoryEngine(tree(a=MANUAL, b=MANUAL))
    async with engine.running():
        engine.executor.script("a", Script(10))
        await engine.run("a")
        waiting = await engine.run("a")
        edit(engine, remove="a")
        await asyncio.sleep(30)
        assert engine.statuses(waiting.id) == [Status.PENDING]
        edit(engine, a=f"{MANUAL}\ndescription: back")
        assert (await engine.ended(waiting.id)).status is Status.COMPLETED
        assert engine.executor.attempts[-1].job.description == "back"


async def test_the_minute_counts_from_the_last_time_that_the_job_vanished() -> None:
    engine = MemoryEngine(tree(a=MANUAL, b=MANUAL))
    async with engine.running():
        engine.executor.script("a", Script(200))
        await engine.run("a")
        waiting = await engine.run("a")
        edit(engine, remove="a")
        await asyncio.sleep(50)
        edit(engine, a=MANUAL)
        await asyncio.sleep(1)
        edit(engine, remove="a")
        await asyncio.sleep(55)
        assert engine.statuses(waiting.id) == [Status.PENDING]
        await asyncio.sleep(6)
        assert engine.statuses(waiting.id) == [Status.PENDING, Status.CANCELLED]


async def test_a_retry_of_a_job_that_is_long_gone_is_held_for_a_minute_too() -> None:
    engine = MemoryEngine(tree(a=f"{MANUAL}\nretry: {{attempts: 2, backoff: 1s}}", b=MANUAL))
    async with engine.running():
        failure = Outcome.failed(ErrorType.EXIT_CODE, "exit code 1")
        engine.executor.script("a", Script(100, failure), Script(100, failure))
        first = await engine.run("a")
        edit(engine, remove="a")
        await asyncio.sleep(150)
        assert engine.statuses(first.id) == [Status.PENDING, Status.RUNNING, Status.PENDING]
        last = await engine.ended(first.id)
        assert (last.status, last.reason) == (Status.CANCELLED, Reason.JOB_REMOVED)


async def test_what_waits_for_a_vanished_job_is_cancelled_when_the_disk_is_back() -> None:
    engine = MemoryEngine(tree(a=MANUAL, b=MANUAL))
    async with engine.running():
        engine.executor.script("a", Script(500))
        await engine.run("a")
        waiting = [await engine.run("a") for _ in range(2)]
        edit(engine, remove="a")
        await asyncio.sleep(55)
        engine.records.failing = True
        await asyncio.sleep(30)
        engine.records.failing = False
        await asyncio.sleep(2)
        assert [engine.statuses(record.id)[-1] for record in waiting] == [Status.CANCELLED] * 2


# -- edits -------------------------------------------------------------------------------------------------------


async def test_what_runs_keeps_its_definition_and_what_waits_takes_the_newest() -> None:
    engine = MemoryEngine(tree(a=f"{MANUAL}\nprompt: old"))
    async with engine.running():
        engine.executor.script("a", Script(10))
        running, waiting = await engine.run("a", {"x": 1}), await engine.run("a", {"x": 2})
        old = engine.scheduler.jobs["a"].digest
        edit(engine, a=f"{MANUAL}\nprompt: new")
        await engine.ended(waiting.id)
        assert [attempt.job.prompt for attempt in engine.executor.attempts] == ["old", "new"]
        assert engine.executor.attempts[1].payload is not None
        assert engine.executor.attempts[1].payload.value == {"x": 2}
        lines = {
            record.id: [
                line.definition.sha256 for line in engine.records.lines if line.id == record.id and line.definition
            ]
            for record in (running, waiting)
        }
        new = engine.scheduler.jobs["a"].digest
        assert lines == {running.id: [old] * 3, waiting.id: [old, new, new]}


async def test_a_retry_takes_the_newest_definition_too() -> None:
    engine = MemoryEngine(tree(a=f"{MANUAL}\nprompt: old\nretry: {{attempts: 2, backoff: 10s}}"))
    async with engine.running():
        failure = Outcome.failed(ErrorType.EXIT_CODE, "exit code 1")
        engine.executor.script("a", Script(1, failure))
        record = await engine.run("a")
        await asyncio.sleep(2)
        edit(engine, a=f"{MANUAL}\nprompt: new\nretry: {{attempts: 2, backoff: 10s}}")
        await engine.ended(record.id)
        assert [attempt.job.prompt for attempt in engine.executor.attempts] == ["old", "new"]


async def test_a_verdict_stays_although_the_filter_has_changed() -> None:
    engine = MemoryEngine(tree(a="mode: push\nfilter: event.x == 1"))
    async with engine.running():
        engine.executor.script("a", Script(10))
        await engine.run("a", {"x": 1}, trigger=Trigger.PUSH)
        waiting = await engine.run("a", {"x": 1}, trigger=Trigger.PUSH)
        edit(engine, a="mode: push\nfilter: event.x == 2")
        assert (await engine.ended(waiting.id)).status is Status.COMPLETED


async def test_disabling_stops_new_triggers_and_what_was_accepted_still_runs() -> None:
    engine = MemoryEngine(tree(a=EVERY_MINUTE))
    async with engine.running():
        engine.executor.script("a", Script(30))
        await engine.run("a")
        waiting = await engine.run("a")
        edit(engine, a=f"{EVERY_MINUTE}\nenabled: false")
        await asyncio.sleep(120)
        assert engine.statuses(waiting.id)[-1] is Status.COMPLETED
        assert slots(engine) == []


async def test_a_higher_limit_starts_what_waits() -> None:
    engine = MemoryEngine(tree(a=MANUAL))
    async with engine.running():
        engine.executor.script("a", *(Script(100) for _ in range(3)))
        for _ in range(3):
            await engine.run("a")
        edit(engine, a=f"{MANUAL}\nconcurrency: {{limit: 3}}")
        await asyncio.sleep(1)
        assert len(engine.executor.running) == 3


@pytest.mark.parametrize("offset", [-0.2, -0.06, -0.05, -0.001, 0, 0.001, 0.1])
@pytest.mark.parametrize(
    ("edited", "new"),
    [
        (f"{EVERY_MINUTE}\ndescription: new", {1, 2, 3, 4, 5}),
        (f"{EVERY_MINUTE}\ntimezone: Europe/Berlin", {1, 2, 3, 4, 5}),
        ("mode: cron\nschedule: '*/5 * * * *'", {5}),
        ("mode: cron\nschedule: '*/2 * * * *'", {2, 4}),
        (f"{EVERY_MINUTE}\nenabled: false", set()),
        (MANUAL, set()),
    ],
)
async def test_an_edit_in_the_very_second_of_a_slot_loses_and_doubles_nothing(
    offset: float, edited: str, new: set[int]
) -> None:
    engine = MemoryEngine(tree(a=EVERY_MINUTE))
    async with engine.running():
        await asyncio.sleep(120 + offset)
        edit(engine, a=edited)
        await asyncio.sleep(200)
    in_force = round(120 + offset + QUIET, 3)
    assert slots(engine) == [minute(n) for n in range(1, 6) if n * 60 <= in_force or n in new]


async def test_a_removal_in_the_very_second_of_a_slot_leaves_the_slot_on_record() -> None:
    engine = MemoryEngine(tree(a=EVERY_MINUTE, b=MANUAL))
    async with engine.running():
        await asyncio.sleep(119.95)
        edit(engine, remove="a")
        await asyncio.sleep(120)
    assert slots(engine) == [minute(1)]
    last = engine.executions("a")[0].record
    assert (last.status, last.reason, last.until, last.count) == ("cancelled", "missed", minute(2), 1)


async def test_slots_that_come_due_during_a_look_belong_to_the_old_definition() -> None:
    engine = MemoryEngine(tree(a=EVERY_MINUTE))
    async with engine.running():
        await asyncio.sleep(60)
        read = engine.files.read

        async def slowly() -> Any:
            await asyncio.sleep(5)
            return await read()

        engine.files.read = slowly  # type: ignore[method-assign] - a slow disk
        await asyncio.sleep(57)
        edit(engine, a="mode: cron\nschedule: '30 * * * *'")
        await asyncio.sleep(60)
    assert slots(engine) == [minute(1), minute(2)]


async def test_a_start_is_no_change_and_what_changed_while_no_runner_was_up_is_written_down():
    engine = MemoryEngine(tree(a=MANUAL, b=MANUAL))
    async with engine.running():
        pass
    known = {line["job"]: line["new"] for line in engine.changes.lines}

    again = MemoryEngine(tree(a=MANUAL, c=MANUAL))
    again.changes.known = lambda: {**known, "a": "another"}
    async with again.running():
        pass
    assert [(line["change"], line["job"]) for line in again.changes.lines] == [
        ("removed", "b"),
        ("replaced", "a"),
        ("added", "c"),
    ]

    same = MemoryEngine(tree(a=MANUAL, b=MANUAL))
    same.changes.known = lambda: known
    async with same.running():
        pass
    assert same.changes.lines == []


# -- a start with broken or missing files ------------------------------------------------------------------------


async def restarted(files: dict[str, str], then: dict[str, str], **options: Any) -> MemoryEngine:
    """An engine that starts on other files than those that the one before it had at last."""
    before = MemoryEngine(files)
    async with before.running():
        await asyncio.sleep(1)
    return MemoryEngine(then, last_good=before.last_good, tracks=before.tracks, **options)


async def test_a_job_whose_file_is_broken_at_the_start_runs_by_its_last_good_version() -> None:
    files = tree(a=EVERY_MINUTE, b=MANUAL)
    engine = await restarted(files, files | {"a.yaml": files["a.yaml"] + "nonsense: 1\n"})
    async with engine.running():
        assert [problem.rule for problem in engine.scheduler.jobs["a"].stale] == ["unknown-field"]
        assert engine.scheduler.jobs["b"].stale == ()
        await asyncio.sleep(61)
        assert slots(engine) == [minute(1)]
        engine.files.files = dict(files)
        await engine.reconciler.sync()
        assert engine.scheduler.jobs["a"].stale == ()


async def test_a_job_whose_file_was_removed_before_the_start_is_gone_though_another_file_is_broken() -> None:
    files = tree(a=EVERY_MINUTE, b=MANUAL)
    engine = await restarted(
        files, {name: text for name, text in files.items() if name != "a.yaml"} | {"c.yaml": "id: ["}
    )
    async with engine.running():
        assert [*engine.scheduler.jobs] == ["b"]


async def test_a_start_on_an_empty_directory_removes_nothing_until_there_are_files_again() -> None:
    files = tree(a=EVERY_MINUTE, b=MANUAL)
    engine = await restarted(files, {})
    async with engine.running():
        assert sorted(engine.scheduler.jobs) == ["a", "b"]
        assert engine.reconciler.held == NO_FILES
        await engine.reconciler.sync()
        assert sorted(engine.scheduler.jobs) == ["a", "b"]
        assert sorted(engine.last_good.known().jobs) == ["a", "b"]
        engine.files.files = {name: text for name, text in files.items() if name != "a.yaml"}
        await engine.reconciler.sync()
        assert [*engine.scheduler.jobs] == ["b"]
        assert engine.reconciler.held is None


async def test_a_mixture_of_two_states_is_never_enacted() -> None:
    engine = MemoryEngine(tree(a=MANUAL))
    async with engine.running():
        read = engine.files.read
        looks = [0]

        async def mixed() -> Any:
            looks[0] += 1
            return replace(await read(), whole=looks[0] > 3)

        engine.files.read = mixed  # type: ignore[method-assign] - a checkout that takes three looks
        edit(engine, b=MANUAL)
        await asyncio.sleep(QUIET * 2.5)
        assert [*engine.scheduler.jobs] == ["a"]
        await asyncio.sleep(1)
        assert sorted(engine.scheduler.jobs) == ["a", "b"]
        assert looks[0] == 4
