"""The road from a file to a record, walked with a real runner."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

JOBSD = Path(sys.executable).with_name("jobsd")

ECHO = """
---
kind: agent
id: echo
type: command
command: ["cat"]
"""

TICK = """id: tick
name: Tick
mode: cron
schedule: "@every 1s"
agent: echo
"""


SLOW = """name: Slow
mode: manual
agent: slow
---
{kind: agent, id: slow, type: command, command: [sleep, "600"]}
"""


def of_job(job: str, status: str, name: str | None = None) -> Any:
    return lambda r: r["job"] == job and r["status"] == status and name in {None, r["name"]}


def test_the_sample_jobs_are_listed_with_their_next_runs_in_their_zones(samples):
    with samples.up():
        listed = samples.jobsd("list")
        jobs = samples.jobsd("list", "--format", "json").json
    assert listed.code == 0
    assert "09:00 CE" in next(line for line in listed.out.splitlines() if "daily-revenue-summary" in line)
    by_id = {job["id"]: job for job in jobs}
    assert set(by_id) == {
        "daily-revenue-summary",
        "entitlement-alerts",
        "expiring-offers",
        "stale-co-sell-opportunities",
        "weekly-usage-report",
    }
    assert by_id["weekly-usage-report"]["next_run_local"].split("T")[1].startswith("08:00:00+0")
    assert "next_run" not in by_id["entitlement-alerts"]


def test_a_run_that_is_waited_for_prints_its_report_and_leaves_three_lines(samples):
    with samples.up():
        done = samples.jobsd("run", "daily-revenue-summary", "--wait")
    assert done.code == 0
    assert done.out.startswith("Marketplace revenue as of")
    last = samples.records()[-3:]
    assert [record["status"] for record in last] == ["pending", "running", "completed"]
    assert last[-1]["result"]["as_of"] == "2026-10-30"


@pytest.mark.parametrize(
    "job", ["daily-revenue-summary", "expiring-offers", "weekly-usage-report", "stale-co-sell-opportunities"]
)
def test_each_sample_job_completes_without_a_runner(samples, job):
    done = samples.jobsd("run", job, "--local", "--format", "json")
    assert (done.code, done.json["status"]) == (0, "completed"), done.err


def test_an_offer_that_was_reported_is_not_new_again(samples):
    first = samples.jobsd("run", "expiring-offers", "--local")
    second = samples.jobsd("run", "expiring-offers", "--local")
    assert "Reported before: none" in first.out
    assert "New: none" in second.out


def test_a_pushed_event_runs_the_agent_or_leaves_a_reason_whether_by_curl_or_by_hand(samples):
    event = samples.jobs / "agents" / "data" / "entitlement-created.json"
    url = "http://jobsd/v1/jobs/entitlement-alerts/events"

    def curl(data: str) -> dict[str, Any]:
        done = subprocess.run(
            ["curl", "-sS", "--unix-socket", samples.state / "jobsd.sock", "--json", data, url],
            capture_output=True,
            check=True,
        )
        return json.loads(done.stdout)["executions"][0]

    other = '{"action": "entitlement_cancelled", "partner": "AWS"}'
    with samples.up():
        pushed, rejected = curl(f"@{event}"), curl(other)
        by_hand = samples.jobsd("run", "entitlement-alerts", "--wait", "--payload", f"@{event}")
        rejected_by_hand = samples.jobsd("run", "entitlement-alerts", "--format", "json", "--payload", other).json
        ended = samples.await_record(lambda r: r["id"] == pushed["id"] and r["status"] == "completed")
    assert (pushed["trigger"], pushed["status"]) == ("push", "pending")
    assert by_hand.code == 0
    assert by_hand.out.startswith("CRITICAL")
    assert ended["result"]["severity"] == "critical"
    for execution in (rejected, rejected_by_hand):
        assert (execution["status"], execution["reason"]) == ("filtered", "rejected")
        assert execution["filter"] == {"verdict": "reject"}


def test_a_filter_that_fails_says_what_is_missing_and_never_runs_the_agent(samples):
    with samples.up():
        done = samples.jobsd("run", "entitlement-alerts", "--format", "json", "--payload", "{}").json
    assert (done["status"], done["reason"]) == ("filtered", "filter_error")
    assert done["filter"]["path"] == "event.action"


def test_a_file_that_appears_breaks_is_mended_and_goes_takes_effect_without_a_restart(place):
    place.write("other.yaml", "name: Other\nmode: manual\n")
    with place.up():
        place.write("tick.yaml", TICK + ECHO)
        place.await_record(of_job("tick", "completed"))

        place.write("tick.yaml", TICK.replace("agent: echo", "agnet: echo") + ECHO)
        stale = _until(place, lambda status: status.get("stale") == ["tick"])
        assert [(d["path"], d["line"], d["column"]) for d in stale["diagnostics"]] == [("jobs.d/tick.yaml", 5, 1)]
        status = place.jobsd("status")
        assert status.code == 1
        assert "jobs.d/tick.yaml:5:1" in status.out
        fired = len(place.records())
        place.await_record(lambda r: r["job"] == "tick" and place.records()[fired:] != [])

        place.write("tick.yaml", TICK.replace("name: Tick", "name: Tock") + ECHO)
        place.await_record(of_job("tick", "completed", "Tock"))

        (place.jobs / "tick.yaml").unlink()
        _until(place, lambda status: status["jobs"] == 1)
        place.await_record(of_job("tick", "completed", "Tock"))
        assert [job["id"] for job in place.jobsd("list", "--format", "json").json] == ["other"]
        assert place.jobsd("history", "tick", "-n", "1").code == 0
        assert place.jobsd("next", "--format", "json").json == []


def _until(place, fits) -> dict[str, Any]:
    """Ask for the status until it fits; each question takes a process, so this is no busy loop."""
    for _ in range(100):
        status = place.jobsd("status", "--format", "json").json
        if fits(status):
            return status
    raise AssertionError(f"the status never fitted: {status}\n{place.log()}")


def test_an_emptied_directory_removes_nothing_and_says_so(place):
    path = place.write("a.yaml", "name: A\nmode: manual\n")
    with place.up():
        path.unlink()
        status = _until(place, lambda status: "held" in status)
        assert status["jobs"] == 1
        assert "held" in place.jobsd("status").out


def test_every_kind_of_outcome_has_its_own_record(place):
    place.write(
        "jobs.yaml",
        """
