"""Diagnostics as annotations of GitHub Actions, and as Markdown what is more than GitHub shows of them."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from runner.cli.formats import in_repository, with_help
from runner.errors import Diagnostic, Severity, Span
from runner.service.drawing import NOUNS, visible

MOST: Final = 10
"""How many errors, warnings and notices GitHub shows of one step, of each."""

LARGEST: Final = 900 * 1024
"""Bytes of Markdown at most: GitHub refuses a summary of more than 1 MiB."""

_COMMANDS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_IN_TABLE: Final = str.maketrans({"|": "\\|", "\n": "<br>", "<": "&lt;", ">": "&gt;", "&": "&amp;"})


def divided(diagnostics: Sequence[Diagnostic]) -> tuple[list[Diagnostic], list[Diagnostic]]:
    """Return what fits into the annotations of one step, and the rest."""
    count: Counter[Severity] = Counter()
    first: list[Diagnostic] = []
    rest: list[Diagnostic] = []
    for each in diagnostics:
        count[each.severity] += 1
        (first if count[each.severity] <= MOST else rest).append(each)
    return first, rest


def annotation(diagnostic: Diagnostic) -> str:
    """Return the workflow command for a diagnostic, one line."""
    place = {"file": in_repository(diagnostic.path), **_lines(diagnostic.span), "title": diagnostic.rule}
    properties = ",".join(f"{name}={escape_property(value)}" for name, value in place.items())
    return f"::{_COMMANDS[diagnostic.severity]} {properties}::{escape_data(with_help(diagnostic))}"


def escape_data(text: str) -> str:
    """Return a text as it stands behind the second `::` of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """Return a text as the value of a property of a workflow command."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def harmless(text: str) -> str:
    """Return a text in which no line is a workflow command, whatever a file holds; `##[…]` is one, too."""
    return re.sub(r"^(\s*):(?=:)", r"\1: ", text.replace("##[", "## ["), flags=re.MULTILINE)


def markdown(diagnostics: Sequence[Diagnostic]) -> str:
    """Return a table with a line for each diagnostic."""
    lines = ["### jobsd validate: more problems", "", "| where | what | problem |", "|---|---|---|"]
    size = sum(len(line) for line in lines)
    for number, each in enumerate(diagnostics):
        row = _row(each)
        size += len(row.encode()) + 1
        if size > LARGEST:
            lines += ["", f"… and {len(diagnostics) - number} more"]
            break
        lines.append(row)
    return "\n".join(lines) + "\n"


def _lines(span: Span | None) -> Mapping[str, str]:
    """Return the properties of a place. GitHub takes columns only within one line, and the last is inside."""
    if span is None:
        return {}
    lines = {"line": str(span.line), "endLine": str(span.end_line)}
    if span.line != span.end_line:
        return lines
    return {**lines, "col": str(span.column), "endColumn": str(max(span.end_column - 1, span.column))}


def _row(each: Diagnostic) -> str:
    place = in_repository(each.path) + (f":{each.span.line}:{each.span.column}" if each.span else "")
    what = f"{NOUNS[each.severity]}[{each.rule}]"
    return f"| {_cell(place)} | {what} | {_cell(with_help(each))} |"


def _cell(text: str) -> str:
    return "<br>".join(visible(line).translate(_IN_TABLE) for line in text.split("\n"))
