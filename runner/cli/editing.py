"""Editing a job's file by values or in an editor: checked against the whole tree before it is written."""

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from runner.cli.diagnostics import render
from runner.cli.session import Session
from runner.daemon import job_files, read_jobs, read_jobs_with
from runner.errors import (
    ConflictError,
    Diagnostic,
    InvalidDocumentError,
    InvalidRequestError,
    RunnerError,
    UnknownJobError,
)
from runner.spec.document import SourceFile
from runner.storage.amend import Amended, Change, amended, with_ids
from runner.storage.reference import location_of, value_of


def errors_in(session: Session, relative: str, text: str) -> list[Diagnostic]:
    """What would be wrong with a file of the tree if this were its text."""
    state = read_jobs_with(session.settings, relative, text)
    shown = SourceFile(relative, b"", str(session.settings.jobs)).display
    return [each for each in state.diagnostics if each.is_error and each.path == shown]


def show(errors: Sequence[Diagnostic]) -> None:
    """Draw errors for the person who made them."""
    click.echo(render(errors, color=sys.stderr.isatty()), err=True)


def source_of(session: Session, path: str, text: str) -> SourceFile:
    """A file of the tree, which people see as `path`, with a text."""
    root = session.settings.jobs
    # The name that the tree knows it by, which may be a link.
    relative = Path(os.path.relpath(path, root)).as_posix()
    return SourceFile(relative, text.encode(), str(root))


def _find(session: Session, job: str) -> tuple[str, Mapping[str, str]]:
    """The file of a job, with errors or without, and where its values come from as far as that is known."""
    state = read_jobs(session.settings)
    found = state.jobs.get(job)
    if found is not None:
        return found.origin.path, found.sources
    for problem in state.diagnostics:
        if problem.is_error and problem.job == job:
            return problem.path, {}
    raise UnknownJobError(f"no job has the id {job!r}; 'jobsd list' shows all")


def edit_values(session: Session, job: str, assignments: Sequence[str], unset: Sequence[str]) -> None:
    """Give fields of a job other values in its file, or take them away."""
    changes = [*map(_change, assignments), *(Change(location_of(each), remove=True) for each in unset)]
    path, sources = _find(session, job)
    files = job_files(session.settings)
    before = files.text(path)
    file = source_of(session, path, before)
    done = amended(file, job, changes, sources)
    if done.text == before:
        click.echo("nothing changed", err=True)
        return
    if errors := errors_in(session, file.path, done.text):
        show(errors)
        raise ConflictError(f"{path} would have errors; nothing was written")
    files.replace(path, done.text, before)
    _report(path, done, {change.location[0] for change in changes if not change.remove}, sources)


def _change(assignment: str) -> Change:
    field, equals, text = assignment.partition("=")
    if not equals:
        raise InvalidRequestError(f"{assignment}: write FIELD=VALUE, such as timeout=2h; --unset removes a field")
    location = location_of(field)
    return Change(location, value_of(location, text))


def _report(path: str, done: Amended, fields: set[str], sources: Mapping[str, str]) -> None:
    for field, line in done.lines.items():
        click.echo(f"wrote {path}:{line}: {field}")
    for field in done.removed:
        click.echo(f"wrote {path}: {field} is gone")
    for field in sorted(fields - {"labels"}):
        if sources.get(field, "").startswith(("defaults ", "agent ")):
            click.echo(f"{field} came from {sources[field]}; now the job has its own", err=True)


def edit_in_editor(session: Session, job: str) -> None:
    """Let a person edit the file of a job; what they leave replaces it when it is valid."""
    path, _ = _find(session, job)
    files = job_files(session.settings)
    before = files.text(path)
    # Not in the jobs directory, where a runner would take it for a job file.
    descriptor, name = tempfile.mkstemp(prefix=f"jobsd-{job}-", suffix=".yaml")
    with os.fdopen(descriptor, "wb") as file:
        file.write(before.encode())
    draft = Path(name)
    try:
        done = _edit_until_valid(session, draft, source_of(session, path, before))
        if done is None:
            draft.unlink()
            click.echo("nothing changed", err=True)
            return
        files.replace(path, done.text, before)
    except RunnerError as error:
        if draft.read_bytes() == before.encode():
            draft.unlink()
            raise
        raise type(error)(f"{error}; your text is kept in {draft}") from None
    except click.Abort:
        click.echo(f"jobsd: nothing was written; your text is kept in {draft}", err=True)
        raise
    draft.unlink()
    click.echo(f"wrote {path}")
    if done.lines:
        click.echo("a job has another name: its `id` is written down, so that it stays the same job", err=True)


def _edit_until_valid(session: Session, draft: Path, old: SourceFile) -> Amended | None:
    """The text that a person left in the editor, valid; None when it is as before.

    They may try again as often as they like.
    """
    while True:
        try:
            click.edit(filename=str(draft))
        except click.ClickException as error:
            raise InvalidDocumentError(f"{error.message}; nothing was written") from None
        raw = draft.read_bytes()
        if raw == old.raw:
            return None
        try:
            done = with_ids(old, SourceFile(old.path, raw, old.root))
        except UnicodeDecodeError:
            raise InvalidDocumentError("the text is not UTF-8; nothing was written") from None
        errors = errors_in(session, old.path, done.text)
        if not errors:
            return done
        show(errors)
        if not (sys.stdin.isatty() and click.confirm("Edit again?", default=True, err=True)):
            raise InvalidDocumentError("nothing was written")
