"""Results of checks as JUnit XML, which most CI systems show."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

from runner.service.drawing import visible

# What XML 1.0 has no way to write, escaped or not.
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why a case did not pass: a line for lists, and all there is to read; `broken` if nothing could be tested."""

    message: str
    text: str
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One check: `suite` groups it, `file` and `line` say where it stands; `output` is worth reading anyway."""

    suite: str
    name: str
    file: str
    line: int | None = None
    complaint: Complaint | None = None
    output: str = ""


def junit(cases: Iterable[Case], name: str) -> str:
    """Return a document with one suite for each group, in the order of their first cases."""
    groups: dict[str, list[Case]] = {}
    everything: list[Case] = []
    for case in cases:
        groups.setdefault(case.suite, []).append(case)
        everything.append(case)
    root = ET.Element("testsuites", {"name": _clean(name), **_counts(everything)})
    for suite, members in groups.items():
        inner = ET.SubElement(root, "testsuite", {"name": _clean(suite), **_counts(members)})
        for case in members:
            _add(inner, case)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _add(suite: ET.Element, case: Case) -> None:
    place = {"file": _clean(case.file), **({"line": str(case.line)} if case.line else {})}
    element = ET.SubElement(
        suite, "testcase", {"classname": _clean(case.suite), "name": _clean(case.name), **place, "time": "0"}
    )
    if case.complaint is not None:
        kind = "error" if case.complaint.broken else "failure"
        inner = ET.SubElement(element, kind, {"message": _clean(case.complaint.message), "type": kind})
        inner.text = _clean(case.complaint.text)
    if case.output:
        ET.SubElement(element, "system-out").text = _clean(case.output)


def _counts(cases: Sequence[Case]) -> dict[str, str]:
    broken = sum(1 for case in cases if case.complaint and case.complaint.broken)
    failed = sum(1 for case in cases if case.complaint and not case.complaint.broken)
    return {"tests": str(len(cases)), "failures": str(failed), "errors": str(broken), "skipped": "0", "time": "0"}


def _clean(text: str) -> str:
    """A text with everything made visible that XML can't hold."""
    return _NOT_XML.sub(lambda found: visible(found[0]), text)
