"""Verdicts as values."""

from dataclasses import FrozenInstanceError

import pytest

from runner.filters import PASSED, REJECTED, EvaluationError, FilterProblem, Verdict, VerdictKind


def test_only_a_pass_passes():
    error = Verdict(VerdictKind.ERROR, FilterProblem("UnknownPropertyError", "gone", 0, 1))
    assert [verdict.passed for verdict in (PASSED, REJECTED, error)] == [True, False, False]


def test_verdicts_are_immutable_values():
    assert Verdict(VerdictKind.PASS) == PASSED
    with pytest.raises(FrozenInstanceError):
        PASSED.kind = VerdictKind.REJECT  # type: ignore[misc]  # that is the point


def test_an_evaluation_error_speaks_with_the_problems_words():
    problem = FilterProblem("TypeError", "no text", 2, 5)
    assert EvaluationError(problem).message == "no text"
    assert problem.span == (2, 5)
