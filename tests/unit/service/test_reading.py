"""What one can ask, and what is answered."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from ulid import ULID

from runner.errors import InvalidRequestError, UnknownExecutionError, UnknownJobError
from runner.execution.lifecycle import ErrorType, Outcome, Reason, Status
from runner.ports import Pause
from runner.service.reading import MOST
from runner.service.views import HistoryQuery, to_json
from runner.testing import AGENT, START, Script, build_record

pytestmark = pytest.mark.looptime

MANUAL = "mode: manual"
EVERY_MINUTE = "mode: cron\nschedule: '* * * * *'"
NINE = "mode: cron\nschedule: '0 9 * * *'\ntimezone: Europe/Berlin"


def minute(number: float) -> datetime:
    return START + timedelta(minutes=number)


# -- jobs --------------------------------------------------------------------------------------------------------


async def test_an_unknown_job_is_unknown_and_one_with_errors_says_where_they_are(desk) -> None:
    broken = "id: b\nname: B\nmode: manual\nagent: robot\nnonsense: 1\n"
    async with desk(a=MANUAL, files={"b.yaml": broken}) as made:
        assert made.reading.find("a").id == "a"
        with pytest.raises(UnknownJobError, match="no job has the id 'x'; 'jobsd list' shows all"):
            made.reading.find("x")
        with pytest.raises(UnknownJobError, match=r"job b is not in force: jobs\.d/b\.yaml:5: "):
            made.reading.find("b")


async def test_jobs_are_listed_by_id_with_how_they_stand(desk) -> None:
    async with desk(b=MANUAL, a=NINE, c=f"{MANUAL}\nenabled: false\nlabels: {{team: x}}") as made:
        made.engine.executor.script("b", Script(100))
        for _ in range(2):
            await made.service.run("b", None, "alice")
        await asyncio.sleep(1)
        views = {view.id: view for view in made.reading.jobs()}
        assert [*views] == ["a", "b", "c"]
        a, b, c = views.values()
        assert (a.next_run, a.next_run_local) == (
            START.replace(hour=8) + timedelta(days=1),
            "2026-03-03T09:00:00+01:00",
        )
        assert (a.schedule, a.timezone, a.state) == ("0 9 * * *", "Europe/Berlin", "active")
        assert (b.schedule, b.timezone, b.next_run, b.running, b.pending) == (None, None, None, 1, 1)
        assert (c.state, c.labels) == ("disabled", {"team": "x"})
        assert all(view.live for view in views.values())


async def test_the_last_execution_of_a_job_is_the_newest_open_one_else_the_one_that_ended_last(desk) -> None:
    async with desk(a=MANUAL) as made:
        assert made.reading.job("a").last is None
        failure = Outcome.failed(ErrorType.EXIT_CODE, "exit code 1")
        made.engine.executor.script("a", Script(outcome=failure), Script(100))
        first = await made.service.run("a", None, "alice")
        await asyncio.sleep(1)
        last = made.reading.job("a").last
        assert (last.id, last.status, last.error.message) == (first.id, Status.FAILED, "exit code 1")
        await made.service.run("a", None, "alice")
        third = await made.service.run("a", None, "alice")
        assert (made.reading.job("a").last.id, made.reading.job("a").last.status) == (third.id, Status.PENDING)


async def test_a_job_in_detail_says_each_value_and_where_it_comes_from(desk) -> None:
    limits = "rate_limit: 10/hour\nretry: {attempts: 3}"
    text = f"{NINE}\n{limits}\npayload: {{x: 1}}\nfilter: event.x == 1\nprompt: do it"
    defaults = {"defaults.yaml": "kind: defaults\ntimeout: 5m\n"}
    async with desk(a=text, files=defaults) as made:
        view = made.reading.job("a")
        values = {name: setting.value for name, setting in view.settings.items()}
        assert values == {
            "agent": "robot",
            "prompt": "do it",
            "mode": "cron",
            "schedule": "0 9 * * *",
            "timezone": "Europe/Berlin",
            "filter": "event.x == 1",
            "payload": {"x": 1},
            "enabled": True,
            "timeout": "5m",
            "concurrency": {"limit": 1, "when_full": "queue"},
            "rate_limit": "10/hour",
            "retry": {"attempts": 3, "backoff": "30s", "max_backoff": "15m"},
            "catch_up": {"policy": "latest", "within": "1h"},
            "labels": {},
        }
        assert "defaults.yaml" in view.settings["timeout"].source
        assert view.prompt == "do it"
        assert view.schedule_in_words == "at 09:00 every day, Europe/Berlin"
        assert len(view.next_runs) == 5
        assert view.next_runs[0] == view.next_run


async def test_a_stale_job_says_why(desk) -> None:
    async with desk(a=MANUAL) as made:
        made.engine.files.files["a.yaml"] += "nonsense: 1\n"
        await made.engine.reconciler.sync()
        view = made.reading.job("a")
        assert view.state == "stale"
        assert [problem.rule for problem in view.stale] == ["unknown-field"]
        assert [problem.rule for problem in view.diagnostics] == ["unknown-field"]
        assert made.reading.status().stale == ["a"]


# -- time --------------------------------------------------------------------------------------------------------


async def test_the_coming_runs_of_all_jobs_are_merged_in_order(desk) -> None:
    async with desk(
        a="mode: cron\nschedule: '*/3 * * * *'", b="mode: cron\nschedule: '*/2 * * * *'", c=MANUAL
    ) as made:
        runs = made.reading.next_runs(None, 5)
        assert [(run.job, run.scheduled_for) for run in runs] == [
            ("b", minute(2)),
            ("a", minute(3)),
            ("b", minute(4)),
            ("a", minute(6)),
            ("b", minute(6)),
        ]
        assert made.reading.next_runs("a", 1, minute(30))[0].scheduled_for == minute(33)
        assert made.reading.next_runs("c", 5) == []


async def test_a_run_is_shown_in_the_zone_of_its_job_with_what_the_clock_does_to_it(desk) -> None:
    night = "mode: cron\nschedule: '30 2 * * *'\ntimezone: Europe/Berlin"
    async with desk(a=night) as made:
        first, second = made.reading.next_runs("a", 2, datetime(2026, 3, 28, 12, tzinfo=UTC))
        assert (first.local, first.note) == (
            "2026-03-29T03:00:00+02:00",
            "moved from 02:30, which the clock skips",
        )
        assert (second.local, second.note) == ("2026-03-30T02:30:00+02:00", None)


async def test_paused_and_disabled_jobs_have_no_coming_runs_while_they_are_so(desk) -> None:
    async with desk(a=EVERY_MINUTE, b=EVERY_MINUTE, c=f"{EVERY_MINUTE}\nenabled: false") as made:
        pauses = {"a": Pause("me", START), "b": Pause("me", START, until=minute(10))}
        made.engine.scheduler.set_pauses(pauses, START)
        assert [(run.job, run.scheduled_for) for run in made.reading.next_runs(None, 2)] == [
            ("b", minute(11)),
            ("b", minute(12)),
        ]


async def test_a_number_that_is_out_of_bounds_is_refused(desk) -> None:
    async with desk(a=MANUAL) as made:
        for number in (0, -1, MOST + 1):
            with pytest.raises(InvalidRequestError):
                made.reading.next_runs(None, number)
            with pytest.raises(InvalidRequestError):
                made.reading.executions(HistoryQuery(limit=number))


# -- executions --------------------------------------------------------------------------------------------------


async def test_executions_are_listed_newest_first_by_job_status_and_page(desk) -> None:
    async with desk(a="mode: push\nfilter: event.x == 1", b=MANUAL) as made:
        for number in (1, 2, 1):
            await made.engine.run("a", {"x": number})
            await asyncio.sleep(1)
        await made.service.run("b", None, "alice")
        await asyncio.sleep(1)

        def numbers(**query: object) -> list[int]:
            return [int(view.id) for view in made.reading.executions(HistoryQuery(**query))]

        assert numbers() == [4, 3, 2, 1]
        assert numbers(job="a") == [3, 2, 1]
        assert numbers(statuses=frozenset({Status.FILTERED})) == [2]
        assert numbers(limit=2) == [4, 3]
        assert numbers(limit=2, before=f"{3:026d}") == [2, 1]
        assert numbers(job="a", before=f"{4:026d}") == [3, 2, 1]
        assert numbers(before=f"{1:026d}") == []


async def test_turning_pages_shows_each_execution_once_although_a_large_payload_came_late(desk) -> None:
    async with desk(a="mode: manual\nconcurrency: {limit: 9}") as made:
        await asyncio.gather(made.engine.run("a", "x" * 50_000), *(made.engine.run("a", n) for n in range(3)))
        await asyncio.sleep(1)
        pages: list[str] = []
        while page := made.reading.executions(HistoryQuery(limit=1, before=pages[-1] if pages else None)):
            pages += [view.id for view in page]
        assert sorted(pages) == [f"{number:026d}" for number in range(1, 5)]


async def test_an_execution_is_found_by_the_beginning_or_the_end_of_its_id(desk) -> None:
    ids = ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69GAAAA"]
    lines = [build_record(Status.FILTERED, id=each, reason=Reason.REJECTED) for each in ids]
    async with desk(a=MANUAL, records=lines) as made:
        for text in (ids[0], "5fav", "01arz3ndektsv4rrffq69g5"):
            assert made.reading.execution(text).id == ids[0]
        with pytest.raises(UnknownExecutionError, match="2 executions match '01ARZ'; give more of the id"):
            made.reading.execution("01ARZ")
        with pytest.raises(UnknownExecutionError, match="'AV' is too short: 4 characters at least"):
            made.reading.execution("AV")
        with pytest.raises(UnknownExecutionError, match="no execution has the id 'ZZZZ'"):
            made.reading.execution("ZZZZ")


async def test_an_execution_is_shown_with_all_that_its_lines_said(desk) -> None:
    async with desk(a="mode: manual\nretry: {attempts: 2, backoff: 10s}") as made:
        made.engine.executor.script("a", Script(5, Outcome.failed(ErrorType.EXIT_CODE, "exit code 1")))
        run = await made.engine.run("a", {"x": None})
        await asyncio.sleep(60)
        view = made.reading.execution(run.id)
        assert (view.status, view.attempt, view.payload, view.actor) == (
            Status.COMPLETED,
            2,
            {"x": None},
            "tester",
        )
        assert (view.created_at, view.started_at) == (START, START + timedelta(seconds=10))
        assert (view.error, view.reason) == (None, None)


async def test_output_is_read_from_any_byte(desk) -> None:
    async with desk(a=MANUAL) as made:
        made.outputs.kept["x"] = b"0123"
        assert made.reading.output("x", 2) == b"23"
        assert made.reading.output("y") == b""


async def test_transitions_of_whatever_runner_are_followed(desk) -> None:
    async with desk(a=MANUAL) as made:
        made.engine.records.follow = made.engine.records.read
        await made.service.run("a", None, "alice")
        await asyncio.sleep(1)
        assert [view.status for view in made.reading.follow()] == ["pending", "running", "completed"]


async def test_a_line_that_is_followed_has_the_time_of_the_first_line_of_its_execution(desk) -> None:
    async with desk(a=MANUAL) as made:
        made.engine.executor.script("a", Script(10))
        await made.service.run("a", None, "alice")
        await asyncio.sleep(11)
        views = [made.reading.transition(line) for line in made.engine.records.lines]
        assert [view.created_at for view in views] == [START] * 3
        of_another_runner = str(ULID.from_datetime(START))
        line = build_record(Status.RUNNING, id=of_another_runner, at=START + timedelta(hours=1))
        assert made.reading.transition(line).created_at == START


# -- the whole ---------------------------------------------------------------------------------------------------


async def test_agents_are_listed_with_their_jobs_and_the_built_in_one_has_no_file(desk) -> None:
    async with desk(b=MANUAL, a=MANUAL) as made:
        insulin, robot = made.reading.agents()
        assert (insulin.id, insulin.path, insulin.command, insulin.jobs) == ("insulin", None, None, [])
        assert (robot.id, robot.type, robot.command, robot.jobs) == ("robot", "command", ["true"], ["a", "b"])
        assert (robot.path, robot.line) == (
            "jobs.d/agents/robot.yaml",
            1 + AGENT[: AGENT.index("kind")].count("\n"),
        )


async def test_the_status_counts_jobs_problems_and_executions(desk) -> None:
    broken = "id: c\nname: C\nmode: manual\nagent: robot\nnonsense: 1\nwrong: 2\n"
    async with desk(a=EVERY_MINUTE, b=MANUAL, files={"c.yaml": broken}) as made:
        made.engine.executor.script("b", Script(500))
        for _ in range(3):
            await made.service.run("b", None, "alice")
        await asyncio.sleep(61)
        made.service.pause("b", "alice", None, None)
        status = made.reading.status()
        assert (status.live, status.jobs, status.invalid, status.running, status.pending) == (True, 2, 1, 1, 2)
        assert status.counts == {"completed": 1}
        assert (status.next.job, status.next.scheduled_for) == ("a", minute(2))
        assert (status.paused, status.stale) == (["b"], [])
        assert [(each.job, each.path, each.pause.by) for each in status.drift] == [("b", "jobs.d/b.yaml", "alice")]
        assert [problem.rule for problem in status.diagnostics] == ["unknown-field"] * 2
        assert (status.jobs_dir, status.state_dir) == ("jobs.d", ".jobsd")


async def test_a_status_without_anything_to_come_says_nothing_of_it(desk) -> None:
    async with desk(a=MANUAL) as made:
        assert made.reading.status().next is None
        assert "next" not in to_json(made.reading.status())


async def test_executions_of_a_job_that_is_gone_are_counted_while_they_wait(desk) -> None:
    async with desk(a=MANUAL, b=MANUAL) as made:
        made.engine.executor.script("a", Script(500))
        for _ in range(2):
            await made.service.run("a", None, "alice")
        await asyncio.sleep(1)
        del made.engine.files.files["a.yaml"]
        await made.engine.reconciler.sync()
        status = made.reading.status()
        assert (status.jobs, status.running, status.pending) == (1, 1, 1)


async def test_a_job_whose_last_success_is_older_than_it_expects_is_overdue_everywhere(desk) -> None:
    async with desk(a="mode: manual\nexpect: {success_within: 1h}", b="mode: manual") as made:
        run = await made.service.run("a", None, "alice")
        await made.engine.ended(run.id)
        await asyncio.sleep(3600)
        assert (made.reading.status().overdue, made.reading.job("a").state) == ([], "active")
        assert made.reading.job("a").settings["expect"].value == {"success_within": "1h"}
        await asyncio.sleep(1)
        assert made.reading.status().overdue == ["a"]
        assert [(job.id, job.overdue, job.state) for job in made.reading.jobs()] == [
            ("a", True, "overdue"),
            ("b", False, "active"),
        ]
        run = await made.service.run("a", None, "alice")
        await made.engine.ended(run.id)
        assert made.reading.status().overdue == []
