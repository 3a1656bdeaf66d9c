"""`jobsd simulate`: what the schedules of a tree do in a stretch of time, for people and for programs."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from runner.execution.lifecycle import Status
from runner.execution.records import to_line
from runner.testing import build_record

STRETCH = ("--from", "2026-03-28T00:00Z", "--to", "2026-03-31T00:00Z")
NIGHTLY = "id: nightly\nname: Nightly\nmode: cron\nschedule: 30 2 * * *\ntimezone: Europe/Berlin\n"
HOURLY = 'id: hourly\nname: Hourly\nmode: cron\nschedule: "@hourly"\n'
OFF = 'id: off\nname: Off\nmode: cron\nschedule: "@hourly"\nenabled: false\n'
HAND = "id: hand\nname: Hand\nmode: manual\n"
BROKEN = 'id: broken\nname: Broken\nmode: cron\nschedule: "0 25 * * *"\n'


@pytest.fixture
def simulate(command, tmp_path, monkeypatch):
    """Run `jobsd simulate` in this process over some files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs.d").mkdir()

    def run(*arguments: str, files: tuple[str, ...] = (NIGHTLY, HOURLY, OFF, HAND)):
        for number, text in enumerate(files):
            (tmp_path / "jobs.d" / f"{number}.yaml").write_text(text)
        return command("simulate", *arguments)

    return run


def test_each_job_is_told_with_its_slots_and_what_is_left_out_with_the_reason(simulate):
    found = simulate(*STRETCH, "--format", "json").json
    assert (found["from"], found["until"]) == ("2026-03-28T00:00:00.000Z", "2026-03-31T00:00:00.000Z")
    assert (found["timezone"], found["total"]) == ("UTC", 75)
    assert found["jobs"] == [
        {
            "job": "hourly",
            "slots": 72,
            "duration_ms": 0,
            "overlaps": 0,
            "first": "2026-03-28T01:00:00.000Z",
            "last": "2026-03-31T00:00:00.000Z",
        },
        {
            "job": "nightly",
            "slots": 3,
            "duration_ms": 0,
            "overlaps": 0,
            "first": "2026-03-28T01:30:00.000Z",
            "last": "2026-03-30T00:30:00.000Z",
        },
    ]
    assert found["collisions"] == [
        {"minute": "2026-03-29T01:00:00.000Z", "starts": 2, "jobs": ["hourly", "nightly"]}
    ]
    assert (found["hours"][:3], sum(found["hours"])) == ([4, 5, 3], 75)
    assert found["left_out"] == [{"job": "off", "why": "disabled"}]
    assert "slots" not in found


def test_every_slot_is_shown_on_request_as_next_shows_it(simulate):
    found = simulate("nightly", *STRETCH, "--slots", "--format", "json").json
    assert found["slots"][1] == {
        "job": "nightly",
        "scheduled_for": "2026-03-29T01:00:00.000Z",
        "local": "2026-03-29T03:00:00+02:00",
        "note": "moved from 02:30, which the clock skips",
    }
    everything = simulate(*STRETCH, "--slots", "--format", "json").json["slots"]
    assert len(everything) == 75
    assert everything == sorted(everything, key=lambda slot: (slot["scheduled_for"], slot["job"]))
    assert {slot["job"] for slot in everything} == {"hourly", "nightly"}


def test_people_get_tables_and_bars(simulate):
    done = simulate(*STRETCH, "--tz", "Europe/Berlin", "--slots", "--duration", "90m")
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert lines[0] == "Sat 2026-03-28 01:00 CET to Tue 2026-03-31 02:00 CEST: 75 slots of 2 jobs"
    assert (
        "hourly 72 1h30m 71, first Sat 2026-03-28 02:00 UTC Sat 2026-03-28 01:00 UTC Tue 2026-03-31 00:00 UTC"
        in lines
    )
    assert "Sun 2026-03-29 03:00 CEST 2 hourly, nightly" in lines
    assert f"02 {'█' * 40} 5" in lines
    assert f"03 {'█' * 32} 4" in lines
    assert "off disabled" in lines
    assert "Sun 2026-03-29 03:00 +02:00 nightly moved from 02:30, which the clock skips" in lines


