"""Who a program runs as, and what that user has to be able to reach."""

import os
import stat
from pathlib import Path

from runner import process
from runner.process import Identity, SpawnError

ROOT_REFUSED = (
    "a runner that is root runs agents as root only when it is told to: start it with --allow-root-agents"
    " (JOBSD_ALLOW_ROOT_AGENTS=1), or give the agent a 'user'"
)

_SEARCHABLE = 0o001
_FOLDERS_OF_STATE = 2
"""How many folders above that of a job are the runner's own: the state directory and the one of all jobs."""


def choose_identity(user: str | None, *, allow_root: bool) -> Identity | None:
    """Who an agent's program runs as; None is who the runner is.

    Raises:
        SpawnError: when there is no such user, or this runner may not run programs so.
    """
    own = os.geteuid()
    if user is None:
        if own == 0 and not allow_root:
            raise SpawnError(ROOT_REFUSED)
        return None
    identity = process.identity_of(user)
    if own not in {0, identity.uid}:
        raise SpawnError(f"the agent's user is {identity.name}: only a runner that is root can run it")
    return None if identity.uid == own else identity


def hand_over(job_dir: Path, identity: Identity) -> None:
    """Make the folder of a job its user's, with what earlier runs left in it, and let the user get there.

    Raises:
        SpawnError: when that is not possible.
    """
    try:
        for folder in job_dir.parents[:_FOLDERS_OF_STATE]:
            mode = stat.S_IMODE(folder.stat().st_mode)
            if not mode & _SEARCHABLE:
                folder.chmod(mode | _SEARCHABLE)
        if job_dir.stat().st_uid != identity.uid:
            _give(job_dir, identity)
    except OSError as error:
        reason = (error.strerror or "failed").lower()
        raise SpawnError(f"{job_dir} can't be given to the user {identity.name}: {reason}") from None


def _give(job_dir: Path, identity: Identity) -> None:
    """Change the owner of a folder and all in it, following no link: another user may have made them.

    A file with several names may have one elsewhere, so it stays whose it is.
    """
    for _, folders, files, place in os.fwalk(job_dir, topdown=False):
        for name in (*folders, *files):
            found = os.stat(name, dir_fd=place, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode) or found.st_nlink == 1:
                os.chown(name, identity.uid, identity.gid, dir_fd=place, follow_symlinks=False)
    os.chown(job_dir, identity.uid, identity.gid, follow_symlinks=False)
