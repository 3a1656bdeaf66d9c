"""Which fields of the event an expression may read, in one spelling for each."""

import re
from typing import Final

from runner.filters.filter import Filter
from runner.filters.kinds import CONSTANTS
from runner.filters.tree import Name, Node, Property

_PLAIN: Final = re.compile(r"[a-zA-Z0-9$_]+")


def fields_read(compiled: Filter) -> tuple[str, ...]:
    """The paths in the order of the text, each once; `k of event.o` is `event.o.k`."""
    constants = {} if compiled.filtrex else CONSTANTS
    found: dict[str, None] = {}
    pending: list[Node] = [compiled.tree]
    while pending:
        node = pending.pop()
        keys = _path(node, constants)
        if keys is None:
            pending.extend(reversed(node.parts))
        elif keys and keys[0] in compiled.roots:
            found[_written(keys)] = None
    return tuple(found)


def _path(node: Node, constants: dict[str, bool | None]) -> tuple[str, ...] | None:
    """The keys from the root, or nothing where a node is no path."""
    above: list[tuple[str, ...]] = []
    while isinstance(node, Property) and (node.name.quoted or node.name.text not in constants):
        above.append(node.name.keys)
        node = node.subject
    if not isinstance(node, Name) or (not node.quoted and node.text in constants):
        return None
    return node.keys + tuple(key for keys in reversed(above) for key in keys)


def _written(keys: tuple[str, ...]) -> str:
    """A path as a filter could have it, with dots where they can stand."""
    written, plain = keys[0], True
    for key in keys[1:]:
        dotted = _PLAIN.fullmatch(key) is not None
        if dotted and plain:
            written = f"{written}.{key}"
        else:
            escaped = key.replace("\\", "\\\\").replace("'", "\\'")
            written, plain = f"'{escaped}' of {written}", False
    return written
