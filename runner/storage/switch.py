"""Switching a job on or off in the text of its file, by one line at most, comments and layout kept."""

from runner.errors import UnknownJobError
from runner.spec.document import Document, SourceFile
from runner.spec.loader import Kind, Reopener, read
from runner.storage.amend import Change, amended

FIELD = "enabled"


def switched(file: SourceFile, job: str, *, enabled: bool) -> tuple[str, int]:
    """The text of a file in which a job is switched on or off, and the line (from 1) that says so.

    Raises:
        UnknownJobError: when the file has no such job.
        ConflictError: when no edit of a line does that and nothing else.
    """
    done = amended(file, job, [Change((FIELD,), enabled)])
    return done.text, done.lines.get(FIELD) or disabling_line(file, job)


def disabling_line(file: SourceFile, job: str) -> int:
    """The line (from 1) of a file that disables a job, or on which the job begins."""
    document = _document_of(file, job)
    return document.key_span((FIELD,)).line if FIELD in document.data else document.line


def _document_of(file: SourceFile, job: str) -> Document:
    for parsed in read(file).documents:
        if parsed.kind is Kind.JOB and parsed.id == job:
            return Reopener().open(parsed)
    raise UnknownJobError(f"{file.display} has no job {job}")
