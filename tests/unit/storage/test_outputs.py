"""The output of a run is kept, head and tail at least, and what becomes of it never troubles the run."""

import os
import stat
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import StorageError
from runner.storage import outputs as module
from runner.storage.outputs import OutputFile, Outputs


@pytest.fixture
def outputs(tmp_path):
    (tmp_path / "outputs").mkdir()
    return Outputs(tmp_path / "outputs", tmp_path)


async def write(outputs, execution, *chunks):
    async with outputs.open(execution) as output:
        for chunk in chunks:
            await output.write(chunk)


async def test_output_is_kept_as_it_was_written_for_the_owner_alone(outputs, tmp_path):
    before = os.umask(0)
    try:
        await write(outputs, "01J", b"one\n", b"", b"two\n")
    finally:
        os.umask(before)
    assert outputs.read("01J") == b"one\ntwo\n"
    assert stat.S_IMODE((tmp_path / "outputs" / "01J.log").stat().st_mode) == 0o600


async def test_output_can_be_read_from_any_byte_on(outputs):
    await write(outputs, "01J", b"0123456789")
    assert [outputs.read("01J", start) for start in (0, 4, 10, 99)] == [b"0123456789", b"456789", b"", b""]


async def test_output_can_be_read_while_the_run_goes_on(outputs):
    async with outputs.open("01J") as output:
        await output.write(b"so far\n")
        assert outputs.read("01J") == b"so far\n"
        await output.write(b"further\n")
        assert outputs.read("01J", 7) == b"further\n"


async def test_where_there_is_no_output_nothing_is_read(outputs, tmp_path):
    await write(outputs, "01J")
    assert outputs.read("01J") == b""
    assert list((tmp_path / "outputs").iterdir()) == []


async def test_two_attempts_follow_each_other_in_one_file(outputs):
    await write(outputs, "01J", b"first\n")
    await write(outputs, "01J", b"second\n")
    assert outputs.read("01J") == b"first\nsecond\n"


async def test_the_cap_holds_over_all_attempts_but_each_may_say_something(outputs, monkeypatch):
    monkeypatch.setattr(module, "CAP", 100)
    await write(outputs, "01J", b"a" * 95)
    await write(outputs, "01J", b"b" * 50)
    assert outputs.read("01J") == (
        b"a" * 95 + b"b" * 5 + b"\n[jobsd: 40 bytes of output left out here]\n" + b"b" * 5
    )


MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where files cost nothing."""


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=30), max_size=12), st.integers(0, 100))
async def test_what_is_kept_is_the_head_and_the_tail_and_a_line_with_the_count_of_the_rest(chunks, cap):
    with TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder, "01J.log")
        output = OutputFile(path, cap)
        for chunk in chunks:
            await output.write(chunk)
        await output.finish()
        kept = Outputs(Path(folder), Path(folder)).read("01J")
    stream = b"".join(chunks)
    if len(stream) <= cap:
        assert kept == stream
        return
    note = f"\n[jobsd: {len(stream) - cap} bytes of output left out here]\n".encode()
    tail = cap - cap // 2
    assert kept == stream[: cap // 2] + note + stream[len(stream) - tail :]


async def test_a_program_that_writes_byte_by_byte_costs_no_more_memory(tmp_path):
    output = OutputFile(tmp_path / "log", 1000)
    for number in range(5000):
        await output.write(b"%d" % (number % 10))
    await output.finish()
    assert (tmp_path / "log").read_bytes().endswith(b"0123456789" * 50)


async def test_a_disk_that_fails_costs_output_only_and_is_said_once(tmp_path, capsys):
    outputs = Outputs(tmp_path / "missing", tmp_path)
    await write(outputs, "01J", b"one\n", b"two\n", b"three\n")
    assert outputs.read("01J") == b""
    assert capsys.readouterr().out.count("output can't be kept") == 1


# -- payloads ------------------------------------------------------------------------------------------------


def test_a_payload_comes_back_by_its_reference(outputs, tmp_path):
    reference = outputs.put("01J", b'{"large": true}')
    assert reference == "outputs/01J.payload.json"
    assert outputs.get(reference) == b'{"large": true}'
    assert stat.S_IMODE((tmp_path / reference).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "reference",
    [
        "executions.jsonl",
        "outputs/../executions.jsonl",
        "../state/executions.jsonl",
        "outputs/inner/file",
        "outputs/link",
        "/etc/passwd",
        "outputs",
        "",
        "nu\0l",
    ],
)
def test_a_reference_that_leads_elsewhere_is_refused(outputs, tmp_path, reference):
    (tmp_path / "executions.jsonl").write_text("{}")
    (tmp_path / "outputs" / "inner").mkdir()
    (tmp_path / "outputs" / "inner" / "file").write_text("{}")
    (tmp_path / "outputs" / "link").symlink_to("/etc/passwd")
    with pytest.raises(StorageError) as refusal:
        outputs.get(reference)
    assert "\n" not in str(refusal.value)


def test_a_payload_that_is_gone_is_one_clear_error(outputs):
    with pytest.raises(StorageError) as refusal:
        outputs.get("outputs/01J.payload.json")
    assert str(refusal.value) == "outputs/01J.payload.json: no such file or directory"


def test_a_payload_that_can_not_be_kept_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(StorageError) as refusal:
        Outputs(tmp_path / "missing", tmp_path).put("01J", b"{}")
    assert str(refusal.value) == "can't keep the payload: no such file or directory"


async def test_deleting_takes_output_and_payload_of_the_executions_and_nothing_else(outputs, tmp_path):
    for execution in ("01A", "01B"):
        await write(outputs, execution, b"x")
        outputs.put(execution, b"{}")
    outputs.delete(["01A", "01C"])
    assert sorted(path.name for path in (tmp_path / "outputs").iterdir()) == ["01B.log", "01B.payload.json"]
