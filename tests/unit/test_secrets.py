"""Secrets are found by reference when a run starts, and their values are seen by nobody afterwards."""

import json
import os
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.secrets import Mask, SecretError, Secrets

VALUE = "hunter2-hunter2"


def secrets(directory=None, **environment):
    return Secrets(environment, directory)


def test_a_reference_is_replaced_by_the_value_of_the_variable():
    assert secrets(TOKEN=VALUE).resolve("Bearer ${env:TOKEN}!") == f"Bearer {VALUE}!"


def test_a_reference_is_replaced_by_the_file_below_the_folder_without_its_last_line_end(tmp_path):
    for end in ("", "\n", "\r\n", "\n\n"):
        (tmp_path / "token").write_bytes(f"two\r\nlines, {VALUE}{end}".encode())
        assert secrets(tmp_path).resolve("${file:token}") == f"two\r\nlines, {VALUE}"


def test_several_references_are_replaced_and_other_text_stays():
    found = secrets(ONE="first-one", TWO="second-two")
    assert found.resolve("$HOME ${env:ONE}${env:TWO} ${other:X} {env:ONE}") == (
        "$HOME first-onesecond-two ${other:X} {env:ONE}"
    )


def test_a_value_that_looks_like_a_reference_is_not_resolved_again():
    assert secrets(ONE="${env:TWO}", TWO=VALUE).resolve("${env:ONE}") == "${env:TWO}"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("${env:NONE}", "${env:NONE}: the runner's environment has no variable NONE"),
        ("${env:}", "${env:}: the runner's environment has no variable "),
        ("${env:SHORT}", "the value of ${env:SHORT} is shorter than 8 characters"),
        ("${env:EMPTY}", "the value of ${env:EMPTY} is shorter than 8 characters"),
        ("${file:none}", "${file:none}: no such file or directory"),
        ("${file:folder}", "${file:folder}: is a directory"),
        ("${file:bytes}", "${file:bytes}: not UTF-8"),
        ("${file:short}", "the value of ${file:short} is shorter than 8 characters"),
        ("${file:../token}", "${file:../token}: the name must be a plain file name"),
        ("${file:/etc/passwd}", "${file:/etc/passwd}: the name must be a plain file name"),
        ("${file:.hidden}", "${file:.hidden}: the name must be a plain file name"),
        ("${file:}", "${file:}: the name must be a plain file name"),
        ("${file:nu\0l}", "${file:nu\0l}: the name must be a plain file name"),
    ],
)
def test_a_reference_that_can_not_be_resolved_is_an_error_without_any_value(tmp_path, reference, message):
    folder = tmp_path / "secrets"
    (folder / "folder").mkdir(parents=True)
    (folder / "bytes").write_bytes(b"\xff" * 20)
    (folder / "short").write_text("tiny-1\n")
    (tmp_path / "token").write_text(VALUE)
    with pytest.raises(SecretError) as refusal:
        secrets(folder, SHORT="tiny-22", EMPTY="").resolve(f"{reference} and more")
    assert str(refusal.value) == message
    assert "tiny" not in str(refusal.value)


def test_a_file_reference_without_a_folder_is_an_error_that_says_what_to_set():
    with pytest.raises(SecretError) as refusal:
        secrets().resolve("${file:token}")
    assert str(refusal.value) == "${file:token}: no secrets_dir is set, nor $CREDENTIALS_DIRECTORY"


def test_the_folder_of_the_settings_comes_before_the_one_that_systemd_gives(tmp_path, monkeypatch):
    for name in ("settings", "systemd"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(f"value-of-{name}")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "systemd"))
    assert Secrets.of_process(tmp_path / "settings").resolve("${file:token}") == "value-of-settings"
    assert Secrets.of_process(None).resolve("${file:token}") == "value-of-systemd"


def test_the_secrets_of_one_run_are_not_masked_in_another():
    first = secrets(TOKEN=VALUE)
    first.resolve("${env:TOKEN}")
    assert first.mask.text(VALUE) == "***"
    assert first.fresh().mask.text(VALUE) == VALUE
    assert first.fresh().resolve("${env:TOKEN}") == VALUE


def test_a_value_that_is_no_text_is_resolved_and_masked_as_it_is():
    raw = b"p\xe4ss-w\xf6rd"
    found = secrets(TOKEN=os.fsdecode(raw))
    assert os.fsencode(found.resolve("${env:TOKEN}")) == raw
    assert found.mask.feed(b"a " + raw + b" " * 80).rstrip() == b"a ***"


@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_value_is_masked_in_json_text_too(ascii_only):
    value = 'pässwörd-"quoted"\\\n'
    found = secrets(TOKEN=value)
    found.resolve("${env:TOKEN}")
    assert found.mask.text(json.dumps({"key": value}, ensure_ascii=ascii_only)) == '{"key": "***"}'


def test_values_are_masked_in_all_strings_of_json_data():
    found = secrets(TOKEN=VALUE)
    found.resolve("${env:TOKEN}")
    data = {VALUE: [1, None, True, {"deep": f"<{VALUE}>"}], "other": 1.5}
    assert found.mask.data(data) == {"***": [1, None, True, {"deep": "<***>"}], "other": 1.5}


def test_a_mask_without_values_lets_everything_through_at_once():
    mask = Mask([])
    assert mask.feed(b"anything") == b"anything"
    assert mask.flush() == b""
    assert mask.text("anything") == "anything"
    assert mask.data(["anything"]) == ["anything"]


def test_a_value_that_is_cut_in_two_is_masked():
    mask = Mask([VALUE.encode()])
    assert mask.feed(b"a hunter2-") + mask.feed(b"hunter2 b") + mask.flush() == b"a *** b"


def test_a_value_that_begins_like_a_longer_one_is_not_masked_too_early():
    mask = Mask([b"abcdefgh", b"abcdefghijkl"])
    assert mask.feed(b"<abcdefgh") + mask.feed(b"ijkl>") + mask.flush() == b"<***>"


def test_nothing_is_held_back_but_what_may_be_the_beginning_of_a_value():
    mask = Mask([b"12345678"])
    assert mask.feed(b"a line\n") == b"a line\n"
    assert mask.feed(b"12345678\n") == b"***\n"
    assert mask.feed(b"x 11234") == b"x 1"
    assert mask.feed(b"5") == b""
    assert mask.feed(b"x") == b"12345x"
    assert mask.feed(b"12") + mask.flush() == b"12"


VALUES = st.lists(st.text("abc", min_size=8, max_size=12).map(str.encode), min_size=1, max_size=4)


@given(VALUES, st.data())
def test_no_value_gets_through_however_the_stream_is_cut(values, data):
    piece = st.one_of(st.sampled_from(values), st.text("abcd", max_size=6).map(str.encode))
    stream = b"".join(data.draw(st.lists(piece, max_size=12)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    mask = Mask(values)
    edges = [0, *cuts, len(stream)]
    chunks = [mask.feed(stream[a:b]) for a, b in pairwise(edges)]
    seen = b"".join([*chunks, mask.flush()])
    assert seen == Mask(values).text(stream.decode()).encode()
    assert not any(value in seen for value in values)
