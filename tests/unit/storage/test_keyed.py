"""Of each key the newest line counts, from the file and from memory alike."""

import contextlib

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.storage import keyed
from runner.storage.keyed import KeyedLines


def note(data):
    if not isinstance(data["k"], str):
        raise TypeError("no key")
    return data["k"], data.get("x") is not None


@contextlib.contextmanager
def opened(path):
    lines = KeyedLines(path, note)
    lines.open()
    try:
        yield lines
    finally:
        lines.close()


def item(key, value):
    return {"k": key, "x": value} if value is not None else {"k": key}


def count(path):
    return path.read_bytes().count(b"\n")


@settings(max_examples=60, deadline=None)
@given(
    turns=st.lists(
        st.lists(st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.integers(0, 3))), max_size=5),
        max_size=8,
    ),
    spare=st.sampled_from([0, 3, 1000]),
)
def test_the_file_says_what_was_put_last_whatever_was_written_anew_in_between(tmp_path_factory, turns, spare):
    path = tmp_path_factory.mktemp("keyed") / "keyed.jsonl"
    model = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keyed, "SPARE", spare)
        for turn in turns:
            with opened(path) as lines:
                lines.put([item(key, value) for key, value in dict(turn).items()])
                model |= dict(turn)
                alive = {key: item(key, value) for key, value in model.items() if value is not None}
                assert lines.read() == alive
            assert count(path) <= 2 * len(alive) + spare + 5


def test_what_is_there_already_is_not_written_again(tmp_path):
    path = tmp_path / "keyed.jsonl"
    with opened(path) as lines:
        lines.put([item("a", 1), item("b", 2)])
        lines.put([item("a", 1), item("c", None)])
    with opened(path) as lines:
        lines.put([item("b", 2)])
    assert count(path) == 2


@pytest.mark.parametrize("line", [b"x", b"[]", b"{}", b'{"k": 1}', b"\xff"])
def test_lines_from_elsewhere_are_passed_over(tmp_path, line):
    path = tmp_path / "keyed.jsonl"
    path.write_bytes(orjson.dumps(item("a", 1)) + b"\n" + line + b"\n")
    with opened(path) as lines:
        lines.put([item("b", 2)])
        assert sorted(lines.read()) == ["a", "b"]
