"""The same trouble is said once a minute, with how often it struck since."""

from datetime import timedelta

import structlog

from runner.engine.trouble import QUIET, Trouble
from runner.testing import START

SECOND = timedelta(seconds=1)


def test_the_same_trouble_is_said_again_only_after_a_minute_and_then_how_often_it_was_not() -> None:
    trouble = Trouble()
    with structlog.testing.capture_logs() as said:
        for second in range(120):
            trouble.say("can't write", OSError("full"), START + second * SECOND, job="a")
    assert said == [
        {"event": "can't write", "error": "full", "job": "a", "log_level": "error"},
        {"event": "can't write", "error": "full", "job": "a", "log_level": "error", "unsaid": 59},
    ]


def test_another_trouble_is_said_at_once() -> None:
    trouble = Trouble()
    with structlog.testing.capture_logs() as said:
        for number in range(300):
            trouble.say("can't write", OSError(f"reason {number}"), START)
    assert len(said) == 300


def test_a_clock_that_is_set_back_silences_nothing() -> None:
    trouble = Trouble()
    with structlog.testing.capture_logs() as said:
        trouble.say("can't write", OSError("full"), START)
        trouble.say("can't write", OSError("full"), START - QUIET)
    assert len(said) == 2
