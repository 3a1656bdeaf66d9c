"""Switching a job on or off in its file: the edit, checked against the whole tree before it is written."""

from dataclasses import dataclass

from runner.cli.editing import errors_in, show, source_of
from runner.cli.session import Session
from runner.daemon import job_files, read_jobs
from runner.errors import ConflictError, UnknownJobError
from runner.spec.models import Job
from runner.storage.switch import disabling_line, switched


@dataclass(frozen=True, slots=True)
class Switched:
    """Where a file says whether a job is enabled, and whether it had to be edited for that."""

    path: str
    line: int
    changed: bool


def switch_in_file(session: Session, job: str, *, enabled: bool) -> Switched:
    """Make the file of a job say whether it is enabled. Needs no runner: one that is up sees the edit.

    Raises:
        UnknownJobError: when the files have no such job.
        ConflictError: when the file can't be edited so, or would have errors.
    """
    found = _job_in_files(session, job)
    files = job_files(session.settings)
    before = files.text(found.origin.path)
    file = source_of(session, found.origin.path, before)
    if found.enabled is enabled:
        return Switched(found.origin.path, disabling_line(file, job), changed=False)
    after, line = switched(file, job, enabled=enabled)
    if errors := errors_in(session, file.path, after):
        show(errors)
        raise ConflictError(f"{file.display} would have errors; nothing was written")
    files.replace(found.origin.path, after, before)
    return Switched(found.origin.path, line, changed=True)


def place_that_disables(session: Session, job: str) -> str | None:
    """Where the files disable a job, path and line; None where they don't."""
    found = read_jobs(session.settings).jobs.get(job)
    if found is None or found.enabled:
        return None
    file = source_of(session, found.origin.path, job_files(session.settings).text(found.origin.path))
    return f"{found.origin.path}:{disabling_line(file, job)}"


def _job_in_files(session: Session, job: str) -> Job:
    state = read_jobs(session.settings)
    found = state.jobs.get(job)
    if found is not None:
        return found
    for problem in state.diagnostics:
        if problem.is_error and problem.job == job:
            line = problem.span.line if problem.span else 1
            raise UnknownJobError(f"job {job} has errors: {problem.path}:{line}: {problem.message}")
    raise UnknownJobError(f"no job has the id {job!r}; 'jobsd list' shows all")
