"""Files as people break them, and what they are told, to the letter.

When messages change on purpose, write the new text and read every line of the difference:

    python -m tests.unit.spec.test_broken  # from the root of the repository
"""

import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from runner.cli.diagnostics import render, summary
from runner.errors import Diagnostic
from runner.plan import desire
from runner.service.checking import Tree, review
from runner.spec.loader import ParsedFile, read
from runner.spec.policy import read_policy
from runner.spec.rules import RULES
from runner.spec.source import SourceFile

FOLDER = Path(__file__).parent / "broken"
SETTINGS = Path(__file__).parent / "broken.settings.yaml"
EXPECTED = Path(__file__).parent / "broken.expected.txt"
NOW = datetime(2026, 11, 24, tzinfo=UTC)

PUSHED = "name: %s\nagent: importer\nmode: push\nfilter: '%s'\n"
MADE = {
    "made/large.yaml": "#" * (1024 * 1024 + 1),
    "made/deep-filter.yaml": PUSHED % ("Deep filter", "not (" * 501 + "event.a == 1" + ")" * 501),
    "made/long-filter.yaml": PUSHED % ("Long filter", " or ".join(["event.a == 1"] * 1000)),
    "made/long-schedule.yaml": "name: Long schedule\nagent: importer\nmode: cron\nschedule: '"
    + ",".join(["1"] * 200)
    + " * * * *'\n",
}
"""Files that are too large to be kept."""

TOO_MANY = "too-many-problems"
"""The rule that takes a hundred others to be told: the tests of findings and of rules have it."""


def files() -> list[ParsedFile]:
    found = {path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in FOLDER.rglob("*.yaml")}
    found |= {name: text.encode() for name, text in MADE.items()}
    locked = ParsedFile.unreadable(SourceFile("made/locked.yaml", b"", "jobs.d"), "permission denied")
    return [*(read(SourceFile(name, raw, "jobs.d")) for name, raw in found.items()), locked]


@cache
def diagnostics() -> list[Diagnostic]:
    """As `jobsd validate` has them."""
    policy, wrong = read_policy(SourceFile("jobsd.yaml", SETTINGS.read_bytes()))
    tree = files()
    return [*wrong, *review(Tree([file.file for file in tree], desire(tree, now=NOW)), policy)]


def shown() -> str:
    return f"{render(diagnostics(), color=False)}\n{summary(diagnostics(), len(files()))}\n"


def test_all_problems_of_all_files_are_told_in_one_go_and_as_expected():
    assert shown() == EXPECTED.read_text()


def test_every_broken_file_is_mentioned():
    mentioned = {diagnostic.path for diagnostic in diagnostics()}
    assert {file.path for file in files()} - mentioned == {"jobs.d/agents/importer.yaml"}


def test_there_are_sixty_wrong_documents_and_every_rule_is_told():
    assert len(list(FOLDER.rglob("*.yaml"))) > 60
    assert {each.rule for each in diagnostics()} == RULES.keys() - {TOO_MANY}


def test_every_problem_has_a_place_but_for_files_that_can_not_be_read():
    assert {each.rule for each in diagnostics() if each.span is None} == {"unreadable-file"}


def test_every_problem_comes_with_help_unless_its_message_says_what_is_expected():
    message_is_enough = {"filter-syntax", "filter-too-deep", "filter-too-long", "invalid-duration", "invalid-glob"}
    message_is_enough |= {"invalid-label", "invalid-name", "out-of-range", "unknown-value", "unreadable-file"}

    assert {each.rule for each in diagnostics() if each.help is None} == message_is_enough


def test_no_job_with_an_error_is_scheduled():
    jobs = desire(files(), now=NOW).jobs
    wrong = {each.job for each in diagnostics() if each.is_error and not RULES[each.rule].is_policy}

    assert "fine-by-itself" in jobs
    assert not wrong & jobs.keys()
    assert all(re.fullmatch("[a-z0-9-]+", job) for job in jobs)


if __name__ == "__main__":
    EXPECTED.write_text(shown())
