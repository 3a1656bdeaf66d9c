"""A tree is judged by the runner's rules, the policy and the comments together."""

from datetime import UTC, datetime

from runner.errors import Severity
from runner.plan import desire
from runner.service.checking import Tree, review
from runner.spec.loader import read
from runner.spec.policy import Policy, read_policy
from runner.spec.source import SourceFile

NOW = datetime(2026, 11, 24, tzinfo=UTC)
BOTH = "name: A\nmode: cron\nschedule: '0 9 13 * 5'{}\n"
IGNORED = BOTH.format(" # jobsd: ignore[schedule-both-days]")


def judged(text: str, settings: str = "") -> list[tuple[str, Severity]]:
    file = SourceFile("a.yaml", text.encode(), "jobs.d")
    tree = Tree([file], desire([read(file)], now=NOW))
    policy, wrong = read_policy(SourceFile("jobsd.yaml", settings.encode())) if settings else (Policy(), ())
    assert not wrong
    return [(each.rule, each.severity) for each in review(tree, policy)]


def test_without_a_policy_it_is_what_the_runner_says():
    assert judged(BOTH.format("")) == [("schedule-both-days", Severity.WARNING)]
    assert judged(IGNORED) == []


def test_a_warning_can_be_raised_lowered_and_turned_off():
    rule = "validate: {{rules: {{schedule-both-days: {}}}}}"

    assert judged(BOTH.format(""), rule.format("error")) == [("schedule-both-days", Severity.ERROR)]
    assert judged(BOTH.format(""), rule.format("info")) == [("schedule-both-days", Severity.INFO)]
    assert judged(BOTH.format(""), rule.format("off")) == []


def test_what_is_raised_to_an_error_is_not_ignored_any_more():
    assert judged(IGNORED, "validate: {rules: {schedule-both-days: error}}") == [
        ("schedule-both-days", Severity.ERROR),
        ("unused-ignore", Severity.WARNING),
    ]


def test_a_comment_for_what_is_off_is_not_called_unused():
    assert judged(IGNORED, "validate: {rules: {schedule-both-days: off}}") == []


def test_the_rule_about_unused_comments_has_a_severity_like_others():
    text = "name: A # jobsd: ignore[schedule-dst-gap]\nmode: manual\n"

    assert judged(text) == [("unused-ignore", Severity.WARNING)]
    assert judged(text, "validate: {rules: {unused-ignore: error}}") == [("unused-ignore", Severity.ERROR)]
    assert judged(text, "validate: {rules: {unused-ignore: off}}") == []


def test_a_policy_that_is_only_a_warning_can_be_ignored():
    text = "name: A # jobsd: ignore[policy-required]\nmode: manual\n"
    asked = "validate: {{require: [timeout], rules: {{policy-required: {}}}}}"

    assert judged(text, asked.format("warning")) == []
    assert judged(text, asked.format("error")) == [
        ("policy-required", Severity.ERROR),
        ("unused-ignore", Severity.WARNING),
    ]


def test_the_runner_itself_does_not_show_what_a_comment_silences():
    state = desire([read(SourceFile("a.yaml", IGNORED.encode(), "jobs.d"))], now=NOW)

    assert state.diagnostics == ()
    assert [each.rule for each in state.ignored] == ["schedule-both-days"]
    assert set(state.jobs) == {"a"}


def test_a_comment_in_a_job_whose_agent_has_errors_is_not_called_unused():
    texts = (IGNORED + "agent: robot\n", "kind: agent\nid: robot\ntype: command\n")
    files = [SourceFile(f"{number}.yaml", text.encode(), "jobs.d") for number, text in enumerate(texts)]
    tree = Tree(files, desire([read(file) for file in files], now=NOW))

    assert [each.rule for each in review(tree, Policy())] == ["agent-has-errors", "missing-field"]
