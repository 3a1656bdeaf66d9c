"""What git knows of the files: which of them differ from an older revision."""

import os
from collections.abc import Sequence
from pathlib import Path

from runner.errors import InvalidRequestError
from runner.process import Answer, SpawnError, ask

_QUIET = ("-c", "core.fsmonitor=", "-c", "core.hooksPath=/dev/null", "--no-pager", "--literal-pathspecs")
"""Options that keep git from starting programs that a repository's configuration names."""


def changed_since(revision: str, folder: Path) -> frozenset[Path]:
    """Return the files that differ from a revision or that git does not know yet; none that are gone.

    Raises:
        InvalidRequestError: when the folder is in no repository, or the revision is not known.
    """
    top = _in_repository(folder, "rev-parse", "--show-toplevel")
    root = Path(os.fsdecode(top.out.removesuffix(b"\n")))
    commit = _commit(revision, root)
    differing = _run(
        root, "diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--no-relative", "--diff-filter=d",
        "--ignore-submodules", commit, "--",
    )  # fmt: skip
    new = _run(root, "ls-files", "-z", "--others", "--exclude-standard", "--")
    return frozenset(root / os.fsdecode(name) for name in (differing.out + new.out).split(b"\0") if name)


def _commit(revision: str, root: Path) -> str:
    """Return the name of the commit that a revision means; nothing in a revision is taken for an option."""
    found = _git(root, ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"))
    if found.code != 0 or revision.startswith("-") or not revision:
        raise InvalidRequestError(
            f"git knows no revision {revision!r}; in CI, fetch it first (such as 'git fetch origin main', or a "
            "checkout with its history)"
        )
    return found.out.decode("ascii", "replace").split()[-1]


def _in_repository(folder: Path, *arguments: str) -> Answer:
    answer = _git(folder, arguments)
    if answer.code != 0:
        raise InvalidRequestError(f"{folder.absolute()} is in no git repository: {_reason(answer)}")
    return answer


def _run(root: Path, *arguments: str) -> Answer:
    answer = _git(root, arguments)
    if answer.code != 0:
        raise InvalidRequestError(f"git {arguments[0]} failed: {_reason(answer)}")
    return answer


def _git(folder: Path, arguments: Sequence[str]) -> Answer:
    env = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        return ask(("git", *_QUIET, *arguments), folder, env)
    except SpawnError as error:
        raise InvalidRequestError(f"git can't be started: {error}") from None


def _reason(answer: Answer) -> str:
    lines = answer.err.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("fatal: ") if lines else f"exit code {answer.code}"
