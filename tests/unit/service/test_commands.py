"""What one can tell a running runner: run, deliver, cancel, pause, delete."""

import asyncio
from datetime import timedelta

import pytest

from runner.errors import ConflictError, JobDisabledError, StorageError, UnknownExecutionError, UnknownJobError
from runner.execution.ledger import RECENT
from runner.execution.lifecycle import Reason, Status
from runner.ports import Pause
from runner.service.views import to_json
from runner.spec.models import Payload
from runner.testing import START, Script, build_record, tree

pytestmark = pytest.mark.looptime

MANUAL = "mode: manual"
EVERY_MINUTE = "mode: cron\nschedule: '* * * * *'"


# -- run and deliver ---------------------------------------------------------------------------------------------


async def test_a_run_by_hand_is_answered_with_its_first_line(desk) -> None:
    async with desk(a=MANUAL) as made:
        view = await made.service.run("a", Payload(None), "alice")
        assert to_json(view) == {
            "v": 1,
            "id": view.id,
            "job": "a",
            "name": "a",
            "agent": "robot",
            "mode": "manual",
            "trigger": "manual",
            "status": "pending",
            "at": "2026-03-02T08:00:00.000Z",
            "actor": "alice",
            "payload": None,
            "definition": {"path": "jobs.d/a.yaml", "line": 1, "sha256": made.reading.find("a").digest},
            "created_at": "2026-03-02T08:00:00.000Z",
        }


async def test_any_job_may_be_run_by_hand_unless_it_is_unknown_disabled_or_paused(desk) -> None:
    async with desk(a="mode: push", b=f"{MANUAL}\nenabled: false", c=EVERY_MINUTE) as made:
        assert (await made.service.run("a", None, "alice")).status is Status.PENDING
        with pytest.raises(UnknownJobError):
            await made.service.run("x", None, "alice")
        with pytest.raises(JobDisabledError):
            await made.service.run("b", None, "alice")
        made.service.pause("c", "alice", None, None)
        with pytest.raises(JobDisabledError):
            await made.service.run("c", None, "alice")


async def test_an_event_is_taken_by_a_push_job_only(desk) -> None:
    async with desk(a="mode: push\nfilter: event.x == 1", b=MANUAL) as made:
        assert (await made.service.deliver("a", Payload({"x": 1}), "shop")).trigger == "push"
        assert (await made.service.deliver("a", Payload({"x": 2}), "shop")).status is Status.FILTERED
        with pytest.raises(ConflictError, match="job b is of mode manual and takes no events"):
            await made.service.deliver("b", Payload({}), "shop")


# -- rerun -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [None, Payload(None), Payload({"x": 1}), Payload("x" * 20_000)])
async def test_an_execution_is_run_again_with_the_payload_it_had(desk, payload) -> None:
    async with desk(a="mode: manual\npayload: the job's own") as made:
        first = await made.service.run("a", payload, "alice")
        await made.engine.ended(first.id)
        again = await made.service.rerun(first.id[-6:].lower(), "bob")
        await made.engine.ended(again.id)
        assert (again.rerun_of, again.trigger, again.actor) == (first.id, "manual", "bob")
        before, after = made.engine.executor.attempts
        assert after.payload == before.payload == (payload or Payload("the job's own"))


async def test_an_execution_without_payload_has_none_again_although_the_job_has_got_one_since(desk) -> None:
    async with desk(a=MANUAL) as made:
        first = await made.service.run("a", None, "alice")
        made.engine.files.files |= tree(a=f"{MANUAL}\npayload: 1")
        await made.engine.reconciler.sync()
        again = await made.service.rerun(first.id, "bob")
        await made.engine.ended(again.id)
        assert made.engine.executor.attempts[-1].payload is None


async def test_a_rerun_goes_through_the_filter_of_now_and_is_refused_where_a_run_would_be(desk) -> None:
    async with desk(a="mode: push\nfilter: event.x > 1", b=MANUAL) as made:
        first = await made.service.deliver("a", Payload({"x": 1}), "shop")
        assert (await made.service.rerun(first.id, "bob")).status is Status.FILTERED
        made.engine.files.files |= tree(a="mode: push\nfilter: event.x > 0")
        await made.engine.reconciler.sync()
        assert (await made.service.rerun(first.id, "bob")).status is Status.PENDING
        made.service.pause("a", "alice", None, None)
        with pytest.raises(JobDisabledError):
            await made.service.rerun(first.id, "bob")
        with pytest.raises(UnknownExecutionError):
            await made.service.rerun("0000NOSUCH", "bob")
        made.engine.files.files = {
            name: text for name, text in made.engine.files.files.items() if name != "a.yaml"
        }
        await made.engine.reconciler.sync()
        with pytest.raises(UnknownJobError):
            await made.service.rerun(first.id, "bob")


