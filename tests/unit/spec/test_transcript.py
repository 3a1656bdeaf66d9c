"""The documents that are made from a crontab are valid, and do what its lines do."""

import subprocess
from datetime import UTC, datetime
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.plan import DesiredState, desire
from runner.schedule import parse_schedule
from runner.spec.crontab import read_crontab
from runner.spec.document import SourceFile
from runner.spec.loader import read
from runner.spec.models import Job
from runner.spec.transcript import Transcript, command_of, name_of, transcribe

START = datetime(2026, 3, 1, tzinfo=UTC)


def made(text: str, *, user_field: bool = False) -> Transcript:
    return transcribe(read_crontab(text, "Europe/Berlin", user_field=user_field))


def state(found: Transcript) -> DesiredState:
    files = [read(SourceFile(each.path, each.text.encode(), "jobs.d")) for each in found.files]
    state = desire(files, None, now=START)
    assert not [each for each in state.diagnostics if each.is_error]
    assert len(state.jobs) == found.jobs
    return state


def jobs(found: Transcript) -> list[Job]:
    """The jobs in the order of the crontab."""
    known = state(found).jobs
    return [known[each.id] for each in found.files if not each.path.startswith("agents/")]


def only_job(text: str):
    found = made(text)
    assert found.notes == ()
    (job,) = jobs(found)
    return job


def command(line: str) -> tuple[str, ...]:
    return only_job(f"0 5 * * * {line}\n").agent.spec.command


def files(text: str) -> dict[str, str]:
    return {each.path: each.text for each in made(text).files}


def test_a_line_becomes_a_job_and_an_agent():
    written = files("# Save /data\n# every night.\n0 5 * * 1-5 /usr/local/bin/backup.sh --full /data\n")
    assert written == {
        "agents/backup-data.yaml": "kind: agent\nid: backup-data\nname: Backup data\ntype: command\n"
        "command: [/usr/local/bin/backup.sh, --full, /data]\n",
        "backup-data.yaml": "# Line 3 of the crontab: 0 5 * * 1-5 /usr/local/bin/backup.sh --full /data\n"
        "id: backup-data\nname: Backup data\ndescription: |-\n  Save /data\n  every night.\n"
        'agent: backup-data\nmode: cron\nschedule: "0 5 * * 1-5"\ntimezone: Europe/Berlin\n'
        "timeout: 1d  # cron lets a command run for ever\n",
    }


@pytest.mark.parametrize(
    "schedule", ["0 5 * * *", "*/7 */3 * * *", "30 2 * 3,10 0-2", "0 0 1-7 * 5", "@weekly", "15 10 * JAN-mar MON"]
)
def test_a_job_runs_when_cron_would_run_the_line(schedule):
    found = only_job(f"{schedule} x\n").schedule
    expected = parse_schedule(schedule, "Europe/Berlin")
    end = datetime(2029, 1, 1, tzinfo=UTC)
    assert list(islice(found.between(START, end), 200)) == list(islice(expected.between(START, end), 200))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/bin/a", ("/bin/a",)),
        ("/bin/a -v --level=3 --to=/b 10 '/a b'", ("/bin/a", "-v", "--level=3", "--to=/b", "10", "/a b")),
        ("a", ("/bin/sh", "-c", "cd; a")),
        ("/bin/a b", ("/bin/sh", "-c", "cd; /bin/a b")),
        ("/bin/a > /dev/null", ("/bin/sh", "-c", "cd; /bin/a > /dev/null")),
        ('/bin/a "$HOME"', ("/bin/sh", "-c", 'cd; /bin/a "$HOME"')),
        ("A=1 /bin/a", ("/bin/sh", "-c", "cd; A=1 /bin/a")),
        ("/bin/a 'b", ("/bin/sh", "-c", "cd; /bin/a 'b")),
        ("cd / && a", ("/bin/sh", "-c", "cd / && a")),
        ("cat%b", ("/bin/sh", "-c", "cd\nexec <<'INPUT'\nb\nINPUT\ncat")),
        ("cd /a; cat%b%INPUT", ("/bin/sh", "-c", "exec <<'INPUT_'\nb\nINPUT\nINPUT_\ncd /a; cat")),
    ],
)
def test_a_line_needs_a_shell_unless_it_is_plain_words_that_mean_the_same_anywhere(line, words):
    assert command(line) == words


def test_a_shell_does_with_it_what_cron_s_shell_does(tmp_path):
    (tmp_path / "here").write_text("found")
    argv = command(r"cat; cat here; date -d @0 -u +\%Y; echo end\\%one%  two $HOME%")
    done = subprocess.run(
        argv, env={"HOME": str(tmp_path), "PATH": "/bin:/usr/bin"}, capture_output=True, check=True
    )
    assert done.stdout.decode() == "one\n  two $HOME\nfound1970\nend\\\n"
    assert done.stderr == b""


