"""Fields of a job changed in the text of its file, every other byte kept.

Each edit that could be right is tried: it is taken when the new text, read again, says the same as before but for
the one field.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.errors import ConflictError, UnknownJobError
from runner.spec.document import Document, MappingNode, Node, SequenceNode, SourceFile
from runner.spec.loader import Kind, ParsedDocument, Reopener, read
from runner.spec.source import Scan, scan
from runner.storage.reference import before
from runner.storage.surgery import Surgery

Location = tuple[str, ...]

_HEAD = frozenset({"kind", "name", "id"})


@dataclass(frozen=True, slots=True)
class Change:
    """A field and the value that it gets; `remove` takes it away instead."""

    location: Location
    value: Any = None
    remove: bool = False


@dataclass(frozen=True, slots=True)
class Amended:
    """The new text of a file, and the fields that it gives now with their lines (from 1)."""

    text: str
    lines: Mapping[str, int]
    removed: tuple[str, ...] = ()


def amended(
    file: SourceFile, job: str, changes: Iterable[Change], sources: Mapping[str, str] | None = None
) -> Amended:
    """The text of a file in which fields of a job are changed; `sources` says where its other values come from.

    Another `name` first writes down the present id, where the document does not give one.

    Raises:
        UnknownJobError: when the file has no such job.
        ConflictError: when a change can't be made without another one.
    """
    place = next((each.index for each in _jobs(file) if each.id == job), None)
    if place is None:
        raise UnknownJobError(f"{file.display} has no job {job}")
    amendment = _Amendment(file, job, place, sources or {})
    for change in changes:
        amendment.make(change)
    return amendment.result()


def with_ids(old: SourceFile, new: SourceFile) -> Amended:
    """The new text of a file that a person edited, with the id of each job that was renamed and has none."""
    was, now = list(_jobs(old)), list(_jobs(new))
    there = {each.id for each in now}
    file, lines = new, dict[str, int]()
    if len(was) == len(now):
        for old_job, new_job in zip(was, now, strict=True):
            if old_job.id is not None and old_job.id not in there and _is_renamed(old_job, new_job):
                amendment = _Amendment(file, old_job.id, new_job.index, {})
                amendment.make(Change(("id",), old_job.id))
                file = amendment.file
                lines |= {f"{old_job.id}.id": line for line in amendment.result().lines.values()}
    return Amended(file.raw.decode("utf-8"), lines)


def _is_renamed(old: ParsedDocument, new: ParsedDocument) -> bool:
    """Whether two documents without an id are one job: most of it is as it was."""
    one, other = (Reopener().open(each).data for each in (old, new))
    if "id" in one or "id" in other:
        return False
    names = (one.keys() | other.keys()) - {"name"}
    same = sum(name in one and name in other and _same(one[name], other[name]) for name in names)
    return 2 * same >= len(names)


def _jobs(file: SourceFile) -> Iterator[ParsedDocument]:
    return (each for each in read(file).documents if each.kind is Kind.JOB)


class _Amendment:
    """One file on its way from one text to another."""

    def __init__(self, file: SourceFile, job: str, place: int, sources: Mapping[str, str]) -> None:
        self.file = file
        self._scan = scan(file)
        self._job = job
        self._place = place
        self._sources = sources
        self._set: list[Location] = []
        self._removed: list[str] = []

    @property
    def _document(self) -> Document:
        return self._scan.documents[self._place]

    def result(self) -> Amended:
        """What came of it.

        Raises:
            ConflictError: when it is another job now.
        """
        document = self._document
        parsed = read(self.file).documents[self._place]
        if parsed.kind is not Kind.JOB or parsed.id != self._job:
            raise ConflictError(
                f"job {self._job} would be another one after this change, without its history; "
                "edit the file by hand if that is meant"
            )
        lines = {".".join(each): document.key_span(each).line for each in self._set if document.has(each)}
        return Amended(self.file.raw.decode("utf-8"), lines, tuple(self._removed))

    def make(self, change: Change) -> None:
        """Make one change."""
        if change.remove:
            self._remove(change.location)
            return
        data = self._document.data
        renamed = change.location == ("name",) and change.value != data.get("name")
        if renamed and "id" not in data:
            self.make(Change(("id",), self._job))
        known = self.file
        self._assign(change.location, change.value)
        if self.file is not known and change.location not in self._set:
            self._set.append(change.location)

    # -- setting -------------------------------------------------------------------------------------------------

    def _assign(self, location: Location, value: Any) -> None:
        depth, found = self._reach(location)
        if depth < len(location) and found is not None:
            if isinstance(found, dict):
                self._add(location[: depth + 1], _nested(location[depth + 1 :], value), location)
                return
            message = f"`{_name(location[:depth])}` has no fields within it, but a value of its own"
            raise ConflictError(f"{self._where(location[:depth])}: {message}; set it whole, or edit it by hand")
        if depth < len(location):  # a field without a value
            self._replace(location[:depth], _nested(location[depth:], value), location)
            return
        if _same(found, value):
            return
        if isinstance(found, dict) and isinstance(value, dict) and found and value:
            self._merge(location, found, value)
        else:
            self._replace(location, value, location)

    def _reach(self, location: Location) -> tuple[int, Any]:
        """How many steps of a location are there, and the value that they lead to."""
        found: Any = self._document.data
        for depth, step in enumerate(location):
            if not isinstance(found, dict) or step not in found:
                return depth, found
            found = found[step]
        return len(location), found

    def _merge(self, location: Location, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Make a mapping another one, field by field."""
        for name, value in new.items():
            self._assign((*location, name), value)
        for name in old:
            if name not in new:
                self._take_away((*location, name))

    def _add(self, location: Location, value: Any, whole: Location) -> None:
        """Add a field, or the part of a field that is not there yet."""
        *parent, name = location
        self._refuse_shared(tuple(parent))
        source = self._sources.get(location[0], "")
        if location[0] != "labels" and len(location) == 1 < len(whole) and _is_elsewhere(source):
            raise ConflictError(
                f"`{location[0]}` of job {self._job} comes from {source}, as a whole; "
                f"change it there, or give the job its own: {location[0]}={{…}}"
            )
        after = self._before(location)
        texts = (
            text
            for literals in (True, False)
            for text in Surgery(self._document, literals=literals).added(tuple(parent), name, value, after)
        )
        self._take(texts, _with(self._document.data, location, value), whole)

    def _before(self, location: Location) -> Sequence[str] | None:
        """The fields behind the last of which a new one goes; None where their order means nothing."""
        names = before(location)
        if names is None:
            return None
        data = self._reach(location[:-1])[1]
        if _HEAD.issuperset(name for name in names if name in data) and len(location) == 1:
            # People write them in one order or the other.
            return [name for name in data if name in _HEAD]
        return names

    def _replace(self, location: Location, value: Any, whole: Location) -> None:
        self._refuse_shared(location)
        *parent, name = location
        is_list = isinstance(self._reach(location)[1], list)
        if is_list and Surgery(self._document).has_comments(location):
            raise ConflictError(
                f"{self._where(location)}: the list `{_name(location)}` has comments in it, "
                "which would be lost; edit it by hand"
            )
        texts = (
            text
            for literals in (True, False)
            for text in Surgery(self._document, literals=literals).replaced(tuple(parent), name, value)
        )
        self._take(texts, _with(self._document.data, location, value), whole)

    # -- taking away ---------------------------------------------------------------------------------------------

    def _remove(self, location: Location) -> None:
        if not self._document.has(location):
            source = self._sources.get(location[0], "")
            where = f"; the value comes from {source.removeprefix('job, ')}" if _is_elsewhere(source) else ""
            raise ConflictError(f"job {self._job} does not give `{_name(location)}` itself{where}")
        self._take_away(self._emptied(location))
        self._removed.append(_name(location))

    def _emptied(self, location: Location) -> Location:
        """The outermost field that would be empty without this one; a payload may be empty."""
        while len(location) > 1 and location[0] != "payload" and len(self._reach(location[:-1])[1]) == 1:
            location = location[:-1]
        return location

    def _take_away(self, location: Location) -> None:
        *parent, name = location
        self._refuse_shared(location, removing=True)
        if len(parent) and len(self._reach(tuple(parent))[1]) == 1:
            self._replace(tuple(parent), {}, location)
            return
        texts = Surgery(self._document).removed(tuple(parent), name)
        self._take(texts, _without(self._document.data, location), location)

    # -- what is safe --------------------------------------------------------------------------------------------

    def _take(self, texts: Iterable[str], data: Mapping[str, Any], whole: Location) -> None:
        """Go on with the first text that says what it should.

        Raises:
            ConflictError: when none does.
        """
        text = self.file.raw.decode("utf-8")
        # A byte order mark is no part of what was parsed.
        mark = text[: len(text) - len(self._document.text.characters)]
        for each in texts:
            file = SourceFile(self.file.path, (mark + each).encode(), self.file.root)
            found = scan(file)
            if self._fits(found, data):
                self.file, self._scan = file, found
                return
        raise ConflictError(
            f"{self._where(whole)}: can't change `{_name(whole)}` of job {self._job} "
            "without changing more than that; edit it by hand"
        )

    def _fits(self, found: Scan, data: Mapping[str, Any]) -> bool:
        old = self._scan
        if len(found.documents) != len(old.documents) or found.lost != old.lost:
            return False
        if [each.rule for each in found.diagnostics] != [each.rule for each in old.diagnostics]:
            return False
        wanted = [data if place == self._place else each.data for place, each in enumerate(old.documents)]
        return all(_same(new.data, each) for new, each in zip(found.documents, wanted, strict=True))

    def _where(self, location: Location) -> str:
        document = self._document
        while location and not document.has(location):
            location = location[:-1]
        return f"{self.file.display}:{document.key_span(location).line if location else document.line}"

    def _refuse_shared(self, location: Location, *, removing: bool = False) -> None:
        """Refuse a change of a value that stands in several places by way of an alias; the alias itself may go."""
        places = _places(self._document)
        node: Node = self._document.root
        for depth, step in enumerate(location, 1):
            assert isinstance(node, MappingNode)  # noqa: S101 - whoever asks has followed the location
            node = node.items[step][1]
            here, others = location[:depth], [each for each in places[id(node)] if each != location[:depth]]
            if not others:
                continue
            line = self._document.value_span(places[id(node)][0]).line
            if here == places[id(node)][0]:
                other = self._document.key_span(others[0]).line
                message = f"`{_name(here)}` is repeated by an alias in line {other}"
            elif removing and depth == len(location):
                continue
            else:
                message = f"`{_name(here)}` is an alias, which repeats the value in line {line}"
            raise ConflictError(f"{self._where(here)}: {message}; edit it by hand")


