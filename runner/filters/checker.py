"""What can be said of an expression before it runs: unknown names, wrong types, results that can't be."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from runner.errors import Mistake, Severity
from runner.filters.advice import unknown_function, unknown_name
from runner.filters.functions import FUNCTIONS
from runner.filters.kinds import ANY, BOOLEAN, CONSTANTS, LIST, NULL, NUMBER, TEXT, Kinds, infer_kinds
from runner.filters.patterns import PatternError, compile_pattern
from runner.filters.site import article_list, with_article
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
    walk,
)

_ORDERING: Final = frozenset({"<", "<=", ">", ">="})
_LOOK_AROUND: Final = ("(?=", "(?!", "(?<=", "(?<!")
_OPERANDS: Final[dict[type[Node], tuple[Kinds, str]]] = {
    And: (BOOLEAN, "and"),
    Or: (BOOLEAN, "or"),
    Not: (BOOLEAN, "not"),
    Negate: (NUMBER, "-"),
    Property: (frozenset({"list", "object"}), "of"),
}


def check_tree(tree: Node, text: str, roots: frozenset[str]) -> list[Mistake]:
    """Every mistake and warning in a tree, in no particular order."""
    nodes = list(walk(tree))
    checker = _Checker(text, roots, infer_kinds(nodes))
    mistakes = [mistake for node in nodes for mistake in checker.check(node)]
    if not any(mistake.severity is Severity.ERROR for mistake in mistakes):
        mistakes += checker.check_result(tree)
    return mistakes


class _Checker:
    """Looks at one node at a time, knowing the kinds of all."""

    def __init__(self, text: str, roots: frozenset[str], kinds: dict[int, Kinds]) -> None:
        self._text = text
        self._roots = roots
        self._kinds = kinds

    def check(self, node: Node) -> Iterator[Mistake]:
        """The mistakes of a node, but for those of its parts."""
        look = _LOOKS.get(type(node))
        if look is not None:
            return look(self, node)
        allowed, written = _OPERANDS.get(type(node), (ANY, ""))
        return self.operands(node.parts, allowed, written)

    def check_result(self, tree: Node) -> Iterator[Mistake]:
        """Whether the whole can be true or false at all."""
        kinds = self._kinds[id(tree)]
        if "boolean" not in kinds:
            yield Mistake(
                "filter-not-boolean",
                f"the result is {_one_of(kinds)}, never true or false",
                tree.start,
                tree.end,
                help=_comparison_for(kinds),
            )

    def check_name(self, name: Name) -> Iterator[Mistake]:
        is_constant = not name.quoted and name.text in CONSTANTS
        if not is_constant and name.keys[0] not in self._roots:
            yield unknown_name(name, self._text, self._roots)

    def check_call(self, call: Call) -> Iterator[Mistake]:
        function = FUNCTIONS.get(call.function.text)
        if function is None:
            yield unknown_function(call)
            return
        given = len(call.arguments)
        if given < function.least or (function.most is not None and given > function.most):
            wanted = "1 or more" if function.most is None else str(function.most)
            plural = "s" if wanted != "1" else ""
            yield Mistake(
                "filter-arity",
                f"`{function.name}` takes {wanted} argument{plural}, not {given}",
                call.start,
                call.end,
                help=f"write `{function.usage}`",
            )
        for argument, kind in zip(call.arguments, function.takes, strict=False):
            if kind is not None:
                yield from self.operands((argument,), frozenset({kind}), f"{function.name}()")

    def check_arithmetic(self, node: Arithmetic) -> Iterator[Mistake]:
        return self.operands(node.parts, NUMBER | TEXT if node.operator == "+" else NUMBER, node.operator)

    def check_conditional(self, node: Conditional) -> Iterator[Mistake]:
        return self.operands((node.test,), BOOLEAN, "if")

    def check_relation(self, node: Relation) -> Iterator[Mistake]:
        loose_not = self._loose_not(node.operands[0])
        for index, operator in enumerate(node.operators):
            left, right = node.operands[index], node.operands[index + 1]
            if index == 0 and loose_not:
                yield self._not_binds_tighter(node, self._kinds[id(right)], operator)
            elif operator in _ORDERING:
                yield from self.operands((left, right), NUMBER, operator)
            elif operator == "~=":
                yield from self.operands((left, right), TEXT, operator)
            else:
                yield from self._equality(left, right, operator)
            if operator == "~=" and isinstance(right, Text):
                yield from _pattern(right)

    def _loose_not(self, node: Node) -> bool:
        """Whether a `not` stands at the left of an operator without parentheses round it."""
        return isinstance(node, Not) and self._text[node.start] != "("

    def _not_binds_tighter(self, node: Relation | Membership, other: Kinds, operator: str) -> Mistake:
        """`not a == b` is an error where it can't be meant so, and else a warning."""
        negation = node.parts[0]
        assert isinstance(negation, Not)  # noqa: S101 - the callers have looked
        inner = self._text[negation.operand.start : node.end]
        meant = f"not ({inner})"
        harmless = operator in {"==", "!=", "in", "not in"} and "boolean" in other
        return Mistake(
            "filter-not",
            f"`not` binds tighter than `{operator}`: only `{_excerpt(self._text, negation.operand)}` is negated",
            node.start,
            node.end,
            help=f"write `{meant if len(meant) <= 60 else 'not (…)'}`",
            fix=meant,
            severity=Severity.WARNING if harmless else Severity.ERROR,
        )

    def _equality(self, left: Node, right: Node, operator: str) -> Iterator[Mistake]:
        first, second = self._kinds[id(left)], self._kinds[id(right)]
        outcome = "never" if operator == "==" else "always"
        help_ = None
        if isinstance(left, ListOf) or isinstance(right, ListOf):
            help_ = "write `value in (…)` to compare with each item"
        elif not first & second:
            help_ = f"compare {_one_of(first)} with {_one_of(first)}"
        elif not _fits_case(left, right) or not _fits_case(right, left):
            help_ = "write the text in the case that the function gives"
        if help_ is not None:
            yield Mistake(
                "filter-never-equal",
                f"this is {outcome} true",
                left.start,
                right.end,
                help=help_,
                severity=Severity.WARNING,
            )

    def check_membership(self, node: Membership) -> Iterator[Mistake]:
        operator = "not in" if node.negated else "in"
        if self._loose_not(node.left):
            yield self._not_binds_tighter(node, self._kinds_inside(node.right), operator)
        yield from self.operands(node.parts, ANY - NULL, operator)
        if self._kinds[id(node.right)] == TEXT:
            yield Mistake(
                "filter-in-text",
                f"`{operator}` does not look inside text",
                node.start,
                node.end,
                help='write `text ~= "pattern"` to look for a part of a text',
                severity=Severity.WARNING,
            )

    def _kinds_inside(self, node: Node) -> Kinds:
        if not isinstance(node, ListOf):
            return self._kinds[id(node)] | (BOOLEAN if "list" in self._kinds[id(node)] else frozenset())
        return frozenset[str]().union(*(self._kinds[id(item)] for item in node.items))

    def operands(self, operands: tuple[Node, ...], allowed: Kinds, written: str) -> Iterator[Mistake]:
        for operand in operands:
            kinds = self._kinds[id(operand)]
            if not kinds & allowed:
                yield Mistake(
                    "filter-type",
                    f"`{written}` needs {article_list(tuple(sorted(allowed)))}, but this is {_one_of(kinds)}"
                    if allowed != ANY - NULL
                    else f"`{written}` can't be used with null",
                    operand.start,
                    operand.end,
                    help=self._help_with_type(operand, kinds, allowed, written),
                )

    def _help_with_type(self, operand: Node, kinds: Kinds, allowed: Kinds, written: str) -> str | None:
        if isinstance(operand, Text) and "number" in allowed and _is_number(operand.value):
            return f"write `{operand.value}` without quotation marks"
        if written in _ORDERING and kinds == TEXT:
            return "text has no order here; compare it with `==` or match it with `~=`"
        if written == "includes()" and kinds == TEXT:
            return 'write `text ~= "pattern"` to look for a part of a text'
        if written == "~=" and isinstance(operand, Number):
            return f'write `"{self._text[operand.start : operand.end]}"` with double quotes'
        if allowed == BOOLEAN:
            return _comparison_for(kinds)
        return None


