"""`jobsd new` writes a file that says what was asked for, and `jobsd delete` takes one document away."""

import json

import pytest

from runner.spec.document import SourceFile
from runner.spec.source import scan


@pytest.fixture
def jobsd(command, tmp_path, monkeypatch):
    """Run a command in this process over an empty tree."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs.d").mkdir()

    def run(*arguments: str):
        return command(*arguments)

    return run


def test_a_new_job_is_written_as_a_person_would(jobsd, tmp_path):
    done = jobsd(
        "new", "Daily: Report", "--schedule", "0 9 * * 1-5", "--payload", '{"days": 7}', "--prompt", "a\nb"
    )
    assert (done.code, done.out) == (0, "wrote jobs.d/daily-report.yaml: job daily-report\n")
    assert (tmp_path / "jobs.d" / "daily-report.yaml").read_text() == (
        "# yaml-language-server: $schema=../schemas/job.schema.json\n"
        "id: daily-report\n"
        'name: "Daily: Report"\n'
        "prompt: |-\n  a\n  b\n"
        "mode: cron\n"
        'schedule: "0 9 * * 1-5"\n'
        "payload:\n  days: 7\n"
    )
    assert [each.name for each in (tmp_path / "jobs.d").iterdir()] == ["daily-report.yaml"]


@pytest.mark.parametrize(
    "text", ["yes", "a: b # c", "5", "'x'", "*star", "\u2028 odd \x07", "tab\t", "  blanks  "]
)
def test_a_text_is_read_again_as_it_was_given(jobsd, tmp_path, text):
    assert jobsd("new", "A", "--description", text, "--payload", json.dumps([text])).code == 0
    found = scan(SourceFile("a.yaml", (tmp_path / "jobs.d" / "a.yaml").read_bytes()))
    assert found.diagnostics == ()
    assert (found.documents[0].data["description"], found.documents[0].data["payload"]) == (text, [text])


def test_a_payload_of_nothing_is_a_payload(jobsd, tmp_path):
    assert jobsd("new", "A", "--payload", "null").code == 0
    assert (tmp_path / "jobs.d" / "a.yaml").read_text().endswith("payload: null\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--file", ".a.yaml"], 2, "--file .a.yaml: names that start with a dot are ignored"),
        (["--file", ".git/a.yaml"], 2, "--file .git/a.yaml: names that start with a dot are ignored"),
        (["--file", "a.txt"], 2, "--file a.txt: job files end in .yaml or .yml"),
        (["--file", "../a.yaml"], 4, "jobs.d/../a.yaml is not below jobs.d"),
        (["--schedule", "61 * * * *"], 1, "nothing was written"),
    ],
)
def test_what_would_not_be_a_job_file_is_not_written(jobsd, tmp_path, arguments, code, message):
    done = jobsd("new", "A", *arguments)
    assert (done.code, done.err.splitlines()[-1]) == (code, f"jobsd: {message}")
    assert list((tmp_path / "jobs.d").iterdir()) == []


def test_a_new_job_never_replaces_a_file(jobsd, tmp_path):
    path = tmp_path / "jobs.d" / "a.yaml"
    path.write_text("# mine\n")
    done = jobsd("new", "A")
    assert (done.code, done.err) == (4, "jobsd: jobs.d/a.yaml exists already; 'jobsd edit a' changes it\n")
    assert path.read_text() == "# mine\n"


def test_deleting_takes_the_document_alone_and_the_file_with_the_last(jobsd, tmp_path):
    path = tmp_path / "jobs.d" / "a.yaml"
    path.write_bytes(b"# a\r\nname: A\r\nmode: manual\r\n--- # b\r\nname: B # b\r\nmode: manual\r\n")
    assert jobsd("delete", "a", "--yes").code == 0
    assert path.read_bytes() == b"--- # b\r\nname: B # b\r\nmode: manual\r\n"
    assert jobsd("delete", "b", "--yes").code == 0
    assert list((tmp_path / "jobs.d").iterdir()) == []
