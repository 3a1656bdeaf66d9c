"""What holds for every edit of a file: it says what was asked for, and every other line is as it was."""

import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest

from runner.errors import ConflictError
from runner.spec.document import MappingNode, SequenceNode, SourceFile
from runner.spec.loader import Kind, read
from runner.spec.source import scan
from runner.storage.amend import Change, amended
from runner.storage.notation import is_flow, is_plain

FILES = {path.stem: path.read_bytes() for path in sorted(Path(__file__).with_name("edits").glob("*.yaml"))}

TEXTS = [
    "x", "Ümläut 📏", "a: b", "# no comment", "it's", 'say "so"', "yes", "12:30", "0042", "1e3", "", " ", "~",
    "*a", "two\nlines", "two\nlines\n", "a\n\n  b\n", "\nleading", "trailing \nblank", "tab\there",
    "\x00\x1b\x85\u2028",
    "[x]", "{a, b}", "-", "- a", "?", ": x", "x:", "a #b", "@daily", "*/5 * * * *", "0 9 * * 1-5", "%x", "---",
    "...", "\ufeff", "x" * 300,
]  # fmt: skip
VALUES = [
    *TEXTS, None, True, False, 0, -1, 2.5, 1e300, 2**63, [], {}, [1, "two", None], {"a": 1},
    {"a: b": {"c": ["d"]}}, [{"a": {"b": []}}, [[]]], {"text": "two\nlines\n", "more": {"deep": {"er": 1}}},
    {"team": "core", "other": "x"},
]  # fmt: skip
FIELDS = [
    "name", "id", "description", "prompt", "schedule", "timezone", "filter", "payload", "payload.a", "payload.new",
    "payload.nested.deep", "payload.retry.attempts", "enabled", "timeout", "retry", "retry.attempts",
    "retry.backoff", "retry.max_backoff", "concurrency.limit", "concurrency", "catch_up.within", "labels",
    "labels.team",
    "labels.new", "rate_limit", "agent", "mode",
]  # fmt: skip


def same(one, other):
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def reach(data, location):
    """The value at a location, in a list; an empty one where there is none."""
    for step in location:
        if not isinstance(data, dict) or step not in data:
            return []
        data = data[step]
    return [data]


def with_value(data, location, value):
    if not location:
        return value
    first, *rest = location
    inner = data.get(first) if isinstance(data, dict) else None
    return {**(data or {}), first: with_value(inner, rest, value)}


def without(data, location, *, keep=False):
    """Data without a field, and without what would be empty then, but for what is in a payload."""
    first, *rest = location
    keep = keep or first == "payload"
    if rest:
        inner = without(data[first], rest, keep=keep)
        if inner or keep:
            return {**data, first: inner}
    return {name: value for name, value in data.items() if name != first}


def text_of(raw):
    return raw.decode("utf-8")


def changed_lines(old, new):
    """The numbers (from 1) of the old lines that are not there any more, as a range, and how many are new."""
    was, now = old.splitlines(keepends=True), new.splitlines(keepends=True)
    first = 0
    while first < min(len(was), len(now)) and was[first] == now[first]:
        first += 1
    last = 0
    while last < min(len(was), len(now)) - first and was[-1 - last] == now[-1 - last]:
        last += 1
    return first + 1, len(was) - last, len(now) - last - first


def line_numbers(document, location):
    """The lines on which a field stands, from its key to the end of its value."""
    begin, end = document.key_span(location), document.value_span(location)
    return begin.line, max(end.end_line, begin.end_line)


def node_of(document, location):
    node = document.root
    for step in location:
        node = node.items[step][1]
    return node