def test_a_run_takes_as_long_as_the_last_completed_ones_took(simulate, tmp_path):
    (tmp_path / ".jobsd").mkdir()
    at = datetime(2026, 3, 1, tzinfo=UTC)
    records = [
        build_record(
            status,
            number=number,
            job="hourly",
            at=at + timedelta(hours=number, minutes=minute),
            duration_ms=took if status is Status.COMPLETED else None,
        )
        for number, took in enumerate((600_000, 5_400_000, 6_000_000), 1)
        for minute, status in enumerate((Status.PENDING, Status.RUNNING, Status.COMPLETED))
    ]
    (tmp_path / ".jobsd" / "executions.jsonl").write_bytes(b"".join(map(to_line, records)))
    hourly, nightly = simulate(*STRETCH, "--format", "json").json["jobs"]
    assert (hourly["duration_ms"], hourly["overlaps"]) == (5_400_000, 71)
    assert hourly["first_overlap"] == "2026-03-28T02:00:00.000Z"
    assert nightly["duration_ms"] == 0
    assert simulate(*STRETCH, "--duration", "1m", "--format", "json").json["jobs"][0]["duration_ms"] == 60_000


def test_paused_jobs_are_left_out_until_the_pause_ends(simulate, tmp_path):
    (tmp_path / ".jobsd").mkdir()
    pause = {"by": "alice", "at": "2026-03-01T00:00:00.000Z"}
    until = "2099-03-30T00:00:00.000Z"
    pauses = {"hourly": pause, "nightly": {**pause, "until": until}}
    (tmp_path / ".jobsd" / "pauses.json").write_text(json.dumps(pauses))
    stretch = ("--from", "2099-03-28T00:00Z", "--to", "2099-04-01T00:00Z")
    found = simulate(*stretch, "--format", "json").json
    assert {"job": "hourly", "why": "paused"} in found["left_out"]
    assert [(each["job"], each["first"]) for each in found["jobs"]] == [("nightly", "2099-03-30T00:30:00.000Z")]


def test_files_with_errors_are_told_and_the_others_are_looked_at(simulate):
    done = simulate(*STRETCH, files=(NIGHTLY, BROKEN))
    assert done.code == 0
    assert done.err == "jobsd: left out: jobs.d/1.yaml:4: 25 is out of range for the hour field\n"
    assert "3 slots of 1 job" in done.out


def test_a_job_that_is_named_must_be_there_and_is_told_why_it_has_no_slots(simulate):
    done = simulate("nobody")
    assert (done.code, done.err) == (4, "jobsd: no job has the id 'nobody'; 'jobsd list' shows all\n")
    found = simulate("hand", "off", *STRETCH, "--format", "json").json
    assert (found["total"], found["jobs"]) == (0, [])
    assert found["left_out"] == [
        {"job": "hand", "why": "of mode manual: it has no schedule"},
        {"job": "off", "why": "disabled"},
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--to", "2020-01-01T00:00Z"), "jobsd: --to must be after --from, and at most 3653 days after it\n"),
        (("--from", "2026-01-01T00:00Z", "--to", "2037-01-01T00:00Z"), "jobsd: --to must be after --from, and"),
        (("--tz", "Berlin"), "jobsd: --tz: 'Berlin' is not a time zone; did you mean Europe/Berlin?\n"),
        (("--duration", "5"), "jobsd: --duration: 5 has no unit\n"),
    ],
)
def test_options_that_make_no_sense_are_misuse(simulate, arguments, said):
    done = simulate(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(said)


def test_an_empty_tree_has_no_slots(simulate):
    done = simulate(*STRETCH, files=())
    assert done.out == "Sat 2026-03-28 00:00 UTC to Tue 2026-03-31 00:00 UTC: 0 slots of 0 jobs\n"