_LOOKS: Final[dict[type[Node], Callable[[_Checker, Any], Iterator[Mistake]]]] = {
    Name: _Checker.check_name,
    Call: _Checker.check_call,
    Relation: _Checker.check_relation,
    Membership: _Checker.check_membership,
    Arithmetic: _Checker.check_arithmetic,
    Conditional: _Checker.check_conditional,
}


def _pattern(literal: Text) -> Iterator[Mistake]:
    try:
        compile_pattern(literal.value)
    except PatternError as error:
        help_ = "patterns are those of RE2"
        if any(mark in literal.value for mark in _LOOK_AROUND):
            help_ = "patterns have no look-around; combine conditions with `and` and `not (…)`"
        elif "invalid escape" in str(error):
            help_ = "patterns have no back-references, and only the escapes of RE2"
        yield Mistake("filter-pattern", f"invalid pattern: {error}", literal.start, literal.end, help=help_)


def _fits_case(call: Node, literal: Node) -> bool:
    """Whether a literal can be what `lower` or `upper` gives."""
    if not isinstance(call, Call) or not isinstance(literal, Text):
        return True
    convert = {"lower": str.lower, "upper": str.upper}.get(call.function.text)
    return convert is None or convert(literal.value) == literal.value


def _is_number(text: str) -> bool:
    return text.isascii() and text.replace(".", "", 1).isdigit() and text[0] != "." and text[-1] != "."


def _one_of(kinds: Kinds) -> str:
    return " or ".join(with_article(kind) for kind in sorted(kinds))


def _comparison_for(kinds: Kinds) -> str:
    if kinds == LIST:
        return "write `includes(list, value)` or `value in (…)`"
    if kinds == TEXT:
        return 'compare it, such as `… == "text"`'
    return "compare it, such as `… > 0`" if kinds == NUMBER else "compare it with something"


def _excerpt(text: str, node: Node) -> str:
    written = text[node.start : node.end]
    return written if len(written) <= 40 else f"{written[:39]}…"
