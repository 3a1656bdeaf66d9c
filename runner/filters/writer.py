"""The mechanics of generated code: variables, blocks, guards on types, and sites for what goes wrong."""

import ast
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from runner.filters import emit, operators
from runner.filters.javascript import EXACT, same
from runner.filters.site import Site
from runner.filters.tree import Node
from runner.filters.verdict import PASSED, REJECTED, Verdict
from runner.filters.work import Shares

NO_LITERAL: Final = object()

NAMES: Final[dict[str, Any]] = {
    "__builtins__": {},
    "type": type,
    "int": int,
    "float": float,
    "str": str,
    "list": list,
    "Verdict": Verdict,
    "PASSED": PASSED,
    "REJECTED": REJECTED,
    "ABSENT": operators.ABSENT,
    "KeyError": KeyError,
    "TypeError": TypeError,
    "lower": str.lower,
    "upper": str.upper,
    "same": same,
    "take": operators.take,
    "lost": operators.lost,
    "take_or_absent": operators.take_or_absent,
    "number": operators.number,
    "real": operators.real,
    "addend": operators.addend,
    "truth": operators.truth,
    "add": operators.add,
    "divide": operators.divide,
    "remainder": operators.remainder,
    "power": operators.power,
    "match": operators.match,
    "match_compiled": operators.match_compiled,
    "subset": operators.subset,
}
"""The globals of every compiled function, besides its own sites, patterns and functions."""

READ: Final = {name: emit.variable(name) for name in NAMES}
INT, FLOAT, STR, LIST = READ["int"], READ["float"], READ["str"], READ["list"]
_VERDICT: Final = READ["Verdict"]
_KEY_OR_TYPE_ERROR: Final = emit.Tuple([READ["KeyError"], READ["TypeError"]], emit.LOAD)


@dataclass(frozen=True, slots=True)
class Operand:
    """The value of a node in generated code: an expression without effects, to be written once.

    `kind` is what is known of its type: `any`, `number` (as the payload has it), `real` (a double), `text`,
    `boolean`, `list` or `null`. `variable` is the variable that holds it and nothing else, if there is one.
    """

    code: ast.expr
    kind: str = "any"
    literal: object = NO_LITERAL
    variable: str | None = None

    @property
    def is_literal(self) -> bool:
        """Whether the value is known."""
        return self.literal is not NO_LITERAL

    @property
    def is_small_number(self) -> bool:
        """Whether it is a number literal that compares with any JSON number exactly as Python has it."""
        return isinstance(self.literal, float) and abs(self.literal) < EXACT


def literal_operand(value: float | str | bool | None) -> Operand:  # noqa: FBT001 - a value, no switch
    """The operand of a literal; numbers come as doubles."""
    match value:
        case None:
            return Operand(emit.NULL, "null", None)
        case bool():
            return Operand(emit.TRUE if value else emit.FALSE, "boolean", value)
        case str():
            return Operand(emit.Constant(value), "text", value)
        case _:
            return Operand(number_constant(value), "real", value)


def number_constant(value: float) -> ast.expr:
    """An integer where nothing is lost by it, because payloads mostly have integers to compare with."""
    if abs(value) < EXACT and value.is_integer() and (value != 0 or str(value)[0] != "-"):
        return emit.Constant(int(value))
    return emit.Constant(value)


