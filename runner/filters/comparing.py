"""Generated code of `==`, `<`, `~=`, `in` and their relatives, for operands that are there already."""

import ast
from typing import Final

from runner.filters import emit
from runner.filters.javascript import EXACT, same
from runner.filters.patterns import PatternError, compile_pattern
from runner.filters.tree import ListOf, Membership, Node, Number, Text
from runner.filters.writer import INT, LIST, READ, STR, Operand, Writer

_SINGLETONS: Final = ("boolean", "null")
_SAME_AS_SINGLETON: Final = frozenset({"boolean", "null", "any"})
# Python finds True equal to 1 and False equal to 0, which the language does not.
_BOOLEAN_LOOKALIKES: Final = (0.0, 1.0)


class Comparing(Writer):
    """Writes comparisons; each gives an expression that is true or false."""

    def comparison(
        self, operator: str, left: Operand, right: Operand, left_node: Node, right_node: Node
    ) -> ast.expr:
        """`left operator right`; the operands' own variables may be changed by it."""
        if operator == "==":
            return self._equality(left, right)
        if operator == "!=":
            return emit.negated(self._equality(left, right))
        if operator == "~=":
            return self._match(left, right, left_node, right_node)
        if left.is_small_number or right.is_small_number:
            first = self.as_number(left, left_node, operator)
            second = self.as_number(right, right_node, operator)
        else:
            first = self.as_real(left, left_node, operator)
            second = self.as_real(right, right_node, operator)
        return emit.compare(first, emit.ORDER[operator], second)

    def _equality(self, left: Operand, right: Operand) -> ast.expr:
        if left.is_literal and right.is_literal:
            return emit.TRUE if same(left.literal, right.literal) else emit.FALSE
        if left.is_literal:
            left, right = right, left
        if left.kind in _SINGLETONS or right.kind in _SINGLETONS:
            if not {left.kind, right.kind} <= _SAME_AS_SINGLETON:
                return emit.FALSE
            return emit.compare(left.code, emit.IS, right.code)
        if right.is_small_number:
            return self._equal_to_number(left, right)
        if "text" in {left.kind, right.kind} or left.kind == right.kind == "real":
            return emit.compare(left.code, emit.EQUAL, right.code)
        return emit.call(READ["same"], left.code, right.code)

    def _equal_to_number(self, left: Operand, right: Operand) -> ast.expr:
        if right.literal not in _BOOLEAN_LOOKALIKES or left.kind in {"number", "real"}:
            return emit.compare(left.code, emit.EQUAL, right.code)
        left = self.held(left)
        lookalike = emit.TRUE if right.literal else emit.FALSE
        return emit.all_of(
            emit.compare(left.code, emit.EQUAL, right.code),
            emit.compare(left.code, emit.IS_NOT, lookalike),
        )

    def _match(self, left: Operand, right: Operand, left_node: Node, right_node: Node) -> ast.expr:
        left_site = self.site(left_node, "~=")
        if isinstance(right.literal, str):
            try:
                pattern = self.put(compile_pattern(right.literal))
            except PatternError:
                pass  # only filtrex mode comes here: there a bad pattern is an error when it is used
            else:
                found = emit.call(READ["match_compiled"], left.code, pattern, left_site)
                return self.checked(found, "boolean").code
        found = emit.call(READ["match"], left.code, right.code, left_site, self.site(right_node, "~="))
        return self.checked(found, "boolean").code

    def membership(self, node: Membership, left: Operand, right: Operand) -> Operand:
        """`left in right` or `left not in right`."""
        operator = "not in" if node.negated else "in"
        sites = (self.site(node.left, operator), self.site(node.right, operator))
        choices = _choices(node.right)
        if choices and left.variable is not None:
            types = [STR] if any(isinstance(choice, str) for choice in choices) else []
            types += [INT] if any(isinstance(choice, float) for choice in choices) else []
            usual = emit.of_type(left.variable, *types)
            fast = emit.compare(left.code, emit.CONTAINED, emit.frozen(choices))
            slow = emit.call(READ["subset"], left.code, right.code, *sites)
            found = self.checked(emit.IfExp(usual, fast, slow), "boolean")
        elif left.kind == "text" and self.shares.few:
            first, items = self.held(left).code, self.variable_of(right)
            fast = emit.compare(first, emit.CONTAINED, emit.variable(items))
            slow = emit.call(READ["subset"], first, emit.variable(items), *sites)
            found = self.checked(emit.IfExp(emit.of_type(items, LIST), fast, slow), "boolean")
        else:
            found = self.checked(emit.call(READ["subset"], left.code, right.code, *sites), "boolean")
        return Operand(emit.negated(found.code), "boolean") if node.negated else found


def _choices(node: Node) -> frozenset[float | str]:
    """The texts and numbers of a literal list (or of one literal), or nothing if there is more to it."""
    choices: list[float | str] = []
    for item in node.items if isinstance(node, ListOf) else (node,):
        if isinstance(item, Text) or (isinstance(item, Number) and item.value < EXACT):
            choices.append(item.value)
        else:
            return frozenset()
    return frozenset(choices)
