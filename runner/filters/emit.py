"""The Python syntax that compiled filters consist of: these nodes and no others, built without any text.

There is no attribute access, no import, no loop, no comprehension and no nested function among them. Names are
the compiler's own; what an expression says arrives in constants only.
"""

import ast
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any, ClassVar, Final

# The compiler wants a place for each node. One place on the classes serves, as the code is never read.


class Name(ast.Name):
    """A variable."""

    lineno = 1
    col_offset = 0


class Constant(ast.Constant):
    """A text, number, boolean, null, or a frozen set of texts and numbers."""

    lineno = 1
    col_offset = 0


class Subscript(ast.Subscript):
    """`value[key]`."""

    lineno = 1
    col_offset = 0


class Call(ast.Call):
    """A call of one of the compiler's own names."""

    lineno = 1
    col_offset = 0


class Compare(ast.Compare):
    """One comparison."""

    lineno = 1
    col_offset = 0


class BoolOp(ast.BoolOp):
    """`and` or `or`."""

    lineno = 1
    col_offset = 0


class UnaryOp(ast.UnaryOp):
    """`not` or `-`."""

    lineno = 1
    col_offset = 0


class BinOp(ast.BinOp):
    """Arithmetic on doubles."""

    lineno = 1
    col_offset = 0


class IfExp(ast.IfExp):
    """`a if test else b`."""

    lineno = 1
    col_offset = 0


class List(ast.List):
    """A new list."""

    lineno = 1
    col_offset = 0


class Tuple(ast.Tuple):
    """The exceptions of a handler."""

    lineno = 1
    col_offset = 0


class Assign(ast.Assign):
    """Sets one variable."""

    lineno = 1
    col_offset = 0


class If(ast.If):
    """A branch."""

    lineno = 1
    col_offset = 0


class Return(ast.Return):
    """Ends the function."""

    lineno = 1
    col_offset = 0


class Try(ast.Try):
    """Around a lookup, never around anything else."""

    lineno = 1
    col_offset = 0


class ExceptHandler(ast.ExceptHandler):
    """The other way for a lookup that failed."""

    lineno = 1
    col_offset = 0


class FunctionDef(ast.FunctionDef):
    """A function at the top of the module."""

    # Python 3.12 wants the field; 3.11 has no use for it.
    type_params: ClassVar[list[ast.AST]] = []

    lineno = 1
    col_offset = 0


class Arg(ast.arg):
    """A parameter."""

    lineno = 1
    col_offset = 0


SHARED: Final = 1024
"""How many pieces of syntax are kept: every filter has the same ones, and nothing ever changes a node."""

LOAD: Final = ast.Load()
STORE: Final = ast.Store()
IS: Final = ast.Is()
IS_NOT: Final = ast.IsNot()
EQUAL: Final = ast.Eq()
CONTAINED: Final = ast.In()
AND: Final = ast.And()
NOT: Final = ast.Not()
MINUS: Final = ast.USub()
ORDER: Final = {"<": ast.Lt(), "<=": ast.LtE(), ">": ast.Gt(), ">=": ast.GtE()}
BINARY: Final = {"+": ast.Add(), "-": ast.Sub(), "*": ast.Mult(), "/": ast.Div()}

TRUE: Final = Constant(True)
FALSE: Final = Constant(False)
NULL: Final = Constant(None)


@lru_cache(maxsize=SHARED)
def variable(name: str) -> Name:
    """Read a variable."""
    return Name(name, LOAD)


TYPE: Final = variable("type")


def assign(name: str, value: ast.expr) -> ast.stmt:
    """`name = value`."""
    return Assign([_target(name)], value)


@lru_cache(maxsize=SHARED)
def _target(name: str) -> ast.expr:
    return Name(name, STORE)


def call(function: ast.expr, *arguments: ast.expr) -> ast.expr:
    """`function(arguments…)`."""
    return Call(function, list(arguments), [])


def compare(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> ast.expr:
    """`left operator right`."""
    return Compare(left, [operator], [right])


@lru_cache(maxsize=SHARED)
def of_type(name: str, *types: ast.expr) -> ast.expr:
    """Whether a variable has one of these types."""
    tests = [Compare(_type_of(name), [IS], [type_]) for type_ in types]
    return tests[0] if len(tests) == 1 else BoolOp(ast.Or(), [*tests])


@lru_cache(maxsize=SHARED)
def not_of_type(name: str, *types: ast.expr) -> ast.expr:
    """Whether a variable has none of these types."""
    tests = [Compare(_type_of(name), [IS_NOT], [type_]) for type_ in types]
    return tests[0] if len(tests) == 1 else BoolOp(AND, [*tests])


def _type_of(name: str) -> ast.expr:
    return Call(TYPE, [variable(name)], [])


def negated(condition: ast.expr) -> ast.expr:
    """`not condition`."""
    return UnaryOp(NOT, condition)


def all_of(*conditions: ast.expr) -> ast.expr:
    """`first and second …`, or the one condition."""
    return conditions[0] if len(conditions) == 1 else BoolOp(AND, [*conditions])


def frozen(choices: frozenset[float | str]) -> ast.expr:
    """A constant set."""
    return Constant(choices)  # type: ignore[arg-type]  # the compiler takes frozen sets, typeshed does not


def when(test: ast.expr, then: list[ast.stmt], otherwise: list[ast.stmt] | None = None) -> ast.stmt:
    """`if test: then else: otherwise`."""
    return If(test, then, otherwise or [])


def attempt(body: ast.stmt, *handlers: tuple[ast.expr, ast.stmt]) -> ast.stmt:
    """`try: body` with a handler for each exception."""
    return Try([body], [ExceptHandler(exception, None, [then]) for exception, then in handlers], [], [])


def function(name: str, parameters: tuple[str, ...], body: list[ast.stmt]) -> ast.stmt:
    """A definition."""
    arguments = ast.arguments([], [Arg(parameter) for parameter in parameters], None, [], [], None, [])
    return FunctionDef(name, arguments, body, [])


def build(definitions: list[ast.stmt], names: dict[str, Any]) -> dict[str, FunctionType]:
    """Compile the definitions; their globals are `names` and nothing else, and no module code ever runs."""
    module = compile(ast.Module(definitions, []), "<filter>", "exec", dont_inherit=True)
    codes = [constant for constant in module.co_consts if isinstance(constant, CodeType)]
    return {code.co_name: FunctionType(code, names) for code in codes}
