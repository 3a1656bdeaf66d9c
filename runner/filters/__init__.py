"""The filter language: a condition on a payload, written in filtrex, compiled once, and safe to run.

`compile_filter(text)` gives a `Filter` or raises `FilterSyntaxError`; `Filter.check(payload)` gives a `Verdict`.
"""

from runner.filters.filter import EVENT, Filter, FilterSyntaxError, compile_filter
from runner.filters.verdict import (
    PASSED,
    REJECTED,
    EvaluationError,
    FilterProblem,
    Verdict,
    VerdictKind,
)

__all__ = [
    "EVENT",
    "PASSED",
    "REJECTED",
    "EvaluationError",
    "Filter",
    "FilterProblem",
    "FilterSyntaxError",
    "Verdict",
    "VerdictKind",
    "compile_filter",
]
