"""`jobsd import crontab`: what is written, what is refused, and what is said."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from runner.cli import importing

CRONTAB = "# Nightly\n0 5 * * * /bin/backup /data\n*/5 * * * * cat%hello\n"
JOB = "id: backup-data\nname: B\nmode: manual\n"


@pytest.fixture
def jobsd(command, tmp_path, monkeypatch):
    """Run `jobsd` in this process in a folder with an empty jobs directory, in Tokyo."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs.d").mkdir()
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/Asia/Tokyo")
    monkeypatch.setattr(importing, "LOCALTIME", tmp_path / "localtime")

    def run(*arguments: str, crontab: str | bytes = CRONTAB, stdin: bytes = b""):
        (tmp_path / "tab").write_bytes(crontab if isinstance(crontab, bytes) else crontab.encode())
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
        return command(*arguments)

    return run


def tree(folder: Path) -> dict[str, str]:
    return {str(each.relative_to(folder)): each.read_text() for each in folder.rglob("*.yaml")}


def test_files_are_written_and_are_valid_together(jobsd, tmp_path):
    found = jobsd("import", "crontab", "tab")
    assert found.code == 0
    assert found.out.splitlines() == [
        "wrote jobs.d/agents/backup-data.yaml",
        "wrote jobs.d/agents/cat.yaml",
        "wrote jobs.d/backup-data.yaml",
        "wrote jobs.d/cat.yaml",
    ]
    assert found.err == "2 jobs in 4 files\n"
    assert "description: Nightly\n" in tree(tmp_path)["jobs.d/backup-data.yaml"]
    assert jobsd("validate").code == 0
    assert "timezone: Asia/Tokyo\n" in tree(tmp_path)["jobs.d/cat.yaml"]


def test_the_coming_runs_are_those_of_the_crontab(jobsd):
    jobsd("import", "crontab", "tab", "--timezone", "Europe/Berlin")
    found = jobsd("next", "backup-data", "-n", "3", "--from", "2026-03-27T12:00Z", "--format", "json")
    assert [each["local"] for each in json.loads(found.out)] == [
        "2026-03-28T05:00:00+01:00", "2026-03-29T05:00:00+02:00", "2026-03-30T05:00:00+02:00",
    ]  # fmt: skip


def test_a_dry_run_prints_the_files_and_writes_none(jobsd, tmp_path):
    found = jobsd("import", "crontab", "tab", "--dry-run")
    assert (found.code, tree(tmp_path)) == (0, {})
    assert found.out.startswith("---\n# jobs.d/agents/backup-data.yaml\nkind: agent\nid: backup-data\n")
    (tmp_path / "jobs.d" / "all.yaml").write_text(found.out)
    assert jobsd("validate").code == 0
    listed = json.loads(jobsd("import", "crontab", "tab", "--dry-run", "--format", "json").out)
    assert [each["id"] for each in listed["files"]] == ["backup-data", "cat", "backup-data", "cat"]
    assert listed["files"][0]["text"].startswith("kind: agent\n")


def test_standard_input_is_a_crontab_too(jobsd, tmp_path):
    assert jobsd("import", "crontab", "-", stdin=b"@daily root /bin/a\n").code == 0
    assert "cd; root /bin/a" in tree(tmp_path)["jobs.d/agents/root-a.yaml"]
    assert jobsd("import", "crontab", "-", "--user-field", stdin=b"@daily root /bin/a\n").code == 0
    assert "user: root\n" in tree(tmp_path)["jobs.d/agents/a.yaml"]


def test_another_folder_is_made(jobsd, tmp_path):
    assert jobsd("import", "crontab", "tab", "--into", "jobs.d/cron").code == 0
    assert sorted(tree(tmp_path / "jobs.d" / "cron")) == [
        "agents/backup-data.yaml", "agents/cat.yaml", "backup-data.yaml", "cat.yaml",
    ]  # fmt: skip
    assert jobsd("validate").code == 0
    assert jobsd("import", "crontab", "tab", "--into", "elsewhere").code == 0
    assert jobsd("validate", "elsewhere").code == 0


def test_no_file_is_replaced_and_all_conflicts_are_listed(jobsd, tmp_path):
    (tmp_path / "jobs.d" / "agents").mkdir()
    (tmp_path / "jobs.d" / "agents" / "cat.yaml").write_text("# mine\n")
    (tmp_path / "jobs.d" / "cat.yaml").symlink_to("nowhere")
    found = jobsd("import", "crontab", "tab")
    assert found.code == 4
    assert found.err.splitlines() == [
        "jobs.d/agents/cat.yaml exists already",
        "jobs.d/cat.yaml exists already",
        "jobsd: nothing was written: move these away, or name another folder with --into",
    ]
    assert tree(tmp_path / "jobs.d" / "agents") == {"cat.yaml": "# mine\n"}
    assert not (tmp_path / "jobs.d" / "backup-data.yaml").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (JOB, "there is the job backup-data already in jobs.d/mine.yaml:1"),
        (
            "kind: agent\nid: cat\ntype: command\ncommand: [x]\n",
            "there is the agent cat already in jobs.d/mine.yaml:1",
        ),
        (f"{JOB}x: 1\n", "there is a document with the id backup-data already, with errors, in jobs.d/mine.yaml"),
    ],
)
def test_an_id_that_is_taken_is_a_conflict(jobsd, tmp_path, text, words):
    (tmp_path / "jobs.d" / "mine.yaml").write_text(text)
    found = jobsd("import", "crontab", "tab")
    assert (found.code, found.err.splitlines()[0]) == (4, words)
    assert list(tree(tmp_path / "jobs.d")) == ["mine.yaml"]


def test_what_is_left_out_is_told_with_its_line_and_the_rest_is_written(jobsd, tmp_path):
    found = jobsd("import", "crontab", "tab", crontab="MAILTO=a\n@reboot x\n@daily /bin/a\n")
    assert found.code == 1
    assert found.err.splitlines() == [
        "1 job in 2 files",
        "tab:1: left out: MAILTO: no mail is sent; 'jobsd logs JOB' shows the output (a)",
        "tab:2: left out: @reboot names no time; let a unit of systemd start the command",
    ]
    assert (tmp_path / "jobs.d" / "a.yaml").exists()
    found = jobsd("import", "crontab", "tab", "--dry-run", "--format", "json", crontab="@reboot x\n")
    assert json.loads(found.out)["left_out"] == [
        {"line": 1, "message": "@reboot names no time; let a unit of systemd start the command"}
    ]


@pytest.mark.parametrize(
    ("arguments", "crontab", "words"),
    [
        (["/etc/cron.d/backup"], "", "/etc/cron.d/backup names a user before each command: say --user-field"),
        (["none"], "", "none: no such file or directory"),
        (["tab"], b"# a\n* * * * * \xff\n", "tab:2: not UTF-8"),
        (["tab", "--timezone", "Berlin"], "", "did you mean Europe/Berlin?"),
    ],
)
def test_misuse_is_one_clear_line(jobsd, arguments, crontab, words):
    found = jobsd("import", "crontab", *arguments, crontab=crontab)
    assert found.code == 2
    assert found.out == ""
    assert words in found.err


def test_a_machine_without_a_zone_is_in_utc_and_one_that_hides_it_is_asked(jobsd, tmp_path):
    (tmp_path / "localtime").unlink()
    assert "timezone: UTC\n" in jobsd("import", "crontab", "tab", "--dry-run").out
    (tmp_path / "localtime").write_bytes(b"TZif")
    found = jobsd("import", "crontab", "tab", "--dry-run")
    assert (found.code, "name it with --timezone" in found.err) == (2, True)
