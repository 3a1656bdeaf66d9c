"""How close together two slots of a schedule can be."""

from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final

from runner.schedule.cron import Interval, Schedule, first_day

_DAY: Final = 24 * 60
_FIRST: Final = date(2000, 1, 1).toordinal()
# From 1901 to 2099 dates and days of the week repeat together after 28 years.
_LAST: Final = date(2028, 12, 31).toordinal()


def shortest_gap(schedule: Schedule) -> timedelta | None:
    """The shortest time from one slot to the next, where the clock is not changed; None with fewer than two."""
    rule = schedule.rule
    if isinstance(rule, Interval):
        return timedelta(seconds=rule.seconds)
    if rule.never:
        return None
    times = [hour * 60 + minute for hour in rule.hours for minute in rule.minutes]
    within_a_day = min((later - earlier for earlier, later in pairwise(times)), default=None)
    overnight = times[0] - times[-1]
    if within_a_day is not None and within_a_day <= overnight + _DAY:
        return timedelta(minutes=within_a_day)
    days = _closest_days(rule.calendar)
    gaps = [gap for gap in (within_a_day, days and overnight + days * _DAY) if gap is not None]
    return timedelta(minutes=min(gaps)) if gaps else None


@lru_cache(maxsize=4096)
def _closest_days(calendar: str) -> int | None:
    """The fewest days from one fitting day of a calendar to the next."""
    closest = None
    day = first_day(calendar, _FIRST)
    while day is not None and day <= _LAST and closest != 1:
        following = first_day(calendar, day + 1)
        if following is not None:
            closest = min(following - day, closest or following - day)
        day = following
    return closest
