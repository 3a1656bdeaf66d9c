"""The rules of the house, proved by tools: style, types, imports."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def check(*command: str) -> None:
    """Run a tool and show what it says when it finds anything."""
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{' '.join(command)}\n{done.stdout}{done.stderr}", pytrace=False)


def test_the_code_follows_the_style_rules():
    check("ruff", "check", "--quiet", ".")


def test_the_code_is_formatted():
    check("ruff", "format", "--check", "--quiet", ".")


def test_the_code_is_typed_strictly():
    check("mypy")


def test_imports_go_down_only_and_each_power_has_one_door():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)


def test_no_module_is_longer_than_one_can_read():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "runner").rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 450
    }
    assert not long


def test_every_module_opens_with_its_purpose():
    silent = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "runner").rglob("*.py")
        if not path.read_text(encoding="utf-8").lstrip("#!").startswith('"""')
    ]
    assert not silent
