"""Diagnostics for people, drawn as the service draws them, and for machines as JSON."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from runner.errors import Diagnostic, Related, Severity, Span
from runner.service.drawing import NOUNS, render, visible

__all__ = ["render", "summary", "to_json", "visible"]


def summary(diagnostics: Iterable[Diagnostic], files: int) -> str:
    """Return one line that counts errors and warnings, such as `20 errors, 2 warnings in 18 files`."""
    counts = Counter(diagnostic.severity for diagnostic in diagnostics)
    parts = [_counted(counts[severity], NOUNS[severity]) for severity in Severity if counts[severity]]
    return f"{', '.join(parts) or 'no problems'} in {_counted(files, 'file')}"


def to_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """Return a diagnostic as a JSON object; what is not known is left out."""
    values: dict[str, Any] = {
        "rule": diagnostic.rule,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "path": diagnostic.path,
        **(_span_json(diagnostic.span) if diagnostic.span else {}),
        "help": diagnostic.help,
        "fix": diagnostic.fix,
        "source": diagnostic.source,
        "job": diagnostic.job,
        "related": [_related_json(related) for related in diagnostic.related] or None,
    }
    return {name: value for name, value in values.items() if value is not None}


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _span_json(span: Span) -> dict[str, int]:
    return {
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def _related_json(related: Related) -> dict[str, Any]:
    return {"path": related.path, **_span_json(related.span), "message": related.message}
