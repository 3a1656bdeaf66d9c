"""What was most likely meant."""

from runner.spec.suggest import did_you_mean


def test_misspellings_and_other_habits_of_writing_are_recognised():
    known = ["timeout", "rate_limit", "schedule", "job"]
    assert did_you_mean("timout", known) == "timeout"
    assert did_you_mean("rateLimit", known) == "rate_limit"
    assert did_you_mean("Rate-Limit", known) == "rate_limit"
    assert did_you_mean("cronjob", known) == "job"


def test_nothing_is_suggested_where_nothing_is_near():
    assert did_you_mean("colour", ["timeout", "mode"]) is None
    assert did_you_mean("", ["timeout"]) is None
    assert did_you_mean("x", []) is None
