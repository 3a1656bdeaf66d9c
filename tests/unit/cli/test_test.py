"""`jobsd test`: what the tests of job files came to, for people, for programs and for CI."""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

SAMPLES = Path(__file__).parents[3] / "jobs.d"
GOOD = "id: good\nname: Good\nmode: push\nfilter: event.n > 1\ntests:\n  - event: {n: 2}\n    expect: run\n"
BAD = (
    'id: bad\nname: Bad\nmode: push\nfilter: event.n > 1 and event.kind == "a"\ntests:\n'
    "  - name: ones pass\n    event: {n: 1, kind: a}\n    expect: run\n"
    "  - name: kinds are told apart\n    event: {n: 2, kind: b}\n    expect: filtered\n"
)  # fmt: skip
NIGHT = (
    "id: night\nname: Night\nmode: cron\nschedule: 30 2 * * *\ntimezone: Europe/Berlin\ntests:\n"
    "  - name: at night\n    at: 2026-03-27 12:00\n    next: [2026-03-28 02:30, 2026-03-29 02:30]\n"
)
BARE = "id: bare\nname: Bare\nmode: push\n"
HAND = "id: hand\nname: Hand\nmode: manual\n"
BROKEN = 'id: broken\nname: Broken\nmode: cron\nschedule: "0 25 * * *"\n'


