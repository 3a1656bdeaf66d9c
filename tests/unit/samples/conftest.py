"""Loading the sample agents as modules, and running them as the runner does."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

AGENTS = Path(__file__).parents[3] / "jobs.d" / "agents"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run of an agent left behind; `result` is `None` when it wrote none."""

    code: int
    report: str
    complaint: str
    result: Any


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with the agents' data."""
    return AGENTS / "data"


@pytest.fixture(scope="session")
def load_agent() -> Callable[[str], ModuleType]:
    """Import a script from its path, with its neighbours in reach as when Python runs it."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"sample_{name}", AGENTS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "path", [str(AGENTS), *sys.path])
            patch.setattr(sys, "dont_write_bytecode", True)
            spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def run_agent(tmp_path: Path) -> Callable[..., Answer]:
    """Run a script as a process of its own, in a job folder that lasts for the test."""
    job_dir, result_file = tmp_path / "job", tmp_path / "result.json"
    job_dir.mkdir()

    def run(name: str, request: Any, **variables: str) -> Answer:
        result_file.unlink(missing_ok=True)
        process = subprocess.run(
            [sys.executable, f"{name}.py"],
            cwd=AGENTS,
            input=request if isinstance(request, str) else json.dumps(request),
            env={
                "JOBSD_RESULT": str(result_file),
                "JOBSD_JOB_DIR": str(job_dir),
                "PYTHONDONTWRITEBYTECODE": "1",
                "LC_ALL": "C",
                **variables,
            },
            capture_output=True,
            encoding="utf-8",
            timeout=30,
            check=False,
        )
        result = json.loads(result_file.read_bytes()) if result_file.exists() else None
        return Answer(process.returncode, process.stdout, process.stderr, result)

    return run