def _places(document: Document) -> dict[int, list[tuple[str | int, ...]]]:
    """The locations of each node, the one where it is written first; more than one where aliases repeat it."""
    found: dict[int, list[tuple[str | int, ...]]] = {}

    def visit(node: Node, location: tuple[str | int, ...]) -> None:
        is_new = id(node) not in found
        found.setdefault(id(node), []).append(location)
        if is_new and isinstance(node, MappingNode):
            for name, (_, value) in node.items.items():
                visit(value, (*location, name))
        elif is_new and isinstance(node, SequenceNode):
            for index, each in enumerate(node.items):
                visit(each, (*location, index))

    visit(document.root, ())
    return found


def _is_elsewhere(source: str) -> bool:
    return source.removeprefix("job, ").startswith(("defaults ", "agent "))


def _name(location: Sequence[str]) -> str:
    return ".".join(location)


def _nested(steps: Location, value: Any) -> Any:
    for step in reversed(steps):
        value = {step: value}
    return value


def _with(data: Mapping[str, Any], location: Location, value: Any) -> dict[str, Any]:
    first, *rest = location
    return {**data, first: _with(data[first], tuple(rest), value) if rest else value}


def _without(data: Mapping[str, Any], location: Location) -> dict[str, Any]:
    first, *rest = location
    if rest:
        return {**data, first: _without(data[first], tuple(rest))}
    return {name: value for name, value in data.items() if name != first}


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same to JSON, where 1, 1.0 and true are three."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
