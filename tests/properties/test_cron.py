"""Schedules against an oracle: a clock is walked minute by minute, and Debian's rule says what runs.

The oracle shares nothing with the product but the time zone database. It reads expressions by itself and
follows the loop of Debian's cron, which keeps a virtual time: what it runs depends on how far the clock is
from that.
"""

import random
import struct
import zoneinfo
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from runner.schedule import parse_schedule
from runner.schedule.zones import NEAR

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
FIRST = datetime(2020, 1, 1, tzinfo=UTC)
LAST = datetime(2030, 1, 1, tzinfo=UTC)
PLAIN = datetime(2026, 6, 29, tzinfo=UTC)  # a month and a bit, over two ends of a month

EXPRESSIONS = """
* * * * *
*/5 * * * *
*/7 * * * *
*/15 * * * *
*/30 * * * *
*/45 * * * *
0 * * * *
30 * * * *
0,30 * * * *
59 * * * *
29-31 * * * *
0 */2 * * *
0 */6 * * *
15 */3 * * *
30 */12 * * *
0 1-3 * * *
30 1-3 * * *
0 0 * * *
30 0 * * *
45 0 * * *
59 0 * * *
0 1 * * *
1 1 * * *
30 1 * * *
59 1 * * *
0 2 * * *
15 2 * * *
30 2 * * *
59 2 * * *
0 3 * * *
1 3 * * *
30 3 * * *
0 4 * * *
0 23 * * *
30 23 * * *
59 23 * * *
0 9 * * 1-5
0 9 * * MON-FRI
0 12 * * *
0,30 2 * * *
0,30 2,3 * * *
*/20 2 * * *
*/15 0 * * *
*/10 1,2,3 * * *
0-59 2 * * *
0-59/10 0-3 * * *
10-50/20 1-3 * * *
0,15,30,45 0,1,2,3,23 * * *
5 4 * * SUN
30 2 * * 7
30 2 * * 0
30 2 * * 6,7
0 0 1 * *
30 1 1 * *
0 2 28-31 * *
0 0 31 * *
0 3 29 2 *
30 2 1,15 * 1
30 2 13 * FRI
30 2 */2 * 1
0 1 1-7 * */2
30 2 * */2 *
0 0 * JAN,APR,jul,oct *
30 3 * 3,10,11 0
0 2 25-31 MAR,OCT SUN
*/30 2 25-31 3,10 *
0 0 1 1 *
1,2,3,58,59 0,23 * * *
""".strip().splitlines()

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
ALIASES = {name: number for number, name in enumerate(WEEKDAYS)}
ALIASES |= {name: number for number, name in enumerate(MONTHS, start=1)}
LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


