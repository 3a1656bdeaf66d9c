"""The schedules in force are written down durably, and what can't be read of them hurts no other job."""

import contextlib
import json
import resource
import stat
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from runner.errors import StorageError
from runner.execution.slots import Segment
from runner.schedule import parse_schedule
from runner.storage import keyed as storage
from runner.storage.tracks import TracksFile
from runner.testing import START

HOUR = timedelta(hours=1)
DAILY = parse_schedule("0 9 * * *", "Europe/Berlin")
HASHED = parse_schedule("H H * * 1-5", "America/New_York", "a-job")

OPEN = (Segment(DAILY, START),)
CHANGED = (Segment(DAILY, START, START + HOUR, lost=True), Segment(HASHED, START + HOUR))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "schedules.jsonl"


@contextlib.contextmanager
def opened(path):
    file = TracksFile(path)
    file.open()
    try:
        yield file
    finally:
        file.close()


def read(path):
    """The tracks as the next runner finds them."""
    with opened(path) as file:
        return file.tracks()


async def write(path, *saves):
    with opened(path) as file:
        for tracks in saves:
            await file.save(tracks)


def text_of(path):
    return path.read_text().splitlines()


# -- saving ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "track",
    [
        OPEN,
        CHANGED,
        (Segment(parse_schedule("@every 90s"), START + timedelta(milliseconds=1), START + HOUR),),
        (*CHANGED[:1], Segment(DAILY, START + HOUR, START + 2 * HOUR), Segment(DAILY, START + 3 * HOUR)),
    ],
)
async def test_the_next_runner_finds_what_was_saved(path, track):
    await write(path, {"a": track, "b": OPEN})
    assert read(path) == {"a": track, "b": OPEN}


async def test_what_was_saved_last_counts(path):
    await write(path, {"a": CHANGED, "b": OPEN}, {"a": OPEN})
    await write(path, {"b": CHANGED})
    assert read(path) == {"a": OPEN, "b": CHANGED}


async def test_an_empty_track_is_forgotten_and_leaves_no_line_where_nothing_was_saved(path):
    await write(path, {"a": OPEN, "b": OPEN}, {"a": ()})
    assert read(path) == {"b": OPEN}
    before = text_of(path)
    await write(path, {"a": (), "c": ()})
    assert text_of(path) == before


async def test_the_file_is_its_owners_alone_and_each_line_stands_for_itself(path):
    await write(path, {"a": OPEN})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    segment = {"schedule": "0 9 * * *", "timezone": "Europe/Berlin", "after": "2026-03-02T08:00:00.000Z"}
    assert [json.loads(line) for line in text_of(path)] == [{"v": 1, "job": "a", "track": [segment]}]


@pytest.mark.parametrize("microseconds", [-1, 0, 1, 999, 1000])
async def test_instants_are_kept_to_the_millisecond_which_moves_no_slot(path, microseconds):
    edge = START + HOUR + timedelta(microseconds=microseconds)
    hourly = parse_schedule("@hourly")
    track = (Segment(hourly, START, edge), Segment(hourly, edge))
    await write(path, {"a": track})
    found = read(path)["a"]
    for before, after in zip(track, found, strict=True):
        for instant in (START, START + HOUR, START + 2 * HOUR):
            assert after.first_after(instant - HOUR) == before.first_after(instant - HOUR)


# -- damage ------------------------------------------------------------------------------------------------------


async def test_a_torn_last_line_never_counted(path):
    await write(path, {"a": OPEN})
    whole = path.read_bytes()
    await write(path, {"a": CHANGED})
    line = path.read_bytes()[len(whole) :]
    for length in (*range(0, len(line), 9), len(line) - 1):
        path.write_bytes(whole + line[:length])
        assert read(path) == {"a": OPEN}
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        "nonsense",
        "[]",
        "5",
        "{}",
        '{"job": "a"}',
        '{"track": []}',
        '{"job": [], "track": [1]}',
        '{"job": {}, "track": []}',
        "\ufffd",
    ],
)
async def test_a_foreign_line_is_passed_over(path, foreign):
    await write(path, {"a": OPEN})
    with path.open("a") as file:
        file.write(f"{foreign}\n")
    await write(path, {"b": CHANGED})
    assert read(path) == {"a": OPEN, "b": CHANGED}