class Writer:
    """Writes statements into the current block."""

    def __init__(self, tree: Node, text: str) -> None:
        self.tree = tree
        self.text = text
        self.shares = Shares(tree, text)
        self.names: dict[str, Any] = dict(NAMES)
        self.block: list[ast.stmt] = []
        self._count = 0

    def fresh(self, prefix: str = "v") -> str:
        """A name that is used nowhere else."""
        self._count += 1
        return f"{prefix}{self._count}"

    def put(self, value: Any) -> ast.expr:
        """Give the generated code an object under a name of its own."""
        name = self.fresh("k")
        self.names[name] = value
        return emit.variable(name)

    def place(self, node: Node, written: str, hint: str | None = None) -> Site:
        """A place for the errors of one operand or call, which knows its share of the work."""
        site = Site(node.start, node.end, written=written, hint=hint)
        site.shares = self.shares
        return site

    def site(self, node: Node, written: str, hint: str | None = None) -> ast.expr:
        """The same for generated code."""
        return self.put(self.place(node, written, hint))

    def begin(self) -> list[ast.stmt]:
        """Start a new block, and give the one around it."""
        outer, self.block = self.block, []
        return outer

    def end(self, outer: list[ast.stmt]) -> list[ast.stmt]:
        """Go back to the block around, and give the one that was written."""
        inner, self.block = self.block, outer
        return inner

    def store(self, code: ast.expr, kind: str = "any") -> Operand:
        """Put a value into a new variable."""
        name = self.fresh()
        self.block.append(emit.assign(name, code))
        return Operand(emit.variable(name), kind, variable=name)

    def held(self, operand: Operand) -> Operand:
        """The operand as one that may be written more than once."""
        if operand.variable is not None or operand.is_literal:
            return operand
        return self.store(operand.code, operand.kind)

    def variable_of(self, operand: Operand) -> str:
        """The variable of an operand, which gets one if it has none."""
        if operand.variable is not None:
            return operand.variable
        name = self.fresh()
        self.block.append(emit.assign(name, operand.code))
        return name

    def leave_if_verdict(self, name: str) -> None:
        """End the function with the error that a call may have returned."""
        self.block.append(verdict_check(name))

    def checked(self, code: ast.expr, kind: str = "any") -> Operand:
        """Store the result of a call that may be an error."""
        operand = self.store(code, kind)
        assert operand.variable is not None  # noqa: S101 - store gives it one
        self.leave_if_verdict(operand.variable)
        return operand

    def guard(self, name: str, unfit: ast.expr, coerce: str, site: ast.expr) -> None:
        """Where a variable has not the usual type, replace it by what the operator takes for it."""
        converted = emit.assign(name, emit.call(READ[coerce], emit.variable(name), site))
        self.block.append(emit.when(unfit, [converted, verdict_check(name)]))

    def as_number(self, operand: Operand, node: Node, written: str) -> ast.expr:
        """A number as the payload has it."""
        if operand.kind in {"number", "real"}:
            return operand.code
        name = self.variable_of(operand)
        self.guard(name, emit.not_of_type(name, INT, FLOAT), "number", self.site(node, written))
        return emit.variable(name)

    def as_real(self, operand: Operand, node: Node, written: str) -> ast.expr:
        """A number as a double."""
        if operand.kind == "real":
            return emit.Constant(operand.literal) if isinstance(operand.literal, float) else operand.code
        name = self.variable_of(operand)
        self.guard(name, emit.not_of_type(name, FLOAT), "real", self.site(node, written))
        return emit.variable(name)

    def as_truth(self, operand: Operand, node: Node, written: str, hint: str | None = None) -> ast.expr:
        """A boolean."""
        if operand.kind == "boolean":
            return operand.code
        name = self.variable_of(operand)
        variable = emit.variable(name)
        unfit = emit.all_of(
            emit.compare(variable, emit.IS_NOT, emit.TRUE), emit.compare(variable, emit.IS_NOT, emit.FALSE)
        )
        self.guard(name, unfit, "truth", self.site(node, written, hint))
        return variable

    def look_up(self, value: ast.expr, site: Site) -> str:
        """Follow keys that only objects can have, and leave where that fails.

        A KeyError proves that all steps before the last were objects; a TypeError that something was none.
        """
        name = self.fresh()
        place = self.put(site)
        one = len(site.keys) == 1
        gone = self.put(site.missing(0, {})) if one else emit.call(READ["lost"], value, place)
        why = emit.call(READ["take"], value, place)
        handlers = ((READ["KeyError"], emit.Return(gone)), (READ["TypeError"], emit.Return(why)))
        self._subscripts(name, value, site.keys, *handlers)
        return name

    def look_up_or_absent(self, value: ast.expr, site: Site) -> str:
        """The same where a missing path is allowed: then the variable is `ABSENT`."""
        name = self.fresh()
        absent = emit.assign(name, READ["ABSENT"])
        self._subscripts(name, value, site.keys, (_KEY_OR_TYPE_ERROR, absent))
        return name

    def _subscripts(
        self, name: str, value: ast.expr, keys: tuple[str, ...], *handlers: tuple[ast.expr, ast.stmt]
    ) -> None:
        code = value
        for key in keys:
            code = emit.Subscript(code, emit.Constant(key), emit.LOAD)
        self.block.append(emit.attempt(emit.assign(name, code), *handlers))


@lru_cache(maxsize=emit.SHARED)
def verdict_check(name: str) -> ast.stmt:
    """Leave with what a call returned, if that is an error."""
    return emit.when(emit.of_type(name, _VERDICT), [emit.Return(emit.variable(name))])
