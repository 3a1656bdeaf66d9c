"""From a schedule to the instants at which its job is due.

croniter finds the days on a calendar without zones; the times of a day come from the expression; and the rule
of Debian's cron says what a change of the clock does to them:

- A schedule of fixed times (neither its minute nor its hour field starts with `*`) runs once for each of its
  wall times: when the clock first shows it or, where the clock skips it, right after the change.
- Any other schedule follows elapsed time: it runs whenever the clock shows one of its wall times, twice in a
  repeated hour and never in a skipped one.
- A change of three hours or more corrects the clock: wall times that it skips never were.
"""

from bisect import bisect_left
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from itertools import takewhile
from sys import intern
from typing import Final
from zoneinfo import ZoneInfo

from croniter import (  # type: ignore[import-untyped]  # it has no annotations that mypy may use
    CroniterBadDateError,
    croniter,
)

from runner.schedule.expression import Expression, ScheduleError, parse_expression
from runner.schedule.fields import Field, FieldNumbers, TermKind
from runner.schedule.zones import (
    NEAR,
    UnknownZoneError,
    in_utc,
    instant_of,
    load_zone,
    next_change,
    utc_offset,
    wall_at,
)

# Slots exist between these instants, which keeps every sum of theirs inside what a datetime can hold.
FIRST_INSTANT: Final = datetime(1900, 1, 1, tzinfo=UTC)
LAST_INSTANT: Final = datetime(9900, 1, 1, tzinfo=UTC)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_MINUTE: Final = timedelta(minutes=1)
_TICK: Final = timedelta(microseconds=1)
_MONTH_LENGTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class Interval:
    """The rule of `@every`: instants a number of whole seconds apart, counted from the Unix epoch."""

    seconds: int

    def slots(self, instant: datetime) -> Iterator[datetime]:
        """All such instants after the given one."""
        step = timedelta(seconds=self.seconds)
        slot = _EPOCH + (instant - _EPOCH) // step * step
        while True:
            slot += step
            yield slot


@dataclass(frozen=True, slots=True)
class Pattern:
    """The rule of a cron expression on the wall clock: which days, hours and minutes fit.

    `calendar` is the day-of-month, month and day-of-week fields in numbers, `fixed_time` whether a change of
    the clock moves the times instead of dropping or repeating them, and `never` whether no such day exists.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    calendar: str
    fixed_time: bool
    never: bool

    def next_wall(self, wall: datetime) -> datetime | None:
        """The first fitting wall time after the given one; None when there is none any more."""
        if self.never:
            return None
        start = wall + _MINUTE
        today = start.toordinal()
        if first_day(self.calendar, today) == today:
            later = self._next_time(start.hour, start.minute)
            if later is not None:
                return datetime.combine(start, later)
        day = first_day(self.calendar, today + 1)
        if day is None:
            return None
        return datetime.combine(date.fromordinal(day), _time(self.hours[0], self.minutes[0]))

    def _next_time(self, hour: int, minute: int) -> time | None:
        """The first fitting time of a day from the given one on."""
        place = bisect_left(self.hours, hour)
        if place < len(self.hours) and self.hours[place] == hour:
            later = bisect_left(self.minutes, minute)
            if later < len(self.minutes):
                return _time(hour, self.minutes[later])
            place += 1
        return _time(self.hours[place], self.minutes[0]) if place < len(self.hours) else None

    def walls(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """The fitting wall times in [start, end), rising."""
        wall = self.next_wall(start - _TICK)
        while wall is not None and wall < end:
            yield wall
            wall = self.next_wall(wall)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job is due. Immutable; jobs with the same text share everything but this small object.

    `key` is what `H` is hashed over, empty when the schedule has no `H`.
    """

    text: str
    timezone: str
    key: str
    rule: Pattern | Interval
    zone: ZoneInfo

    def after(self, instant: datetime) -> datetime | None:
        """The first slot strictly after an aware instant, in UTC; None when the schedule never fires again.

        Raises:
            ValueError: The instant is naive.
        """
        return next(self._slots(instant), None)

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """The slots in (after, until], oldest first, each computed when it is asked for.

        Raises:
            ValueError: One of the instants is naive.
        """
        until = in_utc(until)
        return takewhile(lambda slot: slot <= until, self._slots(after))

    @property
    def fields(self) -> tuple[FieldNumbers, ...]:
        """The five fields with the numbers that each stands for; none for `@every`."""
        return parse_expression(self.text).numbers(self.key)

    def _slots(self, after: datetime) -> Iterator[datetime]:
        """All slots after an instant that are within the limits of the calendar."""
        start = max(in_utc(after), FIRST_INSTANT)
        if start >= LAST_INSTANT:
            return iter(())
        rule = self.rule
        if isinstance(rule, Interval):
            slots = rule.slots(start)
        elif rule.fixed_time:
            slots = _slots_by_wall_time(rule, self.zone, start)
        else:
            slots = _slots_by_elapsed_time(rule, self.zone, start)
        return takewhile(_within_limits, slots)

    def note(self, slot: datetime) -> str | None:
        """What is special about a slot: the wall times that it stands for because the clock skips them."""
        rule = self.rule
        if isinstance(rule, Interval) or not rule.fixed_time:
            return None
        slot = in_utc(slot)
        if not FIRST_INSTANT < slot < LAST_INSTANT:
            return None
        change = next_change(self.zone, slot - _SECOND, slot)
        if change is None or not change.skips or change.is_correction:
            return None
        skipped = list(rule.walls(change.wall_before, change.wall_after))
        if not skipped:
            return None
        shown = _listed(skipped, change.wall_after)
        if rule.next_wall(change.wall_after - _TICK) == change.wall_after:
            return f"stands also for {shown}, which the clock skips"
        return f"moved from {shown}, which the clock skips"


