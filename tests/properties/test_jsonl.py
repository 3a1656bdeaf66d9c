"""Whatever the lines of a log are and wherever it was torn, it opens, reads both ways, and takes the next line."""

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.execution.lifecycle import Status, Trigger
from runner.execution.records import Record, to_line
from runner.spec.models import Mode, Payload
from runner.storage import jsonl
from runner.storage.jsonl import JsonLines
from runner.storage.records import JsonlRecords
from runner.testing import START

LINE = st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b" "))


MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where syncing costs nothing."""


def whole_line(text):
    return text + b"\n"


@contextmanager
def log_with(content):
    """A log with some content, not opened."""
    with TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder, "log.jsonl")
        path.write_bytes(content)
        yield JsonLines(path)


@contextmanager
def block_of(size):
    """Read in blocks of another size, so that small logs have many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "_BLOCK", size)
        yield


@settings(deadline=None)
@given(st.lists(LINE, max_size=8), LINE, st.integers(1, 50))
def test_backwards_is_forwards_reversed_whatever_the_lines(lines, torn, block):
    content = b"".join(line + b"\n" for line in lines) + torn
    with block_of(block), log_with(content) as log:
        assert list(log.lines()) == lines
        assert list(log.backwards()) == lines[::-1]


@given(st.lists(LINE, max_size=6), LINE, st.lists(LINE.map(whole_line), max_size=4), st.integers(1, 50))
def test_what_is_torn_goes_and_what_is_appended_follows_the_last_whole_line(lines, torn, more, block):
    whole = b"".join(line + b"\n" for line in lines)
    with block_of(block), log_with(whole + torn) as log:
        assert log.open() == len(torn)
        log.append(more)
        log.close()
        assert log.path.read_bytes() == whole + b"".join(more)


@settings(deadline=None)
@given(st.lists(LINE, max_size=8), st.sets(st.integers(0, 7)))
def test_rewriting_keeps_exactly_the_lines_to_keep_in_their_order(lines, chosen):
    kept = {line for index, line in enumerate(lines) if index in chosen}
    with log_with(b"".join(line + b"\n" for line in lines)) as log:
        gone = log.rewrite(lambda line: line in kept)
        assert list(log.lines()) == [line for line in lines if line in kept]
        assert gone == len(lines) - len(list(log.lines()))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def records(draw):
    """The first line of an execution, with any payload."""
    return Record(
        id=f"{draw(st.integers(0, 99)):026d}",
        job=draw(st.sampled_from(["nightly", "weekly"])),
        name=draw(st.text(min_size=1, max_size=8)),
        agent="tool",
        mode=Mode.MANUAL,
        trigger=Trigger.MANUAL,
        status=Status.PENDING,
        at=START,
        payload=draw(st.none() | JSON.map(Payload)),
    )


def torn_to(path, content):
    """A store opened on a log that a dying runner left with this content."""
    path.write_bytes(content)
    store = JsonlRecords(path)
    store.open()
    return store


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(records(), min_size=1, max_size=2), records())
async def test_every_prefix_of_a_log_opens_reads_and_takes_the_next_record(found, following):
    lines = [to_line(record) for record in found]
    content = b"".join(lines)
    with TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder, "executions.jsonl")
        for cut in range(len(content) + 1):
            store = torn_to(path, content[:cut])
            whole = content[:cut].count(b"\n")
            assert list(store.read()) == found[:whole]
            await store.append([following])
            store.close()
            assert list(JsonLines(path).lines()) == [line[:-1] for line in [*lines[:whole], to_line(following)]]
            assert list(store.backwards()) == [following, *found[:whole][::-1]]


@given(
    st.lists(st.text("ab", max_size=4).map(str.encode), min_size=1, max_size=8),
    st.lists(st.sampled_from([b"a", b"ba"]), max_size=2),
)
def test_lines_that_have_something_are_those_that_a_look_at_each_finds(lines, needles):
    expected = [line for line in reversed(lines) if all(needle in line for needle in needles)]
    assert list(jsonl.lines_having(b"\n".join(lines), needles)) == expected


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(records(), min_size=1, max_size=2), LINE, records())
async def test_every_prefix_with_a_foreign_line_in_the_middle_folds_and_takes_the_next_record(
    soak, found, foreign, following
):
    lines = [to_line(found[0]), foreign + b"\n", *map(to_line, found[1:])]
    content = b"".join(lines)
    with TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder, "executions.jsonl")
        # By default every byte of the first record and of the foreign line, and every third one of the rest.
        close = len(content) if soak else len(lines[0]) + len(lines[1])
        for cut in [*range(close + 1), *range(close + 1, len(content) + 1, 3)]:
            path.with_name("checkpoint.json").unlink(missing_ok=True)
            store = torn_to(path, content[:cut])
            ends = content[:cut].count(b"\n")
            whole = found[: max(ends - 1, min(ends, 1))]  # the second line is the foreign one
            assert list(store.read()) == whole
            ledger = store.ledger()
            assert {execution.id for execution in ledger.open()} == {record.id for record in whole}
            await store.append([following])
            assert list(store.read()) == [*whole, following]
            store.close()
            assert {e.id for e in JsonlRecords(path).ledger().open()} == {r.id for r in [*whole, following]}
