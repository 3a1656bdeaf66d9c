"""A schedule as a sentence: `0 9 * * 1-5` is `at 09:00 on Monday to Friday, Europe/Berlin`.

The sentence says what the rule does, from the numbers that the fields stand for: a step that starts again with
each hour or month, `H`, and cron's two ways of joining the day fields are told as they are. Two schedules
with equal sentences have the same slots.
"""

import calendar
from collections.abc import Callable, Sequence
from typing import Final

from runner.schedule.cron import Interval, Schedule
from runner.schedule.expression import parse_expression

MOST_TIMES: Final = 6
"""More times of a day than these are told as a rhythm."""

_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_ORDINALS: Final = {2: "second", 3: "third", 4: "fourth", 5: "fifth", 6: "sixth", 7: "seventh"}
_HOURS: Final = tuple(range(24))
_MINUTES: Final = tuple(range(60))


def in_words(schedule: Schedule) -> str:
    """When the schedule fires, in one sentence without capital and full stop, and in which zone."""
    rule = schedule.rule
    if isinstance(rule, Interval):
        return f"every {_seconds(rule.seconds)}, counted from 1970-01-01 00:00 UTC"
    words = f"{_times(rule.minutes, rule.hours)} {_days(schedule, all_day=rule.hours == _HOURS)}".rstrip()
    return f"{'never: ' if rule.never else ''}{words}, {schedule.timezone}"


def _seconds(seconds: int) -> str:
    """`90 seconds` is `1 minute 30 seconds`, and a single unit loses its number: `hour`."""
    parts = []
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append((count, unit))
    if parts == [(1, parts[0][1])]:
        return parts[0][1]
    return " ".join(f"{count} {unit}{'s' if count > 1 else ''}" for count, unit in parts)


def _times(minutes: tuple[int, ...], hours: tuple[int, ...]) -> str:
    """When on a fitting day."""
    if hours == _HOURS:
        return _times_of_every_hour(minutes)
    if len(minutes) * len(hours) <= MOST_TIMES:
        return "at " + _listed([_clock(hour, minute) for hour in hours for minute in minutes])
    bounds = f"from {_clock(hours[0], minutes[0])} to {_clock(hours[-1], minutes[-1])}"
    step = _step(hours)
    if step is not None and len(minutes) == 1:
        return f"every {_counted(step, 'hour')} {bounds}"
    if step == 1 or len(hours) == 1:
        if rhythm := _rhythm(minutes):
            return f"every {_counted(rhythm, 'minute')} {bounds}"
        hour_words = f"each hour from {hours[0]} to {hours[-1]}" if step else f"hour {hours[0]}"
        return f"at {_named('minute', minutes)} of {hour_words}"
    each = "every minute" if minutes == _MINUTES else f"at {_named('minute', minutes)}"
    return f"{each} of the {_named('hour', hours)}"


def _times_of_every_hour(minutes: tuple[int, ...]) -> str:
    if minutes == (0,):
        return "every hour"
    if rhythm := _rhythm(minutes):
        start = f" from minute {minutes[0]} of every hour" if minutes[0] else ""
        return f"every {_counted(rhythm, 'minute')}{start}"
    return f"at {_named('minute', minutes)} of every hour"


def _rhythm(minutes: tuple[int, ...]) -> int | None:
    """The minutes between two of them, if that is the same within an hour and from one hour to the next."""
    step = _step(minutes)
    return step if step and step * len(minutes) == 60 else None


def _step(numbers: tuple[int, ...]) -> int | None:
    """The distance of neighbours, if there is one distance."""
    if len(numbers) < 2:
        return None
    step = numbers[1] - numbers[0]
    return step if numbers == tuple(range(numbers[0], numbers[-1] + 1, step)) else None


def _days(schedule: Schedule, *, all_day: bool) -> str:
    """The days that fit; nothing where all do and the times are those of every hour."""
    _, _, day, month, weekday = (column.numbers for column in schedule.fields)
    every_date, every_weekday, every_month = len(day) == 31, len(weekday) == 7, len(month) == 12
    either = parse_expression(schedule.text).either_day
    in_months = "" if every_month else f" in {_months(month)}"
    if (every_date and every_weekday) or (either and (every_date or every_weekday)):
        return in_months.lstrip() if all_day else f"every day{in_months}"
    on_dates = f"on {_dates(day)} of {'the month' if every_month else _months(month)}"
    on_weekdays = f"on {_weekdays(weekday)}{in_months}"
    if every_weekday:
        return on_dates
    if every_date:
        return on_weekdays
    if either:
        return f"{on_dates} and also {on_weekdays}"
    return f"{on_weekdays}, if the day of the month is {_runs(day, last_word='or')}"


def _dates(days: tuple[int, ...]) -> str:
    step = _step(days)
    if step in _ORDINALS and len(days) > 4:
        return f"every {_ORDINALS[step]} day from day {days[0]} to {days[-1]}"
    return _named("day", days)


def _weekdays(numbers: tuple[int, ...]) -> str:
    """Names of weekdays, Monday first."""
    return _runs(sorted((number - 1) % 7 for number in numbers), calendar.day_name.__getitem__)


def _months(numbers: tuple[int, ...]) -> str:
    return _runs(numbers, calendar.month_name.__getitem__)


def _named(what: str, numbers: tuple[int, ...]) -> str:
    """`minute 5`, `minutes 0, 25 and 50`."""
    return f"{what}{'s' if len(numbers) > 1 else ''} {_runs(numbers)}"


def _runs(numbers: Sequence[int], name: Callable[[int], str] = str, last_word: str = "and") -> str:
    """A list in which three or more in a row are a range: `1 to 5, 8 and 10`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    members: list[str] = []
    for run in runs:
        members += [f"{name(run[0])} to {name(run[-1])}"] if len(run) > 2 else [name(number) for number in run]
    return _listed(members, last_word)


def _listed(members: Sequence[str], last_word: str = "and") -> str:
    return f" {last_word} ".join(filter(None, (", ".join(members[:-1]), members[-1])))


def _counted(count: int, unit: str) -> str:
    return unit if count == 1 else f"{count} {unit}s"


def _clock(hour: int, minute: int) -> str:
    return f"{hour:02}:{minute:02}"
