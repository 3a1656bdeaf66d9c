"""The tree of an expression with the value that each part had for one payload."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from runner.filters.compiler import compile_trace
from runner.filters.filter import Filter
from runner.filters.javascript import number_text
from runner.filters.kinds import CONSTANTS
from runner.filters.operators import ABSENT
from runner.filters.tree import Name, Negate, Node, Number, Property, Text, walk
from runner.filters.verdict import FilterProblem, Verdict

_LONGEST_SHOWN: Final = 60
_UNKNOWN: Final = object()


class PartState(StrEnum):
    """What became of a part: it has a value, its path is missing, it failed, or it was not looked at."""

    VALUE = "value"
    MISSING = "missing"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One part of an expression: its text and offsets, what became of it, and the parts below.

    `value` means something only in the state `value`. `problem` is given at the part where it arose; the parts
    above it are in the state `error` too.
    """

    text: str
    start: int
    end: int
    state: PartState
    value: Any
    problem: FilterProblem | None
    parts: "tuple[Explanation, ...]"

    @property
    def shown(self) -> str:
        """The value or state in a few characters, for people."""
        return describe(self.value) if self.state is PartState.VALUE else str(self.state)

    def walk(self) -> Iterator[tuple[int, "Explanation"]]:
        """Every part with its level below this one, in the order of the text."""
        pending = [(0, self)]
        while pending:
            level, part = pending.pop()
            yield level, part
            pending.extend((level + 1, below) for below in reversed(part.parts))


@dataclass(frozen=True, slots=True)
class Explained:
    """A verdict and why."""

    verdict: Verdict
    root: Explanation


def explain(compiled: Filter, *values: Any) -> Explained:
    """Evaluate a filter for the same arguments as `Filter.check`, and keep the value of every part."""
    nodes = list(walk(compiled.tree))
    indices = {id(node): index for index, node in enumerate(nodes)}
    recorded: dict[int, Any] = {}

    def record(index: int, value: Any) -> Any:
        recorded[index] = value
        return value

    run = compile_trace(compiled.tree, compiled.text, compiled.roots, indices, filtrex=compiled.filtrex)
    result = run(*values, record)
    problem = result.error if type(result) is Verdict else None
    constants = {} if compiled.filtrex else CONSTANTS
    culprit = _culprit(nodes, problem)
    explanations: dict[int, Explanation] = {}
    for index, node in reversed(list(enumerate(nodes))):
        parts = tuple(explanations[id(part)] for part in node.parts)
        value = recorded.get(index, _UNKNOWN)
        if value is _UNKNOWN:
            value = _literal_value(node, parts, constants)
        failed = node is culprit or any(part.state is PartState.ERROR for part in parts)
        explanations[id(node)] = Explanation(
            text=compiled.text[node.start : node.end],
            start=node.start,
            end=node.end,
            state=_state(value, failed=failed),
            value=None if value is _UNKNOWN or value is ABSENT else value,
            problem=problem if node is culprit else None,
            parts=parts,
        )
    return Explained(compiled.check(*values), explanations[id(compiled.tree)])


def _state(value: Any, *, failed: bool) -> PartState:
    if failed:
        return PartState.ERROR
    if value is _UNKNOWN:
        return PartState.SKIPPED
    return PartState.MISSING if value is ABSENT else PartState.VALUE


def _culprit(nodes: list[Node], problem: FilterProblem | None) -> Node | None:
    """The innermost part that the problem's offsets name."""
    if problem is None:
        return None
    named = [node for node in nodes if node.span == problem.span]
    return min(named, key=lambda node: node.depth, default=None)


def _literal_value(node: Node, parts: tuple[Explanation, ...], constants: dict[str, bool | None]) -> Any:
    """The value of a part that needs no payload."""
    match node:
        case Number(value=value) | Text(value=value):
            return value
        case Negate() if isinstance(parts[0].value, float):
            return -parts[0].value
        case Name(quoted=False, text=text) | Property(name=Name(quoted=False, text=text)):
            return constants.get(text, _UNKNOWN)
        case _:
            return _UNKNOWN


def describe(value: Any) -> str:
    """A value in a few characters: text is cut short, and lists and objects are counted, not shown."""
    if isinstance(value, str):
        cut = value if len(value) <= _LONGEST_SHOWN else f"{value[: _LONGEST_SHOWN - 1]}…"
        return json.dumps(cut, ensure_ascii=not cut.isprintable())
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return f"an object of {len(value)}"
