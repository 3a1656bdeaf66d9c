"""Schedules that are valid and probably not meant: what to know about one before it is used."""

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from runner.errors import Mistake, Severity
from runner.schedule.cron import Pattern, Schedule
from runner.schedule.expression import Expression, parse_expression
from runner.schedule.fields import Field, FieldNumbers, TermKind
from runner.schedule.zones import Change, in_utc, load_zone, next_change

HORIZON: Final = timedelta(days=396)

_SHORTEST: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def lint_schedule(schedule: Schedule, now: datetime) -> tuple[Mistake, ...]:
    """Warnings about a schedule, with places in its text.

    `now` is an aware instant: changes of the clock matter that come in the 13 months after it.

    Raises:
        ValueError: `now` is naive.
    """
    now = in_utc(now)
    rule = schedule.rule
    if not isinstance(rule, Pattern):
        return ()
    expression = parse_expression(schedule.text)
    columns = schedule.fields
    if rule.never:
        return (_never(expression, columns),)
    found = [*_long_steps(expression), *_skipped_months(expression, columns), *_both_days(expression)]
    clock_changes = _clock_changes if rule.fixed_time else _days_without_run
    found += clock_changes(schedule, rule, expression, now)
    return tuple(found)


def _never(expression: Expression, columns: tuple[FieldNumbers, ...]) -> Mistake:
    _, _, day, month, _ = columns
    months = [calendar.month_name[number] for number in month.numbers]
    start, end = _span(expression.fields[2], expression.fields[3])
    return _warning(
        "schedule-never-fires",
        f"the schedule never fires: {_no_month_has(months)} {day.numbers[0]}",
        start,
        end,
        "take a day that the month has",
    )


def _long_steps(expression: Expression) -> Iterator[Mistake]:
    """Steps that are longer than their range, so that only its first number is left."""
    for field in expression.fields:
        for term in field.terms:
            if term.step > term.high - term.low and term.kind is not TermKind.HASH and term.high > term.low:
                yield _warning(
                    "schedule-long-step",
                    f"the step {term.step} reaches past the end of the {field.kind.title} field: "
                    f"only {term.low} is left",
                    *_term_span(expression, field, term.start, term.end),
                    f"write {term.low}, or use @every for a rhythm that doesn't fit the field",
                )


def _skipped_months(expression: Expression, columns: tuple[FieldNumbers, ...]) -> Iterator[Mistake]:
    """Months that have none of the days, or lack a day that is named by itself."""
    weekday = expression.fields[4]
    if not weekday.starred or expression.fields[2].starred:
        return
    _, _, day, month, _ = columns
    named = [
        number
        for term in day.field.terms
        for number in day.numbers
        if term.low == term.high == number and term.kind is TermKind.RANGE
    ]
    for number in sorted({*named, day.numbers[0]}, reverse=True):
        lacking = [calendar.month_name[m] for m in month.numbers if _SHORTEST[m - 1] < number]
        if lacking:
            yield _warning(
                "schedule-skips-months",
                f"there is no day {number} in {_listed(_common_years(number, lacking))}: the job skips it",
                day.field.start,
                day.field.end,
                "take a day up to 28, which every month has, or day 1 of the next month",
            )
            return


def _common_years(number: int, months: list[str]) -> list[str]:
    """February has a day 29 in leap years."""
    return [f"{month} of common years" if number == 29 else month for month in months]


def _both_days(expression: Expression) -> Iterator[Mistake]:
    if not expression.either_day:
        return
    day, _, weekday = expression.fields[2:]
    if day.start == weekday.start:
        return
    yield _warning(
        "schedule-both-days",
        f"the job runs on each day that fits {day.text!r} and also on each weekday that fits "
        f"{weekday.text!r}: cron joins the two fields by OR",
        day.start,
        weekday.end,
        "write * in one of the two fields, unless either of them is enough",
    )


