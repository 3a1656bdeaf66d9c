"""Diagnostics as JUnit XML: one test case for each file, which fails where the file has errors."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from runner.cli.formats import Checked, in_repository
from runner.cli.junit import Case, Complaint, junit
from runner.errors import Diagnostic
from runner.service.drawing import render

SUITE: Final = "jobsd validate"


def report(checked: Checked) -> str:
    """Return the document. What is no error stands in the output of its case, which passes."""
    found: dict[str, list[Diagnostic]] = defaultdict(list)
    for each in checked.diagnostics:
        found[each.path].append(each)
    return junit((_case(path, found[path]) for path in sorted({*checked.files, *found})), SUITE)


def _case(path: str, diagnostics: Sequence[Diagnostic]) -> Case:
    errors = [each for each in diagnostics if each.is_error]
    others = render([each for each in diagnostics if not each.is_error], color=False)
    name = in_repository(path)
    if not errors:
        return Case(SUITE, name, name, output=others)
    more = f" (and {len(errors) - 1} more)" if errors[1:] else ""
    complaint = Complaint(f"{errors[0].rule}: {errors[0].message}{more}", render(errors, color=False))
    line = errors[0].span.line if errors[0].span else None
    return Case(SUITE, name, name, line, complaint, others)
