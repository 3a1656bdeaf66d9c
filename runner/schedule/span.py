"""How many slots a stretch of time has, and the last of them, without going through them one by one."""

from collections import deque
from datetime import UTC, date, datetime, timedelta
from typing import Final

from runner.schedule.cron import FIRST_INSTANT, LAST_INSTANT, Interval, Pattern, Schedule, first_day
from runner.schedule.zones import instant_of, next_change, utc_offset, wall_at

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_CALM: Final = timedelta(days=3)
"""How far from a change of the clock days are counted as wholes: more than any change moves a slot."""

_STRETCH: Final = timedelta(days=60)
"""How far ahead changes of the clock are looked for at once."""


def count_slots(schedule: Schedule, after: datetime, until: datetime) -> int:
    """How many slots are in (after, until], two aware instants in UTC."""
    after, until = max(after, FIRST_INSTANT), min(until, LAST_INSTANT - _TICK)
    if until <= after:
        return 0
    rule = schedule.rule
    if isinstance(rule, Interval):
        step = timedelta(seconds=rule.seconds)
        return (until - _EPOCH) // step - (after - _EPOCH) // step
    total = 0
    while after < until:
        stop = min(until, after + _STRETCH)
        change = next_change(schedule.zone, after - _CALM, stop + _CALM)
        if change is None:
            total += _count_calm(schedule, rule, after, stop)
        elif change.at - _CALM > after:
            stop = change.at - _CALM
            total += _count_calm(schedule, rule, after, stop)
        else:
            stop = min(until, change.at + _CALM)
            total += _count_each(schedule, after, stop)
        after = stop
    return total


def _count_each(schedule: Schedule, after: datetime, until: datetime) -> int:
    return sum(1 for _ in schedule.between(after, until))


def _count_calm(schedule: Schedule, rule: Pattern, after: datetime, until: datetime) -> int:
    """Where the clock is not changed, whole days have all times of the rule or none."""
    offset = utc_offset(schedule.zone, after)
    first = date.fromordinal(wall_at(after, offset).toordinal() + 1)
    last = wall_at(until, offset).date()
    if last <= first:
        return _count_each(schedule, after, until)
    start, end = (
        instant_of(datetime(day.year, day.month, day.day), offset) - _TICK  # noqa: DTZ001 - a wall time has no zone
        for day in (first, last)
    )
    days = _fitting_days(rule, first.toordinal(), last.toordinal())
    whole = days * len(rule.hours) * len(rule.minutes)
    return _count_each(schedule, after, start) + whole + _count_each(schedule, end, until)


def _fitting_days(rule: Pattern, start: int, end: int) -> int:
    """How many days in [start, end), as ordinals of `date`, are of the rule's calendar."""
    if rule.calendar == "* * *":
        return end - start
    days, day = 0, first_day(rule.calendar, start)
    while day is not None and day < end:
        days, day = days + 1, first_day(rule.calendar, day + 1)
    return days


def last_slot(schedule: Schedule, after: datetime, until: datetime) -> datetime | None:
    """The last slot in (after, until], two aware instants in UTC; None where there is none."""
    rule = schedule.rule
    if isinstance(rule, Interval):
        slot = _EPOCH + (until - _EPOCH) // timedelta(seconds=rule.seconds) * timedelta(seconds=rule.seconds)
        return slot if slot > after else None
    width = _HOUR
    while True:
        start = max(after, until - width)
        found = deque(schedule.between(start, until), maxlen=1)
        if found or start <= after:
            return found[0] if found else None
        until, width = start, width * 8