def parse_schedule(text: str, timezone: str = "UTC", key: str = "") -> Schedule:
    """Read a schedule in a zone; `H` picks its times by `key`, the id of the job.

    Raises:
        ScheduleError: The text is no schedule, or the zone does not exist (rule `unknown-timezone`; then the
            places of the mistakes are those in the name of the zone).
    """
    expression = parse_expression(text)
    try:
        zone = load_zone(timezone)
    except UnknownZoneError as error:
        raise ScheduleError(timezone, (error.mistake,)) from None
    if not expression.hashed:
        return Schedule(expression.text, zone.key, "", _rule_of(text), zone)
    return Schedule(expression.text, zone.key, key, _pattern_of(text, key), zone)


@lru_cache(maxsize=16_384)
def _rule_of(text: str) -> Pattern | Interval:
    expression = parse_expression(text)
    return Interval(expression.every) if expression.every is not None else _compile(expression, "")


@lru_cache(maxsize=16_384)
def _pattern_of(text: str, key: str) -> Pattern:
    return _compile(parse_expression(text), key)


def _compile(expression: Expression, key: str) -> Pattern:
    minute, hour, day, month, weekday = expression.fields
    calendar = " ".join(_calendar_field(field, key) for field in (day, month, weekday))
    return Pattern(
        minutes=_shared(minute.numbers(key)),
        hours=_shared(hour.numbers(key)),
        calendar=intern(calendar),
        fixed_time=expression.fixed_time,
        never=not expression.either_day and not _some_date_exists(day.numbers(key), month.numbers(key)),
    )


@cache  # a day has 1440 of them
def _time(hour: int, minute: int) -> time:
    return time(hour, minute)


