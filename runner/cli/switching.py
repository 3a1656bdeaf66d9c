"""Switching a job on or off in its file: the edit, checked against the whole tree before it is written."""

import sys
from dataclasses import dataclass
from pathlib import Path

import click

from runner.cli.diagnostics import render
from runner.cli.session import Session
from runner.daemon import job_files, read_jobs, read_jobs_with
from runner.errors import ConflictError, UnknownJobError
from runner.spec.document import SourceFile
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
    file = _source(session, found, before)
    if found.enabled is enabled:
        return Switched(found.origin.path, disabling_line(file, job), changed=False)
    after, line = switched(file, job, enabled=enabled)
    _refuse_errors(session, file, after)
    files.replace(found.origin.path, after, before)
    return Switched(found.origin.path, line, changed=True)


def place_that_disables(session: Session, job: str) -> str | None:
    """Where the files disable a job, path and line; None where they don't."""
    found = read_jobs(session.settings).jobs.get(job)
    if found is None or found.enabled:
        return None
    file = _source(session, found, job_files(session.settings).text(found.origin.path))
    return f"{found.origin.path}:{disabling_line(file, job)}"


def _source(session: Session, job: Job, text: str) -> SourceFile:
    root = session.settings.jobs
    relative = Path(job.origin.path).resolve().relative_to(root.resolve()).as_posix()
    return SourceFile(relative, text.encode(), str(root))


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


def _refuse_errors(session: Session, file: SourceFile, text: str) -> None:
    state = read_jobs_with(session.settings, file.path, text)
    errors = [each for each in state.diagnostics if each.is_error and each.path == file.display]
    if errors:
        click.echo(render(errors, color=sys.stderr.isatty()), err=True)
        raise ConflictError(f"{file.display} would have errors; nothing was written")
