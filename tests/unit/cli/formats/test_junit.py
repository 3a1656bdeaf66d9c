"""One test case for each file: it fails where the file has errors, and passes with warnings in its output."""

from xml.etree import ElementTree as ET

import pytest

from runner.cli.formats import Checked
from runner.cli.formats.junit import report
from runner.errors import Diagnostic, Severity, Span

SPAN = Span(3, 5, 3, 9)
ERROR = Diagnostic("unknown-field", "the field `a` is not known", "jobs.d/a.yaml", SPAN, source="    a: 1")
WARNING = Diagnostic("schedule-dst-gap", "a gap", "jobs.d/b.yaml", SPAN, Severity.WARNING)
FILES = ("jobs.d/a.yaml", "jobs.d/b.yaml", "jobs.d/c.yaml")


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)


def cases(*found: Diagnostic, files: tuple[str, ...] = FILES) -> dict[str, ET.Element]:
    root = ET.fromstring(report(Checked(found, files)))
    return {each.attrib["name"]: each for each in root.iter("testcase")}


def test_every_file_is_a_case_and_those_with_errors_fail():
    found = cases(ERROR, ERROR, WARNING)

    assert list(found) == list(FILES)
    assert [len(each.findall("failure")) for each in found.values()] == [1, 0, 0]
    failure = found["jobs.d/a.yaml"].find("failure")
    assert failure is not None
    assert failure.attrib["message"] == "unknown-field: the field `a` is not known (and 1 more)"
    assert "jobs.d/a.yaml:3:5: error[unknown-field]" in (failure.text or "")


def test_warnings_are_in_the_output_of_a_case_that_passes():
    case = cases(WARNING)["jobs.d/b.yaml"]

    assert case.find("failure") is None
    assert "warning[schedule-dst-gap]" in case.findtext("system-out", "")


def test_the_counts_are_those_of_the_cases():
    root = ET.fromstring(report(Checked([ERROR, WARNING], FILES)))

    assert (root.attrib["tests"], root.attrib["failures"], root.attrib["errors"]) == ("3", "1", "0")
    assert report(Checked([], ())).startswith('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites')


def test_the_settings_file_is_a_case_where_something_is_wrong_with_it():
    assert "jobsd.yaml" in cases(Diagnostic("unknown-rule", "no", "jobsd.yaml"))


def test_what_xml_can_not_hold_is_made_visible():
    found = Diagnostic("invalid-name", "a\x00b\x1b[1m\ufffe <&>", "jobs.d/a.yaml", SPAN, source="\x07")

    text = cases(found)["jobs.d/a.yaml"].findtext("failure", "")
    assert "a␀b␛[1m" in text
    assert "<&>" in text
