"""Comments silence warnings of their rules on their lines, and nothing else; what they don't do is told."""

from runner.errors import Diagnostic, Severity, Span
from runner.spec.ignores import complaints, ignores, silence
from runner.spec.source import SourceFile

CRON = "name: A\nmode: cron\nschedule: '0 9 13 * 5'{}\n"


def file(text: str, path: str = "a.yaml") -> SourceFile:
    return SourceFile(path, text.encode(), "jobs.d")


def lines(text: str) -> list[tuple[str, int, int]]:
    return [(each.rule, each.first, each.last) for each in ignores(file(text))]


def at(line: int, rule: str = "schedule-both-days", severity: Severity = Severity.WARNING) -> Diagnostic:
    return Diagnostic(rule, "…", "jobs.d/a.yaml", Span(line, 1, line, 2), severity)


def complained(text: str, *found: Diagnostic) -> list[tuple[str, str]]:
    files = [file(text)]
    kept, silent = silence(files, found)
    return [(each.rule, each.message) for each in complaints(files, kept, silent)]


def test_a_comment_at_the_end_of_a_line_is_for_that_line():
    assert lines(CRON.format("  # jobsd: ignore[schedule-both-days]")) == [("schedule-both-days", 3, 3)]


def test_a_comment_alone_is_for_the_next_line_with_content():
    text = "name: A\n# jobsd: ignore[rule-a]\n\n# why\nmode: manual\n"

    assert lines(text) == [("rule-a", 5, 5)]


def test_one_comment_may_name_several_rules():
    assert lines("name: A # jobsd: ignore[rule-a, rule-b,rule-c]\n") == [
        ("rule-a", 1, 1),
        ("rule-b", 1, 1),
        ("rule-c", 1, 1),
    ]


def test_words_may_stand_before_the_comment_and_behind_it():
    assert lines("name: A # as agreed # jobsd: ignore[rule-a] for now\n") == [("rule-a", 1, 1)]


def test_a_comment_at_a_block_of_text_is_for_the_whole_block():
    behind = "mode: push\nfilter: >-  # jobsd: ignore[rule-a]\n  event.a == 1\n  and event.b == 2\n\nname: A\n"
    above = "mode: push\n# jobsd: ignore[rule-a]\nfilter: |\n  event.a == 1\n  and event.b == 2\nname: A\n"

    assert lines(behind) == [("rule-a", 2, 4)]
    assert lines(above) == [("rule-a", 3, 5)]


def test_what_only_looks_like_a_comment_is_none():
    assert lines('name: "A # jobsd: ignore[rule-a]"\n') == []
    assert lines("name: 'A # jobsd: ignore[rule-a]'\n") == []
    assert lines("description: |\n  text\n  # jobsd: ignore[rule-a]\nname: A\n") == []
    assert lines("name: A# jobsd: ignore[rule-a]\n") == []


def test_a_comment_below_a_block_of_text_is_one():
    assert lines("description: |\n  text\n# jobsd: ignore[rule-a]\nname: A\n") == [("rule-a", 4, 4)]


def test_windows_line_ends_and_a_byte_order_mark_change_nothing():
    text = "\ufeffname: A\r\n# jobsd: ignore[rule-a]\r\nmode: manual\r\n"

    (found,) = ignores(file(text))
    assert (found.first, found.last) == (3, 3)
    assert (found.span.line, found.span.column) == (2, 17)


def test_a_file_without_such_a_comment_is_not_even_parsed():
    assert ignores(SourceFile("a.yaml", b"\xff: [", "jobs.d")) == ()


def test_warnings_and_notes_are_silenced_and_errors_are_not():
    text = CRON.format(" # jobsd: ignore[schedule-both-days]")
    warning, error = at(3), at(3, severity=Severity.ERROR)

    assert silence([file(text)], [warning, error]) == ([error], [warning])


def test_another_line_another_rule_and_another_file_stay():
    text = CRON.format(" # jobsd: ignore[schedule-both-days]")
    others = [at(2), at(3, "schedule-dst-gap"), Diagnostic("schedule-both-days", "…", "jobs.d/b.yaml")]

    assert silence([file(text)], others) == (others, [])


def test_a_comment_that_silences_something_is_not_complained_of():
    assert complained(CRON.format(" # jobsd: ignore[schedule-both-days]"), at(3)) == []


def test_a_comment_that_silences_nothing_is_unused():
    assert complained(CRON.format(" # jobsd: ignore[schedule-both-days]")) == [
        ("unused-ignore", "nothing is ignored here: there is no `schedule-both-days` on line 3")
    ]


def test_an_error_can_not_be_ignored_and_that_is_said():
    text = "name: A\nmode: manual\nagent: b # jobsd: ignore[unknown-agent]\n"

    assert complained(text, at(3, "unknown-agent", Severity.ERROR)) == [
        ("unused-ignore", "`unknown-agent` is an error here, and errors can't be ignored")
    ]


def test_where_a_file_has_errors_no_comment_is_called_unused_for_a_warning_that_nobody_looked_for():
    text = CRON.format(" # jobsd: ignore[schedule-both-days]")

    assert complained(text, at(1, "unknown-field", Severity.ERROR)) == []


def test_an_unknown_rule_is_told_with_the_one_that_was_meant():
    files = [file("name: A # jobsd: ignore[schedule_both_day]\n")]
    (found,) = complaints(files, [], [])

    assert (found.rule, found.severity, found.help) == (
        "unknown-rule",
        Severity.WARNING,
        "did you mean `schedule-both-days`?",
    )
    assert found.span == Span(1, 25, 1, 42)


def test_a_comment_that_names_no_rule_is_told():
    for comment in ("# jobsd: ignore", "# jobsd: ignore[]", "# jobsd: ignore[ , ]"):
        assert complained(f"name: A {comment}\n") == [("unknown-rule", "this comment names no rule")]
