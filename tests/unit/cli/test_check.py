"""`jobsd validate`: what of a tree is told, in which form, and with which exit code."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from runner.cli.main import main
from runner.spec.rules import RULES
from runner.spec.source import SourceFile, read_documents

GOOD = "name: Good\nmode: manual\n"
BAD = "name: Bad\nmode: manual\ntimout: 5m\n"
DOUBTFUL = "name: Doubtful\nmode: cron\nschedule: '0 9 13 * 5'\n"
ROBOT = "kind: agent\nid: robot\ntype: command\ncommand: [robot]\n"
HOOKS = Path(__file__).parents[3] / ".pre-commit-hooks.yaml"


@dataclass
class Done:
    code: int
    out: str
    err: str


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty place with a folder for jobs."""
    for name in ("GITHUB_WORKSPACE", "GITHUB_STEP_SUMMARY", "GIT_DIR", "GIT_INDEX_FILE", "JOBSD_JOBS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs.d").mkdir()
    return tmp_path


@pytest.fixture
def validate(capsys, place):
    """Write files below jobs.d (or, with a leading slash, above it), and run the command in this process."""

    def run(*arguments: str, **files: str) -> Done:
        for name, text in files.items():
            write(place, name, text)
        code: Any = 0
        try:
            main(["validate", *arguments])
        except SystemExit as leaving:
            code = leaving.code
        said = capsys.readouterr()
        return Done(code or 0, said.out, said.err)

    return run


def write(place: Path, name: str, text: str) -> None:
    path = place / "jobsd.yaml" if name == "settings" else place / "jobs.d" / f"{name}.yaml"
    path.write_text(text)


