"""A real runner as a real process, and the real command line beside it."""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from runner.client import Client
from runner.storage.segments import Segments

ROOT = Path(__file__).parents[2]
JOBSD = Path(sys.executable).with_name("jobsd")
PATIENCE = 30.0
T = TypeVar("T")

ENDS = frozenset({"completed", "failed", "filtered", "rate_limited", "cancelled"})
STEPS: dict[str | None, frozenset[str]] = {
    None: frozenset({"pending", "filtered", "rate_limited", "cancelled"}),
    "pending": frozenset({"running", "cancelled", "failed"}),
    "running": frozenset({"completed", "failed", "cancelled", "pending"}),
    **dict.fromkeys(ENDS, frozenset()),
}
"""What may follow on what in the records of one execution."""


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Place:
    """A folder with a job tree, in which runners and commands run."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def jobs(self) -> Path:
        return self.root / "jobs.d"

    @property
    def state(self) -> Path:
        return self.root / ".jobsd"

    @property
    def _env(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("JOBSD_")}
        return {**inherited, "TZ": "UTC", "JOBSD_ALLOW_ROOT_AGENTS": "1", **self.environment}

    def write(self, name: str, text: str) -> Path:
        """Write a job file in one step, as careful writers do."""
        path = self.jobs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.draft")
        draft.write_text(text, encoding="utf-8")
        draft.rename(path)
        return path

    def jobsd(self, *arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> Done:
        """Run one command to its end."""
        done = subprocess.run(
            [JOBSD, *arguments],
            cwd=self.root,
            env={**self._env, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    @contextlib.contextmanager
    def up(self, *options: str, under: Sequence[str] = ()) -> Iterator[subprocess.Popen[str]]:
        """A runner that is ready, started by the program `under`; it is stopped at the end if it still runs."""
        log = (self.root / "up.err").open("a")
        process = subprocess.Popen(
            [*under, JOBSD, "up", *options],
            cwd=self.root,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            self._await_banner(process)
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            assert process.stdout is not None
            process.stdout.close()
            log.close()

    def _await_banner(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
        line = process.stdout.readline() if ready else ""
        assert "jobsd is up" in line, f"{line!r}\n{self.log()}"

    def log(self) -> str:
        """The runner's own log."""
        return (self.root / "up.err").read_text(encoding="utf-8")

    def client(self) -> contextlib.AbstractContextManager[Client]:
        """Calls to the runner that is up, without a process for each."""
        return Client.connect(self.state / "jobsd.sock", "tester")

    def processes(self, execution: str = "") -> dict[int, str]:
        """The live processes of this place's runs, or of one of them: what each was started as."""
        mark = f"JOBSD_EXECUTION={execution}".encode()
        home = f"JOBSD_JOB_DIR={self.state}/".encode()
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                variables = (folder / "environ").read_bytes().split(b"\0")
                if any(each.startswith(mark) for each in variables) and any(
                    each.startswith(home) for each in variables
                ):
                    line = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(folder.name)] = line.decode("utf-8", "replace")
        return found

    def histories(self) -> dict[str, list[dict[str, Any]]]:
        """All lines of each execution, which are checked: legal steps, nothing after the end."""
        histories: dict[str, list[dict[str, Any]]] = {}
        for record in self.records():
            lines = histories.setdefault(record["id"], [])
            before = lines[-1]["status"] if lines else None
            assert record["status"] in STEPS[before], (*lines, record)
            lines.append(record)
        return histories

    def ends(self) -> dict[str, dict[str, Any]]:
        """How each execution ended; those that have not ended are left out."""
        return {id_: lines[-1] for id_, lines in self.histories().items() if lines[-1]["status"] in ENDS}

    def slots(self, job: str, period: timedelta) -> list[datetime]:
        """The slots of a job that have an outcome on record, in order; one with two of them is there twice.

        Those of a missed range are taken to be a period apart, and must be as many as the range says.
        """
        slots: list[datetime] = []
        for first, *_ in self.histories().values():
            if first["job"] == job and "scheduled_for" in first:
                slots.append(datetime.fromisoformat(first["scheduled_for"]))
            elif first["job"] == job and "from" in first:
                begin, end = (datetime.fromisoformat(first[name]) for name in ("from", "until"))
                assert end == begin + (first["count"] - 1) * period, first
                slots.extend(begin + n * period for n in range(first["count"]))
        return sorted(slots)

    @staticmethod
    def eventually(look: Callable[[], T], patience: float = PATIENCE) -> T:
        """Look again and again until there is something to see, and return that."""
        deadline = time.monotonic() + patience
        while not (seen := look()):
            assert time.monotonic() < deadline, f"it never came within {patience} s"
            time.sleep(0.02)
        return seen

    def records(self) -> list[dict[str, Any]]:
        """All lines of the log of records, closed segments first."""
        path = self.state / "executions.jsonl"
        closed = [line for segment in Segments(path).closed() for line in segment.lines()]
        return [json.loads(line) for line in [*closed, *path.read_bytes().splitlines()]]

    def await_record(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a record, which `tail -F` brings as soon as it is written."""
        with subprocess.Popen(
            ["tail", "-n", "+1", "-F", self.state / "executions.jsonl"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as tail:
            try:
                return self._first(tail, fits)
            finally:
                tail.kill()

    def _first(self, tail: subprocess.Popen[bytes], fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        assert tail.stdout is not None
        rest = b""
        while select.select([tail.stdout], [], [], PATIENCE)[0]:
            *lines, rest = (rest + os.read(tail.stdout.fileno(), 65536)).split(b"\n")
            for line in lines:
                record = json.loads(line)
                if fits(record):
                    return record
        raise AssertionError(f"no such record within {PATIENCE} s\n{self.log()}")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty job tree."""
    (tmp_path / "jobs.d").mkdir()
    return Place(tmp_path)


@pytest.fixture
def samples(tmp_path: Path) -> Place:
    """The sample jobs of the repository."""
    shutil.copytree(ROOT / "jobs.d", tmp_path / "jobs.d", ignore=shutil.ignore_patterns("__pycache__"))
    return Place(tmp_path)
