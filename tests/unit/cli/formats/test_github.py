"""Annotations are as GitHub documents them: escapes, places, and ten of each kind for one step."""

import pytest

from runner.cli.formats.github import (
    LARGEST,
    annotation,
    divided,
    escape_data,
    escape_property,
    harmless,
    markdown,
)
from runner.errors import Diagnostic, Severity, Span


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)


def diagnostic(message: str = "no", path: str = "jobs.d/a.yaml", **more: object) -> Diagnostic:
    return Diagnostic("unknown-field", message, path, **{"span": Span(3, 5, 3, 9), **more})  # type: ignore[arg-type]


def test_the_data_of_a_command_has_three_escapes():
    assert escape_data("100% sure:\r\na, b") == "100%25 sure:%0D%0Aa, b"
    assert escape_data("%0A") == "%250A"


def test_a_property_has_two_more():
    assert escape_property("a:b,c%\r\n") == "a%3Ab%2Cc%25%0D%0A"


def test_an_annotation_has_place_rule_message_and_help_in_one_line():
    found = diagnostic("the field `a` is not known", help="did you mean `b`?")

    assert annotation(found) == (
        "::error file=jobs.d/a.yaml,line=3,endLine=3,col=5,endColumn=8,title=unknown-field::"
        "the field `a` is not known%0Ahelp: did you mean `b`?"
    )


def test_the_severities_are_error_warning_and_notice():
    assert [annotation(diagnostic(severity=severity)).partition(" ")[0] for severity in Severity] == [
        "::error",
        "::warning",
        "::notice",
    ]


def test_a_path_with_every_sign_that_means_something_stays_one_property():
    assert "file=jobs.d/50%25%2C a%3Ab.yaml,line" in annotation(diagnostic(path="jobs.d/50%, a:b.yaml"))


def test_a_place_over_several_lines_has_no_columns_and_an_empty_one_has_a_width():
    assert ",line=3,endLine=5,title" in annotation(diagnostic(span=Span(3, 5, 5, 2)))
    assert "col=5,endColumn=5," in annotation(diagnostic(span=Span(3, 5, 3, 5)))
    assert annotation(diagnostic(span=None)).startswith("::error file=jobs.d/a.yaml,title=")


def test_paths_count_from_the_root_of_the_checkout(tmp_path, monkeypatch):
    inner = tmp_path / "site"
    inner.mkdir()
    monkeypatch.chdir(inner)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))

    assert "file=site/jobs.d/a.yaml," in annotation(diagnostic())
    assert "file=site/jobs.d/a.yaml," in annotation(diagnostic(path=str(inner / "jobs.d" / "a.yaml")))


def test_ten_of_each_severity_come_first_and_the_rest_is_left():
    found = [diagnostic(str(number), severity=severity) for number in range(13) for severity in Severity]
    first, rest = divided(found)

    assert [sum(each.severity is severity for each in first) for severity in Severity] == [10, 10, 10]
    assert {each.message for each in rest} == {"10", "11", "12"}
    assert divided(found[:30]) == (found[:30], [])


def test_the_rest_is_a_table_that_no_text_breaks_out_of():
    text = markdown([diagnostic("a | b\n<script>&\x07", help="c")])

    assert text.splitlines()[-1] == (
        "| jobs.d/a.yaml:3:5 | error[unknown-field] | a \\| b<br>&lt;script&gt;&amp;␇<br>help: c |"
    )


def test_what_is_printed_besides_holds_no_command():
    text = harmless("::stop-commands::x\n  ::error::a\n 4 | ##[stop-commands]x\na::b\n")

    assert text == ": :stop-commands::x\n  : :error::a\n 4 | ## [stop-commands]x\na::b\n"


def test_a_very_long_table_ends_where_github_would_refuse_it():
    text = markdown([diagnostic("x" * 1000)] * 2000)

    assert len(text.encode()) < LARGEST + 100
    assert text.splitlines()[-1].startswith("… and ")