async def test_a_rerun_whose_payload_is_gone_is_an_error_and_missed_slots_are_a_conflict(desk) -> None:
    lost = build_record(number=1, payload_ref="outputs/gone")
    missed = build_record(Status.CANCELLED, number=2, reason=Reason.MISSED, count=3, from_=START, until=START)
    async with desk(a=MANUAL, records=(lost, missed)) as made:
        with pytest.raises(StorageError, match="the payload is gone"):
            await made.service.rerun(lost.id, "bob")
        with pytest.raises(ConflictError, match="its slots were missed; 'jobsd run a'"):
            await made.service.rerun(missed.id, "bob")


# -- cancel ------------------------------------------------------------------------------------------------------


async def test_cancelling_answers_with_the_whole_execution(desk) -> None:
    async with desk(a=MANUAL) as made:
        made.engine.executor.script("a", Script(100))
        run = await made.service.run("a", Payload(5), "alice")
        await asyncio.sleep(10)
        view = await made.service.cancel(run.id[-6:], "bob")
        assert (view.status, view.cancelled_by, view.actor, view.payload) == (Status.CANCELLED, "bob", "alice", 5)
        assert (view.created_at, view.finished_at) == (START, START + timedelta(seconds=10))


async def test_cancelling_what_has_ended_is_a_conflict_however_long_ago_that_was(desk) -> None:
    async with desk(a=MANUAL) as made:
        first = await made.service.run("a", None, "alice")
        for _ in range(RECENT + 1):
            await made.service.run("a", None, "alice")
        await asyncio.sleep(1)
        with pytest.raises(ConflictError, match="has ended already: completed"):
            await made.service.cancel(first.id, "bob")
        with pytest.raises(UnknownExecutionError):
            await made.service.cancel("nothing", "bob")


async def test_cancelling_a_job_ends_all_of_it_and_starts_nothing_meanwhile(desk) -> None:
    async with desk(a=MANUAL, b=MANUAL) as made:
        made.engine.executor.script("a", *(Script(100) for _ in range(3)))
        runs = [await made.service.run("a", Payload(number), "alice") for number in range(3)]
        other = await made.service.run("b", None, "alice")
        await asyncio.sleep(10)
        views = await made.service.cancel_job("a", "bob")
        assert [(view.id, view.status) for view in views] == [(run.id, Status.CANCELLED) for run in runs]
        assert [(view.payload, view.created_at) for view in views] == [(number, START) for number in range(3)]
        assert len([a for a in made.engine.executor.attempts if a.job.id == "a"]) == 1
        assert made.engine.statuses(other.id)[-1] is Status.COMPLETED


async def test_cancelling_a_job_leaves_out_what_ends_by_itself(desk) -> None:
    async with desk(a=MANUAL) as made:
        assert await made.service.cancel_job("a", "bob") == []
        with pytest.raises(UnknownJobError):
            await made.service.cancel_job("x", "bob")


# -- following ---------------------------------------------------------------------------------------------------


async def test_followers_see_each_transition(desk) -> None:
    async with desk(a=MANUAL) as made:
        with made.service.follow() as records:
            await made.service.run("a", None, "alice")
            following = aiter(records)
            seen = [(await anext(following)).status for _ in range(3)]
        assert seen == [Status.PENDING, Status.RUNNING, Status.COMPLETED]


# -- pauses ------------------------------------------------------------------------------------------------------


async def test_a_pause_is_durable_shown_and_ended_by_hand(desk) -> None:
    async with desk(a=EVERY_MINUTE) as made:
        view = made.service.pause("a", "alice", "too loud", None)
        pause = Pause("alice", START, "too loud")
        assert made.state.saved == {"a": pause}
        assert (view.state, view.next_run, view.next_runs) == ("paused", None, [])
        assert view.paused is not None
        assert (view.paused.by, view.paused.at, view.paused.reason) == ("alice", START, "too loud")
        view = made.service.resume("a")
        assert made.state.saved == {}
        assert (view.state, view.next_run) == ("active", START + timedelta(minutes=1))


async def test_a_pause_for_a_time_ends_by_itself(desk) -> None:
    async with desk(a=EVERY_MINUTE, b=MANUAL) as made:
        view = made.service.pause("a", "alice", None, timedelta(minutes=5))
        assert view.next_run == START + timedelta(minutes=6)
        await asyncio.sleep(301)
        assert made.reading.job("a").state == "active"
        made.service.pause("b", "alice", None, None)
        assert [*made.state.saved] == ["b"]


async def test_a_pause_for_no_time_is_over_at_once(desk) -> None:
    async with desk(a=EVERY_MINUTE) as made:
        assert made.service.pause("a", "alice", None, timedelta(0)).state == "active"
        assert made.state.saved == {}


async def test_a_pause_that_can_not_be_kept_is_not_in_force(desk) -> None:
    async with desk(a=EVERY_MINUTE) as made:
        made.state.failing = True
        with pytest.raises(StorageError):
            made.service.pause("a", "alice", None, None)
        assert made.reading.job("a").state == "active"


