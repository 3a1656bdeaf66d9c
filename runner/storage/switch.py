"""Switching a job on or off in the text of its file, by one line at most, comments and layout kept.

There is more than one way to write a mapping, so each edit that could be right is tried: it is taken when the
new text, read again, says the same as before but for this one value.
"""

import re
from collections.abc import Iterator

from runner.errors import ConflictError, UnknownJobError
from runner.spec.document import Document, SourceFile
from runner.spec.loader import Kind, Reopener, read
from runner.spec.source import scan

FIELD = "enabled"

_BREAK = re.compile(r"\r\n|\n|\r")


def switched(file: SourceFile, job: str, *, enabled: bool) -> tuple[str, int]:
    """The text of a file in which a job is switched on or off, and the line (from 1) that says so.

    Raises:
        UnknownJobError: when the file has no such job.
        ConflictError: when no edit of a line does that and nothing else.
    """
    document, place = _document_of(file, job)
    text = file.raw.decode("utf-8")
    # A byte order mark is no part of what was parsed.
    mark = text[: len(text) - len(document.text.characters)]
    for edited in _edits(document, "true" if enabled else "false"):
        found = _if_right(file, mark + edited, place, enabled=enabled)
        if found is not None:
            return mark + edited, found.key_span((FIELD,)).line
    where = document.key_span((FIELD,)) if FIELD in document.data else document.start_span()
    raise ConflictError(
        f"{file.display}:{where.line}: can't set `{FIELD}` of job {job} by an edit of one line; edit it by hand"
    )


def disabling_line(file: SourceFile, job: str) -> int:
    """The line (from 1) of a file that disables a job, or on which the job begins."""
    document, _ = _document_of(file, job)
    return document.key_span((FIELD,)).line if FIELD in document.data else document.line


def _document_of(file: SourceFile, job: str) -> tuple[Document, int]:
    for parsed in read(file).documents:
        if parsed.kind is Kind.JOB and parsed.id == job:
            return Reopener().open(parsed), parsed.index
    raise UnknownJobError(f"{file.display} has no job {job}")


def _if_right(file: SourceFile, text: str, place: int, *, enabled: bool) -> Document | None:
    """The edited document, if the text says what the file did, but for the one value."""
    before = scan(file)
    after = scan(SourceFile(file.path, text.encode(), file.root))
    if len(before.documents) != len(after.documents) or len(before.diagnostics) != len(after.diagnostics):
        return None
    for number, (old, new) in enumerate(zip(before.documents, after.documents, strict=True)):
        wanted = {**old.data, FIELD: enabled} if number == place else old.data
        if new.data != wanted:
            return None
    return after.documents[place]


def _edits(document: Document, value: str) -> Iterator[str]:
    """Texts in which the document may say so: the likelier first."""
    text = document.text.characters
    starts = [0, *(found.end() for found in _BREAK.finditer(text))]

    def offset(line: int, column: int) -> int:
        return starts[line - 1] + column - 1

    if FIELD in document.data:
        span = document.value_span((FIELD,))
        yield text[: offset(span.line, span.column)] + value + text[offset(span.end_line, span.end_column) :]
        return
    first = document.start_span()
    indent = " " * (first.column - 1)
    for line in dict.fromkeys((document.value_span(("mode",)).end_line, document.key_span(("mode",)).line)):
        yield _with_line(text, starts[line] if line < len(starts) else len(text), f"{indent}{FIELD}: {value}")
    begin = offset(first.line, first.column)
    yield f"{text[:begin]}{FIELD}: {value}, {text[begin:]}"


def _with_line(text: str, begin: int, line: str) -> str:
    """A text with one more line at the offset where a line begins, or at the end."""
    found = _BREAK.search(text)
    end = found.group() if found else "\n"
    if text[:begin].endswith(("\n", "\r")) or not begin:
        return f"{text[:begin]}{line}{end}{text[begin:]}"
    return f"{text}{end}{line}"