name: Missing
mode: manual
agent: missing
---
name: Bad
mode: manual
agent: bad
---
name: Slow
mode: manual
agent: slow
timeout: 1s
---
name: Long
mode: manual
agent: slow
---
name: Lonely
mode: manual
---
name: Limited
mode: manual
agent: fine
rate_limit: 1/hour
---
{kind: agent, id: missing, type: command, command: [no-such-program]}
---
{kind: agent, id: bad, type: command, command: [sh, -c, "echo oops >&2; exit 7"]}
---
{kind: agent, id: slow, type: command, command: [sleep, "60"]}
---
{kind: agent, id: fine, type: command, command: ["true"]}
""",
    )
    with place.up():
        ended = {
            job: place.jobsd("run", job, "--wait", "--format", "json")
            for job in ("missing", "bad", "slow", "lonely")
        }
        running = place.jobsd("run", "long", "--format", "json").json["id"]
        place.await_record(lambda r: r["id"] == running and r["status"] == "running")
        cancelled = place.jobsd("cancel", running, "--format", "json").json
        limited = [place.jobsd("run", "limited", "--format", "json").json for _ in range(2)]
    errors = {job: done.json["error"] for job, done in ended.items()}
    assert all(done.code == 1 for done in ended.values())
    assert errors["missing"]["type"] == "spawn"
    assert "no-such-program" in errors["missing"]["message"]
    assert (errors["bad"]["type"], errors["bad"]["message"]) == ("exit_code", "exited with code 7: oops")
    assert errors["slow"]["type"] == "timeout"
    assert errors["lonely"]["type"] == "provider"
    assert "no model is set" in errors["lonely"]["message"]
    assert (cancelled["status"], cancelled["reason"]) == ("cancelled", "by_hand")
    assert [(each["status"], each.get("reason")) for each in limited] == [
        ("pending", None),
        ("rate_limited", "rate"),
    ]


def test_a_rerun_runs_the_job_again_with_the_payload_it_had(place):
    agent = "\n---\nkind: agent\nid: cat\ntype: command\ncommand: [cat]\n"
    place.write("a.yaml", "name: A\nmode: push\nagent: cat\nexpect: {success_within: 26h}" + agent)
    large = json.dumps({"text": "x" * 20_000})
    with place.up():
        first = place.jobsd("run", "a", "--wait", "--payload", "-", "--format", "json", stdin=large).json
        again = place.jobsd("rerun", first["id"][-8:], "--wait", "--format", "json")
        place.jobsd("disable", "a")
        refused = place.jobsd("rerun", first["id"])
        unknown = place.jobsd("rerun", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
        status = place.jobsd("status", "--format", "json").json
    assert (again.code, again.json["rerun_of"], again.json["status"]) == (0, first["id"], "completed")
    assert again.json["payload_sha256"] == first["payload_sha256"]
    assert (refused.code, unknown.code, place.jobsd("rerun", first["id"]).code) == (4, 4, 3)
    assert "paused" in refused.err
    assert status["overdue"] == []


def test_each_refusal_is_one_line_with_its_exit_code(place):
    place.write("a.yaml", "name: A\nmode: manual\nenabled: false\n---\nname: B\nmode: manual\n")
    refusals = {}
    refusals["no runner"] = (3, place.jobsd("run", "b"))
    with place.up():
        refusals["not JSON"] = (2, place.jobsd("run", "b", "--payload", "{nope"))
        refusals["unknown job"] = (4, place.jobsd("run", "nope"))
        refusals["disabled job"] = (4, place.jobsd("run", "a"))
        refusals["second runner"] = (4, place.jobsd("up"))
        refusals["local beside a runner"] = (4, place.jobsd("run", "b", "--local"))
        refusals["unknown execution"] = (4, place.jobsd("cancel", "01ARZ3NDEKTSV4RRFFQ69G5FAV"))
        refusals["not a push job"] = (4, place.jobsd("disable", "a"))
        refusals["edit of an unknown field"] = (4, place.jobsd("edit", "a", "enable=true"))
    refusals["listen"] = (2, place.jobsd("up", "--listen", "127.0.0.1:0"))
    for name, (code, done) in refusals.items():
        assert (name, done.code) == (name, code), done.err
        assert done.err.count("\n") == 1, (name, done.err)
        assert done.out == "", name


def test_misuse_is_explained_with_a_suggestion(place):
    done = place.jobsd("lst")
    assert done.code == 2
    assert "Did you mean 'list'?" in done.err


def test_a_pause_outlives_a_restart_and_ends_by_hand(place):
    place.write("tick.yaml", TICK.replace("1s", "1d") + ECHO)
    with place.up():
        assert place.jobsd("disable", "tick", "--reason", "moving house", "--for", "2h").code == 0
        assert place.jobsd("run", "tick").code == 4
    with place.up():
        job = place.jobsd("show", "tick", "--format", "json").json
        assert job["paused"]["reason"] == "moving house"
        assert place.jobsd("enable", "tick").code == 0
        assert "next_run" in place.jobsd("show", "tick", "--format", "json").json


def test_deleting_a_job_removes_its_document_and_all_that_it_left(place):
    place.write(
        "two.yaml", "name: One\nmode: manual\nagent: echo\n---\nname: Two\nmode: manual\nagent: echo\n" + ECHO
    )
    with place.up():
        gone = place.jobsd("run", "one", "--wait", "--format", "json").json["id"]
        kept = place.jobsd("run", "two", "--wait", "--format", "json").json["id"]
        done = place.jobsd("delete", "one", "--yes", "--format", "json")
        assert done.json == {"job": "one", "records": 3, "executions": 1}
        assert place.jobsd("show", "one").code == 4
        assert place.jobsd("history", "one").code == 4
    assert {record["id"] for record in place.records()} == {kept}
    assert not (place.state / "outputs" / f"{gone}.log").exists()
    assert not (place.state / "jobs" / "one").exists()
    assert "One" not in (place.jobs / "two.yaml").read_text()
    assert place.jobsd("delete", "two").code == 2
    done = place.jobsd("delete", "two", "--yes")
    assert done.code == 0, done.err
    assert place.records() == []


def test_commands_that_read_answer_from_the_files_when_no_runner_is_up(samples):
    samples.jobsd("run", "daily-revenue-summary", "--local")
    done = samples.jobsd("list", "--format", "json")
    assert "no runner is up" in done.err
    jobs = {job["id"]: job for job in done.json}
    assert jobs["daily-revenue-summary"]["live"] is False
    assert jobs["daily-revenue-summary"]["last"]["status"] == "completed"
    assert samples.jobsd("logs", "daily-revenue-summary").out.startswith("Marketplace revenue")
    assert len(samples.jobsd("next", "weekly-usage-report", "-n", "3", "--format", "json").json) == 3
    assert samples.jobsd("status", "--format", "json").json["live"] is False


def test_what_was_pending_or_running_when_the_runner_was_killed_is_settled_by_the_next(place):
    place.write(
        "slow.yaml",
        SLOW,
    )
    with place.up() as runner:
        first, second = (place.jobsd("run", "slow", "--format", "json").json["id"] for _ in range(2))
        running = place.await_record(lambda r: r["id"] == first and r["status"] == "running")
        runner.kill()
        runner.wait()
    assert running["attempt"] == 1
    with place.up():
        lost = place.await_record(lambda r: r["id"] == first and r["status"] == "failed")
        place.await_record(lambda r: r["id"] == second and r["status"] == "running")
        assert lost["error"]["type"] == "runner_lost"
        cancelled = place.jobsd("cancel", "--job", "slow", "--format", "json").json
    assert [each["id"] for each in cancelled] == [second]


def test_a_runner_that_is_told_to_stop_lets_runs_end_and_keeps_what_is_pending(place):
    place.write(
        "brief.yaml",
        "name: Brief\nmode: manual\nagent: brief\n---\n"
        "{kind: agent, id: brief, type: command, command: [sh, -c, 'until [ -e ../go ]; do sleep 0.05; done']}\n",
    )
    with place.up() as runner:
        first, second = (place.jobsd("run", "brief", "--format", "json").json["id"] for _ in range(2))
        place.await_record(lambda r: r["id"] == first and r["status"] == "running")
        runner.send_signal(signal.SIGTERM)
        (place.root / "go").touch()
        assert runner.wait(30) == 0
    statuses = {}
    for record in place.records():
        statuses.setdefault(record["id"], []).append(record["status"])
    assert statuses == {first: ["pending", "running", "completed"], second: ["pending"]}


def test_a_second_signal_ends_what_runs_at_once(place):
    place.write(
        "slow.yaml",
        SLOW,
    )
    with place.up() as runner:
        execution = place.jobsd("run", "slow", "--format", "json").json["id"]
        place.await_record(lambda r: r["id"] == execution and r["status"] == "running")
        runner.send_signal(signal.SIGTERM)
        runner.send_signal(signal.SIGINT)
        assert runner.wait(30) == 0
    last = place.records()[-1]
    assert (last["status"], last["error"]["type"]) == ("failed", "runner_stopped")


def test_following_the_history_prints_each_transition(place):
    place.write("a.yaml", "name: A\nmode: manual\nagent: echo\n" + ECHO)
    with place.up():
        follower = subprocess.Popen(
            [JOBSD, "history", "-f", "--format", "json"],
            cwd=place.root,
            stdout=subprocess.PIPE,
            text=True,
        )
        with follower:
            execution = place.jobsd("run", "a", "--wait", "--format", "json").json["id"]
            while True:
                again = place.jobsd("run", "a", "--wait", "--format", "json").json["id"]
                line = json.loads(follower.stdout.readline())
                if line["id"] in {execution, again}:
                    break
            follower.kill()
    assert line["job"] == "a"


def test_a_new_job_is_written_validated_and_taken_up(place):
    place.write("agents/echo.yaml", ECHO)
    with place.up():
        done = place.jobsd("new", "Say: hello", "--schedule", "0 9 * * 1-5", "--agent", "echo", "--payload", "[1]")
        assert done.code == 0, done.err
        _until(place, lambda status: status["jobs"] == 1)
        job = place.jobsd("show", "say-hello", "--format", "json").json
    assert (job["name"], job["mode"], job["schedule"]) == ("Say: hello", "cron", "0 9 * * 1-5")
    assert place.jobsd("validate").code == 0
    assert place.jobsd("new", "Say: hello").code == 4
    bad = place.jobsd("new", "Bad", "--schedule", "61 * * * *")
    assert bad.code == 1
    assert "^^" in bad.err
    assert not (place.jobs / "bad.yaml").exists()


def test_an_edit_replaces_the_file_only_when_it_is_valid(place):
    path = place.write("a.yaml", "# a comment\nname: A\nmode: manual\n")
    good = place.jobsd("edit", "a", env={"VISUAL": "sed -i 's/name: A/name: B/'"})
    assert good.code == 0, good.err
    assert path.read_text() == "# a comment\nname: B\nid: a\nmode: manual\n"
    bad = place.jobsd("edit", "a", env={"VISUAL": "sed -i 's/mode: manual/mode: manuel/'"})
    assert bad.code == 1
    assert "manuel" in bad.err
    assert path.read_text() == "# a comment\nname: B\nid: a\nmode: manual\n"


def test_a_runner_that_starts_with_a_broken_file_runs_the_last_good_version(place):
    place.write("other.yaml", "name: Other\nmode: manual\n" + ECHO)
    place.write("tick.yaml", TICK)
    with place.up():
        assert place.jobsd("status").code == 0
    place.write("tick.yaml", TICK.replace("agent: echo", "agnet: echo"))
    with place.up():
        before = len(place.records())
        place.await_record(lambda r: r["job"] == "tick" and len(place.records()) > before)
        status = place.jobsd("status", "--format", "json")
        assert (status.code, status.json["stale"], status.json["jobs"]) == (1, ["tick"], 2)
    (place.jobs / "tick.yaml").unlink()
    (place.jobs / "other.yaml").unlink()
    with place.up():
        status = place.jobsd("status", "--format", "json")
        assert (status.json["jobs"], status.json["held"]) == (2, "there are no files, so no job is removed")