async def test_what_the_file_disables_is_neither_paused_nor_resumed(desk) -> None:
    async with desk(a=f"{MANUAL}\nenabled: false") as made:
        with pytest.raises(JobDisabledError, match="disabled already"):
            made.service.pause("a", "alice", None, None)
        with pytest.raises(JobDisabledError, match=r"jobs\.d/a\.yaml:1; set enabled: true there"):
            made.service.resume("a")


# -- deleting ----------------------------------------------------------------------------------------------------


async def test_deleting_a_job_leaves_nothing_of_it_and_everything_of_the_others(desk) -> None:
    async with desk(a=MANUAL, b=MANUAL) as made:
        made.engine.executor.script("a", Script(), Script(100))
        runs = [await made.service.run("a", None, "alice") for _ in range(4)]
        other = await made.service.run("b", None, "alice")
        await asyncio.sleep(1)
        made.outputs.kept = {runs[0].id: b"x", other.id: b"y"}
        made.service.pause("a", "alice", None, None)
        deleted = await made.service.delete("a", "bob")
        assert (deleted.job, deleted.executions) == ("a", 4)
        assert {record.job for record in made.engine.records.lines} == {"b"}
        assert (made.outputs.kept, made.removed_dirs, made.state.saved) == ({other.id: b"y"}, ["a"], {})
        assert made.engine.ledger.get(runs[0].id) is None
        assert [*made.engine.scheduler.jobs] == ["b"]
        assert made.engine.executor.running == []
        assert len([a for a in made.engine.executor.attempts if a.job.id == "a"]) == 2
        with pytest.raises(UnknownJobError):
            made.reading.find("a")


async def test_the_id_of_a_deleted_job_can_be_used_again_and_knows_nothing_of_the_past(desk) -> None:
    async with desk(a=f"{MANUAL}\nrate_limit: 1/day", b=MANUAL) as made:
        await made.service.run("a", None, "alice")
        await asyncio.sleep(1)
        text = made.engine.files.files["a.yaml"]
        await made.service.delete("a", "bob")
        made.engine.files.files["a.yaml"] = text
        await made.engine.reconciler.sync()
        assert (await made.service.run("a", None, "alice")).status is Status.PENDING
        await asyncio.sleep(61)
        assert len(made.engine.executions("a")) == 1


async def test_the_last_job_of_all_can_be_deleted(desk) -> None:
    async with desk(a=MANUAL) as made:
        await made.service.delete("a", "bob")
        assert made.reading.jobs() == []


async def test_a_job_whose_file_has_errors_is_not_deleted(desk) -> None:
    async with desk(a=MANUAL) as made:
        made.engine.files.files["a.yaml"] += "nonsense: 1\n"
        await made.engine.reconciler.sync()
        with pytest.raises(ConflictError, match="has errors; mend it"):
            await made.service.delete("a", "bob")
        assert "a.yaml" in made.engine.files.files


async def test_a_job_that_is_still_there_after_its_document_was_removed_keeps_its_history(desk) -> None:
    async with desk(a=MANUAL) as made:
        await made.service.run("a", None, "alice")
        made.service._engine.writer.remove_document = lambda *_: None
        with pytest.raises(ConflictError, match="is still there"):
            await made.service.delete("a", "bob")
        assert made.engine.records.lines


# -- signs of life -----------------------------------------------------------------------------------------------


async def test_looking_again_finds_what_nobody_reported(desk) -> None:
    async with desk(a=MANUAL) as made:
        await asyncio.sleep(1)
        made.engine.files.files["b.yaml"] = made.engine.files.files["a.yaml"].replace("id: a", "id: b")
        made.service.look_again()
        await asyncio.sleep(1)
        assert [job.id for job in made.reading.jobs()] == ["a", "b"]


async def test_what_a_crash_left_is_shown_as_it_was_settled(desk) -> None:
    lost = [build_record(), build_record(Status.RUNNING, started_at=START, attempt=1)]
    async with desk(a=MANUAL, records=lost) as made:
        view = made.reading.execution(lost[0].id)
        assert (view.status, view.reason) == (Status.FAILED, None)
        with pytest.raises(ConflictError):
            await made.service.cancel(lost[0].id, "bob")
        assert Reason.BY_HAND not in {record.reason for record in made.engine.records.lines}


async def test_what_is_left_of_a_vanished_job_is_forgotten_unless_something_of_it_is_open(desk) -> None:
    lines = [
        build_record(Status.FILTERED, number=1, job="gone"),
        build_record(number=2, job="waiting"),
        build_record(Status.FILTERED, number=3, job="waiting"),
    ]
    async with desk(records=lines, a=MANUAL) as made:
        for job in ("gone", "waiting", "never-seen"):
            await made.service.forget_orphan(job)
        assert {record.job for record in made.engine.records.lines} == {"waiting"}
        assert made.removed_dirs == ["gone"]
