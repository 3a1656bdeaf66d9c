"""What is wrong with a log is found, with the file and the line."""

import hashlib

import pytest

from runner.execution.lifecycle import Reason, Status
from runner.execution.records import to_line
from runner.storage.verify import Verification
from runner.testing import build_record

FIRST = to_line(build_record())
RUNNING = to_line(build_record(Status.RUNNING))
DONE = to_line(build_record(Status.COMPLETED))
ID = f"{1:026d}"


def check(tmp_path, *lines):
    path = tmp_path / "executions.jsonl"
    path.write_bytes(b"".join(lines))
    found = Verification(tmp_path, path)
    return [(each.line, each.message) for each in found.problems()], found.tally


def test_a_log_without_problems_is_counted(tmp_path):
    found, tally = check(tmp_path, FIRST, RUNNING, DONE, to_line(build_record(number=2)))
    assert found == []
    assert (tally.files, tally.lines, tally.executions, tally.open, tally.cut_off) == (1, 4, 2, 1, 0)
    assert [*Verification(tmp_path, tmp_path / "missing.jsonl").problems()] == []


@pytest.mark.parametrize(
    ("lines", "line", "message"),
    [
        ([FIRST, b"not json\n"], 2, "no record: not JSON"),
        ([b'{"v":1}\n'], 1, "no record: id: Field required"),
        ([FIRST, b"{"], 2, "half a line at the end"),
        ([RUNNING], 1, "is not started, so it can't become running"),
        ([FIRST, DONE], 2, "is pending, so it can't become completed"),
        ([FIRST, FIRST], 2, f"execution {ID} begins a second time"),
        ([FIRST, RUNNING, FIRST], 3, f"execution {ID} begins a second time"),
        ([FIRST, RUNNING, DONE, DONE], 4, f"execution {ID} ends a second time"),
        (
            [FIRST, RUNNING, DONE, to_line(build_record(Status.CANCELLED, reason=Reason.BY_HAND))],
            4,
            f"execution {ID} ends a second time",
        ),
    ],
)
def test_each_problem_has_its_line(tmp_path, lines, line, message):
    ((where, what),), _ = check(tmp_path, *lines)
    assert where == line
    assert message in what


def test_a_large_payload_must_be_there_with_its_hash(tmp_path):
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "good").write_bytes(b"[1]")
    (tmp_path / "outputs" / "bad").write_bytes(b"[2]")
    digest = hashlib.sha256(b"[1]").hexdigest()
    found, _ = check(
        tmp_path,
        *(
            to_line(build_record(number=number, payload_ref=f"outputs/{name}", payload_sha256=digest))
            for number, name in enumerate(["good", "bad", "missing"])
        ),
    )
    assert found == [
        (2, "the payload outputs/bad is not what was recorded: its hash differs"),
        (3, "the payload outputs/missing can't be read: No such file or directory"),
    ]
