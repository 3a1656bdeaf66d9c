"""The log is SARIF 2.1.0 by its schema, and knows a problem again when lines above it come and go.

The schema beside this file is the one of the standard's final text (2.1.0-rtm.5), as the package
@microsoft/jest-sarif 1.0.0-beta.0 of npm has it.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jsonschema import Draft4Validator

from runner.cli.formats.sarif import FINGERPRINT, log
from runner.errors import Diagnostic, Related, Severity, Span
from runner.plan import desire
from runner.spec.loader import read
from runner.spec.rules import RULES
from runner.spec.source import SourceFile

SCHEMA = json.loads(Path(__file__).with_name("sarif-2.1.0-rtm.5.json").read_text("utf-8"))
BROKEN = Path(__file__).parents[2] / "spec" / "broken"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
ONE = Diagnostic("unknown-field", "no", "jobs.d/a b.yaml", Span(3, 5, 3, 9), source="  timout: 5m")


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)


def results(*found: Diagnostic) -> list[dict]:
    return log(found)["runs"][0]["results"]


def fingerprints(*found: Diagnostic) -> list[str]:
    return [each["partialFingerprints"][FINGERPRINT] for each in results(*found)]


def in_file(text: str) -> list[Diagnostic]:
    return list(desire([read(SourceFile("a.yaml", text.encode(), "jobs.d"))], now=NOW).diagnostics)


def valid(made: dict) -> dict:
    again = json.loads(json.dumps(made))
    Draft4Validator(SCHEMA).validate(again)
    return again


def test_the_log_of_all_broken_files_is_valid():
    files = [
        read(SourceFile(path.relative_to(BROKEN).as_posix(), path.read_bytes(), "jobs.d"))
        for path in BROKEN.rglob("*.yaml")
    ]
    found = desire(files, now=NOW).diagnostics

    made = valid(log(found))
    assert len(made["runs"][0]["results"]) == len(found) > 60


def test_the_log_of_a_clean_tree_is_valid_and_has_no_result():
    assert valid(log([]))["runs"][0]["results"] == []


def test_a_rule_has_a_title_a_text_a_page_and_its_usual_level():
    made = valid(log([Diagnostic(rule, "no", "a.yaml", severity=each.severity) for rule, each in RULES.items()]))
    rules = made["runs"][0]["tool"]["driver"]["rules"]

    assert [each["id"] for each in rules] == sorted(RULES)
    for each in rules:
        assert each["shortDescription"]["text"] == RULES[each["id"]].title
        assert each["help"]["markdown"].startswith(f"# {each['id']}: ")
        assert each["fullDescription"]["text"]
    levels = {each["id"]: each["defaultConfiguration"]["level"] for each in rules}
    assert (levels["unknown-agent"], levels["schedule-dst-gap"], levels["agent-has-errors"]) == (
        "error",
        "warning",
        "note",
    )
    for number, result in enumerate(made["runs"][0]["results"]):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == list(RULES)[number]


def test_a_result_has_a_relative_uri_and_columns_from_one():
    (result,) = results(ONE)
    place = result["locations"][0]["physicalLocation"]

    assert place["artifactLocation"] == {"uri": "jobs.d/a%20b.yaml", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 9}
    assert place["contextRegion"]["snippet"]["text"] == "  timout: 5m"


def test_an_absolute_path_below_the_working_directory_is_relative_too(tmp_path):
    (result,) = results(replace(ONE, path=str(tmp_path / "jobs.d" / "a.yaml")))

    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "jobs.d/a.yaml"


def test_help_fix_and_other_places_are_there():
    other = Related("jobs.d/b.yaml", Span(1, 1, 1, 2), "also here")
    found = replace(ONE, help="did you mean `timeout`?", fix="timeout", related=(other,))
    (result,) = valid(log([found]))["runs"][0]["results"]

    assert result["message"]["text"] == "no\nhelp: did you mean `timeout`?"
    (change,) = result["fixes"][0]["artifactChanges"]
    assert change["replacements"][0]["insertedContent"]["text"] == "timeout"
    (also,) = result["relatedLocations"]
    assert also["physicalLocation"]["artifactLocation"]["uri"] == "jobs.d/b.yaml"


def test_a_problem_without_a_place_is_one_of_the_file():
    (result,) = valid(log([replace(ONE, span=None, source=None)]))["runs"][0]["results"]

    assert "region" not in result["locations"][0]["physicalLocation"]


def test_the_severity_of_a_result_is_the_one_that_counts_here():
    assert [each["level"] for each in results(*(replace(ONE, severity=each) for each in Severity))] == [
        "error",
        "warning",
        "note",
    ]


JOB = "name: A\nmode: manual\ntimout: 5m\nagent: nobody\n"


def test_fingerprints_stay_when_lines_above_change_or_the_line_is_indented():
    moved = "# why\n\nname: A longer name\nmode: manual\ndescription: B\ntimout:   5m\nagent: nobody\n"

    assert fingerprints(*in_file(JOB)) == fingerprints(*in_file(moved))
    assert len(in_file(moved)) == 2


def test_fingerprints_tell_problems_apart_also_on_equal_lines():
    twice = f"{JOB}---\n{JOB.replace('A', 'B')}"
    found = fingerprints(*in_file(twice))

    assert len(found) == len(set(found)) == 4
    assert set(fingerprints(*in_file(JOB))) < set(found)


def test_another_rule_or_another_file_is_another_problem():
    others = [
        replace(ONE, rule="wrong-type"),
        replace(ONE, path="jobs.d/b.yaml"),
        replace(ONE, source="timot: 5m"),
    ]

    assert len(set(fingerprints(ONE, *others))) == 4
