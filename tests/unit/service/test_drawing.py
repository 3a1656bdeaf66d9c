"""How diagnostics look."""

from runner.errors import Diagnostic, Related, Severity, Span
from runner.service.drawing import MAX_WIDTH, render


def diagnostic(source: str, column: int, end: int, end_line: int = 3, **more) -> Diagnostic:
    return Diagnostic(
        "a-rule", "a message", "jobs.d/x.yaml", Span(3, column, end_line, end), source=source, **more
    )


def lines(found: Diagnostic, *, color: bool = False) -> list[str]:
    return render([found], color=color).rstrip("\n").split("\n")


def carets(found: Diagnostic) -> str:
    """What stands above the carets."""
    _, _, source, under = lines(found)[:4]
    start = under.index("^")
    return source[start : start + under.count("^")]


def test_a_diagnostic_looks_like_a_compiler_s():
    found = diagnostic(
        "timout: 5m",
        1,
        7,
        help="did you mean `timeout`?",
        related=(Related("jobs.d/y.yaml", Span(1, 5, 1, 9), "also here"),),
    )
    assert lines(found) == [
        "jobs.d/x.yaml:3:1: error[a-rule]: a message",
        "   |",
        " 3 | timout: 5m",
        "   | ^^^^^^",
        "   = help: did you mean `timeout`?",
        "   = note: jobs.d/y.yaml:1:5: also here",
    ]


def test_diagnostics_are_divided_by_one_blank_line():
    found = diagnostic("abc", 1, 2)
    assert render([found, found], color=False) == "\n".join([*lines(found), "", *lines(found), ""])
    assert render([], color=False) == ""


def test_a_diagnostic_without_a_place_is_one_line():
    assert lines(Diagnostic("r", "m", "x.yaml", severity=Severity.WARNING)) == ["x.yaml: warning[r]: m"]


def test_tabs_and_wide_characters_do_not_move_the_carets():
    assert carets(diagnostic("\tab: x", 2, 4)) == "ab"
    wide = lines(diagnostic("名前: x", 5, 6))
    assert wide[2:4] == [" 3 | 名前: x", "   |       ^"]
    assert lines(diagnostic("名前: x", 1, 3))[3] == "   | ^^^^"


def test_an_empty_span_gets_one_caret_also_past_the_end():
    assert lines(diagnostic("ab", 2, 2))[3] == "   |  ^"
    assert lines(diagnostic("ab", 3, 3))[3] == "   |   ^"
    assert lines(diagnostic("", 1, 1))[2:4] == [" 3 |", "   | ^"]


def test_a_span_of_several_lines_goes_to_the_end_of_the_first():
    assert carets(diagnostic("a: b c  ", 4, 3, end_line=5)) == "b c"


def test_a_long_line_is_cut_around_the_place():
    source = "a" * 5_000 + "wrong" + "b" * 5_000
    found = diagnostic(source, 5_001, 5_006)
    assert carets(found) == "wrong"
    assert len(lines(found)[2]) <= MAX_WIDTH + 5
    assert lines(found)[2].count("…") == 2
    assert carets(diagnostic("wrong" + "b" * 5_000, 1, 6)) == "wrong"
    whole = diagnostic("b" * 5_000, 1, 5_001)
    assert len(lines(whole)[3]) <= MAX_WIDTH + 5


def test_nothing_from_a_file_reaches_the_terminal_as_a_control():
    evil = "\x1b[31m\x07\u202e\u200b\x9b\r"
    found = Diagnostic(
        "r", f"m {evil}", f"x{evil}.yaml", Span(1, 2, 1, 3), source=f"a{evil}", help=evil,
        related=(Related(f"y{evil}", Span(1, 1, 1, 1), evil),),
    )  # fmt: skip
    text = render([found], color=False)
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "␛[31m␇<U+202E><U+200B>" in text


def test_colour_is_added_only_when_asked_for():
    found = diagnostic("timout: 5m", 1, 7, help="x")
    colored = render([found], color=True)
    assert "\x1b[1;31merror[a-rule]\x1b[0m" in colored
    assert "\x1b" not in render([found], color=False)