SEGMENT = {"schedule": "0 9 * * *", "timezone": "Europe/Berlin", "after": "2026-03-02T08:00:00.000Z"}


@pytest.mark.parametrize(
    "segment",
    [
        SEGMENT | {"schedule": "0 9 * *"},
        SEGMENT | {"schedule": 5},
        SEGMENT | {"timezone": "Europe/Atlantis"},
        SEGMENT | {"timezone": None},
        SEGMENT | {"after": "yesterday"},
        SEGMENT | {"after": None},
        SEGMENT | {"after": "2026-03-02T08:00:00"},
        SEGMENT | {"until": 7},
        {},
        [],
        None,
    ],
)
async def test_a_schedule_that_cannot_be_read_is_said_and_the_other_jobs_keep_theirs(path, segment):
    path.write_text(json.dumps({"v": 1, "job": "a", "track": [SEGMENT, segment]}) + "\n")
    await write(path, {"b": OPEN})
    with capture_logs() as logs:
        assert read(path) == {"b": OPEN}
    (said,) = logs
    assert (said["log_level"], said["job"], said["file"]) == ("warning", "a", str(path))
    assert said["reason"]


# -- length ------------------------------------------------------------------------------------------------------


async def test_a_file_that_is_mostly_out_of_date_is_written_anew(path, monkeypatch):
    monkeypatch.setattr(storage, "SPARE", 10)
    tracks = {"a": OPEN, "b": CHANGED, "c": OPEN}
    with opened(path) as file:
        await file.save(tracks)
        longest, anew, file_was = 0, 0, path.stat().st_ino
        for number in range(100):
            await file.save({"a": (Segment(DAILY, START + number * HOUR),), "c": OPEN if number % 2 else ()})
            longest = max(longest, len(text_of(path)))
            anew += path.stat().st_ino != file_was
            file_was = path.stat().st_ino
        assert longest <= 2 * len(tracks) + 10
        assert anew <= 200 / 10  # of 200 lines that came
        now = {"a": (Segment(DAILY, START + 99 * HOUR),), "b": CHANGED, "c": OPEN}
        assert file.tracks() == now
    assert read(path) == now


async def test_a_file_in_which_most_lines_count_is_only_appended_to(path, monkeypatch):
    monkeypatch.setattr(storage, "SPARE", 10)
    with opened(path) as file:
        before = path.stat().st_ino
        for number in range(30):
            await file.save({f"job-{number}": OPEN})
        assert path.stat().st_ino == before
        assert len(text_of(path)) == 30


# -- a full disk -------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def largest_file(size):
    """No file of this process may grow beyond a size: writing more is cut short, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_leaves_what_was_saved_before_and_the_next_save_works(path):
    with opened(path) as file:
        await file.save({"a": OPEN})
        before = path.read_bytes()
        with largest_file(len(before) + 5), pytest.raises(StorageError, match=r"no space left|file too large"):
            await file.save({"a": CHANGED, "b": OPEN})
        assert path.read_bytes() == before
        assert file.tracks() == {"a": OPEN}
        await file.save({"a": CHANGED})
        assert file.tracks() == {"a": CHANGED}
    assert read(path) == {"a": CHANGED}


async def test_where_there_is_no_room_to_write_the_file_anew_it_is_appended_to(path, monkeypatch):
    monkeypatch.setattr(storage, "SPARE", 0)
    blocked = path.with_suffix(".rewriting")
    blocked.mkdir()
    with opened(path) as file, capture_logs() as logs:
        for number in range(5):
            await file.save({"a": (Segment(DAILY, START + number * HOUR),)})
        assert len(text_of(path)) == 5
        assert {log["event"] for log in logs} == {"lines that are out of date stay"}
        blocked.rmdir()
        await file.save({"a": OPEN})
        assert len(text_of(path)) < 5
    assert read(path) == {"a": OPEN}
