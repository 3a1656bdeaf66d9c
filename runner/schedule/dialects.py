"""Notations of other schedulers that cron does not have: what they are, and what to write instead."""

import re
from typing import Final

from runner.errors import Mistake

_SET_ZONE = re.compile(r"(?:CRON_)?TZ=(\S*)", re.IGNORECASE)
_LAST_OR_NEAREST = re.compile(r"L(?:W|-\d+)?|\d+[LW]|[LW]\d+|W", re.ASCII | re.IGNORECASE)
_RANDOM = re.compile(r"R(?:\(\d+-\d+\))?(?:/\d+)?", re.ASCII | re.IGNORECASE)

_NOTATIONS: Final = {
    "?": ("`?` is Quartz's way to leave a day open", "write *"),
    "#": (
        "`#` (the n-th weekday of a month) is not cron",
        "write the weekday alone, as in 1 or MON",
    ),
    "~": ("`~` picks a random time", "write H or H(0-29), which picks a time by the job's id"),
}


def foreign_notation(text: str, start: int, end: int) -> Mistake | None:
    """The notation of another scheduler that text[start:end], one member of a list, is written in."""
    member = text[start:end]
    for character, (message, advice) in _NOTATIONS.items():
        if character in member:
            place = start + member.index(character)
            fix = "*" if member == "?" else None
            return Mistake("schedule-unsupported", message, place, place + 1, help=advice, fix=fix)
    if _RANDOM.fullmatch(member):
        message = f"{member} picks a random time, which changes with every restart"
        advice = "write H instead of R, which picks a time by the job's id"
        return Mistake("schedule-unsupported", message, start, end, help=advice, fix=f"H{member[1:]}")
    if _LAST_OR_NEAREST.fullmatch(member):
        message = f"{member} (a last day or a nearest weekday) is not cron"
        advice = "write days as numbers; work that closes a month can run on day 1 of the next"
        return Mistake("schedule-unsupported", message, start, end, help=advice)
    return None


def misplaced_column(text: str, columns: list[tuple[int, int]]) -> Mistake | None:
    """A known reason why the text does not have five columns, else None."""
    start, end = columns[0]
    if zone := _SET_ZONE.fullmatch(text, start, end):
        return Mistake(
            "schedule-unsupported",
            "a schedule does not set its zone",
            start,
            end,
            help=f"write timezone: {zone[1] or 'Europe/Berlin'} in the job",
        )
    if len(columns) in {6, 7}:
        return Mistake(
            "schedule-fields",
            f"a schedule has five fields, this one has {len(columns)}: cron has no seconds and years",
            columns[5][0],
            columns[-1][1],
            help="write minute, hour, day of month, month and day of week; @every 90s counts seconds",
        )
    return None
