"""The recipes of the page on records run as they stand, on the records of real runs."""

import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "runner" / "docs" / "records.md"
PROGRAMS = Path(sys.executable).parent
PATIENCE = 30.0
PATH = f"{PROGRAMS}:{os.environ['PATH']}"

CREATED = {"action": "entitlement_created", "partner": "AWS"}


class History:
    """A state directory with a few runs: completed, failed, filtered, and filtered because of an error."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("JOBSD_", "XDG_"))},
            "HOME": str(root / "home"),
            "PATH": PATH,
            "TERM": "dumb",
            "TZ": "UTC",
            "JOBSD_ALLOW_ROOT_AGENTS": "1",
        }
        (root / "home").mkdir()
        (root / "schemas").symlink_to(ROOT / "schemas")
        shutil.copytree(ROOT / "jobs.d", root / "jobs.d", ignore=shutil.ignore_patterns("__pycache__"))

    def jobsd(self, *arguments: str) -> int:
        return subprocess.run(
            ["jobsd", *arguments], cwd=self.root, env=self.environment, capture_output=True, check=False
        ).returncode

    def fail(self) -> str:
        """One more failed execution: the agent refuses an entitlement without an amount; its id."""
        assert self.jobsd("run", "entitlement-alerts", "--local", "--payload", json.dumps(CREATED)) == 1
        return str(self.records[-1]["id"])

    @property
    def records(self) -> list[dict[str, Any]]:
        lines = (self.root / ".jobsd" / "executions.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def ended(self, *statuses: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record["status"] in statuses]

    def cook(self, title: str, *programs: str) -> str:
        """Run a recipe to its end; what it prints."""
        need(*programs)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", recipes()[title]],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    @contextlib.contextmanager
    def cooking(self, title: str, *programs: str) -> Iterator["Kitchen"]:
        """Run a recipe that has no end, in a process group of its own that is ended here."""
        need(*programs)
        with subprocess.Popen(
            ["bash", "-c", recipes()[title]],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                yield Kitchen(process)
            finally:
                os.killpg(process.pid, signal.SIGKILL)


class Kitchen:
    """A recipe that goes on, and what it has printed so far."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._printed = b""

    def await_lines(self, count: int) -> list[str]:
        """Wait until that many lines are there."""
        stream = self._process.stdout
        assert stream is not None
        deadline = time.monotonic() + PATIENCE
        while self._printed.count(b"\n") < count:
            ready, _, _ = select.select([stream], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(stream.fileno(), 65536) if ready else b""
            assert chunk, f"no more than this within {PATIENCE} s: {self._printed!r}"
            self._printed += chunk
        return self._printed.decode().splitlines()


def need(*programs: str) -> None:
    """Skip a test where a program is not installed."""
    for program in programs:
        if shutil.which(program, path=PATH) is None:
            pytest.skip(f"{program} is not installed")


def recipes() -> dict[str, str]:
    """The fenced shell blocks of the section, by the heading above each."""
    _, _, section = PAGE.read_text(encoding="utf-8").partition("\n## Recipes\n")
    section = re.split(r"^## ", section, maxsplit=1, flags=re.MULTILINE)[0]
    found = re.findall(r"^### ([^\n]+)\n(?:(?!^###|^```).)*?^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert len(found) == section.count("```sh") == section.count("\n### ")
    return dict(found)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    made = History(tmp_path_factory.mktemp("recipes"))
    assert made.jobsd("run", "daily-revenue-summary", "--local") == 0
    sample = "@jobs.d/agents/data/entitlement-created.json"
    assert made.jobsd("run", "entitlement-alerts", "--local", "--payload", sample) == 0
    assert made.jobsd("run", "entitlement-alerts", "--local", "--payload", '{"action": "renewed"}') == 1
    assert made.jobsd("run", "entitlement-alerts", "--local", "--payload", "{}") == 1
    made.fail()
    return made


def test_every_recipe_is_run_by_a_test_here():
    source = Path(__file__).read_text(encoding="utf-8")

    assert [title for title in recipes() if f'"{title}"' not in source] == []


def test_failures_are_followed_as_they_happen(history):
    before = len(history.ended("failed"))
    with history.cooking("Follow failures as they happen", "tail", "jq") as kitchen:
        kitchen.await_lines(before)
        history.fail()
        line = kitchen.await_lines(before + 1)[-1]

    failed = history.ended("failed")[-1]
    assert line == f"{failed['at']} entitlement-alerts {failed['error']['message']}"


def test_failures_are_followed_and_all_lines_are_found_across_rotations(tmp_path):
    made = History(tmp_path)
    made.fail()
    made.environment["JOBSD_HISTORY"] = json.dumps({"rotate_bytes": 2000})
    with made.cooking("Follow failures as they happen", "tail", "jq") as kitchen:
        kitchen.await_lines(1)
        for count in (2, 3, 4):
            assert made.jobsd("run", "entitlement-alerts", "--local", "--payload", json.dumps(CREATED)) == 1
            kitchen.await_lines(count)
    closed = sorted((tmp_path / ".jobsd").glob("executions-*.jsonl.gz"))
    assert closed

    printed = made.cook("How often each status stands in all lines, closed segments included", "zcat", "jq")
    assert sorted(printed.split()) == sorted(["4", "pending", "4", "running", "4", "failed"])
    assert made.jobsd("records", "verify") == 0
    closed[0].write_bytes(b"not even compressed")
    assert made.jobsd("records", "verify") == 1


def test_todays_executions_are_counted_by_their_last_status(history):
    before = datetime.now(UTC).date().isoformat()
    printed = json.loads(history.cook("What became of today's executions", "jq"))
    after = datetime.now(UTC).date().isoformat()

    assert printed in [count_since(history.records, day) for day in (before, after)]


def count_since(records: list[dict[str, Any]], day: str) -> dict[str, int] | None:
    last = {record["id"]: record["status"] for record in records if record["at"] >= day}
    return {status: list(last.values()).count(status) for status in last.values()} or None


def test_the_slowest_executions_come_first(history):
    printed = history.cook("The slowest executions", "jq")

    rows = [line.split("\t") for line in printed.splitlines()]
    slowest = sorted((record["duration_ms"] for record in history.ended("completed", "failed")), reverse=True)
    assert [int(milliseconds) for milliseconds, _, _ in rows] == slowest[:5]
    assert {id_ for _, _, id_ in rows} <= {record["id"] for record in history.records}


def test_the_payload_of_the_last_failure_is_found(history):
    assert json.loads(history.cook("The payload of the execution that failed last", "jq")) == CREATED


def test_filters_that_could_not_be_evaluated_are_explained(history):
    printed = history.cook("Why filters could not be evaluated, the most frequent first", "jq")

    assert printed.split() == ["1", "entitlement-alerts:", *history_message(history).split()]


def history_message(history: History) -> str:
    (record,) = [record for record in history.records if record.get("reason") == "filter_error"]
    return str(record["filter"]["message"])


def test_grep_alone_finds_the_last_lines_of_a_job(history):
    printed = history.cook("The last lines of one job, with nothing but grep")

    lines = [json.loads(line) for line in printed.splitlines()]
    assert lines == [record for record in history.records if record["job"] == "entitlement-alerts"][-3:]


def test_duckdb_tells_how_each_job_does(history):
    printed = history.cook("How each job does, in DuckDB", "duckdb")

    (row,) = (re.findall(r"[\w.-]+", line) for line in printed.splitlines() if "entitlement-alerts" in line)
    assert row[:3] == ["entitlement-alerts", "1", str(len(history.ended("failed")))]
    assert "daily-revenue-summary" in printed


def test_lnav_tells_failures_by_job(history):
    history.cook("In lnav", "lnav")
    printed = history.cook("Failures by job, in lnav without a screen", "lnav")

    failed = history.ended("failed")
    head, row = (line.split() for line in printed.splitlines())
    assert head == ["job", "failures", "latest"]
    assert row[:2] == ["entitlement-alerts", str(len(failed))]
    assert "T".join(row[2:]) == failed[-1]["at"].removesuffix("Z")


def test_lnav_shows_each_transition_as_a_line(history):
    history.cook("In lnav", "lnav")
    done = subprocess.run(
        ["lnav", "-n", ".jobsd/executions.jsonl"],
        cwd=history.root,
        env=history.environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )

    shown = [line.split()[1:3] for line in done.stdout.splitlines()]
    assert shown == [[record["job"], record["status"]] for record in history.records]
