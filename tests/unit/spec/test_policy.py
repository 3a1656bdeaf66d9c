"""The section `validate` of the settings file: read with places, and held against the jobs."""

from datetime import UTC, datetime

import pytest

from runner.errors import Diagnostic, Severity, Span
from runner.plan import desire
from runner.spec.loader import read
from runner.spec.policy import Policy, read_policy, violations
from runner.spec.source import SourceFile

NOW = datetime(2026, 11, 24, tzinfo=UTC)
AGENT = "kind: agent\nid: robot\ntype: command\ncommand: [robot]\n"


def policy(text: str) -> tuple[Policy, tuple[Diagnostic, ...]]:
    return read_policy(SourceFile("jobsd.yaml", text.encode()))


def wrong(text: str) -> list[tuple[str, int, int]]:
    _, found = policy(text)
    return [(each.rule, each.span.line, each.span.column) for each in found if each.span]


def violated(settings: str, *documents: str) -> list[Diagnostic]:
    files = [read(SourceFile(f"{number}.yaml", text.encode(), "jobs.d")) for number, text in enumerate(documents)]
    state = desire(files, now=NOW)
    assert not [each for each in state.diagnostics if each.is_error]
    asked, found = policy(settings)
    assert not found
    return list(violations(asked, ((document, each.job) for document, each in state.resolved.items())))


def told(settings: str, *documents: str) -> list[tuple[str, str]]:
    return [(each.rule, each.message) for each in violated(settings, *documents)]


def test_a_settings_file_without_the_section_asks_nothing():
    assert policy("max_running: 3\n") == (Policy(), ())
    assert policy("") == (Policy(), ())


def test_severities_are_read_and_off_is_none():
    asked, found = policy("validate:\n  rules: {schedule-both-days: error, schedule-dst-gap: off}\n")

    assert found == ()
    assert asked.levels == {"schedule-both-days": Severity.ERROR, "schedule-dst-gap": None}


def test_an_unknown_rule_is_a_warning_and_the_others_count():
    asked, (found,) = policy("validate:\n  rules:\n    unknown-agnt: off\n    schedule-dst-gap: off\n")

    assert (found.rule, found.severity, found.span) == ("unknown-rule", Severity.WARNING, Span(3, 5, 3, 17))
    assert found.help == "did you mean `unknown-agent`?"
    assert asked.levels == {"schedule-dst-gap": None}


@pytest.mark.parametrize("level", ["warning", "info", "off"])
def test_an_error_can_not_be_lowered(level):
    asked, (found,) = policy(f"validate:\n  rules:\n    unknown-agent: {level}\n")

    assert (found.rule, found.severity, found.span.line, found.span.column) == (
        "fixed-severity",
        Severity.ERROR,
        3,
        20,
    )
    assert asked == Policy()


def test_an_error_may_be_said_to_be_one_and_a_rule_of_the_policy_may_be_lowered():
    asked, found = policy("validate:\n  rules: {unknown-agent: error, policy-required: warning}\n")

    assert found == ()
    assert asked.levels["policy-required"] is Severity.WARNING


def test_what_has_the_wrong_shape_is_told_with_its_place():
    assert wrong("validate: strict\n") == [("wrong-type", 1, 11)]
    assert wrong("a: 1\nvalidate:\n  require: timeout\n") == [("wrong-type", 3, 12)]
    assert wrong("validate:\n  rule: {}\n") == [("unknown-field", 2, 3)]
    assert wrong("validate:\n  rules: {schedule-dst-gap: of}\n") == [("unknown-value", 2, 29)]
    assert wrong("validate:\n  rules:\n") == [("empty-value", 2, 3)]
    assert wrong("validate:\n  forbid: {agent: insulin}\n") == [("wrong-type", 2, 19)]


def test_an_unknown_field_is_told_with_the_one_that_was_meant():
    _, found = policy("validate:\n  require: [timout, labels.]\n  forbid: {concurrency.whenFull: [skip]}\n")

    assert [each.help for each in found][::2] == [
        "did you mean `timeout`?",
        "did you mean `concurrency.when_full`?",
    ]
    assert [(each.rule, each.span.line, each.span.column) for each in found if each.span] == [
        ("unknown-field", 2, 13),
        ("unknown-field", 2, 21),
        ("unknown-field", 3, 12),
    ]


