"""Syntax tree to straight-line Python: types are checked on the fast path, everything rare is out of line."""

import ast
from collections.abc import Callable, Sequence
from typing import Any, Final

from runner.filters import emit
from runner.filters.comparing import Comparing
from runner.filters.functions import FUNCTIONS, Function
from runner.filters.kinds import CONSTANTS
from runner.filters.site import Site
from runner.filters.tree import (
    And,
    Arithmetic,
    Call,
    Conditional,
    ListOf,
    Membership,
    Name,
    Negate,
    Node,
    Not,
    Number,
    Or,
    Property,
    Relation,
    Text,
)
from runner.filters.verdict import Verdict
from runner.filters.writer import FLOAT, LIST, READ, STR, Operand, literal_operand

_OUTLINE_LEVEL: Final = 24
_LONGEST_FAST_PATH: Final = 12
_BOOLEAN_NODES: Final = (And, Or, Not, Relation, Membership)
_COMPUTED: Final = {"/": READ["divide"], "mod": READ["remainder"], "^": READ["power"]}
_RESULT_KINDS: Final = {"number": "real", "text": "text", "boolean": "boolean"}
_PASSED, _REJECTED, _ABSENT = READ["PASSED"], READ["REJECTED"], READ["ABSENT"]
_RECORD: Final = "record"
_TIGHT_NOT: Final = "`not` binds tighter than the comparison: write `not (…)` around all of it"


def compile_check(tree: Node, text: str, roots: Sequence[str], *, filtrex: bool) -> Callable[..., Verdict]:
    """A function from the values of the roots to the verdict."""
    return _Compiler(tree, text, roots, filtrex=filtrex).compile(verdict=True)


def compile_value(tree: Node, text: str, roots: Sequence[str], *, filtrex: bool) -> Callable[..., Any]:
    """A function from the values of the roots to the value, or to the Verdict of an error."""
    return _Compiler(tree, text, roots, filtrex=filtrex).compile(verdict=False)


def compile_trace(
    tree: Node, text: str, roots: Sequence[str], indices: dict[int, int], *, filtrex: bool
) -> Callable[..., Any]:
    """The same with one more argument: a function from a node's index (found by its `id`) and value to the value.

    It is called for each node that is evaluated and is no literal.
    """
    return _Compiler(tree, text, roots, filtrex=filtrex, indices=indices).compile(verdict=False)