def test_the_shell_of_the_crontab_is_taken():
    assert only_job("SHELL=/bin/bash\n0 5 * * * a | b\n").agent.spec.command == ("/bin/bash", "-c", "cd; a | b")
    (note,) = made("SHELL=/usr/bin/fish\n0 5 * * * a%b\n").notes
    assert (note.line, "fish" in note.message) == (2, True)


def test_variables_users_and_zones_reach_the_documents():
    found = made(
        'PATH=/bin:/usr/bin\nNO="a: b # c"\nCRON_TZ=Asia/Tokyo\n0 5 * * * 33 /bin/a\n0 6 * * * root /bin/a\n',
        user_field=True,
    )
    first, second = jobs(found)
    assert (first.agent.spec.user, second.agent.spec.user) == ("33", "root")
    assert first.timezone == second.timezone == "Asia/Tokyo"
    assert first.agent.spec.env == {"PATH": "/bin:/usr/bin", "NO": "a: b # c"}


def test_lines_with_one_command_share_an_agent_and_no_two_jobs_share_an_id():
    found = made("0 5 * * * /bin/a\n0 6 * * * /bin/a\nA=1\n0 7 * * * /bin/a\n")
    assert [each.path for each in found.files] == [
        "agents/a.yaml",
        "agents/a-3.yaml",
        "a.yaml",
        "a-2.yaml",
        "a-3.yaml",
    ]
    assert [job.agent.id for job in jobs(found)] == ["a", "a", "a-3"]


def test_comments_of_no_line_stand_above_the_next_job_and_the_last_ones_at_the_end():
    written = files("# one\n\n# two\nA=1\n* * * * * /bin/a\n\n# three\n* * * * * /bin/b\n# four\n#five\n")
    assert written["a.yaml"].startswith("# one\n#\n# two\n\n# Line 5 of the crontab: * * * * * /bin/a\nid: a\n")
    assert "description: three\n" in written["b.yaml"]
    assert written["b.yaml"].endswith("ever\n# four\n# five\n")


def test_what_a_document_can_not_say_is_left_out_with_its_line_and_its_comments_stay():
    found = made("# why\n* * * * * echo ${env:A}\n# because\n* * * * * /bin/b\n")
    assert [(note.line, note.message) for note in found.notes] == [
        (2, "a reference to a secret is not resolved here")
    ]
    assert found.files[-1].text.startswith("# why\n\n# Line 4")
    assert state(found).jobs["b"].description == "because"


def test_an_empty_crontab_is_no_files():
    assert made("# nothing\n") == Transcript((), (), 0)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("/usr/local/bin/backup.sh --full", "Backup"),
        ("cd /srv/app && ./manage.py clearsessions >> /var/log/x.log 2>&1", "Manage clearsessions"),
        ("test -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.daily )", "Run-parts cron.daily"),
        ("nice -n 10 flock -n /run/x.lock python3 /opt/report.py", "Report"),
        ("A=1 B=2 mail root", "Mail root"),
        ("[ -f /x ] && echo", "Echo"),
        ("测试", "Cron line 1"),
        (": ; true", "True"),
        ('"', "Cron line 1"),
        ("x" * 300, "X" + "x" * 99),
    ],
)
def test_a_job_is_named_by_what_its_command_does(line, name):
    (found,) = read_crontab(f"* * * * * {line}", "UTC", user_field=False).entries
    assert name_of(found) == name
    assert only_job(f"* * * * * {line}").name == name


ODD = st.text(st.sampled_from("ab/-. \t%\\\"'|&;$~#={}[]:,>1\x07\x85\xa0"), max_size=30)
TEXT = ODD | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), max_size=40)


@given(about=TEXT, value=TEXT, line=TEXT)
def test_whatever_a_crontab_holds_its_documents_say_the_same(about, value, line):
    text = f"# {about}\n* * * * * /bin/first\nVALUE={value}\n* * * * * {line}\n# {about}\n"
    table = read_crontab(text, "UTC", user_field=False)
    found = transcribe(table)
    left_out = {note.line for note in found.notes}
    kept = [entry for entry in table.entries if entry.line not in left_out]
    assert [job.agent.spec.command for job in jobs(found)] == [command_of(entry) for entry in kept]
    assert [job.agent.spec.env for job in jobs(found)] == [entry.env for entry in kept]
    assert [job.description for job in jobs(found)] == ["\n".join(entry.about) for entry in kept]
