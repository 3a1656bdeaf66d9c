"""Tables for a pipe: aligned, whole, and safe to look at."""

from runner.cli.render import table


def test_a_table_for_a_pipe_has_aligned_columns_and_nothing_after_the_last(capsys):
    table(("JOB", "WHY"), [("a", "because"), ("long-name", "")])
    assert capsys.readouterr().out == "JOB        WHY\na          because\nlong-name\n"


def test_wide_characters_take_two_columns(capsys):
    table(("JOB", "WHY"), [("井戸", "x"), ("abcde", "y")])
    assert capsys.readouterr().out == "JOB    WHY\n井戸   x\nabcde  y\n"


def test_a_pipe_gets_whole_values_and_what_a_terminal_would_act_on_is_shown(capsys):
    table(("TEXT",), [("x" * 500,), ("\x1b[2J\n",)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "x" * 500
    assert "\x1b" not in lines[2]
    assert len(lines) == 3


def test_a_table_without_rows_is_its_headers(capsys):
    table(("JOB", "WHY"), [])
    assert capsys.readouterr().out == "JOB  WHY\n"