class _Compiler(Comparing):
    """Compiles one tree; what lies deep in it becomes a function of its own, so that nothing recurses far."""

    def __init__(
        self, tree: Node, text: str, roots: Sequence[str], *, filtrex: bool, indices: dict[int, int] | None = None
    ) -> None:
        super().__init__(tree, text)
        self._filtrex = filtrex
        self._constants = {} if filtrex else CONSTANTS
        self._indices = indices
        self._roots = {root: f"r{index}" for index, root in enumerate(roots)}
        self._parameters = (*self._roots.values(), *(() if indices is None else (_RECORD,)))
        self._level = 0
        self._outlined: list[tuple[str, Node, bool]] = []

    def compile(self, *, verdict: bool) -> Callable[..., Any]:
        if verdict:
            self._return_verdict(self.tree)
        else:
            self.block.append(emit.Return(self._value(self.tree).code))
        definitions = [emit.function("f0", self._parameters, self.block)]
        while self._outlined:
            name, node, total = self._outlined.pop()
            self._level, self.block = 0, []
            self.block.append(emit.Return(self._value(node, total=total).code))
            definitions.append(emit.function(name, self._parameters, self.block))
        functions = emit.build(definitions, self.names)
        self.names.update(functions)
        return functions["f0"]

    # The verdict, where every way out is a return.

    def _return_verdict(self, node: Node) -> None:
        while isinstance(node, Conditional) and self._level < _OUTLINE_LEVEL:
            test = self._condition(node.test, "if")
            outer = self.begin()
            self._level += 1
            self._return_verdict(node.yes)
            self._level -= 1
            yes = self.end(outer)
            self.block.append(emit.when(test, yes))
            node = node.no
        if isinstance(node, And | Or) and self._level < _OUTLINE_LEVEL:
            self._return_verdict_of_chain(node)
            return
        operand = self._value(node)
        if operand.kind == "boolean":
            self.block.append(emit.Return(emit.IfExp(operand.code, _PASSED, _REJECTED)))
            return
        value = emit.variable(self.variable_of(operand))
        not_boolean = self.put(_site(node, "").not_boolean)
        self.block += [
            emit.when(emit.compare(value, emit.IS, emit.TRUE), [emit.Return(_PASSED)]),
            emit.when(emit.compare(value, emit.IS, emit.FALSE), [emit.Return(_REJECTED)]),
            emit.Return(emit.call(not_boolean, value)),
        ]

    def _return_verdict_of_chain(self, node: And | Or) -> None:
        keyword = "and" if isinstance(node, And) else "or"
        *first, last = node.operands
        for operand in first:
            condition = self._condition(operand, keyword)
            if keyword == "and":
                self.block.append(emit.when(emit.negated(condition), [emit.Return(_REJECTED)]))
            else:
                self.block.append(emit.when(condition, [emit.Return(_PASSED)]))
        if isinstance(last, And | Or):
            self._level += 1
            self._return_verdict(last)
            self._level -= 1
        else:
            condition = self._condition(last, keyword)
            self.block.append(emit.Return(emit.IfExp(condition, _PASSED, _REJECTED)))

    # Values, by the type of the node.

    def _value(self, node: Node, *, total: bool = False) -> Operand:
        """The operand of a node; `total` makes a missing path the value ABSENT instead of an error."""
        if self._level >= _OUTLINE_LEVEL and node.depth > 1:
            return self._outline(node, total=total)
        self._level += 1
        operand = self.of_path_or_absent(node) if total else _BY_TYPE[type(node)](self, node)
        self._level -= 1
        if self._indices is not None and not operand.is_literal:
            index = emit.Constant(self._indices[id(node)])
            return self.store(emit.call(emit.variable(_RECORD), index, operand.code), operand.kind)
        return operand

    def _outline(self, node: Node, *, total: bool) -> Operand:
        name = self.fresh("f")
        self._outlined.append((name, node, total))
        arguments = [emit.variable(parameter) for parameter in self._parameters]
        kind = "boolean" if isinstance(node, _BOOLEAN_NODES) else "any"
        return self.checked(emit.call(emit.variable(name), *arguments), kind)

    def _condition(self, node: Node, keyword: str, hint: str | None = None) -> ast.expr:
        return self.as_truth(self._value(node), node, keyword, hint)

    def of_number(self, node: Number) -> Operand:
        return literal_operand(node.value)

    def of_text(self, node: Text) -> Operand:
        return literal_operand(node.value)

    def of_name(self, node: Name) -> Operand:
        if not node.quoted and node.text in self._constants:
            return literal_operand(self._constants[node.text])
        root, *steps = node.keys
        if root not in self._roots:
            message = f"there is nothing called `{root}` here"
            verdict = _site(node, "").problem("UnknownPropertyError", message, path=self._path(node))
            self.block.append(emit.Return(self.put(verdict)))
            return Operand(emit.NULL)
        value = emit.variable(self._roots[root])
        return self._read(value, self._path_site(node, tuple(steps), root)) if steps else Operand(value)

    def of_property(self, node: Property) -> Operand:
        subject = self._value(node.subject)
        name = node.name
        if not name.quoted and name.text in self._constants:
            return literal_operand(self._constants[name.text])
        return self._read(emit.variable(self.variable_of(subject)), self._path_site(node, name.keys, ""))

    def _read(self, value: ast.expr, site: Site) -> Operand:
        if _may_be_of_list(site.keys):
            return self.checked(emit.call(READ["take"], value, self.put(site)))
        name = self.look_up(value, site)
        return Operand(emit.variable(name), variable=name)

    def of_path_or_absent(self, node: Node) -> Operand:
        """A path where each step may be missing, for `exists` and `empty`."""
        if isinstance(node, Property) and (node.name.quoted or node.name.text not in self._constants):
            subject = self._value(node.subject, total=_is_path(node.subject))
            holder = emit.variable(self.variable_of(subject))
            site = self._path_site(node, node.name.keys, "")
        elif isinstance(node, Name) and node.keys[0] in self._roots and len(node.keys) > 1:
            holder = emit.variable(self._roots[node.keys[0]])
            site = self._path_site(node, node.keys[1:], node.keys[0])
        else:
            return _BY_TYPE[type(node)](self, node)
        if _may_be_of_list(site.keys):
            return self.store(emit.call(READ["take_or_absent"], holder, self.put(site)))
        variable = self.look_up_or_absent(holder, site)
        return Operand(emit.variable(variable), variable=variable)

    def of_list(self, node: ListOf) -> Operand:
        return Operand(emit.List([self._value(item).code for item in node.items], emit.LOAD), "list")

    def of_negate(self, node: Negate) -> Operand:
        operand = self._value(node.operand)
        if isinstance(operand.literal, float):
            return literal_operand(-operand.literal)
        return Operand(emit.UnaryOp(emit.MINUS, self.as_real(operand, node.operand, "-")), "real")

    def of_not(self, node: Not) -> Operand:
        follows = self.text[node.end : node.end + 8].lstrip()[:1]
        hint = _TIGHT_NOT if follows and follows in "=!<>~" else None
        return Operand(emit.negated(self._condition(node.operand, "not", hint)), "boolean")

    def of_arithmetic(self, node: Arithmetic) -> Operand:
        left, right = self.held(self._value(node.left)), self._value(node.right)
        if node.operator == "+":
            return self._addition(node, left, right)
        first = self.as_real(left, node.left, node.operator)
        second = self.as_real(right, node.right, node.operator)
        # Python raises where it divides by zero, so only a literal can be divided by in line.
        if node.operator in _COMPUTED and not (node.operator == "/" and right.is_literal and right.literal):
            return Operand(emit.call(_COMPUTED[node.operator], first, second), "real")
        return Operand(emit.BinOp(first, emit.BINARY[node.operator], second), "real")

    def _addition(self, node: Arithmetic, left: Operand, right: Operand) -> Operand:
        first, second = self._addend(left, node.left), self._addend(right, node.right)
        in_line = emit.BinOp(first.code, emit.BINARY["+"], second.code)
        doubtful = [operand.variable for operand in (first, second) if operand.kind != "real"]
        if not doubtful:
            return Operand(in_line, "real")
        slow = emit.call(READ["add"], first.code, second.code, self.put(_site(node, "+")))
        if "text" in {first.kind, second.kind}:
            return self.checked(slow, "text")
        name = self.fresh()
        test = emit.all_of(*(emit.of_type(variable, FLOAT) for variable in doubtful if variable is not None))
        outer = self.begin()
        self.block.append(emit.assign(name, slow))
        self.leave_if_verdict(name)
        otherwise = self.end(outer)
        self.block.append(emit.when(test, [emit.assign(name, in_line)], otherwise))
        return Operand(emit.variable(name), "addend", variable=name)

    def _addend(self, operand: Operand, node: Node) -> Operand:
        """A double or a text, either without effects or in a variable."""
        if operand.kind == "real":
            return Operand(self.as_real(operand, node, "+"), "real")
        if operand.kind in {"text", "addend"}:
            return self.held(operand)
        name = self.variable_of(operand)
        self.guard(name, emit.not_of_type(name, FLOAT, STR), "addend", self.site(node, "+"))
        return Operand(emit.variable(name), "addend", variable=name)

    def of_conditional(self, node: Conditional) -> Operand:
        test = self._condition(node.test, "if")
        name = self.fresh()
        kinds, branches = set(), []
        for part in (node.yes, node.no):
            outer = self.begin()
            operand = self._value(part)
            kinds.add(operand.kind)
            self.block.append(emit.assign(name, operand.code))
            branches.append(self.end(outer))
        self.block.append(emit.when(test, *branches))
        kind = kinds.pop() if len(kinds) == 1 else "any"
        # A literal may stand as an integer in a branch, so the result is no certain double.
        return Operand(emit.variable(name), "number" if kind == "real" else kind, variable=name)

    def of_chain(self, node: And | Or) -> Operand:
        """Flat: each operand is looked at only if those before have not decided."""
        keyword = "and" if isinstance(node, And) else "or"
        name = self.fresh()
        result = emit.variable(name)
        self.block.append(emit.assign(name, self._condition(node.operands[0], keyword)))
        undecided = result if keyword == "and" else emit.negated(result)
        for operand in node.operands[1:]:
            outer = self.begin()
            self.block.append(emit.assign(name, self._condition(operand, keyword)))
            block = self.end(outer)
            self.block.append(emit.when(undecided, block))
        return Operand(result, "boolean", variable=name)

    def of_relation(self, node: Relation) -> Operand:
        nodes = node.operands
        left, right = self.held(self._value(nodes[0])), self._value(nodes[1])
        if len(nodes) == 2:
            return Operand(self.comparison(node.operators[0], left, right, *nodes), "boolean")
        # An operand that is compared twice is compared as it is, so the guards get operands that own no
        # variable and work on copies.
        right = self.held(right)
        name = self.fresh()
        result = emit.variable(name)
        pair = self.comparison(node.operators[0], _unowned(left), _unowned(right), *nodes[:2])
        self.block.append(emit.assign(name, pair))
        for index, operator in enumerate(node.operators[1:], 1):
            left, outer = right, self.begin()
            right = self.held(self._value(nodes[index + 1]))
            pair = self.comparison(operator, _unowned(left), _unowned(right), *nodes[index : index + 2])
            self.block.append(emit.assign(name, pair))
            block = self.end(outer)
            self.block.append(emit.when(result, block))
        return Operand(result, "boolean", variable=name)

    def of_membership(self, node: Membership) -> Operand:
        left = self.held(self._value(node.left))
        return self.membership(node, left, self._value(node.right))

    # Calls.

    def of_call(self, node: Call) -> Operand:
        name = node.function.text
        function = FUNCTIONS.get(name)
        if name in {"exists", "empty"} and not self._filtrex:
            return self._presence(node, name)
        operands = [self.held(self._value(argument)) for argument in node.arguments]
        site = self.place(node, f"{name}()")
        if function is None:
            verdict = site.problem("UnknownFunctionError", f"there is no function `{name}`")
            self.block.append(emit.Return(self.put(verdict)))
            return Operand(emit.NULL)
        arguments = [operand.code for operand in operands]
        general = emit.call(self.put(function.call), self.put(site), *arguments)
        return self._fast_call(function, operands, general) or self.checked(general, _RESULT_KINDS[function.gives])

    def _fast_call(self, function: Function, operands: list[Operand], general: ast.expr) -> Operand | None:
        """The usual cases of the functions of text and lists, whose slow way is always an error."""
        variable = operands[0].variable if operands else None
        if variable is None or not self.shares.few:
            return None
        if function.name in {"lower", "upper"}:
            if operands[0].kind != "text":
                self.block.append(emit.when(emit.not_of_type(variable, STR), [emit.Return(general)]))
            return Operand(emit.call(READ[function.name], operands[0].code), "text")
        if function.name == "includes" and len(operands) == 2 and isinstance(operands[1].literal, str):
            self.block.append(emit.when(emit.not_of_type(variable, LIST), [emit.Return(general)]))
            return Operand(emit.compare(operands[1].code, emit.CONTAINED, operands[0].code), "boolean")
        return None

    def _presence(self, node: Call, name: str) -> Operand:
        """`exists` and `empty`, to which a missing path is no error."""
        argument = node.arguments[0]
        operand = self._value(argument, total=_is_path(argument))
        value = emit.variable(self.variable_of(operand))
        if name == "exists":
            given = emit.compare(value, emit.IS_NOT, emit.NULL)
            return Operand(emit.all_of(given, emit.compare(value, emit.IS_NOT, _ABSENT)), "boolean")
        call = emit.call(self.put(FUNCTIONS[name].call), self.put(_site(node, "empty()")), value)
        return Operand(call, "boolean")

    # Places.

    def _path_site(self, node: Node, keys: tuple[str, ...], owner: str) -> Site:
        path = self._path(node)
        return Site(node.start, node.end, keys=keys, owner=owner, path=path, guard=not self._filtrex)

    def _path(self, node: Node) -> str:
        if isinstance(node, Name) and not node.quoted:
            return node.text
        return self.text[node.start : node.end]


_BY_TYPE: Final[dict[type[Node], Callable[[_Compiler, Any], Operand]]] = {
    Number: _Compiler.of_number,
    Text: _Compiler.of_text,
    Name: _Compiler.of_name,
    Property: _Compiler.of_property,
    Call: _Compiler.of_call,
    ListOf: _Compiler.of_list,
    Negate: _Compiler.of_negate,
    Not: _Compiler.of_not,
    Arithmetic: _Compiler.of_arithmetic,
    Relation: _Compiler.of_relation,
    Membership: _Compiler.of_membership,
    And: _Compiler.of_chain,
    Or: _Compiler.of_chain,
    Conditional: _Compiler.of_conditional,
}


def _site(node: Node, written: str) -> Site:
    return Site(node.start, node.end, written=written)


def _unowned(operand: Operand) -> Operand:
    return Operand(operand.code, operand.kind, operand.literal)


def _is_path(node: Node) -> bool:
    return isinstance(node, Name | Property)


def _may_be_of_list(keys: tuple[str, ...]) -> bool:
    """Whether the steps could name an item or the length of a list, or are too many to nest in code."""
    return len(keys) > _LONGEST_FAST_PATH or any(key == "length" or key.isdigit() for key in keys)
