"""`jobsd edit`: by values or in an editor, the file is valid afterwards or as it was before."""

import os
import shlex
import sys
from pathlib import Path

import pytest

TEXT = """\
# what the night does
name: Nightly  # a name
mode: cron
schedule: 30 2 * * *   # when all sleep
---
kind: defaults
timeout: 5m
retry: {attempts: 2}
"""


@pytest.fixture
def jobsd(command, tmp_path, monkeypatch):
    """Run a command in this process over one file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "drafts"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "drafts"))
    (tmp_path / "drafts").mkdir()
    (tmp_path / "jobs.d").mkdir()
    (tmp_path / "jobs.d" / "a.yaml").write_text(TEXT)

    def run(*arguments: str):
        return command(*arguments)

    return run


@pytest.fixture
def text(tmp_path):
    """What the file says now."""
    return lambda: (tmp_path / "jobs.d" / "a.yaml").read_bytes().decode()


@pytest.fixture
def editor(tmp_path, monkeypatch):
    """Make `$VISUAL` a program that does to the file what some lines of Python do to `text`, once for each."""

    def use(*edits: str) -> None:
        program = tmp_path / "editor.py"
        program.write_text(
            "import pathlib, sys\n"
            f"edits = {edits!r}\n"
            "count = pathlib.Path(__file__).with_name('count')\n"
            "number = len(count.read_text()) if count.exists() else 0\n"
            "count.write_text('x' * (number + 1))\n"
            "path = pathlib.Path(sys.argv[1])\n"
            "text = path.read_bytes().decode()\n"
            "names = {'text': text, 'path': path, 'sys': sys, 'pathlib': pathlib}\n"
            "exec(edits[min(number, len(edits) - 1)], names)\n"
            "path.write_bytes(names['text'].encode())\n"
        )
        monkeypatch.setenv("VISUAL", f"{shlex.quote(sys.executable)} {shlex.quote(str(program))}")

    return use


def drafts():
    return sorted(Path("drafts").iterdir())


# -- by values -------------------------------------------------------------------------------------------------


def test_values_change_their_lines_and_say_which(jobsd, text):
    done = jobsd("edit", "nightly", "schedule=*/5 * * * *", "labels.team=core", "catch_up={policy: none}")
    assert done.code == 0, done.err
    assert done.out == (
        "wrote jobs.d/a.yaml:4: schedule\nwrote jobs.d/a.yaml:8: labels.team\nwrote jobs.d/a.yaml:5: catch_up\n"
    )
    changed = 'schedule: "*/5 * * * *"   # when all sleep\ncatch_up:\n  policy: none\nlabels:\n  team: core\n'
    assert text() == TEXT.replace("schedule: 30 2 * * *   # when all sleep\n", changed)


def test_another_name_keeps_the_id(jobsd, text):
    done = jobsd("edit", "nightly", "name=Every Night")
    assert (done.code, done.out) == (0, "wrote jobs.d/a.yaml:3: id\nwrote jobs.d/a.yaml:2: name\n")
    assert text() == TEXT.replace("name: Nightly  # a name\n", "name: Every Night  # a name\nid: nightly\n")
    assert jobsd("show", "nightly").code == 0


def test_a_field_is_taken_away(jobsd, text):
    jobsd("edit", "nightly", "timeout=1h", "description=x")
    done = jobsd("edit", "nightly", "--unset", "timeout", "--unset", "description")
    assert done.out == "wrote jobs.d/a.yaml: timeout is gone\nwrote jobs.d/a.yaml: description is gone\n"
    assert text() == TEXT


def test_a_value_that_defaults_gave_is_the_jobs_own_now(jobsd, text):
    done = jobsd("edit", "nightly", "timeout=1h")
    assert done.code == 0
    assert done.err == "timeout came from defaults jobs.d/a.yaml:7; now the job has its own\n"
    assert "timeout: 1h\n---\n" in text()


FROM_DEFAULTS = "`retry` of job nightly comes from defaults jobs.d/a.yaml:8, as a whole"
ANOTHER_JOB = "job nightly would be another one after this change, without its history"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--unset", "timeout"], 4, "job nightly does not give `timeout` itself"),
        (["--unset", "timeout"], 4, "the value comes from defaults jobs.d/a.yaml:7"),
        (["retry.backoff=1m"], 4, FROM_DEFAULTS),
        (["retry.backoff=1m"], 4, "change it there, or give the job its own: retry={…}"),
        (["timeot=1h"], 4, "a job has no field `timeot`; did you mean `timeout`?"),
        (["--unset", "timeot"], 4, "a job has no field `timeot`; did you mean `timeout`?"),
        (["id=other"], 4, ANOTHER_JOB),
        (["timeout"], 2, "timeout: write FIELD=VALUE, such as timeout=2h; --unset removes a field"),
        (["payload={a"], 2, "payload: the value '{a' is not YAML"),
    ],
)
def test_what_can_not_be_done_is_refused_in_one_line(jobsd, text, arguments, code, message):
    done = jobsd("edit", "nightly", *arguments)
    assert (done.code, done.out, done.err.count("\n")) == (code, "", 1)
    assert message in done.err
    assert text() == TEXT


def test_a_value_that_is_not_valid_is_shown_and_not_written(jobsd, text):
    done = jobsd("edit", "nightly", "schedule=61 * * * *", "timeout=2h")
    assert done.code == 4
    assert "jobs.d/a.yaml:4:12" in done.err
    assert "^^" in done.err
    assert done.err.endswith("jobsd: jobs.d/a.yaml would have errors; nothing was written\n")
    assert text() == TEXT


def test_a_job_with_errors_is_mended(jobsd, tmp_path):
    path = tmp_path / "jobs.d" / "b.yaml"
    path.write_text("id: b\nname: B\nmode: cron\nschedule: every day # c\n")
    assert jobsd("edit", "b", "schedule=@daily").code == 0
    assert path.read_text() == 'id: b\nname: B\nmode: cron\nschedule: "@daily" # c\n'


def test_what_the_file_says_already_changes_nothing(jobsd, text):
    done = jobsd("edit", "nightly", "schedule=30 2 * * *", "mode=cron")
    assert (done.code, done.out, done.err) == (0, "", "nothing changed\n")
    assert text() == TEXT


def test_a_job_that_is_not_there_is_refused(jobsd):
    for arguments in (["timeout=1h"], []):
        done = jobsd("edit", "nobody", *arguments)
        assert (done.code, done.err) == (4, "jobsd: no job has the id 'nobody'; 'jobsd list' shows all\n")


def test_a_file_that_is_a_link_stays_one(jobsd, tmp_path):
    (tmp_path / "jobs.d" / ".hidden").mkdir()
    target = tmp_path / "jobs.d" / ".hidden" / "c.yaml"
    target.write_text("id: c\nname: C\nmode: manual\n")
    link = tmp_path / "jobs.d" / "c.yaml"
    link.symlink_to(".hidden/c.yaml")
    done = jobsd("edit", "c", "prompt=x")
    assert (done.code, done.out) == (0, "wrote jobs.d/c.yaml:3: prompt\n")
    assert link.is_symlink()
    assert target.read_text() == "id: c\nname: C\nprompt: x\nmode: manual\n"


# -- in an editor ----------------------------------------------------------------------------------------------


def test_what_a_person_leaves_in_the_editor_replaces_the_file(jobsd, text, tmp_path, editor):
    (tmp_path / "jobs.d" / "a.yaml").write_bytes(TEXT.replace("\n", "\r\n").encode())
    editor("text = text.replace('30 2', '45 3')")
    done = jobsd("edit", "nightly")
    assert (done.code, done.out) == (0, "wrote jobs.d/a.yaml\n")
    assert text() == TEXT.replace("30 2", "45 3").replace("\n", "\r\n")
    assert drafts() == []


def test_the_editor_sees_a_copy_outside_of_the_tree(jobsd, editor, tmp_path):
    editor(f"pathlib.Path({str(tmp_path / 'seen')!r}).write_text(str(path))")
    done = jobsd("edit", "nightly")
    assert (done.code, done.err) == (0, "nothing changed\n")
    seen = Path((tmp_path / "seen").read_text())
    assert seen.parent == tmp_path / "drafts"
    assert seen.name.startswith("jobsd-nightly-")
    assert drafts() == []


def test_a_job_that_is_renamed_in_the_editor_keeps_its_id(jobsd, text, editor):
    editor("text = text.replace('name: Nightly', 'name: Every Night')")
    done = jobsd("edit", "nightly")
    assert done.code == 0
    assert "`id` is written down" in done.err
    assert text() == TEXT.replace("name: Nightly  # a name\n", "name: Every Night  # a name\nid: nightly\n")


def test_a_text_with_errors_is_shown_and_kept(jobsd, text, editor):
    editor("text = text.replace('cron', 'corn')")
    done = jobsd("edit", "nightly")
    (draft,) = drafts()
    assert done.code == 1
    assert "jobs.d/a.yaml:3:7" in done.err
    assert done.err.endswith(f"jobsd: nothing was written; your text is kept in {draft.absolute()}\n")
    assert draft.read_text() == TEXT.replace("cron", "corn")
    assert text() == TEXT


def test_a_file_that_changed_meanwhile_wins_and_the_text_is_kept(jobsd, text, tmp_path, editor):
    theirs = TEXT.replace("30 2", "0 1")
    path = tmp_path / "jobs.d" / "a.yaml"
    editor(f"pathlib.Path({str(path)!r}).write_text({theirs!r}); text = text.replace('30 2', '45 3')")
    done = jobsd("edit", "nightly")
    (draft,) = drafts()
    assert done.code == 4
    assert done.err == (
        "jobsd: jobs.d/a.yaml was changed meanwhile; nothing was written; "
        f"your text is kept in {draft.absolute()}\n"
    )
    assert text() == theirs
    assert draft.read_text() == TEXT.replace("30 2", "45 3")


def test_an_editor_that_fails_leaves_everything_as_it_was(jobsd, text, editor):
    editor("sys.exit(3)")
    done = jobsd("edit", "nightly")
    assert done.code == 1
    assert done.err.endswith("nothing was written\n")
    assert (text(), drafts()) == (TEXT, [])


def test_a_text_that_is_not_utf8_is_kept(jobsd, text, monkeypatch, tmp_path):
    program = tmp_path / "latin"
    program.write_text("#!/bin/sh\nprintf 'id: caf\\351\\n' > \"$1\"\n")
    program.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(program))
    done = jobsd("edit", "nightly")
    assert done.code == 1
    assert "the text is not UTF-8; nothing was written; your text is kept in" in done.err
    assert text() == TEXT


def test_a_broken_file_is_mended_in_the_editor(jobsd, tmp_path, editor):
    path = tmp_path / "jobs.d" / "b.yaml"
    path.write_text("id: b\nname: B\nmode: sometimes\n")
    editor("text = text.replace('sometimes', 'manual')")
    assert jobsd("edit", "b").code == 0
    assert path.read_text() == "id: b\nname: B\nmode: manual\n"


def test_on_a_terminal_a_person_may_try_again(jobsd, text, editor, monkeypatch):
    editor("text = text.replace('cron', 'corn')", "text = text.replace('corn', 'cron').replace('30 2', '45 3')")
    leader, follower = os.openpty()
    with os.fdopen(follower, encoding="utf-8") as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        os.write(leader, b"y\n")
        done = jobsd("edit", "nightly")
    os.close(leader)
    assert done.code == 0, done.err
    assert "Edit again?" in done.err
    assert text() == TEXT.replace("30 2", "45 3")
    assert drafts() == []
