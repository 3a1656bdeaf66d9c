"""One run of a command agent, with everything around it real."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from runner.agents.command import CommandAgent
from runner.execution.lifecycle import Attempt, Outcome
from runner.leftovers import kill_marked
from runner.ports import Context
from runner.secrets import Secrets
from runner.spec.models import Job, Payload
from runner.testing import desired

_NUMBERS = count(1)


@dataclass
class Said:
    """What a run wrote, in the order in which it arrived."""

    chunks: list[bytes] = field(default_factory=list)

    async def write(self, chunk: bytes) -> None:
        self.chunks.append(chunk)

    @property
    def text(self) -> str:
        return b"".join(self.chunks).decode()


def job_of(command: list[str], *, file: str = "job.yaml", **agent: Any) -> Job:
    """A job whose agent has this command; its documents stand in `file`."""
    fields = {"kind": "agent", "id": "tool", "type": "command", "command": command, **agent}
    text = "id: nightly\nname: Nightly\nagent: tool\nmode: manual\nprompt: Do it.\n---\n" + json.dumps(fields)
    state = desired({file: text})
    assert not [problem for problem in state.diagnostics if problem.is_error]
    return state.jobs["nightly"]


class Bench:
    """Runs commands as the agent would; `said` is the output of the last one."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "jobs.d"
        self.job_dir = folder / "state" / "nightly"
        self.execution = f"test-{os.getpid()}-{next(_NUMBERS)}"
        self.said = Said()
        self.environment: dict[str, str] = {}
        self.secrets_dir = folder / "secrets"
        self.grace = 0.1
        self.allow_root = True
        for each in (self.tree, self.job_dir, self.secrets_dir):
            each.mkdir(parents=True)

    async def run(
        self,
        *command: str,
        payload: Payload | None = None,
        previous: Payload | None = None,
        number: int = 1,
        **agent: Any,
    ) -> Outcome:
        self.said = Said()
        attempt = Attempt(self.execution, number, job_of(list(command), **agent), payload, previous)
        secrets = Secrets(self.environment, self.secrets_dir)
        context = Context(attempt, self.said, secrets, self.job_dir)
        return await CommandAgent(self.tree, self.grace, allow_root=self.allow_root).run(context)

    async def shell(self, text: str, **given: Any) -> Outcome:
        return await self.run("sh", "-c", text, **given)


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., Bench]:
    """A place to run commands; nothing that it started outlives the test."""
    found = Bench(tmp_path)
    yield found
    kill_marked({found.execution})
