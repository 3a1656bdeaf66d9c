"""Where the settings file, the state directory and the runner's socket are: what a command must know first.

A command that only asks a running runner needs no other setting, and none of what checks them all.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.errors import InvalidRequestError

JOBS = Path("jobs.d")
STATE = Path(".jobsd")
CONFIG = "jobsd.yaml"
SOCKET = "jobsd.sock"


def config_file(given: Mapping[str, Any], config: Path | None) -> Path:
    """The settings file: the one that is named, else where it would lie, beside the jobs directory."""
    jobs = Path(given.get("jobs") or os.environ.get("JOBSD_JOBS") or JOBS)
    return config or jobs.parent / CONFIG


def state_directory(given: Mapping[str, Any], config: Path | None) -> Path | None:
    """The state directory; None where the settings file says something that is none.

    Raises:
        InvalidRequestError: when the settings file can't be read.
    """
    near = given.get("state") or os.environ.get("JOBSD_STATE")
    path = config_file(given, config)
    if near or (config is None and not path.is_file()):
        return Path(near or STATE)
    said = read_config(path).get("state", str(STATE))
    return Path(said) if isinstance(said, str) else None


def read_config(path: Path) -> dict[str, Any]:
    """What a settings file says, unchecked.

    Raises:
        InvalidRequestError: when it can't be read, or is not one mapping in YAML.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "failed").lower()
        raise InvalidRequestError(f"the settings file {path} can't be read: {reason}") from None
    # Most places have no settings file: no command need load YAML for it.
    from runner.spec.document import SourceFile  # noqa: PLC0415
    from runner.spec.source import scan  # noqa: PLC0415

    found = scan(SourceFile(str(path), raw))
    for problem in found.diagnostics:
        line = problem.span.line if problem.span else 1
        raise InvalidRequestError(f"{path}:{line}: {problem.message}")
    if len(found.documents) > 1:
        raise InvalidRequestError(f"{path}: one document is expected, not {len(found.documents)}")
    return dict(found.documents[0].data) if found.documents else {}
