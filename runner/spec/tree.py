"""All files of a tree side by side: which documents stand alone, which share an id, and what is broken."""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from runner.errors import Diagnostic, Related, Span
from runner.spec.document import Document
from runner.spec.loader import Kind, ParsedDocument, ParsedFile, Reopener

MAX_RELATED = 3


@dataclass(frozen=True, slots=True)
class Shelf:
    """The documents of one kind by key, which is the id of a job or agent, and the folder of defaults.

    `broken` holds, for each key that a document with errors has, the errors. `hiding` holds the files in which
    something of this kind may be hidden by errors: its id can't be read, or nobody knew it.
    """

    valid: Mapping[str, ParsedDocument]
    broken: Mapping[str, tuple[Diagnostic, ...]]
    hiding: Mapping[str, tuple[Diagnostic, ...]]


@dataclass(frozen=True, slots=True)
class Tree:
    """The documents of all files, and what can't be told because of errors.

    `claims` holds the ids in texts that no document came from, `nameless` the files in which something has
    errors and no readable id; each comes with the errors to show.
    """

    jobs: Shelf
    agents: Shelf
    defaults: Shelf
    claims: Mapping[str, tuple[Diagnostic, ...]]
    nameless: Mapping[str, tuple[Diagnostic, ...]]
    duplicates: tuple[Diagnostic, ...] = ()
    broken: tuple[ParsedDocument, ...] = field(default=(), repr=False)

    def may_have_agent(self, agent_id: str) -> bool:
        """Whether a document that has errors is, or may be, the agent of this id."""
        return agent_id in self.agents.broken or agent_id in self.claims

    def problems(self, shelf: Shelf, key: str, path: str) -> tuple[Diagnostic, ...]:
        """Return why what had this key and stood in this file may not be gone; empty if it is gone."""
        return shelf.broken.get(key) or self.claims.get(key) or shelf.hiding.get(path) or ()


def gather(files: Sequence[ParsedFile], known: Mapping[Kind, Container[str]]) -> Tree:
    """Return the documents of all files by kind and key; `known` are the keys that there were before."""
    keyed: dict[Kind, dict[str, list[ParsedDocument]]] = {kind: defaultdict(list) for kind in Kind}
    broken: list[ParsedDocument] = []
    for file in files:
        for document in file.documents:
            if document.definition is None:
                broken.append(document)
            for kind, key in _keys(document):
                keyed[kind][key].append(document)
    errors = {file.path: _errors(file.diagnostics) for file in files if not file.whole}
    by_path = {file.path: file for file in files} if broken else {}
    for document in broken:
        path = document.origin.path
        errors.setdefault(path, _errors(by_path[path].diagnostics))
    lost = {file.path for file in files if not file.whole}
    duplicates: list[Diagnostic] = []

    def shelf(kind: Kind) -> Shelf:
        valid, problems = _sort(kind, keyed[kind], duplicates)
        hiding = lost | {each.origin.path for each in broken if _hides(each, kind, known[kind], valid)}
        return Shelf(valid, problems, {path: errors[path] for path in hiding})

    nameless = {each.origin.path for each in broken if each.id is None and each.kind is not Kind.DEFAULTS}
    return Tree(
        jobs=shelf(Kind.JOB),
        agents=shelf(Kind.AGENT),
        defaults=shelf(Kind.DEFAULTS),
        claims={claim: errors[file.path] for file in files for claim in file.claims},
        nameless={path: errors[path] for path in nameless | lost},
        duplicates=tuple(duplicates),
        broken=tuple(broken),
    )


def _hides(document: ParsedDocument, kind: Kind, known: Container[str], valid: Container[str]) -> bool:
    """Whether a document with errors may be what stood in its file before under another key."""
    if document.kind not in {kind, None} or document.kind is Kind.DEFAULTS:
        return False
    return document.id is None or (document.id not in known and document.id not in valid)


def _keys(document: ParsedDocument) -> Iterator[tuple[Kind, str]]:
    """Yield what a document is or, if its kind can't be read, what it may be, and its key as such."""
    if document.kind is Kind.DEFAULTS:
        yield Kind.DEFAULTS, document.file.folder
    elif document.id is not None and document.kind is not None:
        yield document.kind, document.id
    elif document.id is not None:
        yield Kind.JOB, document.id
        yield Kind.AGENT, document.id


def _sort(
    kind: Kind, groups: Mapping[str, Sequence[ParsedDocument]], duplicates: list[Diagnostic]
) -> tuple[dict[str, ParsedDocument], dict[str, tuple[Diagnostic, ...]]]:
    """Return what is valid and what is broken by key, and add errors for keys that several documents have."""
    valid: dict[str, ParsedDocument] = {}
    groups_of_many: dict[str, Sequence[ParsedDocument]] = {}
    broken: dict[str, tuple[Diagnostic, ...]] = {}
    for key, group in groups.items():
        sound = [document for document in group if document.definition is not None]
        if len(sound) == 1:
            # A copy that is not finished doesn't disturb the document that it was copied from.
            valid[key] = sound[0]
        else:
            broken[key] = _errors(each for document in group for each in document.diagnostics)
        members = [document for document in group if document.kind is kind]
        if len(members) > 1:
            groups_of_many[key] = members
    places = _places(kind, groups_of_many)
    for key, sharers in groups_of_many.items():
        clashes = tuple(_clashes(kind, key, sharers, places, valid.get(key)))
        duplicates += clashes
        if key in broken:
            broken[key] += clashes
    return valid, broken


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a document says which key it has."""

    span: Span
    source: str
    is_from_name: bool


def _places(kind: Kind, groups: Mapping[str, Sequence[ParsedDocument]]) -> dict[ParsedDocument, _Place]:
    """Return where documents say which key they have, file by file, so that each is read once."""
    reopener = Reopener()
    members = sorted(
        (document for group in groups.values() for document in group),
        key=lambda document: (document.origin.path, document.index),
    )
    return {document: _place(kind, reopener.open(document)) for document in members}


def _place(kind: Kind, document: Document) -> _Place:
    is_from_name = kind is not Kind.DEFAULTS and not document.has(("id",))
    name = "kind" if kind is Kind.DEFAULTS else "name" if is_from_name else "id"
    span = document.value_span((name,))
    return _Place(span, document.text.line(span.line), is_from_name)


def _clashes(
    kind: Kind,
    key: str,
    members: Sequence[ParsedDocument],
    places: Mapping[ParsedDocument, _Place],
    only_sound: ParsedDocument | None,
) -> Iterator[Diagnostic]:
    """Yield an error for each document that shares its key, but not for the only one without errors."""
    for document in members:
        if document is only_sound:
            continue
        # A few others are enough, also where thousands share a key.
        others = [other for other in members[: MAX_RELATED + 1] if other is not document][:MAX_RELATED]
        place = places[document]
        yield Diagnostic(
            f"duplicate-{'defaults' if kind is Kind.DEFAULTS else 'id'}",
            _message(kind, key, place),
            document.origin.path,
            place.span,
            help="keep one of them" if kind is Kind.DEFAULTS else "give one of them another `id`",
            source=place.source,
            job=key if kind is Kind.JOB else None,
            related=tuple(Related(other.origin.path, places[other].span, "also here") for other in others),
        )


def _message(kind: Kind, key: str, place: _Place) -> str:
    if kind is Kind.DEFAULTS:
        return "this folder has more than one defaults document"
    if place.is_from_name:
        return f"another {kind} has the id `{key}`, which is made from the name here"
    return f"another {kind} has the id `{key}`, too"


def _errors(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(each for each in diagnostics if each.is_error)
