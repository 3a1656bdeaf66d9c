"""How diagnostics are counted, and how they look to programs."""

import json

from runner.cli.diagnostics import summary, to_json
from runner.errors import Diagnostic, Related, Severity, Span


def diagnostic(source: str, column: int, end: int, end_line: int = 3, **more) -> Diagnostic:
    return Diagnostic(
        "a-rule", "a message", "jobs.d/x.yaml", Span(3, column, end_line, end), source=source, **more
    )


def test_the_summary_counts():
    error, warning = diagnostic("", 1, 1), diagnostic("", 1, 1, severity=Severity.WARNING)
    assert summary([error, error, warning], 18) == "2 errors, 1 warning in 18 files"
    assert summary([error], 1) == "1 error in 1 file"
    assert summary([], 0) == "no problems in 0 files"


def test_json_leaves_out_what_is_not_known():
    assert to_json(Diagnostic("r", "m", "x.yaml")) == {
        "rule": "r", "severity": "error", "message": "m", "path": "x.yaml",
    }  # fmt: skip
    full = to_json(
        diagnostic("a", 1, 2, help="h", fix="f", job="j", related=(Related("y", Span(1, 2, 3, 4), "z"),))
    )
    assert full == {
        "rule": "a-rule", "severity": "error", "message": "a message", "path": "jobs.d/x.yaml",
        "line": 3, "column": 1, "end_line": 3, "end_column": 2,
        "help": "h", "fix": "f", "source": "a", "job": "j",
        "related": [
            {"path": "y", "line": 1, "column": 2, "end_line": 3, "end_column": 4, "message": "z"}
        ],
    }  # fmt: skip
    json.dumps(full)