def git(place: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    subprocess.run(command, cwd=place, capture_output=True, check=True)


def commit(place: Path) -> None:
    git(place, "init", "-q")
    git(place, "add", ".")
    git(place, "commit", "-q", "-m", "first")


def rules(done: Done) -> list[str]:
    return [each["rule"] for each in json.loads(done.out)]


def test_a_clean_tree_is_0_warnings_are_0_and_errors_are_1(validate):
    assert validate(good=GOOD).code == 0
    assert validate(doubtful=DOUBTFUL).code == 0
    assert validate(bad=BAD).code == 1


def test_the_last_line_leads_to_the_page_of_a_rule(validate):
    done = validate(bad=BAD)

    assert done.err.splitlines() == [
        "1 error in 1 file",
        "to read why a rule matters: jobsd validate --explain unknown-field",
    ]
    assert "--explain" not in validate(bad=GOOD).err


def test_an_empty_folder_is_not_called_free_of_problems(validate):
    assert validate().err == "there are no job files to check\n"


def test_the_policy_of_the_settings_file_counts(validate):
    settings = "max_running: 3\nvalidate: {rules: {schedule-both-days: error}, require: [timeout]}\n"
    done = validate("--format", "json", doubtful=DOUBTFUL, settings=settings)

    assert done.code == 1
    assert rules(done) == ["policy-required", "schedule-both-days"]


def test_what_is_wrong_with_the_policy_is_told_with_its_place_and_is_1(validate):
    done = validate(good=GOOD, settings="validate:\n  rules: {unknown-agent: off}\n")

    assert done.code == 1
    assert done.out.startswith("jobsd.yaml:2:26: error[fixed-severity]: ")


def test_a_settings_file_that_is_named_counts(validate, place):
    (place / "strict.yaml").write_text("validate: {require: [timeout]}\n")

    assert rules(validate("--config", "strict.yaml", "--format", "json", good=GOOD)) == ["policy-required"]


def test_a_file_alone_is_shown_and_the_whole_tree_is_read(validate):
    files = {"job": f"{GOOD}agent: robot\n", "robot": ROBOT, "bad": BAD}

    assert rules(validate("jobs.d/job.yaml", "--format", "json", **files)) == []
    assert rules(validate("jobs.d/bad.yaml", "--format", "json")) == ["unknown-field"]


def test_what_speaks_of_a_file_concerns_it(validate):
    done = validate("jobs.d/a.yaml", "--format", "json", a=GOOD, b=GOOD)

    assert [each["path"] for each in json.loads(done.out)] == ["jobs.d/a.yaml", "jobs.d/b.yaml"]


# -- formats -------------------------------------------------------------------------------------------------


def test_github_gets_commands_on_standard_output_and_talk_on_standard_error(validate):
    done = validate("--format", "github", bad=BAD)

    assert done.code == 1
    assert done.out.startswith(
        "::error file=jobs.d/bad.yaml,line=3,endLine=3,col=1,endColumn=6,title=unknown-field::"
    )
    assert "::" not in done.err


MANY = "name: Bad\nmode: manual\n" + "".join(f"field_{number}: 1\n" for number in range(13))


def test_what_is_more_than_github_shows_goes_into_the_summary(validate, place, monkeypatch):
    (place / "summary.md").write_text("# Before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(place / "summary.md"))
    done = validate("--format", "github", bad=MANY)

    assert done.out.count("::error ") == 10
    assert done.out.splitlines()[-1] == "3 more are in the summary of this step"
    summary = (place / "summary.md").read_text()
    assert summary.startswith("# Before\n###")
    assert re.findall(r"`(field_\d+)`", summary) == ["field_10", "field_11", "field_12"]


def test_without_a_summary_the_rest_is_printed(validate):
    done = validate("--format", "github", bad=MANY)

    assert done.out.count("::error ") == 10
    assert "jobs.d/bad.yaml:15:1: error[unknown-field]" in done.out


def test_a_summary_that_can_not_be_written_is_2(validate, place, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(place / "nowhere" / "summary.md"))
    done = validate("--format", "github", bad=MANY)

    assert done.code == 2
    assert "can't write $GITHUB_STEP_SUMMARY" in done.err


def test_sarif_and_junit_are_one_document_on_standard_output(validate):
    done = validate("--format", "sarif", bad=BAD, good=GOOD)
    assert done.code == 1
    assert [each["ruleId"] for each in json.loads(done.out)["runs"][0]["results"]] == ["unknown-field"]

    done = validate("--format", "junit")
    assert done.code == 1
    assert [each.attrib["name"] for each in ET.fromstring(done.out).iter("testcase")] == [
        "jobs.d/bad.yaml",
        "jobs.d/good.yaml",
    ]


# -- --explain -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_explained(validate, rule):
    done = validate("--explain", rule)

    assert done.code == 0
    assert done.out.startswith(f"# {rule}: ")
    assert "## Right" in done.out


def test_a_page_says_what_can_be_changed(validate):
    assert "it can be neither lowered nor ignored" in validate("--explain", "unknown-agent").out
    assert "`# jobsd: ignore[schedule-dst-gap]`" in validate("--explain", "schedule-dst-gap").out
    assert "The runner takes no notice of it" in validate("--explain", "policy-required").out


def test_an_unknown_rule_is_2_and_the_one_that_was_meant_is_named(validate):
    done = validate("--explain", "unknwn-agent")
    assert (done.code, done.err) == (2, "jobsd: no rule is called 'unknwn-agent'; did you mean 'unknown-agent'?\n")

    done = validate("--explain", "whatever")
    assert (done.code, done.err) == (2, "jobsd: no rule is called 'whatever'; 'jobsd docs rules' lists all\n")


# -- --changed-since -----------------------------------------------------------------------------------------


def test_only_what_concerns_changed_files_is_shown(validate, place):
    write(place, "old", BAD)
    write(place, "job", f"{GOOD}agent: robot\n")
    write(place, "robot", ROBOT)
    commit(place)

    assert validate("--changed-since", "HEAD").code == 0
    done = validate(
        "--changed-since", "HEAD", "--format", "json", job=f"{GOOD}agent: robt\n", new=BAD.replace("Bad", "New")
    )
    assert done.code == 1
    assert [(each["rule"], each["path"]) for each in json.loads(done.out)] == [
        ("unknown-agent", "jobs.d/job.yaml"),
        ("unknown-field", "jobs.d/new.yaml"),
    ]


def test_the_count_is_of_changed_files(validate, place):
    write(place, "old", GOOD)
    commit(place)

    assert validate("--changed-since", "HEAD", new=DOUBTFUL).err.startswith("1 warning in 1 file\n")


def test_the_settings_file_is_judged_when_it_changed(validate, place):
    write(place, "good", GOOD)
    write(place, "settings", "validate: {rules: {whatever: off}}\n")
    commit(place)

    assert rules(validate("--changed-since", "HEAD", "--format", "json")) == []
    changed = "validate: {rules: {whatever: error}}\n"
    assert rules(validate("--changed-since", "HEAD", "--format", "json", settings=changed)) == ["unknown-rule"]


def test_an_unknown_revision_and_no_repository_are_2(validate, place, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(place.parent))
    done = validate("--changed-since", "HEAD", good=GOOD)
    assert done.code == 2
    assert "is in no git repository" in done.err

    commit(place)
    done = validate("--changed-since", "nowhere")
    assert done.code == 2
    assert done.err.startswith("jobsd: git knows no revision 'nowhere'")


# -- pre-commit ----------------------------------------------------------------------------------------------


def hooks() -> list[dict[str, Any]]:
    """The hooks of the file, which is a list: read as the value of a field."""
    text = HOOKS.read_text("utf-8")
    file = SourceFile("hooks.yaml", f"hooks:\n{text}".encode())
    (document,), problems = read_documents(file)
    assert not problems
    return list(document.data["hooks"])


def test_the_hook_has_what_pre_commit_wants():
    (hook,) = hooks()

    assert hook["id"] == "jobsd-validate"
    assert hook["language"] == "python"
    assert {"id", "name", "entry", "language"} <= hook.keys()
    assert hook["require_serial"] is True


def test_the_hook_takes_job_files_and_no_others():
    pattern = re.compile(hooks()[0]["files"])

    for name in ("jobs.d/a.yaml", "site/jobs.d/deep/b.yml"):
        assert pattern.search(name)
    for name in ("jobsd.yaml", "jobs.d/run.py", "notjobs.d/a.yaml"):
        assert not pattern.search(name)


def test_the_command_of_the_hook_checks_the_files_that_it_is_given(validate):
    program, *arguments = hooks()[0]["entry"].split()
    assert (program, arguments) == ("jobsd", ["validate"])

    done = validate("jobs.d/job.yaml", "jobs.d/bad.yaml", job=f"{GOOD}agent: robot\n", robot=ROBOT, bad=BAD)
    assert done.code == 1
    assert "in 2 files" in done.err
