"""The page of rules lists them as they are, and what it says of comments and of jobsd.yaml is so.

Its table is generated:

    python -m tests.house.test_rules_page  # from the root of the repository
"""

import re
from datetime import UTC, datetime
from pathlib import Path

from runner.plan import desire
from runner.service.checking import Tree, review
from runner.spec.loader import read
from runner.spec.policy import FORBIDDEN, REQUIRED, Policy, read_policy
from runner.spec.rules import RULES
from runner.spec.source import SourceFile

PAGE = Path(__file__).parents[2] / "runner" / "docs" / "rules.md"
BEGIN = "<!-- generated from the code: python -m tests.house.test_rules_page -->\n"
END = "<!-- end -->"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
NOUNS = {"error": "error", "warning": "warning", "info": "note"}


def text() -> str:
    return PAGE.read_text(encoding="utf-8")


def with_table(page: str) -> str:
    rows = [f"| `{rule.id}` | {NOUNS[rule.severity]} | {rule.title} |" for rule in RULES.values()]
    table = "\n".join(["", "| rule | is | what |", "|---|---|---|", *rows, "", ""])
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + table + END + rest.partition(END)[2]


def example(number: int) -> str:
    return re.findall(r"^```yaml\n(.*?)^```$", text(), re.MULTILINE | re.DOTALL)[number]


def said(job: str, policy: Policy) -> list[str]:
    file = SourceFile("a.yaml", job.encode(), "jobs.d")
    tree = Tree([file], desire([read(file)], now=NOW))
    return [each.rule for each in review(tree, policy)]


def named(bullet: str) -> set[str]:
    line = re.search(rf"^- `{bullet}` takes (.+?)[.:,] ?(?:each|The job)", text(), re.MULTILINE)
    assert line
    return set(re.findall(r"`([^`]+)`", line[1]))


def test_the_table_has_every_rule_with_its_severity():
    assert text() == with_table(text()), "run: python -m tests.house.test_rules_page"


def test_the_comment_of_the_example_silences_its_warning():
    silent = example(0)
    loud = silent.replace(" # jobsd: ignore[schedule-both-days]", "")

    assert said(silent, Policy()) == []
    assert said(loud, Policy()) == ["schedule-both-days"]


def test_the_settings_of_the_example_are_valid_and_ask_what_they_say():
    policy, wrong = read_policy(SourceFile("jobsd.yaml", example(1).encode()))

    assert wrong == ()
    job = "name: A\nmode: cron\nschedule: '0 9 13 * 5'\nconcurrency: {when_full: replace}\nlabels: {owner: me}\n"
    assert sorted(said(job, policy)) == ["policy-forbidden"] * 2 + ["policy-required"] * 2 + ["schedule-both-days"]


def test_the_fields_that_can_be_required_and_forbidden_are_named():
    assert named("require") == {*REQUIRED, "labels.NAME"}
    assert named("forbid") == {*FORBIDDEN, "labels.NAME"}


if __name__ == "__main__":
    PAGE.write_text(with_table(text()), encoding="utf-8")
