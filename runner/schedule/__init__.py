"""Schedules and durations: from `0 9 * * 1-5` in a zone to the instants at which a job is due.

Nothing here reads the clock or waits: the present is an argument. What to do at a slot is decided elsewhere.
"""

from runner.schedule.cron import Schedule, parse_schedule
from runner.schedule.durations import MAX_DURATION, DurationError, format_duration, parse_duration
from runner.schedule.expression import ScheduleError
from runner.schedule.fields import FieldNumbers
from runner.schedule.lint import lint_schedule

__all__ = [
    "MAX_DURATION",
    "DurationError",
    "FieldNumbers",
    "Schedule",
    "ScheduleError",
    "format_duration",
    "lint_schedule",
    "parse_duration",
    "parse_schedule",
]