@dataclass(frozen=True)
class Model:
    """An expression as cron sees it: five sets of numbers and the star bits."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    wildcard: bool
    both_days_needed: bool

    @classmethod
    def read(cls, text: str) -> "Model":
        fields = text.upper().split()
        minutes, hours, days, months, weekdays = (
            frozenset(read_field(field, low, high)) for field, (low, high) in zip(fields, LIMITS, strict=True)
        )
        star = [field[0] == "*" for field in fields]
        return cls(
            minutes,
            hours,
            days,
            months,
            frozenset(number % 7 for number in weekdays),
            wildcard=star[0] or star[1],
            both_days_needed=star[2] or star[4],
        )

    def fits(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (by_day and by_weekday) if self.both_days_needed else (by_day or by_weekday)


def read_field(field: str, low: int, high: int) -> Iterator[int]:
    for member in field.split(","):
        span, _, step = member.partition("/")
        if span == "*":
            first, last = low, high
        else:
            ends = [ALIASES[end] if end.isalpha() else int(end) for end in span.split("-")]
            first, last = ends[0], ends[-1]
        yield from range(first, last + 1, int(step or 1))


class Walk:
    """What Debian's cron would do in (start, end] of a zone, minute by minute.

    `wildcard` maps a wall minute to the minutes at which cron looks for wildcard jobs of it, `fixed` maps one
    to the minute at which cron looks for fixed-time jobs of it. Minutes count from the Unix epoch, those of
    the wall clock as if it showed UTC.
    """

    def __init__(self, zone: ZoneInfo, start: datetime, end: datetime) -> None:
        self.start, self.end = start, end
        self.wildcard: dict[int, list[int]] = defaultdict(list)
        self.fixed: dict[int, int] = {}
        virtual = clock_of(zone, start)
        for minute in range(minute_of(start) + 1, minute_of(end) + 1):
            clock = clock_of(zone, EPOCH + minute * MINUTE)
            ahead = clock - virtual
            self.wildcard[clock].append(minute)
            if ahead <= 0:
                # The clock went back: fixed-time jobs wait until it has caught up.
                continue
            if ahead > 180:
                # The clock was corrected: the new time is used at once.
                virtual = clock - 1
            for missed in range(virtual + 1, clock + 1):
                self.fixed[missed] = minute
            virtual = clock

    def slots(self, model: Model) -> list[int]:
        """The minutes at which the job runs."""
        days = range(minute_of(self.start - DAY) // 1440, minute_of(self.end + DAY) // 1440 + 1)
        found = set()
        for day in days:
            if not model.fits((EPOCH + day * DAY).date()):
                continue
            for hour in model.hours:
                for minute in model.minutes:
                    wall = day * 1440 + hour * 60 + minute
                    if model.wildcard:
                        found.update(self.wildcard.get(wall, ()))
                    elif wall in self.fixed:
                        found.add(self.fixed[wall])
        return sorted(found)


def minute_of(instant: datetime) -> int:
    return (instant - EPOCH) // MINUTE


def clock_of(zone: ZoneInfo, instant: datetime) -> int:
    return minute_of(instant.astimezone(zone).replace(tzinfo=UTC))


def offset_of(zone: ZoneInfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).replace(tzinfo=UTC) - instant


def changes_of(zone: ZoneInfo, start: datetime = FIRST, end: datetime = LAST) -> list[datetime]:
    """The first minutes with a new offset."""
    changes = []
    step = timedelta(hours=12)
    while start < end:
        if offset_of(zone, start) != offset_of(zone, start + step):
            minute = start
            while offset_of(zone, minute) == offset_of(zone, start):
                minute += MINUTE
            changes.append(minute)
        start += step
    return changes


def windows_of(names: list[str]) -> Iterator[tuple[str, datetime, datetime]]:
    """Six days around each change of ten years and a plain month; where zones do the same it comes once."""
    seen = set()
    for name in names:
        zone = ZoneInfo(name)
        spans = [(change - 3 * DAY, change + 3 * DAY) for change in changes_of(zone)]
        for start, end in [*spans, (PLAIN, PLAIN + 33 * DAY)]:
            course = (start, *(offset_of(zone, start + number * DAY) for number in range((end - start).days)))
            if course not in seen:
                seen.add(course)
                yield name, start, end


def check(name: str, start: datetime, end: datetime, expressions: list[str], source: random.Random) -> None:
    """Compare product and oracle in one window of one zone."""
    walk = Walk(ZoneInfo(name), start, end)
    change = start + (end - start) / 2
    around = [change + source.randint(-250, 250) * MINUTE, change - 2 * DAY, change - MINUTE / 2, change]
    for text in expressions:
        schedule = parse_schedule(text, name)
        expected = [EPOCH + minute * MINUTE for minute in walk.slots(Model.read(text))]
        found = list(schedule.between(start, end))
        assert found == expected, f"{text} in {name} between {start} and {end}"
        for asked in (*around, start + (end - start) * source.random()):
            later = next((slot for slot in expected if slot > asked), None)
            if later is not None:
                assert schedule.after(asked) == later, f"{text} in {name} after {asked}"


def test_schedules_fire_when_debians_cron_would_in_every_zone_around_every_change_of_the_clock(soak):
    source = random.Random(20)
    names = sorted(zoneinfo.available_timezones() - {"localtime", "Factory"})
    names = [name for name in names if not name.startswith(("posix/", "right/"))]
    if soak:
        for window in windows_of(names):
            check(*window, EXPRESSIONS, source)
        return
    notable = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Antarctica/Casey", "Africa/Cairo"]
    windows = list(windows_of([*notable, *source.sample(names, 6)]))
    for window in source.sample(windows, 36):
        check(*window, [*EXPRESSIONS[:1], *source.sample(EXPRESSIONS[1:], 30)], source)


def test_two_changes_of_a_zone_are_further_apart_than_the_stretch_that_is_searched_at_once():
    names = (files("tzdata") / "zones").read_text().split()
    assert len(names) > 500
    for name in names:
        course = list(offsets_on_file(name))
        changes = [at for (at, offset), (_, before) in pairwise(reversed(course)) if offset != before]
        for later, earlier in pairwise(changes):
            assert later - earlier > NEAR.total_seconds(), name


def offsets_on_file(name: str) -> Iterator[tuple[int, int]]:
    """The (instant, offset) pairs of a file of the time zone database, RFC 9636, in seconds."""
    data = files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
    _, _, leaps, times, types, characters = header = struct.unpack(">6l", data[20:44])
    second = 44 + 5 * times + 6 * types + characters + 8 * leaps + header[0] + header[1]
    _, _, _, times, types, _ = struct.unpack(">6l", data[second + 20 : second + 44])
    start = second + 44
    instants = struct.unpack(f">{times}q", data[start : start + 8 * times])
    indices = data[start + 8 * times : start + 9 * times]
    infos = start + 9 * times
    offsets = [struct.unpack(">l", data[infos + 6 * n : infos + 6 * n + 4])[0] for n in range(types)]
    yield -(2**62), offsets[0]
    yield from zip(instants, (offsets[index] for index in indices), strict=True)


def numbers(low: int, high: int) -> st.SearchStrategy[str]:
    return st.integers(low, high).map(str)


@st.composite
def fields(draw: st.DrawFn, low: int, high: int, *, plain: bool = False) -> str:
    """One column: a list of numbers, ranges, steps and stars."""
    if plain or draw(st.booleans()):
        return draw(st.one_of(st.just("*"), numbers(low, high)))
    members = []
    for _ in range(draw(st.integers(1, 3))):
        first, last = sorted([draw(st.integers(low, high)), draw(st.integers(low, high))])
        step = draw(st.integers(1, high + 1))
        members.append(
            draw(st.sampled_from(["*", f"*/{step}", f"{first}", f"{first}-{last}", f"{first}-{last}/{step}"]))
        )
    return ",".join(members)


@st.composite
def expressions(draw: st.DrawFn) -> str:
    return " ".join(draw(fields(low, high)) for low, high in LIMITS)


@given(expressions(), st.dates(date(1999, 1, 1), date(2110, 1, 1)))
@example("0 0 5,* * 1", date(2026, 1, 1))
@example("0 0 */2,5 * 1", date(2026, 1, 1))
@example("0 0 5-5 * *", date(2026, 1, 1))
@example("0 0 1-31 * 1", date(2026, 1, 1))
@example("0 0 * * 0-7", date(2026, 1, 1))
@example("0 0 1-31 1-12 0-6", date(2026, 1, 1))
@example("0 0 29 2 */7", date(2088, 3, 1))
@settings(max_examples=200, deadline=None)
def test_the_next_day_of_any_expression_is_the_first_that_fits_on_the_calendar(text, day):
    model = Model.read(text)
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    slot = parse_schedule(text).after(start - timedelta(microseconds=1))
    limit = day + timedelta(days=45 * 366)
    while day < limit and not model.fits(day):
        day += DAY
    if day == limit:
        assert slot is None
    else:
        first = datetime(day.year, day.month, day.day, min(model.hours), min(model.minutes), tzinfo=UTC)
        assert slot == first


instants = st.integers(-315_619_200_000, 3_000_000_000_000).map(
    lambda milliseconds: EPOCH + timedelta(milliseconds=milliseconds)
)


@given(
    st.sampled_from(EXPRESSIONS),
    st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Antarctica/Casey", "Pacific/Apia"]),
    instants,
)
@settings(max_examples=300, deadline=None)
def test_each_slot_is_found_again_from_just_before_it_and_never_from_itself(text, zone, instant):
    schedule = parse_schedule(text, zone)
    slot = schedule.after(instant)
    assume(slot is not None)
    assert slot > instant
    assert slot.tzinfo is UTC
    assert schedule.after(slot - timedelta(microseconds=1)) == slot
    following = schedule.after(slot)
    assert following > slot
    assert list(schedule.between(instant, following)) == [slot, following]


@given(st.integers(1, 400_000), instants)
def test_every_counts_whole_intervals_from_the_unix_epoch(seconds, instant):
    slot = parse_schedule(f"@every {seconds}s").after(instant)
    assert timedelta(0) < slot - instant <= timedelta(seconds=seconds)
    assert (slot - EPOCH) % timedelta(seconds=seconds) == timedelta(0)