def _clock_changes(schedule: Schedule, rule: Pattern, expression: Expression, now: datetime) -> Iterator[Mistake]:
    """The next times of the job that the clock skips, and the next that it shows twice."""
    minute, hour = expression.fields[:2]
    start, end = _span(minute, hour)
    seen = set[bool]()
    for change in _coming_changes(schedule.timezone, now.date()):
        if change.at <= now or change.skips in seen:
            continue
        first, last = sorted((change.wall_before, change.wall_after))
        wall = next(rule.walls(first, last), None)
        if wall is None:
            continue
        seen.add(change.skips)
        describe = _gap if change.skips else _repeat
        yield describe(schedule.zone, change, wall, start, end)


def _days_without_run(
    schedule: Schedule, rule: Pattern, expression: Expression, now: datetime
) -> Iterator[Mistake]:
    """The next day on which the clock skips all times of a job that follows elapsed time."""
    minute, hour = expression.fields[:2]
    for change in _coming_changes(schedule.timezone, now.date()):
        if change.at <= now or not change.skips or change.is_correction:
            continue
        midnight = change.wall_after.replace(hour=0, minute=0, second=0)
        walls = list(rule.walls(midnight, midnight + timedelta(days=1)))
        if walls and change.wall_before <= walls[0] and walls[-1] < change.wall_after:
            times = f"{walls[0]:%H:%M} to {walls[-1]:%H:%M} do" if walls[1:] else f"{walls[0]:%H:%M} does"
            what = f"{times} not exist in {schedule.timezone} on {midnight:%Y-%m-%d}, when the clock goes from"
            what += f" {change.wall_before:%H:%M} to {change.wall_after:%H:%M}: the job does not run on that day"
            yield _warning("schedule-dst-gap", what, *_span(minute, hour), _avoid(change))
            return


def _gap(zone: ZoneInfo, change: Change, wall: datetime, start: int, end: int) -> Mistake:
    what = f"{wall:%H:%M} does not exist in {zone.key} on {wall:%Y-%m-%d}, when the clock goes from"
    what += f" {_clock(change.wall_before, wall)} to {_clock(change.wall_after, wall)}"
    effect = "the job does not run then" if change.is_correction else "the job runs right after that"
    return _warning("schedule-dst-gap", f"{what}: {effect}", start, end, _avoid(change))


def _repeat(zone: ZoneInfo, change: Change, wall: datetime, start: int, end: int) -> Mistake:
    what = f"{wall:%H:%M} comes twice in {zone.key} on {wall:%Y-%m-%d}, when the clock goes back from"
    what += f" {_clock(change.wall_before, wall)} to {_clock(change.wall_after, wall)}"
    return _warning(
        "schedule-dst-repeat", f"{what}: the job runs once, the first time", start, end, _avoid(change)
    )


def _avoid(change: Change) -> str:
    if change.is_correction:
        return "this happens once; write timezone: UTC, if it matters"
    first, last = sorted((change.wall_before, change.wall_after))
    return f"take a time outside {first:%H:%M} to {last:%H:%M}, or timezone: UTC, if that matters"


def _clock(shown: datetime, wall: datetime) -> str:
    return f"{shown:%H:%M}" if shown.date() == wall.date() else f"{shown:%Y-%m-%d %H:%M}"


@lru_cache(maxsize=1024)
def _coming_changes(timezone: str, today: date) -> tuple[Change, ...]:
    """The changes of a zone from the start of a day on, for as long as warnings look ahead."""
    zone = load_zone(timezone)
    at = datetime(today.year, today.month, today.day, tzinfo=UTC)
    until = at + HORIZON
    changes = []
    while change := next_change(zone, at, until):
        changes.append(change)
        at = change.at
    return tuple(changes)


def _span(first: Field, last: Field) -> tuple[int, int]:
    return first.start, last.end


def _term_span(expression: Expression, field: Field, start: int, end: int) -> tuple[int, int]:
    """The place of a term, or of the word that it comes from."""
    return (start, end) if expression.text[field.start : field.end] == field.text else (field.start, field.end)


def _listed(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _no_month_has(names: list[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} has no day"
    return f"neither {', '.join(names[:-1])} nor {names[-1]} has a day"


def _warning(rule: str, message: str, start: int, end: int, advice: str) -> Mistake:
    return Mistake(rule, message, start, end, help=advice, severity=Severity.WARNING)
