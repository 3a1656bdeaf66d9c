"""Twenty telling schedules: their sentences, their warnings and their next runs, to the letter.

When something of that changes on purpose, write the new text and check every line of the difference by hand:

    python -m tests.unit.schedule.test_twenty  # from the root of the repository
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

from runner.errors import Mistake
from runner.schedule import Schedule, ScheduleError, lint_schedule, parse_schedule
from runner.schedule.words import in_words

EXPECTED = Path(__file__).with_name("twenty.expected.txt")
JOB = "daily-report"
BERLIN, LORD_HOWE = "Europe/Berlin", "Australia/Lord_Howe"
SPRING, AUTUMN = "2026-03-28T12:00Z", "2026-10-24T12:00Z"

TWENTY = [
    ("0 9 * * 1-5", BERLIN, SPRING),
    ("30 2 * * *", BERLIN, SPRING),
    ("30 2 * * *", BERLIN, AUTUMN),
    ("0,30 2,3 * * *", BERLIN, SPRING),
    ("*/25 2 * * *", BERLIN, SPRING),
    ("15 * * * *", BERLIN, "2026-10-24T22:30Z"),
    ("*/30 * * * *", LORD_HOWE, "2026-04-04T13:45Z"),
    ("45 1 * * *", LORD_HOWE, "2026-04-04T00:00Z"),
    ("15 2 * * *", LORD_HOWE, "2026-10-03T00:00Z"),
    ("0 12 * * *", "Pacific/Apia", "2011-12-28T00:00Z"),
    ("0 0 */2 * 1", "UTC", SPRING),
    ("0 0 13 * 5", "UTC", SPRING),
    ("0 12 8-14 * */7", "UTC", SPRING),
    ("0 0 31 * *", "UTC", SPRING),
    ("0 0 29 2 *", "UTC", SPRING),
    ("0 0 30 2 *", "UTC", SPRING),
    ("H H * * *", BERLIN, SPRING),
    ("@every 90s", BERLIN, "2026-03-29T00:57Z"),
    ("@weekly", "America/New_York", "2026-02-28T12:00Z"),
    ("0 22-2 * * MON-FRI", "UTC", SPRING),
]


def told_of(text: str, zone: str, start: str) -> Iterator[str]:
    yield f"{text}    {zone}, from {start}"
    instant = datetime.fromisoformat(start)
    try:
        schedule = parse_schedule(text, zone, JOB)
    except ScheduleError as error:
        for mistake in error.mistakes:
            yield from told_of_mistake(text, mistake)
        return
    yield f"    {in_words(schedule)}"
    for mistake in lint_schedule(schedule, instant):
        yield from told_of_mistake(text, mistake)
    yield from told_of_runs(schedule, instant)


def told_of_mistake(text: str, mistake: Mistake) -> Iterator[str]:
    place = f"{mistake.start + 1}-{mistake.end}: {text[mistake.start : mistake.end]!r}"
    yield f"    {mistake.severity}[{mistake.rule}] at {place}: {mistake.message}"
    yield f"        {mistake.help}"


def told_of_runs(schedule: Schedule, start: datetime) -> Iterator[str]:
    slots = list(islice(schedule.between(start, datetime.fromisoformat("9000-01-01T00:00Z")), 6))
    for slot in slots:
        local = slot.astimezone(schedule.zone)
        note = schedule.note(slot)
        yield f"    {slot:%Y-%m-%dT%H:%M:%SZ}  {local:%a} {local.isoformat(sep=' ')}{f'  {note}' if note else ''}"
    if not slots:
        yield "    no run"


def shown() -> str:
    return "\n".join("\n".join(told_of(*each)) + "\n" for each in TWENTY)


def test_twenty_schedules_are_told_and_run_as_reviewed():
    assert shown() == EXPECTED.read_text()


if __name__ == "__main__":
    EXPECTED.write_text(shown())