def comments(documents, but=range(0)):
    """The comments of a file, but those in some lines: what is left of it when all scalars are struck out."""
    if not documents:
        return Counter()
    text = list(documents[0].text.characters)

    def strike(document, node):
        if isinstance(node, MappingNode):
            for key, value in node.items.values():
                strike(document, key)
                strike(document, value)
        elif isinstance(node, SequenceNode):
            for each in node.items:
                strike(document, each)
        else:
            content = documents[0].text.content_end(document.base + node.end_mark.index)
            for offset in range(document.base + node.start_mark.index, content):
                if text[offset] not in "\r\n":
                    text[offset] = "x"

    for document in documents:
        strike(document, document.root)
    lines = re.split(r"\r\n|\n|\r", "".join(text))
    found = (line.partition("#")[2].strip() for number, line in enumerate(lines, 1) if number not in but)
    return Counter(each for each in found if each)


class Trial:
    """One edit of one file."""

    def __init__(self, raw, change):
        self.raw = raw
        self.file = SourceFile("x.yaml", raw, "jobs.d")
        jobs = [each for each in read(self.file).documents if each.kind is Kind.JOB and each.id]
        self.change = change
        self.jobs = jobs

    def run(self, chance):
        job = chance.choice(self.jobs)
        old = scan(self.file).documents
        document = old[job.index]
        location = self.change.location
        there = reach(document.data, location)
        if self.change.remove and not there:
            return None
        expected = self._expected(document, job, there)
        try:
            done = amended(self.file, job.id, [self.change])
        except ConflictError as refusal:
            self._check_refusal(str(refusal), document)
            return None
        new = scan(SourceFile("x.yaml", done.text.encode(), "jobs.d")).documents
        assert len(new) == len(old)
        for index, (was, now) in enumerate(zip(old, new, strict=True)):
            assert same(now.data, expected if index == job.index else was.data), (now.data, expected)
        self._check_lines(document, done.text, there)
        self._check_rest_of_line(document, done.text, there)
        self._check_form(document, new[job.index], done.text, there)
        lost = comments(old, self._range(document)) - comments(new)
        assert not lost, lost
        self._check_undo(job, document, new[job.index], done.text, there)
        return done.text

    def _expected(self, document, job, there):
        if self.change.remove:
            return without(document.data, self.change.location)
        expected = document.data
        location = list(self.change.location)
        if location == ["name"] and "id" not in expected and there != [self.change.value]:
            expected = {**expected, "id": job.id}
        try:
            return with_value(expected, location, self.change.value)
        except (AttributeError, TypeError):
            return None

    def _check_refusal(self, message, document):
        text = text_of(self.raw)
        reasons = {
            "alias": "&" in text,
            "has comments in it": "#" in text,
            "has no fields within it": True,
            "would be another one": True,
            "without changing more than that": any(mark in text for mark in ("&", "!!", "? ")),
        }
        assert any(words in message and may_be for words, may_be in reasons.items()), message
        assert "by hand" in message

    def _check_lines(self, document, after, there):
        """Old lines that are gone are those of the field alone; what is only added takes none away."""
        before = text_of(self.raw)
        first, last, _ = changed_lines(before, after)
        location = self.change.location
        if before == after or (location == ("name",) and "id" not in document.data):
            return
        deepest = location
        while deepest and not reach(document.data, deepest):
            deepest = deepest[:-1]
        if not deepest:
            deepest_lines = line_numbers(document, (next(reversed(document.data)),))
            begin, end = (document.line, deepest_lines[1]) if is_flow(document.root) else (first, first - 1)
        else:
            begin, end = line_numbers(document, deepest)
        if self.change.remove:
            # The parent may go with the last of its fields; in brackets, so may the comma in the line before.
            while len(location) > 1 and len(reach(document.data, location[:-1])[0]) == 1:
                location = location[:-1]
                begin, end = line_numbers(document, location)
            begin -= 1
        assert last < first or (begin <= first and last <= end + 1), f"{(first, last, begin, end)}\n{after}"

    def _check_rest_of_line(self, document, after, there):
        """What stands on the line of a value before it and behind it, such as a comment, stays there."""
        location = self.change.location
        if self.change.remove or location == ("name",) or not there or isinstance(there[0], dict | list | None):
            return
        node, span = node_of(document, location), document.value_span(location)
        if node.tag or node.anchor:
            return
        mark = len(text_of(self.raw)) - len(document.text.characters)
        if node.style in {"|", ">"}:
            key = document.key_span(location).line
            header, changed = document.text.line(key), after[mark:].splitlines()[key - 1]
            assert changed.endswith(header[header.index("#") :] if "#" in header else ""), (header, changed)
            return
        if span.line != span.end_line:
            return
        line = document.text.line(span.line)
        changed = after[mark:].splitlines()[span.line - 1]
        assert changed.startswith(line[: span.column - 1]), (line, changed)
        assert changed.endswith(line[span.end_column - 1 :]), (line, changed)

    def _check_form(self, document, now, after, there):
        """Line ends stay what they are, and so do quotes."""
        if b"\r\n" in self.raw and b"\n" not in self.raw.replace(b"\r\n", b""):
            assert "\n" not in after.replace("\r\n", "")
        location, value = self.change.location, self.change.value
        if there and isinstance(there[0], str) and isinstance(value, str) and "\n" not in value:
            was, is_now = node_of(document, location).style, node_of(now, location).style
            assert was != '"' or is_now == '"', (was, is_now)

    def _range(self, document):
        """The lines of the field that changes, or of the one that goes with it; none where it is new."""
        location = self.change.location
        if not reach(document.data, location):
            return range(0)
        if self.change.remove:
            while len(location) > 1 and len(reach(document.data, location[:-1])[0]) == 1:
                location = location[:-1]
        begin, end = line_numbers(document, location)
        return range(begin, end + 1)

    def _check_undo(self, job, document, now, after, there):
        undo = self._undo(document, now, there)
        if undo is not None and after != text_of(self.raw):
            file = SourceFile("x.yaml", after.encode(), "jobs.d")
            assert amended(file, job.id, [undo]).text == text_of(self.raw)

    def _undo(self, document, now, there):
        """What leads back to the bytes that were; None where the old form is not to be told from the value."""
        location, value = self.change.location, self.change.value
        if self.change.remove or location == ("name",):
            return None
        steps = [location[:depth] for depth in range(1, len(location) + 1)]
        if not there:
            missing = next(each for each in steps if not reach(document.data, each))
            was_empty = any(reach(document.data, each) in ([None], [{}]) for each in steps)
            return None if was_empty else Change(missing, remove=True)
        if not (isinstance(there[0], str) and isinstance(value, str)):
            return None
        old, new, span = node_of(document, location), node_of(now, location), document.value_span(location)
        kept = old.style == new.style and (old.style == "'" or (not old.style and is_plain(there[0], flow=True)))
        return Change(location, there[0]) if kept and not old.tag and span.line == span.end_line else None


def edits(chance, rounds):
    for _ in range(rounds):
        location = tuple(chance.choice(FIELDS).split("."))
        if location != ("id",) and chance.random() < 0.25:
            yield Change(location, remove=True)
        elif location not in {("id",), ("mode",)}:
            yield Change(location, chance.choice(TEXTS if location == ("name",) else VALUES))


@pytest.mark.parametrize("name", FILES)
def test_an_edit_changes_the_lines_of_its_field_and_no_other(name, soak):
    chance = random.Random(name)
    raw = FILES[name]
    rounds, done = 2_000 if soak else 80, 0
    for change in edits(chance, rounds):
        after = Trial(raw, change).run(chance)
        if after is None:
            continue
        done += 1
        # An edit of what an edit made, now and then; back to the file as it was written in the end.
        usable = all(each.id for each in read(SourceFile("x.yaml", after.encode())).documents)
        raw = after.encode() if usable and chance.random() < 0.4 else FILES[name]
    assert done > rounds / 4
