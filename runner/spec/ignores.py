"""Comments that silence warnings: `# jobsd: ignore[rule]`, at the end of a line or on the line above."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from runner.errors import Diagnostic, Severity, Span
from runner.spec.decoding import decode
from runner.spec.document import Document, MappingNode, Node, SequenceNode, SourceFile
from runner.spec.positions import Text
from runner.spec.quoting import shown
from runner.spec.rules import AGENT_HAS_ERRORS, RULES, UNKNOWN_RULE, UNUSED_IGNORE, near
from runner.spec.source import scan

_MARK: Final = b"jobsd:"
_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#[ \t]*jobsd:[ \t]*ignore\b(?:\[(?P<rules>[^\]\r\n]*)\])?", re.MULTILINE)
_RULE = re.compile(r"[^\s,]+")
_NO_CONTENT = re.compile(r"[ \t]*(?:#.*)?\Z")


@dataclass(frozen=True, slots=True)
class Ignore:
    """One rule in a comment: `span` and `source` are where it is named, `first` to `last` the lines it is for."""

    path: str
    rule: str
    span: Span
    source: str
    first: int
    last: int

    def covers(self, diagnostic: Diagnostic) -> bool:
        """Whether a diagnostic is of this rule and stands on these lines."""
        span = diagnostic.span
        return (
            diagnostic.rule == self.rule
            and diagnostic.path == self.path
            and span is not None
            and self.first <= span.line <= self.last
        )


def ignores(file: SourceFile) -> tuple[Ignore, ...]:
    """Return what the comments of a file say is to be ignored; a comment without rules names the empty one."""
    if _MARK not in file.raw:
        return ()
    text, problem = decode(file)
    if problem:
        return ()
    scalars = [each for document in scan(file).documents for each in _scalars(document)]
    return tuple(
        each
        for comment in _COMMENT.finditer(text.characters)
        if not any(start < comment.start() < end for start, end in scalars)
        for each in _of_comment(file, text, comment, scalars)
    )


def silence(
    files: Iterable[SourceFile], diagnostics: Sequence[Diagnostic]
) -> tuple[list[Diagnostic], list[Diagnostic]]:
    """Return the diagnostics that remain, and those that comments silence; errors remain."""
    paths = {each.path for each in diagnostics if not each.is_error}
    found: dict[str, list[Ignore]] = defaultdict(list)
    for file in files:
        if file.display in paths:
            found[file.display] += ignores(file)
    kept: list[Diagnostic] = []
    silent: list[Diagnostic] = []
    for each in diagnostics:
        is_silent = not each.is_error and any(ignore.covers(each) for ignore in found.get(each.path, ()))
        (silent if is_silent else kept).append(each)
    return kept, silent


def complaints(
    files: Iterable[SourceFile], kept: Sequence[Diagnostic], silent: Collection[Diagnostic]
) -> Iterator[Diagnostic]:
    """Yield a warning for each rule in a comment that does not exist, or that silences nothing.

    Where a file or an agent of its jobs has errors, not all warnings are known, so that none is called missing.
    """
    broken = {each.path for each in kept if _keeps_others_from_being_told(each)}
    for file in files:
        for ignore in ignores(file):
            if ignore.rule not in RULES:
                yield _unknown(ignore)
            elif not any(ignore.covers(each) for each in silent):
                errors = [each for each in kept if each.is_error and ignore.covers(each)]
                if errors or ignore.path not in broken:
                    yield _unused(ignore, is_error=bool(errors))


def _keeps_others_from_being_told(diagnostic: Diagnostic) -> bool:
    if diagnostic.rule == AGENT_HAS_ERRORS:
        return True
    return diagnostic.is_error and diagnostic.rule in RULES and RULES[diagnostic.rule].is_fixed


def _unknown(ignore: Ignore) -> Diagnostic:
    if not ignore.rule:
        return _warning(UNKNOWN_RULE, "this comment names no rule", ignore, "write `# jobsd: ignore[rule]`")
    meant = near(ignore.rule)
    advice = f"did you mean `{meant}`?" if meant else "`jobsd docs rules` lists all"
    return _warning(UNKNOWN_RULE, f"no rule is called `{shown(ignore.rule)}`", ignore, advice, meant)


def _unused(ignore: Ignore, *, is_error: bool) -> Diagnostic:
    if is_error:
        message = f"`{ignore.rule}` is an error here, and errors can't be ignored"
        return _warning(UNUSED_IGNORE, message, ignore, "mend the error, and remove the comment")
    where = f"line {ignore.first}" if ignore.first == ignore.last else f"lines {ignore.first} to {ignore.last}"
    message = f"nothing is ignored here: there is no `{ignore.rule}` on {where}"
    return _warning(UNUSED_IGNORE, message, ignore, "remove it")


def _warning(rule: str, message: str, ignore: Ignore, advice: str, fix: str | None = None) -> Diagnostic:
    return Diagnostic(
        rule, message, ignore.path, ignore.span, Severity.WARNING, help=advice, fix=fix, source=ignore.source
    )


def _of_comment(
    file: SourceFile, text: Text, comment: re.Match[str], scalars: Sequence[tuple[int, int]]
) -> Iterator[Ignore]:
    line, column = text.position(comment.start())
    source = text.line(line)
    first = line if source[: column - 1].strip() else _next_content(text, line)
    last = max([first, *(_last_line(text, end) for start, end in scalars if text.position(start)[0] == first)])
    if comment["rules"] is None or not comment["rules"].strip(" \t,"):
        span = text.span(comment.start(), comment.end())
        yield Ignore(file.display, "", span, source, first, last)
        return
    for found in _RULE.finditer(text.characters, *comment.span("rules")):
        yield Ignore(file.display, found.group(), text.span(*found.span()), source, first, last)


def _next_content(text: Text, line: int) -> int:
    """Return the first line behind a comment that is neither a comment nor blank."""
    count, _ = text.position(len(text.characters))
    following = (number for number in range(line + 1, count + 1) if not _NO_CONTENT.match(text.line(number)))
    return next(following, line)


def _last_line(text: Text, end: int) -> int:
    return text.position(text.content_end(end))[0]


def _scalars(document: Document) -> Iterator[tuple[int, int]]:
    """Yield the offsets that enclose each scalar; of a block of text, what stands below its header.

    A comment may stand behind the header, and is for the whole block: so the range begins at the header's end,
    which is on the header's line.
    """
    pending: list[Node] = [document.root]
    seen: set[int] = set()
    while pending:
        node = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, MappingNode):
            for key, value in node.items.values():
                pending += (key, value)
        elif isinstance(node, SequenceNode):
            pending += node.items
        else:
            start, end = document.base + node.start_mark.index, document.base + node.end_mark.index
            yield (document.text.line_end(start) if node.style in {"|", ">"} else start), end
