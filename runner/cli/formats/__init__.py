"""What `jobsd validate` found, in the forms that systems for continuous integration read."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import Diagnostic


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found, and in which files it was looked for, both in the order of the paths."""

    diagnostics: Sequence[Diagnostic]
    files: Sequence[str]


def in_repository(path: str) -> str:
    """Return a path as such a system knows it: from the root of the checkout, which is where jobsd is called."""
    base = os.environ.get("GITHUB_WORKSPACE") or os.getcwd()  # noqa: PTH109 - no path that is made into a Path is needed
    found = os.path.relpath(path, base)
    return Path(path).as_posix() if found.startswith("..") else Path(found).as_posix()


def with_help(diagnostic: Diagnostic) -> str:
    """Return what is wrong and what to do, as one text."""
    return f"{diagnostic.message}\nhelp: {diagnostic.help}" if diagnostic.help else diagnostic.message
