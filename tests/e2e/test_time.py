"""A clock that is set and a runner that is stopped, killed or down: each slot still has exactly one outcome."""

import contextlib
import json
import random
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

MINUTE = timedelta(minutes=1)
NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)
FAKETIME = [*Path("/usr/lib").glob("*/faketime/libfaketime.so.1")]

AGENT = "\n---\n{kind: agent, id: agent, type: command, command: ['true']}\n"
ENDS = {"completed", "failed", "cancelled"}


class Wall:
    """The wall clock that the programs of a place see. What measures how long something takes stays real."""

    def __init__(self, place) -> None:
        self._file = place.root / "wall"
        self._offset = timedelta(0)
        place.environment |= {
            "LD_PRELOAD": str(FAKETIME[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # with it, threads that wait for one another do so busily
            "NO_FAKE_STAT": "1",
        }
        # Between its preparation and the first slot of the jobs, a test has half a minute.
        self.set(NOON - timedelta(seconds=30))

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def set(self, instant: datetime) -> None:
        self._offset = instant - datetime.now(UTC)
        draft = self._file.with_name("wall.draft")
        draft.write_text(f"{self._offset.total_seconds():+.6f}\n")
        draft.rename(self._file)

    def step(self, by: timedelta) -> None:
        self.set(self.now() + by)


@pytest.fixture
def wall(place) -> Iterator[Wall]:
    """A wall clock to set; at first it is soon noon."""
    if not FAKETIME:
        pytest.skip("libfaketime is not installed; Debian has it in the package faketime")
    clear_up()
    yield Wall(place)
    clear_up()


def clear_up() -> None:
    """Remove what libfaketime leaves of processes that are killed: it fails when their numbers come again."""
    for left in Path("/dev/shm").glob("*faketime*"):
        if not Path(f"/proc/{left.name.rpartition('_')[2]}").exists():
            left.unlink(missing_ok=True)


def job(id_: str, more: str = "", schedule: str = "* * * * *") -> str:
    return f"id: {id_}\nname: {id_}\nmode: cron\nschedule: '{schedule}'\nagent: agent\n{more}"


def write(place, *jobs: str) -> None:
    place.write("jobs.yaml", "---\n".join(jobs) + AGENT)


def clock_time(instant: datetime | str) -> str:
    return (datetime.fromisoformat(instant) if isinstance(instant, str) else instant).strftime("%H:%M")


def settled(place, job_: str, slot: str) -> None:
    """Wait until a slot, `12:01`, has its outcome, alone or as the last of a missed range."""

    def fits(record) -> bool:
        named = {clock_time(record[name]) for name in ("scheduled_for", "until") if name in record}
        return record["job"] == job_ and record["status"] in ENDS and slot in named

    place.await_record(fits)


def all_ended(place) -> None:
    """Wait until nothing runs: of a job that may run several at once, an older slot can end after a newer one."""
    place.eventually(lambda: place.histories().keys() == place.ends().keys())


def told(place, job_: str) -> list[str]:
    """What became of the slots of a job, in the order in which it was written down."""
    lines = []
    for first, *_, last in ((lines[0], *lines, lines[-1]) for lines in place.histories().values()):
        if first["job"] != job_:
            continue
        if "from" in first:
            assert (first["status"], first["reason"]) == ("cancelled", "missed")
            lines.append(f"missed {clock_time(first['from'])}-{clock_time(first['until'])}")
        else:
            late = datetime.fromisoformat(first["at"]) - datetime.fromisoformat(first["scheduled_for"])
            assert first["lateness_ms"] == late / timedelta(milliseconds=1) >= 0
            lines.append(f"{last['status']} {clock_time(first['scheduled_for'])}")
    return lines


def runs(first: int, last: int) -> list[str]:
    return [f"completed {clock_time(NOON + n * MINUTE)}" for n in range(first, last + 1)]


def minutes(first: int, last: int) -> list[datetime]:
    return [NOON + n * MINUTE for n in range(first, last + 1)]


def at_noon(place, wall: Wall, runner, *jobs: str) -> None:
    """Let it be noon, and the first slot of these jobs run."""
    set_to(wall, runner, NOON + timedelta(seconds=5))
    for each in jobs:
        settled(place, each, "12:00")


def set_to(wall: Wall, runner, instant: datetime) -> None:
    """Set the clock while the runner is up, and let it look without waiting for its next look."""
    wall.set(instant)
    runner.send_signal(signal.SIGHUP)


JOBS = ("latest", "none", "all", "some")
FOUR = (
    job("latest"),
    job("none", "catch_up: {policy: none}\n"),
    job("all", "catch_up: {policy: all}\n"),
    job("some", "catch_up: {policy: all, within: 5m}\nconcurrency: {limit: 5}\n"),
)


def test_a_runner_that_was_stopped_for_ten_minutes_goes_on_as_each_job_wants_it(place, wall):
    write(place, *FOUR)
    with place.up() as runner:
        at_noon(place, wall, runner, *JOBS)
        runner.send_signal(signal.SIGSTOP)
        wall.step(10 * MINUTE)
        runner.send_signal(signal.SIGCONT)
        runner.send_signal(signal.SIGHUP)
        for each in JOBS:
            settled(place, each, "12:10")
        all_ended(place)
    assert told(place, "latest") == [*runs(0, 0), "missed 12:01-12:08", *runs(9, 10)]
    assert told(place, "none") == [*runs(0, 0), "missed 12:01-12:09", *runs(10, 10)]
    assert told(place, "all") == runs(0, 10)
    assert told(place, "some") == [*runs(0, 0), "missed 12:01-12:05", *runs(6, 10)]
    for each in JOBS:
        assert place.slots(each, MINUTE) == minutes(0, 10)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_runner_that_was_down_for_an_hour_goes_on_as_each_job_wants_it(place, wall, end):
    jobs = ("latest", "none", "some")
    write(place, *(each for each in FOUR if not each.startswith("id: all")))
    with place.up() as runner:
        at_noon(place, wall, runner, *jobs)
        runner.send_signal(end)
        runner.wait(30)
    wall.step(60 * MINUTE)
    with place.up():
        for each in jobs:
            settled(place, each, "13:00")
        all_ended(place)
    assert told(place, "latest") == [*runs(0, 0), "missed 12:01-12:59", *runs(60, 60)]
    assert told(place, "none") == [*runs(0, 0), "missed 12:01-13:00"]
    assert told(place, "some") == [*runs(0, 0), "missed 12:01-12:55", *runs(56, 60)]
    one_after_the_other = [r["status"] for r in place.records() if r["job"] == "some"][-15:]
    assert one_after_the_other == ["pending", "running", "completed"] * 5
    for each in jobs:
        assert place.slots(each, MINUTE) == minutes(0, 60)


def test_a_runner_killed_again_and_again_while_it_catches_up_loses_nothing_and_doubles_nothing(place, wall, soak):
    seed = random.SystemRandom().randrange(10_000)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)
    jobs = ("all", "many", "latest")
    policy = "catch_up: {policy: all}\n"
    write(place, job("all", policy), job("many", f"{policy}concurrency: {{limit: 3}}\n"), job("latest"))
    with place.up() as runner:
        at_noon(place, wall, runner, *jobs)
    wall.step(10 * MINUTE)
    for _ in range(10 if soak else 2):
        with place.up() as runner:
            threading.Event().wait(chance.uniform(0, 0.6))
            runner.kill()
            runner.wait()
    with place.up(), place.client() as client:
        for each in jobs:
            settled(place, each, "12:10")
        all_ended(place)
        place.eventually(lambda: not any(job.running or job.pending for job in client.jobs()))
    for each in jobs:
        slots = place.slots(each, MINUTE)
        assert slots == minutes(0, max(10, len(slots) - 1))


def test_a_runner_killed_as_soon_as_it_tells_of_a_job_owes_it_the_slots_from_then_on(place, wall):
    jobs = ["start", "one", "two"]
    for each in jobs:
        if each == "start":
            write(place, job(each))
        with place.up() as runner:
            if each != "start":
                place.write(f"{each}.yaml", job(each))
                place.eventually(lambda each=each: each in applied(place))
            runner.kill()
            runner.wait()
        wall.step(5 * MINUTE)
    with place.up():
        for each in jobs:
            settled(place, each, "12:14")
    since = applied(place)
    for each in jobs:
        slots = place.slots(each, MINUTE)
        first = (since[each][0] - NOON) // MINUTE + 1
        assert (slots[:1], slots) == (minutes(first, first), minutes(first, first + len(slots) - 1))


def test_a_clock_that_is_set_forward_and_back_by_an_hour_loses_nothing_and_doubles_nothing(place, wall):
    write(place, job("tick"))
    with place.up() as runner:
        at_noon(place, wall, runner, "tick")
        set_to(wall, runner, wall.now() + 60 * MINUTE)
        settled(place, "tick", "13:00")
        set_to(wall, runner, wall.now() - 60 * MINUTE)
        write(place, job("tick"), job("new"))
        with place.client() as client:
            place.eventually(lambda: len(client.jobs()) == 2)
        set_to(wall, runner, NOON + MINUTE + timedelta(seconds=5))
        settled(place, "new", "12:01")
        set_to(wall, runner, NOON + 61 * MINUTE + timedelta(seconds=5))
        settled(place, "tick", "13:01")
        settled(place, "new", "13:01")
    assert told(place, "tick") == [*runs(0, 0), "missed 12:01-12:58", *runs(59, 61)]
    assert place.slots("tick", MINUTE) == minutes(0, 61)
    assert place.slots("new", MINUTE) == minutes(1, 61)


def test_a_clock_that_was_set_back_by_an_hour_without_a_runner_repeats_nothing_through_any_edit(place, wall):
    write(place, job("schedule"), job("zone"))
    with place.up() as runner:
        at_noon(place, wall, runner, "schedule", "zone")
    wall.set(NOON - 60 * MINUTE)
    write(place, job("schedule"), job("zone", "timezone: Asia/Kathmandu\n"), job("new"))
    with place.up() as runner, place.client() as client:
        set_to(wall, runner, NOON - 50 * MINUTE + timedelta(seconds=5))
        settled(place, "new", "11:10")
        write(place, job("schedule", "", "*/2 * * * *"), job("zone", "timezone: Asia/Kathmandu\n"), job("new"))
        place.eventually(lambda: client.job("schedule").schedule == "*/2 * * * *")
        client.pause("new", None, None)
        set_to(wall, runner, NOON - 40 * MINUTE + timedelta(seconds=5))
        client.resume("new")
        set_to(wall, runner, NOON + 4 * MINUTE + timedelta(seconds=5))
        for each in ("schedule", "zone", "new"):
            settled(place, each, "12:04")
    assert place.slots("schedule", MINUTE) == [NOON, NOON + 2 * MINUTE, NOON + 4 * MINUTE]
    assert place.slots("zone", MINUTE) == minutes(0, 4)
    assert place.slots("new", MINUTE) == [*minutes(-59, -50), *minutes(-39, 4)]


def test_what_was_due_before_a_schedule_or_zone_changed_without_a_runner_is_missed_and_not_caught_up(place, wall):
    policy = "catch_up: {policy: all}\n"
    write(place, *(job(each, policy) for each in ("schedule", "zone", "words")))
    with place.up() as runner:
        at_noon(place, wall, runner, "schedule", "zone", "words")
    write(
        place,
        job("schedule", policy, "*/5 * * * *"),
        job("zone", policy + "timezone: Asia/Kathmandu\n"),
        job("words", policy + "description: Other words.\n"),
    )
    wall.step(10 * MINUTE)
    with place.up() as runner:
        settled(place, "schedule", "12:10")
        settled(place, "zone", "12:10")
        settled(place, "words", "12:10")
        set_to(wall, runner, NOON + 11 * MINUTE + timedelta(seconds=1))
        settled(place, "zone", "12:11")
        set_to(wall, runner, NOON + 15 * MINUTE + timedelta(seconds=1))
        settled(place, "schedule", "12:15")
    assert told(place, "schedule") == [*runs(0, 0), "missed 12:01-12:10", *runs(15, 15)]
    assert told(place, "zone")[:3] == [*runs(0, 0), "missed 12:01-12:10", *runs(11, 11)]
    assert told(place, "words")[:11] == runs(0, 10)
    assert place.slots("schedule", MINUTE) == [*minutes(0, 10), NOON + 15 * MINUTE]
    for each in ("zone", "words"):
        slots = place.slots(each, MINUTE)
        assert slots == minutes(0, len(slots) - 1)


def test_a_job_has_no_slots_while_it_is_paused_and_has_them_again_afterwards(place, wall):
    write(place, job("tick"))
    with place.up() as runner:
        at_noon(place, wall, runner, "tick")
        with place.client() as client:
            client.pause("tick", None, "2h")
        set_to(wall, runner, wall.now() + 180 * MINUTE)
        settled(place, "tick", "15:00")
    assert told(place, "tick") == [*runs(0, 0), "missed 14:01-14:58", *runs(179, 180)]
    assert place.slots("tick", MINUTE) == [NOON, *minutes(121, 180)]


# -- edits at the moment when a job is due -----------------------------------------------------------------------


def every(period: int, remainder: int = 0) -> Callable[[datetime], bool]:
    return lambda instant: instant.minute % period == remainder


def even_minute_in(zone: str) -> Callable[[datetime], bool]:
    return lambda instant: instant.astimezone(ZoneInfo(zone)).minute % 2 == 0


Version = tuple[str, Callable[[datetime], bool]]
"""The document of a job, and whether a minute is a slot of it."""

EDITS: dict[str, list[Version]] = {
    "schedule": [
        (job("schedule"), every(1)),
        (job("schedule", schedule="*/2 * * * *"), every(2)),
        (job("schedule", schedule="1-59/2 * * * *"), every(2, 1)),
    ],
    "zone": [
        (job("zone", f"timezone: {zone}\n", "*/2 * * * *"), even_minute_in(zone))
        for zone in ("UTC", "Asia/Kathmandu")  # 5:45 ahead, so that its even minutes are odd in UTC
    ],
    "jitter": [(job("jitter", f"jitter: {jitter}\n"), every(1)) for jitter in ("0s", "1s", "30s")],
    "words": [(job("words", f"description: {words}\n"), every(1)) for words in ("Some words", "Other words")],
    "enabled": [
        (job("enabled", "enabled: true\n"), every(1)),
        (job("enabled", "enabled: false\n"), lambda _: False),
    ],
}


def applied(place) -> dict[str, list[datetime]]:
    """When the versions of each job took effect."""
    since: dict[str, list[datetime]] = {}
    for line in (place.state / "changes.jsonl").read_text(encoding="utf-8").splitlines():
        change = json.loads(line)
        since.setdefault(change["job"], []).append(datetime.fromisoformat(change["at"]))
    return since


def owned(versions: list[Version], since: list[datetime]) -> list[datetime]:
    """The slots of a job: each version has the minutes after it came, up to when the next one did."""
    slots = []
    for (_, is_slot), after, until in zip(versions, since, since[1:], strict=False):
        minute = after.replace(second=0, microsecond=0) + MINUTE
        while minute <= until:
            slots += [minute] if is_slot(minute) else []
            minute += MINUTE
    return slots


def test_an_edit_in_the_very_moment_when_a_job_is_due_loses_no_slot_and_doubles_none(place, wall, soak):
    seed = random.SystemRandom().randrange(10_000)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)
    history = {id_: [versions[0]] for id_, versions in EDITS.items()}

    def edit(id_: str, version: Version) -> None:
        history[id_].append(version)
        place.write(f"{id_}.yaml", version[0])

    def all_applied() -> bool:
        since = applied(place)
        return all(len(since[id_]) == len(versions) for id_, versions in history.items())

    place.write("agent.yaml", AGENT)
    for id_, [(document, _)] in history.items():
        place.write(f"{id_}.yaml", document)
    with place.up() as runner:
        for minute in range(100 if soak else 6):
            due = NOON + minute * MINUTE
            set_to(wall, runner, due - timedelta(seconds=0.3))
            # An edit takes effect some 0.1 s after it was made.
            for moment, id_ in sorted((chance.uniform(-0.25, 0.1), id_) for id_ in EDITS):
                threading.Event().wait((due - wall.now()).total_seconds() + moment)
                edit(id_, chance.choice([each for each in EDITS[id_] if each != history[id_][-1]]))
            place.eventually(all_applied)
        set_to(wall, runner, due + timedelta(seconds=90))
        for id_ in EDITS:
            edit(id_, (job(id_, "description: The end\nenabled: false\n"), lambda _: False))
        place.eventually(all_applied)
        since = applied(place)
        expected = {id_: owned(versions, since[id_]) for id_, versions in history.items()}
        with contextlib.suppress(AssertionError):  # what is missing in the end is said below
            place.eventually(lambda: all(len(place.slots(id_, MINUTE)) >= len(expected[id_]) for id_ in EDITS), 10)
    # Some took effect before the full minute, and some after it.
    assert {at.second < 30 for id_ in EDITS for at in since[id_][1:-1]} == {True, False}
    assert {id_: place.slots(id_, MINUTE) for id_ in EDITS} == expected