def test_an_error_stays_one_whatever_the_policy_says_and_a_warning_follows_it():
    asked = Policy({"filter-not": None})

    assert asked.severity(Diagnostic("filter-not", "", "")) is Severity.ERROR
    assert asked.severity(Diagnostic("filter-not", "", "", severity=Severity.WARNING)) is None
    assert Policy().severity(Diagnostic("filter-not", "", "", severity=Severity.WARNING)) is Severity.WARNING


REQUIRE = "validate: {require: [labels.owner, timeout]}\n"


def test_a_required_field_that_nobody_gives_is_told_at_the_job_and_where_it_is_required():
    (label, timeout) = violated(REQUIRE, "# a comment\nname: A\nmode: manual\nlabels: {team: x}\n")

    assert (label.rule, label.span) == ("policy-required", Span(4, 1, 4, 7))
    assert label.related[0].span == Span(1, 22, 1, 34)
    assert label.related[0].path == "jobsd.yaml"
    assert (timeout.span, timeout.job) == (Span(2, 1, 2, 5), "a")
    assert timeout.message == "the field `timeout` is required of each job here, and nobody gives it"


def test_the_job_its_agent_or_a_defaults_document_may_give_it():
    job = "name: A\nmode: manual\nagent: robot\n"

    assert told(REQUIRE, job + "labels: {owner: me}\ntimeout: 1m\n", AGENT) == []
    assert told(REQUIRE, job + "labels: {owner: me}\n", AGENT + "timeout: 1m\n") == []
    assert told(REQUIRE, job, AGENT, "kind: defaults\nlabels: {owner: us}\ntimeout: 1m\n") == []


def test_what_is_made_from_another_field_is_not_given():
    rules = "validate: {require: [id, prompt]}\n"

    assert len(told(rules, "name: A\nmode: manual\ndescription: B\n")) == 2
    assert told(rules, "id: a\nname: A\nmode: manual\nprompt: B\n") == []


def test_a_field_is_asked_only_of_jobs_whose_mode_has_it():
    rules = "validate: {require: [timezone, filter]}\n"

    assert told(rules, "name: A\nmode: manual\n") == []
    assert len(told(rules, "name: A\nmode: push\n")) == 1
    assert len(told(rules, "name: A\nmode: cron\nschedule: '@daily'\n")) == 1


FORBID = "validate:\n  forbid:\n    concurrency.when_full: [replace]\n    agent: [insulin]\n    enabled: [false]\n"
RIGHT = "name: A\nmode: manual\nagent: robot\n"


def test_a_forbidden_value_is_told_where_it_stands():
    (found,) = violated(FORBID, RIGHT + "concurrency:\n  when_full: replace\n", AGENT)

    assert (found.rule, found.span) == ("policy-forbidden", Span(5, 14, 5, 21))
    assert found.related[0].span == Span(3, 29, 3, 36)


def test_a_forbidden_value_counts_wherever_it_comes_from():
    shared = "kind: defaults\nconcurrency: {when_full: replace}\n"

    assert told(FORBID, RIGHT, AGENT, shared) == [
        (
            "policy-forbidden",
            "`concurrency.when_full` may not be `replace` here, which comes from the defaults of jobs.d/2.yaml:2",
        )
    ]
    assert told(FORBID, "name: A\nmode: manual\n") == [
        ("policy-forbidden", "`agent` may not be `insulin` here, which is built in")
    ]


def test_values_are_compared_with_their_type():
    assert told("validate: {forbid: {concurrency.limit: [true, '1']}}\n", RIGHT, AGENT) == []
    assert len(told("validate: {forbid: {concurrency.limit: [1]}}\n", RIGHT, AGENT)) == 1
    assert told(FORBID, RIGHT + "enabled: false\n", AGENT) == [
        ("policy-forbidden", "`enabled` may not be `false` here")
    ]


def test_labels_and_types_of_agents_can_be_forbidden():
    rules = "validate: {forbid: {labels.tier: [test], agent.type: [command]}}\n"

    assert len(told(rules, RIGHT + "labels: {tier: test}\n", AGENT)) == 2
