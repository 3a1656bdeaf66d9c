"""`jobsd disable --write` and `enable --write`: the file says it, with a runner or without."""

import json

import pytest

TEXT = """\
# what the night does
id: nightly
name: Nightly  # a name
mode: cron
schedule: 30 2 * * *
---
id: by-hand
name: By Hand
mode: manual
enabled: false  # for now
"""


@pytest.fixture
def jobsd(command, tmp_path, monkeypatch):
    """Run a command in this process over one file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs.d").mkdir()
    (tmp_path / "jobs.d" / "a.yaml").write_text(TEXT)

    def run(*arguments: str):
        return command(*arguments)

    return run


@pytest.fixture
def text(tmp_path):
    """What the file says now."""
    return (tmp_path / "jobs.d" / "a.yaml").read_text


def test_disabling_adds_one_line_and_enabling_changes_its_value(jobsd, text):
    done = jobsd("disable", "nightly", "--write")
    assert (done.code, done.out) == (0, "wrote jobs.d/a.yaml:6: nightly is disabled\n")
    assert text() == TEXT.replace("* * *\n", "* * *\nenabled: false\n")
    done = jobsd("enable", "nightly", "--write")
    assert (done.code, done.out) == (0, "wrote jobs.d/a.yaml:6: nightly is enabled\n")
    assert text() == TEXT.replace("* * *\n", "* * *\nenabled: true\n")


def test_a_value_that_is_there_is_changed_in_its_place(jobsd, text):
    done = jobsd("enable", "by-hand", "--write", "--format", "json")
    answer = {"id": "by-hand", "path": "jobs.d/a.yaml", "line": 10, "enabled": True, "changed": True}
    assert json.loads(done.out) == answer
    assert text() == TEXT.replace("enabled: false  # for now", "enabled: true  # for now")


def test_a_file_that_says_so_already_stays_as_it_is(jobsd, text):
    done = jobsd("disable", "by-hand", "--write")
    assert (done.code, done.out) == (0, "")
    assert done.err == "by-hand is disabled already in jobs.d/a.yaml; nothing changed\n"
    assert text() == TEXT


def test_a_job_that_its_file_disables_is_enabled_with_write_alone(jobsd):
    done = jobsd("enable", "by-hand")
    assert done.code == 4
    assert done.err == "jobsd: job by-hand is disabled in jobs.d/a.yaml:10; use --write to change the file\n"


def test_another_job_is_enabled_by_a_runner_alone(jobsd):
    done = jobsd("enable", "nightly")
    assert done.code == 3
    assert "no runner is up" in done.err


def test_a_job_that_is_not_there_is_refused(jobsd, text):
    done = jobsd("disable", "nobody", "--write")
    assert (done.code, done.err) == (4, "jobsd: no job has the id 'nobody'; 'jobsd list' shows all\n")
    assert text() == TEXT


def test_a_job_with_errors_is_refused_with_their_place(jobsd, tmp_path):
    (tmp_path / "jobs.d" / "b.yaml").write_text("id: b\nname: B\nmode: sometimes\n")
    done = jobsd("disable", "b", "--write")
    assert done.code == 4
    assert done.err.startswith("jobsd: job b has errors: jobs.d/b.yaml:3: expected `manual`")


def test_a_file_that_would_have_errors_is_not_written(jobsd, tmp_path):
    path = tmp_path / "jobs.d" / "b.yaml"
    path.write_text("id: b\nname: B\nmode: manual\n---\nid: c\n")
    done = jobsd("disable", "b", "--write")
    assert done.code == 4
    assert done.err.endswith("jobsd: jobs.d/b.yaml would have errors; nothing was written\n")
    assert path.read_text() == "id: b\nname: B\nmode: manual\n---\nid: c\n"


def test_a_value_that_an_alias_shares_is_left_to_people(jobsd, tmp_path):
    path = tmp_path / "jobs.d" / "b.yaml"
    path.write_text("id: b\nname: B\nmode: manual\npayload: &on true\nenabled: *on\n")
    done = jobsd("disable", "b", "--write")
    assert done.code == 4
    assert "b.yaml:5: `enabled` is an alias, which repeats the value in line 4; edit it by hand" in done.err


def test_a_reason_or_an_end_are_for_a_pause(jobsd, text):
    for option in ("--for", "--reason"):
        done = jobsd("disable", "nightly", "--write", option, "2h")
        assert (done.code, text()) == (2, TEXT)
        assert done.err == "jobsd: --reason and --for are for a pause; --write edits the file instead\n"
