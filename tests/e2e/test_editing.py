"""Editing job files by command: with a runner that takes the edit at once, and without one."""

import stat

TEXT = """\
# yaml-language-server: $schema=../schemas/job.schema.json
# two jobs of one team
id: tick
name: Tick  # a name
mode: cron
schedule: '@daily'   # at midnight
---
# the other one
id: tock
name: Tock
mode: manual
"""


def show(place, job: str) -> dict:
    return place.jobsd("show", job, "--format", "json").json


def test_a_runner_takes_an_edit_by_values_at_once(place):
    path = place.write("ticks.yaml", TEXT)
    path.chmod(0o640)
    with place.up():
        done = place.jobsd("edit", "tick", "schedule=*/5 * * * *", "timezone=Europe/Berlin", "name=Ticks")
        assert (done.code, done.err) == (0, "")
        found = place.eventually(lambda: (now := show(place, "tick"))["name"] == "Ticks" and now)
        assert (found["schedule"], found["timezone"]) == ("*/5 * * * *", "Europe/Berlin")

        bad = place.jobsd("edit", "tick", "schedule=61 * * * *")
        assert bad.code == 4
        assert "^^" in bad.err
        assert place.jobsd("edit", "tick", "--unset", "timezone").code == 0
        place.eventually(lambda: show(place, "tick")["timezone"] == "UTC")
    after = TEXT.replace("Tick  #", "Ticks  #").replace("'@daily'", "'*/5 * * * *'")
    assert path.read_text() == after
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [each.name for each in place.jobs.iterdir()] == ["ticks.yaml"]


def test_without_a_runner_the_files_alone_are_edited(place):
    path = place.write("ticks.yaml", TEXT)
    done = place.jobsd("edit", "tock", "payload={n: 1}", "labels.team=core")
    assert (done.code, done.err) == (0, "")
    assert path.read_text() == TEXT + "payload:\n  n: 1\nlabels:\n  team: core\n"
    assert not place.state.exists()
    assert place.jobsd("validate").code == 0


def test_an_editor_that_is_open_while_another_edits_loses_neither_text(place):
    path = place.write("ticks.yaml", TEXT)
    script = place.root / "editor"
    script.write_text(f"#!/bin/sh\nsed -i 's/two jobs/2 jobs/' {path}\nsed -i 's/Tock/Clock/' \"$1\"\n")
    script.chmod(0o755)
    with place.up():
        done = place.jobsd("edit", "tock", env={"EDITOR": str(script), "TMPDIR": str(place.root)})
        assert done.code == 4
        assert "ticks.yaml was changed meanwhile; nothing was written; your text is kept in" in done.err
        assert path.read_text() == TEXT.replace("two jobs", "2 jobs")
        kept = done.err.strip().rsplit(" ", 1)[1]
        assert place.root.joinpath(kept).read_text() == TEXT.replace("Tock", "Clock")

        script.write_text("#!/bin/sh\nsed -i 's/Tock/Clock/' \"$1\"\n")
        assert place.jobsd("edit", "tock", env={"EDITOR": str(script)}).code == 0
        place.eventually(lambda: show(place, "tock")["name"] == "Clock")


def test_deleting_a_job_leaves_the_other_documents_of_its_file(place):
    path = place.write("ticks.yaml", TEXT)
    first, second = TEXT.split("---\n")
    with place.up():
        assert place.jobsd("delete", "tick", "--yes").code == 0
        assert path.read_text() == first.splitlines(keepends=True)[0] + "---\n" + second
    assert place.jobsd("delete", "tock", "--yes").code == 0
    assert not path.exists()
