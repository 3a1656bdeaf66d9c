"""From firing to record: admission, limits, retries, definitions, and a disk that fails."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
import structlog

from runner.engine.intake import INLINE_PAYLOAD
from runner.engine.scheduler import Due
from runner.errors import InvalidRequestError, JobDisabledError, StorageError, UnknownJobError
from runner.execution.firing import Firing
from runner.execution.ledger import is_first
from runner.execution.lifecycle import ErrorType, Outcome, Reason, Status, Trigger
from runner.execution.records import FilterNote, Record
from runner.execution.slots import Range, Slot
from runner.ports import Pause
from runner.spec.models import Payload
from runner.testing import START, MemoryEngine, Script, tree

pytestmark = pytest.mark.looptime

FAILURE = Outcome.failed(ErrorType.EXIT_CODE, "exit code 1")
EVERY_MINUTE = "mode: cron\nschedule: '* * * * *'\n"


def engine(job: str = "mode: manual", **more: str) -> MemoryEngine:
    return MemoryEngine(tree(a=job, **more))


def lines(engine: MemoryEngine, job: str = "a") -> list[str]:
    """What the log says of a job: statuses, with their reasons."""
    return [
        f"{line.status.value}:{line.reason.value}" if line.reason else line.status.value
        for line in engine.records.lines
        if line.job == job
    ]


def ends(engine: MemoryEngine, job: str = "a") -> list[str]:
    """How the executions of a job stand, oldest first."""
    return [
        f"{each.status.value}:{each.record.reason.value}" if each.record.reason else each.status.value
        for each in reversed(engine.executions(job))
    ]


def seconds_of(records: Sequence[Record]) -> list[float]:
    return [(record.at - START).total_seconds() for record in records]


# -- one execution -----------------------------------------------------------------------------------------------


async def test_a_slot_runs_at_its_instant() -> None:
    made = engine("mode: cron\nschedule: '*/5 * * * *'")
    async with made.running():
        await asyncio.sleep(301)
        first = made.records.lines[0]
        assert (first.trigger, first.scheduled_for, first.lateness_ms) == (
            Trigger.CRON,
            START + timedelta(minutes=5),
            0,
        )
        assert lines(made) == ["pending", "running", "completed"]


async def test_a_run_by_hand_is_answered_with_its_durable_first_line() -> None:
    made = engine()
    async with made.running():
        made.executor.script("a", Script(5))
        record = await made.run("a", {"x": 1})
        assert made.records.lines[0] == record
        assert (record.status, record.actor, record.payload) == (Status.PENDING, "tester", Payload({"x": 1}))
        assert record.definition is not None
        assert record.definition.path == "jobs.d/a.yaml"
        assert (await made.ended(record.id)).status is Status.COMPLETED
        assert made.executor.attempts[0].payload == Payload({"x": 1})


async def test_the_result_of_a_completed_run_is_given_to_the_next() -> None:
    made = engine()
    async with made.running():
        made.executor.script("a", Script(outcome=Outcome(Payload("first"))), Script(outcome=FAILURE))
        for _ in range(3):
            await made.ended((await made.run("a")).id)
        assert [attempt.previous for attempt in made.executor.attempts] == [
            None,
            Payload("first"),
            Payload("first"),
        ]


async def test_a_large_payload_is_kept_in_a_file_that_the_record_names() -> None:
    made = engine()
    async with made.running():
        small, large = "x" * (INLINE_PAYLOAD - 2), "x" * (INLINE_PAYLOAD - 1)
        for payload in (small, large):
            await made.ended((await made.run("a", payload)).id)
        inline, referring = (line for line in made.records.lines if line.status is Status.PENDING)
        assert (inline.payload, inline.payload_ref) == (Payload(small), None)
        assert (referring.payload, referring.payload_ref) == (None, referring.id)
        assert len(referring.payload_sha256 or "") == 64
        assert [attempt.payload for attempt in made.executor.attempts] == [Payload(small), Payload(large)]


async def test_a_payload_that_json_can_not_hold_is_refused_and_takes_no_place() -> None:
    made = engine("mode: manual\nrate_limit: 1/hour\nconcurrency: {when_full: skip}")
    async with made.running():
        with pytest.raises(InvalidRequestError, match="the payload can't be written as JSON"):
            await made.run("a", 2**70)
        assert made.records.lines == []
        assert (await made.run("a")).status is Status.PENDING


async def test_a_slot_whose_payload_json_can_not_hold_does_not_stop_the_others() -> None:
    made = engine(EVERY_MINUTE)
    async with made.running():
        job = made.scheduler.jobs["a"]
        bad = replace(job, payload=Payload(2**70))
        await made.dispatcher.fire(Due(slots=[(bad, Slot(START, START)), (job, Slot(START, START))]))
        assert lines(made)[0] == "pending"


async def test_a_run_that_takes_too_long_is_failed() -> None:
    made = engine("mode: manual\ntimeout: 5s")
    async with made.running():
        made.executor.script("a", Script(60))
        last = await made.ended((await made.run("a")).id)
        assert (last.status, last.duration_ms) == (Status.FAILED, 5000)
        assert last.error is not None
        assert last.error.type is ErrorType.TIMEOUT


# -- the filter --------------------------------------------------------------------------------------------------

FILTERED = "filter: event.total > 1"


@pytest.mark.parametrize(
    ("payload", "outcome"),
    [
        ({"total": 3}, ["pending", "running", "completed"]),
        ({"total": 1}, ["filtered:rejected"]),
        ({}, ["filtered:filter_error"]),
    ],
)
async def test_an_event_passes_is_rejected_or_is_an_error(payload: object, outcome: list[str]) -> None:
    made = engine(f"mode: push\n{FILTERED}")
    async with made.running():
        await made.run("a", payload, trigger=Trigger.PUSH)
        await asyncio.sleep(1)
        assert lines(made) == outcome


async def test_a_filter_error_never_runs_the_agent_and_says_what_and_where() -> None:
    made = engine(f"mode: push\n{FILTERED}")
    async with made.running():
        record = await made.run("a", {}, trigger=Trigger.PUSH)
        assert record.filter is not None
        assert record.filter.message
        assert record.filter == FilterNote("error", record.filter.message, "event.total", (0, 11))
        assert made.executor.attempts == []


async def test_a_run_by_hand_of_a_push_job_is_filtered_as_an_event_would_be() -> None:
    made = engine(f"mode: push\n{FILTERED}")
    async with made.running():
        assert (await made.run("a", {"total": 1})).status is Status.FILTERED
        assert (await made.run("a")).status is Status.PENDING


async def test_a_cron_tick_with_a_payload_is_filtered_and_one_without_is_not() -> None:
    made = engine(f"{EVERY_MINUTE}{FILTERED}\npayload: {{total: 1}}", b=EVERY_MINUTE + FILTERED)
    async with made.running():
        await asyncio.sleep(61)
        assert lines(made, "a") == ["filtered:rejected"]
        assert lines(made, "b") == ["pending", "running", "completed"]


async def test_a_manual_job_is_never_filtered() -> None:
    made = engine(f"mode: manual\n{FILTERED}")
    async with made.running():
        record = await made.run("a", {"total": 1})
        assert (record.status, record.filter) == (Status.PENDING, None)


# -- disabled and paused -----------------------------------------------------------------------------------------


async def test_a_job_that_is_not_there_is_unknown() -> None:
    made = engine()
    async with made.running():
        with pytest.raises(UnknownJobError):
            await made.run("x")


async def test_a_disabled_job_refuses_and_leaves_no_record() -> None:
    made = engine("mode: manual\nenabled: false")
    async with made.running():
        with pytest.raises(JobDisabledError):
            await made.run("a")
        assert made.records.lines == []


async def test_a_paused_job_refuses_and_has_no_slots_until_the_pause_ends_by_itself() -> None:
    made = engine(EVERY_MINUTE)
    async with made.running():
        until = START + timedelta(minutes=2, seconds=30)
        made.scheduler.set_pauses({"a": Pause("me", made.clock.now(), until=until)}, made.clock.now())
        with pytest.raises(JobDisabledError, match="paused"):
            await made.run("a")
        await asyncio.sleep(151)
        assert (await made.run("a")).status is Status.PENDING
        await asyncio.sleep(30)
        assert next(line.scheduled_for for line in made.records.lines if line.trigger is Trigger.CRON) == (
            START + timedelta(minutes=3)
        )


async def test_what_was_accepted_before_a_pause_still_runs() -> None:
    made = engine()
    async with made.running():
        made.executor.script("a", Script(10))
        first, second = await made.run("a"), await made.run("a")
        made.scheduler.set_pauses({"a": Pause("me", made.clock.now())}, made.clock.now())
        await made.ended(second.id)
        assert ends(made) == ["completed", "completed"]
        assert first.id < second.id


# -- the rate limit ----------------------------------------------------------------------------------------------


async def test_the_rate_limit_is_a_moving_window() -> None:
    made = engine("mode: manual\nrate_limit: 2/minute")
    admitted = []
    async with made.running():
        for _ in range(14):
            record = await made.run("a")
            admitted.append(record.status is Status.PENDING)
            if not admitted[-1]:
                assert record.reason is Reason.RATE
            await asyncio.sleep(10)
    # At 0 s and 10 s; then each is free again a minute after it was used.
    assert [index * 10 for index, yes in enumerate(admitted) if yes] == [0, 10, 60, 70, 120, 130]


async def test_filtered_events_use_no_quota() -> None:
    made = engine(f"mode: push\nrate_limit: 1/hour\n{FILTERED}")
    async with made.running():
        for _ in range(3):
            await made.run("a", {"total": 1}, trigger=Trigger.PUSH)
        assert (await made.run("a", {"total": 2}, trigger=Trigger.PUSH)).status is Status.PENDING
        assert (await made.run("a", {"total": 2}, trigger=Trigger.PUSH)).reason is Reason.RATE


async def test_retries_are_not_counted_again() -> None:
    made = engine("mode: manual\nrate_limit: 2/hour\nretry: {attempts: 3, backoff: 1s}")
    async with made.running():
        made.executor.script("a", Script(outcome=FAILURE), Script(outcome=FAILURE))
        await made.ended((await made.run("a")).id)
        assert len(made.executor.attempts) == 3
        assert [(await made.run("a")).status for _ in range(2)] == [Status.PENDING, Status.RATE_LIMITED]


async def test_the_window_is_rebuilt_from_the_records_at_start() -> None:
    job = "mode: manual\nrate_limit: 3/hour\nretry: {attempts: 2, backoff: 1s}"
    before = engine(job)
    async with before.running():
        before.executor.script("a", Script(outcome=FAILURE))
        for _ in range(2):
            await before.ended((await before.run("a")).id)
    after = MemoryEngine(tree(a=job), records=before.records.lines, start=START + timedelta(minutes=30))
    async with after.running():
        assert [(await after.run("a")).status for _ in range(2)] == [Status.PENDING, Status.RATE_LIMITED]


# -- concurrency -------------------------------------------------------------------------------------------------


async def test_queue_runs_as_many_as_the_limit_and_the_rest_in_order() -> None:
    made = engine("mode: manual\nconcurrency: {limit: 2}")
    async with made.running():
        made.executor.script("a", *(Script(10) for _ in range(5)))
        records = [await made.run("a") for _ in range(5)]
        await made.ended(records[-1].id)
        assert made.executor.most_running == 2
        assert [attempt.execution for attempt in made.executor.attempts] == [record.id for record in records]


async def test_skip_turns_away_what_is_over_the_limit() -> None:
    made = engine("mode: manual\nconcurrency: {when_full: skip}")
    async with made.running():
        made.executor.script("a", Script(10))
        first = await made.run("a")
        assert (await made.run("a")).reason is Reason.OVERLAP
        await made.ended(first.id)
        await asyncio.sleep(0)
        assert (await made.run("a")).status is Status.PENDING


async def test_one_slot_waits_and_further_ones_are_overlap() -> None:
    made = engine(EVERY_MINUTE)
    async with made.running():
        made.executor.script("a", Script(200))
        await asyncio.sleep(270)
        assert ends(made) == [
            "completed",
            "completed",
            "rate_limited:overlap",
            "rate_limited:overlap",
        ]


async def test_a_thousand_others_wait_and_the_next_is_told_that_the_queue_is_full() -> None:
    made = engine("mode: push")
    async with made.running():
        made.executor.script("a", Script(10))
        await made.run("a", 0, trigger=Trigger.PUSH)
        records = await asyncio.gather(*(made.run("a", n, trigger=Trigger.PUSH) for n in range(1001)))
        assert [record.status for record in records[:1000]] == [Status.PENDING] * 1000
        assert (records[1000].status, records[1000].reason) == (Status.RATE_LIMITED, Reason.QUEUE_FULL)


async def test_replace_ends_the_oldest_and_runs_the_newest() -> None:
    made = engine("mode: manual\nconcurrency: {limit: 2, when_full: replace}\nretry: {attempts: 5}")
    async with made.running():
        made.executor.script("a", *(Script(30) for _ in range(3)))
        records = [await made.run("a") for _ in range(3)]
        first = await made.ended(records[0].id)
        assert (first.status, first.reason, first.cancelled_by) == (Status.CANCELLED, Reason.REPLACED, "jobsd")
        await made.ended(records[2].id)
        assert ends(made) == ["cancelled:replaced", "completed", "completed"]
        assert made.executor.most_running == 2


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_of_a_burst_that_replaces_the_newest_remain(limit: int) -> None:
    made = engine(f"mode: push\nconcurrency: {{limit: {limit}, when_full: replace}}")
    async with made.running():
        made.executor.script("a", *(Script(30) for _ in range(20)))
        await asyncio.sleep(1)
        for _ in range(2):
            await asyncio.gather(*(made.run("a", n, trigger=Trigger.PUSH) for n in range(7)))
        await asyncio.sleep(60)
        assert ends(made) == ["cancelled:replaced"] * (14 - limit) + ["completed"] * limit
        assert made.executor.most_running <= limit


async def test_a_newer_run_replaces_one_that_waits_for_its_retry() -> None:
    made = engine("mode: manual\nconcurrency: {when_full: replace}\nretry: {attempts: 5, backoff: 60s}")
    async with made.running():
        made.executor.script("a", Script(outcome=FAILURE), Script(50))
        await made.run("a")
        await asyncio.sleep(5)
        await made.run("a")
        await asyncio.sleep(120)
        assert ends(made) == ["cancelled:replaced", "completed"]
        assert len(made.executor.attempts) == 2


async def test_the_runner_as_a_whole_has_a_limit_and_is_fair_among_jobs() -> None:
    made = MemoryEngine(tree(**dict.fromkeys("abc", "mode: manual\nconcurrency: {limit: 100}")), max_running=2)
    async with made.running():
        for job in "abc":
            made.executor.script(job, *(Script(10) for _ in range(20)))
        await asyncio.gather(*(made.run("a") for _ in range(20)))
        last = [await made.run(job) for job in "bc"]
        for record in last:
            await made.ended(record.id)
        assert made.executor.most_running == 2
        order = [attempt.job.id for attempt in made.executor.attempts]
        assert order.index("b") <= 3
        assert order.index("c") <= 4


# -- retries -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("chance", "starts"), [(0.0, [0, 0, 0]), (0.5, [0, 5, 15]), (1.0, [0, 10, 30])])
async def test_retries_wait_with_full_jitter_and_failed_comes_after_the_last(
    chance: float, starts: list[float]
) -> None:
    made = MemoryEngine(tree(a="mode: manual\nretry: {attempts: 3, backoff: 10s}"), chance=chance)
    async with made.running():
        made.executor.script("a", *(Script(outcome=FAILURE) for _ in range(3)))
        last = await made.ended((await made.run("a")).id)
        assert lines(made) == [
            "pending",
            "running",
            "pending:retry",
            "running",
            "pending:retry",
            "running",
            "failed",
        ]
        running = [line for line in made.records.lines if line.status is Status.RUNNING]
        assert seconds_of(running) == starts
        assert [line.attempt for line in running] == [1, 2, 3]
        assert (last.attempt, last.error) == (3, FAILURE.failure)


async def test_a_retry_gets_the_payload_of_its_execution_again() -> None:
    made = engine("mode: manual\nretry: {attempts: 2, backoff: 1s}")
    async with made.running():
        for payload in (None, {"x": None}, "x" * INLINE_PAYLOAD):
            made.executor.script("a", Script(outcome=FAILURE))
            await made.ended((await made.run("a", payload)).id)
            first, second = made.executor.attempts[-2:]
            assert first.payload == second.payload == (None if payload is None else Payload(payload))


async def test_while_one_waits_for_its_retry_the_next_in_the_queue_runs() -> None:
    made = engine("mode: manual\nretry: {attempts: 2, backoff: 60s}")
    async with made.running():
        made.executor.script("a", Script(outcome=FAILURE))
        first, second = await made.run("a"), await made.run("a")
        await made.ended(second.id)
        last = made.last(first.id)
        assert last is not None
        assert (last.status, last.reason) == (Status.PENDING, Reason.RETRY)
        assert (await made.ended(first.id)).status is Status.COMPLETED


# -- slots that were missed or late ------------------------------------------------------------------------------


async def test_missed_slots_are_one_line_for_the_whole_range() -> None:
    made = engine(EVERY_MINUTE)
    async with made.running():
        job = made.scheduler.jobs["a"]
        first, last = START - timedelta(hours=2), START - timedelta(hours=1)
        await made.dispatcher.fire(Due(missed=[(job, Range(first, last, 61))]))
        (line,) = made.records.lines
        assert (line.status, line.reason, line.trigger) == (Status.CANCELLED, Reason.MISSED, Trigger.CRON)
        assert (line.from_, line.until, line.count) == (first, last, 61)
        assert (line.scheduled_for, line.payload, line.filter) == (None, None, None)


async def test_a_late_slot_runs_with_its_lateness_on_record() -> None:
    made = engine(EVERY_MINUTE)
    async with made.running():
        asyncio.get_running_loop().call_later(50, made.clock.step, 45)
        await asyncio.sleep(51)
        await asyncio.sleep(30)
        pending = [line for line in made.records.lines if line.status is Status.PENDING]
        assert next((line.scheduled_for, line.lateness_ms) for line in pending) == (
            START + timedelta(minutes=1),
            35_000,
        )


async def test_a_slot_that_was_due_when_its_job_was_removed_is_on_record_all_the_same() -> None:
    made = engine(EVERY_MINUTE)
    async with made.running():
        job = made.scheduler.jobs["a"]
        firing = asyncio.create_task(made.dispatcher.fire(Due(slots=[(job, Slot(START, START))])))
        made.files.files = {"z.yaml": made.files.files["agents/robot.yaml"]}
        await made.reconciler.sync()
        await firing
        await asyncio.sleep(61)
        assert ends(made) == ["cancelled:job_removed"]


async def test_a_slot_that_was_due_when_its_job_was_disabled_runs() -> None:
    made = engine(EVERY_MINUTE)
    async with made.running():
        job = made.scheduler.jobs["a"]
        made.files.files |= tree(a=f"{EVERY_MINUTE}enabled: false")
        await made.reconciler.sync()
        await made.dispatcher.fire(Due(slots=[(job, Slot(START, START))]))
        await asyncio.sleep(1)
        assert ends(made) == ["completed"]


async def test_a_thousand_slots_that_are_due_at_once_take_few_appends() -> None:
    made = MemoryEngine(tree(**{f"j{number}": EVERY_MINUTE for number in range(1000)}), max_running=2000)
    appended = []
    append = made.records.append

    async def counting(records: Sequence[Record]) -> None:
        appended.append(len(records))
        await append(records)

    made.records.append = counting  # type: ignore[method-assign] - a disk that counts
    async with made.running():
        await asyncio.sleep(61)
    assert sum(appended) == 3000
    assert len(appended) <= 40


# -- a disk that fails -------------------------------------------------------------------------------------------


async def test_a_firing_that_can_not_be_written_down_did_not_happen_and_gives_its_place_back() -> None:
    made = engine("mode: manual\nrate_limit: 1/hour\nconcurrency: {when_full: skip}")
    async with made.running():
        made.records.failing = True
        with pytest.raises(StorageError):
            await made.run("a")
        made.records.failing = False
        assert made.dispatcher.occupancy("a") == (0, 0)
        assert (await made.run("a")).status is Status.PENDING


async def test_slots_that_the_disk_has_no_room_for_are_late_or_caught_up_when_it_has() -> None:
    made = engine(EVERY_MINUTE)
    async with made.running():
        made.records.failing = True
        await asyncio.sleep(3 * 60 + 30)
        assert made.records.lines == []
        made.records.failing = False
        await asyncio.sleep(2)
        assert ends(made) == ["cancelled:missed", "completed", "completed"]
        first, *later = [line for line in made.records.lines if line.status in {Status.CANCELLED, Status.PENDING}]
        minute = timedelta(minutes=1)
        assert (first.from_, first.until, first.count) == (START + minute, START + minute, 1)
        assert [line.scheduled_for for line in later] == [START + 2 * minute, START + 3 * minute]


async def test_a_full_disk_is_said_once_a_minute_however_many_slots_it_costs() -> None:
    made = MemoryEngine(tree(**{f"j{number}": "mode: cron\nschedule: '@every 1s'" for number in range(50)}))
    with structlog.testing.capture_logs() as said:
        async with made.running():
            made.records.failing = True
            await asyncio.sleep(150)
            made.records.failing = False
            await asyncio.sleep(5.5)
    errors = [line for line in said if line["log_level"] == "error"]
    assert len(errors) == 3
    assert errors[1]["unsaid"] > 50 * 50
    slots: Counter[str] = Counter()
    for line in filter(is_first, made.records.lines):
        slots[line.job] += line.count or 1
    assert set(slots.values()) == {155}


async def test_the_stop_does_not_wait_for_a_full_disk_and_the_next_runner_settles_what_was_left() -> None:
    made = engine()
    async with made.running():
        made.executor.script("a", Script(10))
        record = await made.run("a")
        await asyncio.sleep(5)
        made.records.failing = True
        await asyncio.sleep(10)
        asked = made.clock.now()
        await made.dispatcher.stop(30)
        assert made.clock.now() - asked <= timedelta(seconds=31)
        made.records.failing = False
    assert made.statuses(record.id) == [Status.PENDING, Status.RUNNING]
    following = MemoryEngine(tree(a="mode: manual"), records=made.records.lines)
    async with following.running():
        last = following.last(record.id)
        assert last is not None
        assert last.error is not None
        assert (last.status, last.error.type) == (Status.FAILED, ErrorType.RUNNER_LOST)


async def test_cancelling_with_a_full_disk_answers_at_once_with_what_is_wrong() -> None:
    made = engine()
    async with made.running():
        made.executor.script("a", Script(1000))
        running, waiting = await made.run("a"), await made.run("a")
        await asyncio.sleep(5)
        made.records.failing = True
        asked = made.clock.now()
        for _ in range(2):
            with pytest.raises(StorageError, match=r"can't be recorded yet: .*no space left"):
                await made.dispatcher.cancel(running.id, "bob")
        with pytest.raises(StorageError, match="no space left"):
            await made.dispatcher.cancel(waiting.id, "bob")
        assert made.clock.now() - asked < timedelta(seconds=1)
        assert made.executor.running == []
        made.records.failing = False
        assert (await made.ended(running.id)).cancelled_by == "bob"
        assert (await made.ended(waiting.id)).status is Status.COMPLETED


async def test_a_start_that_can_not_be_written_down_is_tried_again() -> None:
    made = engine()
    async with made.running():
        made.executor.script("a", Script(10), Script(10))
        await made.run("a")
        waiting = await made.run("a")
        await asyncio.sleep(9)
        made.records.failing = True
        await asyncio.sleep(20)
        assert len(made.executor.attempts) == 1
        made.records.failing = False
        await made.ended(waiting.id)
        assert ends(made) == ["completed", "completed"]


async def test_an_end_is_on_record_when_the_disk_is_back() -> None:
    made = engine()
    async with made.running():
        made.executor.script("a", Script(10))
        record = await made.run("a")
        await asyncio.sleep(5)
        made.records.failing = True
        await asyncio.sleep(30)
        made.records.failing = False
        last = await made.ended(record.id)
        assert (last.status, last.duration_ms) == (Status.COMPLETED, 10_000)


# -- who asks ----------------------------------------------------------------------------------------------------


async def test_a_client_that_hangs_up_does_not_undo_what_it_asked_for() -> None:
    made = engine()
    async with made.running():
        asking = asyncio.create_task(made.dispatcher.submit(Firing("a", Trigger.MANUAL)))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.sleep(1)
        assert asking.cancelled()
        assert ends(made) == ["completed"]


async def test_a_payload_that_is_nested_too_deeply_is_refused_and_hurts_nobody_else():
    deep = None
    for _ in range(500):
        deep = [deep]
    async with MemoryEngine(tree(a="mode: manual")).running() as engine:
        with pytest.raises(InvalidRequestError, match="more than 100 levels"):
            await engine.run("a", deep)
        record = await engine.run("a")
        assert (await engine.ended(record.id)).status is Status.COMPLETED


async def test_a_result_that_the_log_can_not_hold_fails_its_own_run_and_no_other() -> None:
    made = engine(b="mode: manual")
    append = made.records.append

    async def picky(records: Sequence[Record]) -> None:
        if any(record.result == Payload("poison") for record in records):
            raise ValueError("no such thing can be written")
        await append(records)

    made.records.append = picky  # type: ignore[method-assign] - a log with limits of its own
    async with made.running():
        made.executor.script("a", Script(5, Outcome(Payload("poison"))))
        made.executor.script("b", Script(5, Outcome(Payload("fine"))))
        bad, good = await asyncio.gather(made.run("a"), made.run("b"))
        last = await made.ended(bad.id)
        assert (last.status, last.result) == (Status.FAILED, None)
        assert last.error is not None
        assert last.error.message == "the record can't be written: no such thing can be written"
        assert (await made.ended(good.id)).result == Payload("fine")
        assert (await made.ended((await made.run("a")).id)).status is Status.COMPLETED
