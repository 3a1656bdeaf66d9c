"""A real runner as a real process, and the real command line beside it."""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
JOBSD = Path(sys.executable).with_name("jobsd")
PATIENCE = 30.0


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
        return {**inherited, "TZ": "UTC", **self.environment}

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
    def up(self, *options: str) -> Iterator[subprocess.Popen[str]]:
        """A runner that is ready; it is stopped at the end if it still runs."""
        log = (self.root / "up.err").open("a")
        process = subprocess.Popen(
            [JOBSD, "up", *options], cwd=self.root, env=self._env, stdout=subprocess.PIPE, stderr=log, text=True
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

    def records(self) -> list[dict[str, Any]]:
        """All lines of the log of records."""
        path = self.state / "executions.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

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
