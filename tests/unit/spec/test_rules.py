"""Every rule that the code can tell has a page, and the examples of the page are what they say."""

import ast
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import pytest

import runner
from runner.errors import Diagnostic
from runner.plan import desire
from runner.service.checking import Tree, review
from runner.spec.loader import ParsedFile, read
from runner.spec.policy import read_policy
from runner.spec.rules import RULES
from runner.spec.source import SourceFile

SOURCE = Path(runner.__file__).parent
PAGES = SOURCE / "docs" / "rules"
BROKEN = Path(__file__).with_name("broken.expected.txt")
NOW = datetime(2026, 11, 24, tzinfo=UTC)
CALLED = frozenset({"Mistake", "Problem", "Finding", "BadScalar", "Diagnostic", "diagnostic"})
"""What a rule's name is the first argument of."""

PUSHED = b"name: Alert\nmode: push\nfilter: '%s'\n"
UNWRITABLE = {
    "control-character": b"name: Ring\nmode: manual\ndescription: \x07\n",
    "file-too-large": b"#" * (1024 * 1024 + 1),
    "filter-too-deep": PUSHED % (b"not (" * 501 + b"event.a == 1" + b")" * 501),
    "filter-too-long": PUSHED % b" or ".join([b"event.a == 1"] * 1000),
    "not-utf8": "name: Café\nmode: manual\n".encode("latin-1"),
    "schedule-length": b"name: Poll\nmode: cron\nschedule: '%s * * * *'\n" % b",".join([b"1"] * 200),
    "too-deep": b"name: Import\nmode: manual\npayload: " + b"[" * 101 + b"]" * 101,
    "too-many-problems": b"name: Import\nmode: manual\n" + b"".join(b"field-%d: 1\n" % n for n in range(101)),
}
"""Examples of what a page can't show."""


ALONG_WITH = {"agent-has-errors": ["wrong-type"], "too-many-problems": ["unknown-field"]}
"""Rules that have to be told for another to be told."""


@dataclass(frozen=True)
class Example:
    """The job files of one half of a page, and the settings file."""

    jobs: tuple[str, ...]
    settings: str


def page(rule: str) -> str:
    return (PAGES / f"{rule}.md").read_text(encoding="utf-8")


def example(rule: str, which: str) -> Example:
    half = page(rule).partition(f"\n## {which}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```yaml( jobsd\.yaml)?\n(.*?)^```$", half, re.MULTILINE | re.DOTALL)
    return Example(
        tuple(text for is_settings, text in blocks if not is_settings),
        "".join(text for is_settings, text in blocks if is_settings),
    )


def told(jobs: tuple[bytes, ...], settings: str = "") -> list[Diagnostic]:
    files = [SourceFile(f"{number}.yaml", raw, "jobs.d") for number, raw in enumerate(jobs)]
    policy, wrong = read_policy(SourceFile("jobsd.yaml", settings.encode()))
    state = desire([read(file) for file in files], now=NOW)
    return [*wrong, *review(Tree(files, state), policy)]


def encoded(found: Example) -> tuple[bytes, ...]:
    return tuple(text.encode() for text in found.jobs)


def names_in_the_source() -> set[str]:
    """What the code gives to a diagnostic or the like as the name of its rule, as far as it stands there."""
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "id", getattr(node.func, "attr", ""))
                first = node.args[:1]
                # Functions that pass a rule on take it first, or behind the text that it is about.
                if called in CALLED or called in {"_add", "_problem", "_abandon", "_warning", "_say"}:
                    found |= constants(first)
                elif called in {"_error", "_refused"}:
                    found |= constants(node.args[1:2])
    # One name is made of two parts, and the command for filters names its own outcomes.
    return {name for name in found if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name)} - {"filter-error"}


def constants(nodes: list[ast.expr]) -> set[str]:
    return {
        each.value
        for node in nodes
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }


def looks_like_a_rule() -> set[str]:
    """Every word with a dash in the source that begins as a rule does."""
    begins = {rule.partition("-")[0] for rule in RULES}
    words = chain.from_iterable(
        constants([ast.parse(path.read_text(encoding="utf-8"))])  # type: ignore[list-item]
        for room in ("spec", "filters", "schedule", "plan.py")
        for path in ([SOURCE / room] if room.endswith(".py") else (SOURCE / room).rglob("*.py"))
    )
    return {
        word for word in words if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", word) and word.split("-")[0] in begins
    }


def test_every_rule_that_the_code_tells_is_registered():
    assert names_in_the_source() <= RULES.keys()
    assert len(names_in_the_source()) > 50


def test_nothing_in_the_core_that_looks_like_a_rule_is_missing():
    assert looks_like_a_rule() - RULES.keys() <= {"day-of-month", "day-of-week"}


def test_every_rule_of_the_broken_files_is_registered():
    told = re.findall(r"^\S+: (?:error|warning|note)\[([a-z0-9-]+)\]: ", BROKEN.read_text(), re.MULTILINE)

    assert set(told) <= RULES.keys()
    assert len(told) > 100


def test_the_rules_are_in_the_order_of_the_alphabet_and_each_has_a_page():
    assert list(RULES) == sorted(RULES)
    assert sorted(path.stem for path in PAGES.iterdir()) == sorted(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_a_page_has_its_rule_its_title_a_reason_and_two_examples(rule):
    head, *sections = re.split(r"^## ", page(rule), flags=re.MULTILINE)
    title, _, text = head.partition("\n")

    assert title == f"# {rule}: {RULES[rule].title}"
    assert text.strip()
    assert [each.partition("\n")[0] for each in sections] == ["Wrong", "Right"]


@pytest.mark.parametrize("rule", RULES)
def test_the_wrong_example_gives_its_rule_and_no_other(rule):
    found = example(rule, "Wrong")
    if not found.jobs and not found.settings:
        assert rule in UNWRITABLE or rule == "unreadable-file"
        jobs: tuple[bytes, ...] = (UNWRITABLE.get(rule, b""),)
    else:
        jobs = encoded(found)
    if rule == "unreadable-file":
        file = ParsedFile.unreadable(SourceFile("a.yaml", b"", "jobs.d"), "permission denied")
        found_all = list(desire([file], now=NOW).diagnostics)
    else:
        found_all = told(jobs, found.settings)

    of_rule = [each for each in found_all if each.rule == rule]
    assert of_rule
    assert {each.severity for each in of_rule} == {RULES[rule].severity}
    others = {each.rule for each in found_all} - {rule}
    assert others <= {"not-supported-yet", *ALONG_WITH.get(rule, ())}


@pytest.mark.parametrize("rule", RULES)
def test_the_right_example_is_clean(rule):
    found = example(rule, "Right")

    assert {each.rule for each in told(encoded(found), found.settings)} <= {"not-supported-yet"} - {rule}
