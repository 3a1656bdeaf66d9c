"""A crontab says here what it says to cron."""

import pytest

from runner.spec.crontab import Crontab, Entry, Note, read_crontab, split_percent


def read(text: str, *, user_field: bool = False) -> Crontab:
    return read_crontab(text, "Europe/Berlin", user_field=user_field)


def entry(text: str, *, user_field: bool = False) -> Entry:
    found = read(text, user_field=user_field)
    assert found.notes == ()
    (only,) = found.entries
    return only


def left_out(text: str, *, user_field: bool = False) -> Note:
    (note,) = read(text, user_field=user_field).notes
    return note


def test_five_fields_are_the_times_and_the_rest_of_the_line_is_the_command():
    found = entry("\n \t0  5 *\t* 1-5   /bin/backup  --to=x # all\n")
    assert (found.line, found.schedule, found.command) == (2, "0 5 * * 1-5", "/bin/backup  --to=x # all")
    assert (found.timezone, found.shell, found.user, found.stdin, found.env) == (
        "Europe/Berlin", "/bin/sh", None, None, {},
    )  # fmt: skip


@pytest.mark.parametrize("word", ["hourly", "daily", "midnight", "weekly", "monthly", "yearly", "annually"])
def test_a_word_stands_for_the_times(word):
    assert entry(f"@{word} x=1 y").schedule == f"@{word}"
    assert entry(f"@{word.upper()} x").schedule == f"@{word}"


def test_a_dash_in_front_only_keeps_cron_from_logging():
    assert entry("-*/5 * * * * x").schedule == "*/5 * * * *"


def test_in_a_system_crontab_a_user_stands_before_the_command():
    text = "17 * * * * root cd / && run-parts /etc/cron.hourly"
    assert (entry(text, user_field=True).user, entry(text).user) == ("root", None)
    assert entry(text, user_field=True).command == "cd / && run-parts /etc/cron.hourly"
    assert (
        left_out("17 * * * * root", user_field=True).message == "after its times, the line has no user and command"
    )


def test_variables_hold_for_the_lines_below_them():
    found = read(
        "* * * * * a\nA=1\n"
        "B = \" two \" \n'C'=three  # no comment\nD=\n* * * * * b\nA=2\nLOGNAME=x\n@daily c=d e\n"
    )
    assert [each.env for each in found.entries] == [
        {},
        {"A": "1", "B": " two ", "C": "three  # no comment", "D": ""},
        {"A": "2", "B": " two ", "C": "three  # no comment", "D": ""},
    ]
    assert found.notes == ()


def test_the_shell_and_the_zone_are_no_variables_of_the_command():
    found = read("SHELL=/bin/bash\nCRON_TZ=Asia/Tokyo\nTZ=UTC\n* * * * * a\nCRON_TZ=\n* * * * * b\n").entries
    assert [(each.shell, each.timezone, each.env) for each in found] == [
        ("/bin/bash", "Asia/Tokyo", {"TZ": "UTC"}),
        ("/bin/bash", "Europe/Berlin", {"TZ": "UTC"}),
    ]


@pytest.mark.parametrize(
    ("written", "command", "stdin"),
    [
        ("a", "a", None),
        ("a%", "a", None),
        ("a%b", "a", "b\n"),
        ("a%b%c", "a", "b\nc\n"),
        ("a%b%%", "a", "b\n\n"),
        (r"date +\%F", "date +%F", None),
        (r"a%10\% of%it", "a", "10% of\nit\n"),
        (r"a\\%b", r"a\\", "b\n"),
        (r"a\b%c\d", r"a\b", "c\\d\n"),
    ],
)
def test_what_stands_behind_a_percent_sign_is_read_by_the_command(written, command, stdin):
    assert split_percent(written) == (command, stdin)


def test_a_comment_belongs_to_the_line_right_below_it():
    found = read("# top\n\n#  about a\n#more\n* * * * * a\n# of A\nA=1\n* * * * * b\n* * * * * c\n#end\n")
    a, b, c = found.entries
    assert (a.before, a.about) == (("top",), (" about a", "more"))
    assert (b.before, b.about) == (("of A",), ())
    assert (c.before, c.about) == ((), ())
    assert found.after == ("end",)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("@reboot x", "@reboot names no time"),
        ("61 * * * * x", "61 is out of range"),
        ("0 9 * * Xyz x", "day-of-week"),
        ("@dayly x", "did you mean @daily?"),
        ("@daily", "has no command"),
        ("* * * * *", "has no command"),
        ("* * * * * % x", "has no command"),
        ("once upon a time", "neither five fields and a command, nor a variable"),
        ("MAILTO=ops@example.com", "no mail is sent"),
        ("RANDOM_DELAY=5", "`jitter`"),
        ("A-B=1", "A-B is no name of a variable"),
        ("JOBSD_X=1", "belong to the runner"),
        ("A=${env:B}", "reference to a secret"),
        ("CRON_TZ=Europe/Berln", "did you mean Europe/Berlin?"),
    ],
)
def test_what_can_not_be_taken_over_is_told_with_its_line(line, words):
    note = left_out(f"\n{line}\n")
    assert note.line == 2
    assert words in note.message


def test_times_in_a_zone_that_is_none_are_not_guessed():
    found = read("CRON_TZ=Mars\n* * * * * a\nCRON_TZ=UTC\n* * * * * b\n")
    assert [note.line for note in found.notes] == [1, 2]
    assert [(each.command, each.timezone) for each in found.entries] == [("b", "UTC")]


def test_the_comments_of_a_line_that_is_left_out_stay():
    found = read("# about it\n@reboot x\n* * * * * a\n")
    assert found.entries[0].before == ("about it",)


def test_line_ends_and_a_mark_of_another_system_are_no_part_of_a_line():
    assert entry("\ufeffA=1\r\n* * * * * a\r\n").command == "a"
    assert entry("\ufeffA=1\r\n* * * * * a\r\n").env == {"A": "1"}


def test_mail_that_nobody_wants_is_not_missed():
    assert read('MAILTO=""\nMAILFROM=me\nRANDOM_DELAY=0\n* * * * * a\n').notes == ()