@pytest.fixture
def jobsd(command, tmp_path, monkeypatch):
    """Run `jobsd test` in this process over some files, each named by the id in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs.d").mkdir()

    def run(*arguments: str, files: tuple[str, ...] = (GOOD,)):
        for text in files:
            name = text.partition("\n")[0].removeprefix("id: ")
            (tmp_path / "jobs.d" / f"{name}.yaml").write_text(text)
        return command("test", *arguments)

    return run


def test_a_job_whose_tests_pass_is_one_line(jobsd):
    assert jobsd() == (0, "✓ good  1 test\n", "1 test: 1 passed\n")


def test_a_terminal_without_these_signs_gets_words(jobsd, monkeypatch):
    monkeypatch.setattr(type(sys.stdout), "encoding", "ascii")
    assert jobsd(files=(GOOD, BAD)).out.splitlines()[0] == "FAIL bad  1 of 2 tests failed"


def test_an_unexpected_verdict_is_shown_with_the_value_of_every_part(jobsd):
    found = jobsd(files=(GOOD, BAD))
    assert found.code == 1
    assert found.out.splitlines() == [
        "✗ bad  1 of 2 tests failed",
        "    jobs.d/bad.yaml:6: ones pass",
        "      expected run, got filtered",
        '        event.n > 1 and event.kind == "a"  false',
        "          event.n > 1                      false",
        "            event.n                        1",
        "            1                              1",
        '          event.kind == "a"                skipped',
        "            event.kind                     skipped",
        '            "a"                            "a"',
        "✓ good  1 test",
    ]
    assert found.err == "3 tests: 2 passed, 1 failed\n"


def test_an_error_is_shown_with_its_place_in_the_filter(jobsd):
    found = jobsd(files=(GOOD.replace("{n: 2}", "{}"),))
    assert "expected run, got error" in found.out
    assert "filter:1:1: error[filter-error]" in found.out
    assert "^^^^^^^" in found.out


def test_unexpected_runs_stand_side_by_side_with_the_expected_ones(jobsd):
    assert jobsd(files=(NIGHT,)).out.splitlines() == [
        "✗ night  1 of 1 test failed",
        "    jobs.d/night.yaml:7: at night",
        "      after Fri 2026-03-27 12:00, in Europe/Berlin",
        "        expected              got",
        "        Sat 2026-03-28 02:30  Sat 2026-03-28 02:30 +01:00",
        "        Sun 2026-03-29 02:30  Sun 2026-03-29 03:00 +02:00  ✗  (moved from 02:30, which the clock skips)",
    ]


def test_a_file_with_errors_fails_and_the_others_are_tested(jobsd):
    found = jobsd(files=(GOOD, BROKEN))
    assert found.code == 1
    assert "jobs.d/broken.yaml:4:14: error[schedule-range]" in found.out
    assert "✓ good" in found.out
    assert found.err == "1 test: 1 passed; 1 error in 1 file\n"


def test_no_tests_are_no_failure_and_are_told(jobsd):
    found = jobsd(files=(BARE, HAND))
    assert found == (0, "", "no tests; 1 cron or push job without tests (--missing lists them)\n")


def test_jobs_without_tests_are_listed_where_something_but_a_person_triggers_them(jobsd):
    files = (GOOD, BARE, HAND)
    found = jobsd("--missing", files=files)
    assert found == (1, "jobs.d/bare.yaml:1: bare (push) has no tests\n", "1 cron or push job without tests\n")
    listed = jobsd("--missing", "--format", "json")
    assert listed.json == [{"job": "bare", "mode": "push", "path": "jobs.d/bare.yaml", "line": 1}]
    assert jobsd("--missing", "good").code == 0


def test_jobs_are_chosen_by_id_by_file_and_by_folder(jobsd):
    files = (GOOD, BAD, BROKEN)
    assert jobsd("good", files=files).out == "✓ good  1 test\n"
    assert jobsd("jobs.d/good.yaml").out == "✓ good  1 test\n"
    assert jobsd("good", "jobs.d/good.yaml").err == "1 test: 1 passed\n"
    assert jobsd("broken").code == jobsd("jobs.d/broken.yaml").code == 1
    assert jobsd("jobs.d").out == jobsd().out


def test_another_tree_is_tested_as_one(jobsd, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "defaults.yaml").write_text("kind: defaults\ntimezone: Asia/Tokyo\n")
    (tmp_path / "other" / "a.yaml").write_text(
        "name: A\nmode: cron\nschedule: '@daily'\ntests: [{at: 2026-01-01T00:00Z, next: [2026-01-02 00:00]}]\n"
    )
    (tmp_path / "other" / "loop.yaml").symlink_to("loop.yaml")
    assert "✓ a  1 test\n" in jobsd("other").out
    assert jobsd("other/a.yaml") == (0, "✓ a  1 test\n", "1 test: 1 passed\n")


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("goood", 4, "no job has the id 'goood'; did you mean 'good'?"),
        ("jobs.d/none.yaml", 2, "jobs.d/none.yaml does not exist"),
    ],
)
def test_what_is_not_there_is_refused(jobsd, name, code, words):
    assert jobsd(name) == (code, "", f"jobsd: {words}\n")


def test_without_a_directory_there_is_nothing_to_test(jobsd, tmp_path):
    (tmp_path / "jobs.d").rmdir()
    found = jobsd(files=())
    assert (found.code, "there is no directory jobs.d" in found.err) == (2, True)


def test_json_has_each_test_with_its_place(jobsd):
    report = jobsd("--format", "json", files=(BAD, NIGHT, BROKEN)).json
    assert (report["passed"], report["failed"]) == (1, 2)
    assert [each["rule"] for each in report["diagnostics"]] == ["schedule-range"]
    wrong, _, night = report["tests"]
    parts = wrong.pop("filter")
    assert wrong == {
        "job": "bad",
        "name": "ones pass",
        "path": "jobs.d/bad.yaml",
        "line": 6,
        "passed": False,
        "expected": "run",
        "got": "filtered",
    }
    assert parts["verdict"] == "reject"
    assert night["runs"][1] == {
        "expected": "2026-03-29T02:30:00",
        "got": "2026-03-29T03:00:00+02:00",
        "fits": False,
        "note": "moved from 02:30, which the clock skips",
    }


def test_junit_has_a_suite_for_each_job_and_an_error_for_each_mistake_in_a_file(jobsd):
    found = jobsd("--format", "junit", files=(GOOD, BAD, BROKEN))
    assert found.code == 1
    root = ET.fromstring(found.out)
    assert [(suite.get("name"), suite.get("tests")) for suite in root] == [
        ("bad", "2"), ("good", "1"), ("jobs.d/broken.yaml", "1"),
    ]  # fmt: skip
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("4", "1", "1")
    failed, passed = root[0]
    assert (failed.get("file"), failed.get("line"), failed.get("name")) == ("jobs.d/bad.yaml", "6", "ones pass")
    assert failed[0].get("message") == "expected run, got filtered"
    assert 'event.kind == "a"                skipped' in failed[0].text
    assert list(passed) == []
    missing = ET.fromstring(jobsd("--format", "junit", "--missing", files=(BARE,)).out)
    assert [case.get("classname") for case in missing.iter("testcase") if case.find("failure") is not None] == [
        "bare"
    ]


def test_nothing_of_the_file_reaches_the_terminal_as_a_command(jobsd):
    text = BAD.replace("name: ones pass", 'name: "a\u202eb"').replace("kind: a}", 'kind: "\\e[31m"}')
    out = jobsd(files=(text,)).out
    assert "\u202e" not in out
    assert "\x1b" not in out


def test_no_runner_no_secret_and_no_agent_is_needed(jobsd, tmp_path):
    files = (f"{GOOD}agent: robot\n",)
    (tmp_path / "jobs.d" / "robot.yaml").write_text(
        "kind: agent\nid: robot\ntype: command\ncommand: [touch, ran]\nenv: {TOKEN: '${env:NOT_THERE}'}\n"
    )
    assert jobsd(files=files).code == 0
    assert not (tmp_path / ".jobsd").exists()
    assert not list(tmp_path.rglob("ran"))


def test_every_sample_has_tests_and_passes_them(jobsd):
    found = jobsd("--jobs", str(SAMPLES), files=())
    assert found.code == 0
    assert [line.split()[:2] for line in found.out.splitlines()] == [
        ["✓", path.stem] for path in sorted(SAMPLES.glob("*.yaml")) if path.stem != "defaults"
    ]
    assert jobsd("--jobs", str(SAMPLES), "--missing", files=()).code == 0
