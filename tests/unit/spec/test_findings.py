"""What is said of a value that is not what it should be."""

import pytest

from runner.errors import Diagnostic
from runner.spec.loader import read
from runner.spec.source import SourceFile


def finding(text: str) -> Diagnostic:
    parsed = read(SourceFile("x.yaml", text.encode(), "jobs.d"))
    assert len(parsed.diagnostics) == 1, parsed.diagnostics
    return parsed.diagnostics[0]


def job(field: str) -> Diagnostic:
    return finding(f"name: A\nmode: push\n{field}\n")


def agent(field: str) -> Diagnostic:
    return finding(f"kind: agent\nid: a\ntype: command\n{field}\n")


@pytest.mark.parametrize(
    ("field", "message", "advice", "fix"),
    [
        ("description: 5", "expected a text, found a number", 'quote it: "5"', '"5"'),
        ("description: true", "expected a text, found `true`", 'quote it: "true"', '"true"'),
        ("description: [a]", "expected a text, found a list", None, None),
        ("description:", "expected a text, found nothing", "give it a value, or remove the line", None),
        ("enabled: yes", "expected `true` or `false`, found a text", "write `true`", "true"),
        ('enabled: "False"', "expected `true` or `false`, found a text", "write `false`", "false"),
        ("enabled: maybe", "expected `true` or `false`, found a text", None, None),
        ('concurrency: {limit: "3"}', "expected a whole number, found a text", "remove the quotes", "3"),
        ("concurrency: {limit: 3.5}", "expected a whole number, found a number", None, None),
        ("concurrency: {limit: 0}", "expected at least 1, found 0", None, None),
        ("concurrency: {limit: 99999}", "expected at most 10000, found 99999", None, None),
        (
            "concurrency: 3",
            "expected a mapping, found a number",
            "write `concurrency: {limit: 1, when_full: queue}`",
            None,
        ),
        ("labels: [a]", "expected a mapping, found a list", "write `labels: {team: revenue}`", None),
        ("timeout: 90", "the duration 90 has no unit", "write `90s` for 90 seconds", "90s"),
        ("rate_limit: [1]", "expected a rate such as `10/hour`, found a list", None, None),
        ("filter: {a: b}", "expected a filter such as `event.total > 100`, found a mapping", None, None),
    ],
)
def test_a_value_of_another_type_is_named_in_words_of_yaml(field, message, advice, fix):
    found = job(field)
    assert (found.message, found.help, found.fix) == (message, advice, fix)


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        ("python3 count.py --all 'a b'", 'write `["python3", "count.py", "--all", "a b"]`'),
        ("cat x | wc", 'write the list, or `["sh", "-c", "…"]` if a shell is needed'),
        ("echo 'x", 'write the list, or `["sh", "-c", "…"]` if a shell is needed'),
    ],
)
def test_a_shell_line_is_shown_as_the_list_that_it_means(command, advice):
    assert agent(f'command: "{command}"').help == advice


def test_a_misspelt_value_gets_a_suggestion_and_a_fix():
    found = finding("name: A\nmode: pusch\n")
    assert (found.message, found.help, found.fix) == (
        "expected `manual`, `cron` or `push`, found `pusch`",
        "did you mean `push`?",
        "push",
    )


def test_a_second_spelling_of_a_field_that_is_given_is_to_be_removed():
    assert job("timeout: 5m\ntimeOut: 6m").help == "`timeout` is given already: remove one of the two"


def test_words_of_other_systems_lead_to_ours():
    assert job("tz: UTC").help == "did you mean `timezone`?"
    assert agent("command: [a]\nworkdir: x").help == "did you mean `cwd`?"


def test_unknown_fields_below_lists_and_groups_know_their_neighbours():
    found = finding("name: A\nmode: push\nretry: {attempt: 3}\n")
    assert (found.fix, found.span.column) == ("attempts", 9)


def test_a_key_that_is_wrong_is_shown_itself():
    found = agent("command: [a]\nenv:\n  a-b: x")
    assert (found.span.line, found.span.column, found.span.end_column) == (6, 3, 6)
    assert job("labels:\n  -x: y").span.line == 4
    assert job(f"labels:\n  x: {'y' * 64}").rule == "invalid-label"


def test_a_value_in_a_block_is_shown_where_its_text_stands():
    found = job("timezone: >-\n  Nowhere/\n")
    assert (found.span.line, found.span.column) == (4, 3)


def test_a_misspelt_required_field_is_one_mistake():
    found = read(SourceFile("a.yaml", b"name: A\nmod: manual\n", "jobs.d")).diagnostics
    assert [(each.rule, each.fix) for each in found] == [("unknown-field", "mode")]