@lru_cache(maxsize=16_384)
def _shared(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """One object for equal tuples, since many jobs differ only in a minute or an hour."""
    return numbers


def _calendar_field(field: Field, key: str) -> str:
    """A day or month field in the notation that cron and croniter read alike.

    Names, ranges and `H` become numbers. A leading `*` stays, because the joining of the two day fields
    depends on it, and any other `*` goes, because croniter would take it for a leading one.
    """
    numbers = field.numbers(key)
    first = field.terms[0]
    listed = ",".join(map(str, numbers))
    if first.kind is not TermKind.STAR:
        return listed
    if any(term.kind is TermKind.STAR and term.step == 1 for term in field.terms):
        return "*"
    return f"*/{first.step},{listed}"


def _some_date_exists(days: tuple[int, ...], months: tuple[int, ...]) -> bool:
    return any(days[0] <= _MONTH_LENGTHS[month - 1] for month in months)


@lru_cache(maxsize=65_536)
def first_day(calendar: str, ordinal: int) -> int | None:
    """The first day of a calendar from the given one on, as ordinals of `date`; None when there is none."""
    # A copy, because a croniter remembers where it is and threads share this one.
    days = copy(_days_of(calendar))
    try:
        found: datetime = days.get_next(datetime, start_time=datetime.fromordinal(ordinal) - _MINUTE)
    except CroniterBadDateError:
        return None
    return found.toordinal()


@lru_cache(maxsize=4096)
def _days_of(calendar: str) -> croniter:
    return croniter(f"0 0 {calendar}", start_time=0, implement_cron_bug=True)


def _slots_by_elapsed_time(pattern: Pattern, zone: ZoneInfo, instant: datetime) -> Iterator[datetime]:
    """The instants after the given one at which the clock shows a fitting wall time."""
    at, offset = instant, utc_offset(zone, instant)
    wall = pattern.next_wall(wall_at(at, offset))
    while wall is not None:
        change = next_change(zone, at, at + NEAR)
        end = change.at if change else at + NEAR
        while wall is not None and (slot := instant_of(wall, offset)) < end:
            yield slot
            wall = pattern.next_wall(wall)
        if change:
            at, offset = change.at, change.after
            wall = pattern.next_wall(change.wall_after - _TICK)
        elif wall is not None:
            # Nothing fits between now and `wall`, so no change on the way there matters.
            at = max(end, instant_of(wall, offset) - NEAR)
            offset = utc_offset(zone, at)


def _slots_by_wall_time(pattern: Pattern, zone: ZoneInfo, instant: datetime) -> Iterator[datetime]:
    """The instants after the given one at which the clock first reaches or jumps over a fitting wall time."""
    at, offset = instant, utc_offset(zone, instant)
    wall = pattern.next_wall(_latest_wall(zone, instant))
    while wall is not None:
        change = next_change(zone, at, at + NEAR)
        end = change.at if change else at + NEAR
        while wall is not None and (slot := instant_of(wall, offset)) < end:
            yield slot
            wall = pattern.next_wall(wall)
        if wall is None:
            return
        if change is None:
            at = max(end, instant_of(wall, offset) - NEAR)
            offset = utc_offset(zone, at)
            continue
        at, offset = change.at, change.after
        if wall >= change.wall_after:
            continue
        if change.is_correction:
            wall = pattern.next_wall(change.wall_after - _TICK)
        else:
            # One run for all that is skipped, and for the wall time that the clock shows now.
            yield at
            wall = pattern.next_wall(change.wall_after)


def _latest_wall(zone: ZoneInfo, instant: datetime) -> datetime:
    """The latest wall time that the clock has shown up to an instant; in a repeated hour that is its end."""
    shown = wall_at(instant, utc_offset(zone, instant))
    change = next_change(zone, instant - NEAR, instant)
    return shown if change is None else max(shown, change.wall_before - _TICK)


def _within_limits(slot: datetime) -> bool:
    return slot < LAST_INSTANT


def _listed(walls: list[datetime], day_of: datetime) -> str:
    """Wall times for people, with the date where it is not that of the slot."""
    shown = [f"{wall:%H:%M}" if wall.date() == day_of.date() else f"{wall:%Y-%m-%d %H:%M}" for wall in walls]
    if len(shown) > 3:
        return f"{shown[0]} to {shown[-1]} ({len(shown)} times)"
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
