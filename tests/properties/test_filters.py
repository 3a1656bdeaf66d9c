"""Filters against a naive parser and a naive interpreter, and against every text and payload there is."""

import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import Mistake
from runner.filters import (
    EvaluationError,
    Filter,
    FilterSyntaxError,
    Verdict,
    VerdictKind,
    compile_filter,
)
from runner.filters.explain import explain
from runner.filters.parser import parse
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

CONSTANTS: dict[str, Any] = {"true": True, "false": False, "null": None}
ABSENT = object()


def sampled(*strategies: st.SearchStrategy[Any], soak: bool) -> Callable[[Callable[..., None]], None]:
    """Run a property over a sample, or over a long one."""

    def run(holds: Callable[..., None]) -> None:
        settings(max_examples=20_000 if soak else 500, deadline=None)(given(*strategies)(holds))()

    return run


# The naive interpreter.


class FailedError(Exception):
    """Evaluation ends with this class of error."""


class Naive:
    """Evaluates a tree by the book, one value after the other."""

    def __init__(self, payload: Any, *, filtrex: bool) -> None:
        self.data = {"event": payload}
        self.filtrex = filtrex
        self.constants = {} if filtrex else CONSTANTS

    def value(self, node: Node) -> Any:
        return getattr(self, f"of_{type(node).__name__.lower()}")(node)

    def of_number(self, node: Number) -> Any:
        return node.value

    def of_text(self, node: Text) -> Any:
        return node.value

    def of_name(self, node: Name) -> Any:
        return self.look_up(node, self.data)

    def of_property(self, node: Property) -> Any:
        return self.look_up(node.name, self.value(node.subject))

    def look_up(self, name: Name, holder: Any) -> Any:
        if not name.quoted and name.text in self.constants:
            return self.constants[name.text]
        for key in [name.text] if name.quoted else name.text.split("."):
            own = {}
            if isinstance(holder, dict):
                own = holder
            elif isinstance(holder, list):
                own = {**{str(index): item for index, item in enumerate(holder)}, "length": len(holder)}
            if key not in own:
                raise FailedError("UnknownPropertyError")
            holder = own[key]
        return holder

    def of_listof(self, node: ListOf) -> Any:
        return [self.value(item) for item in node.items]

    def of_negate(self, node: Negate) -> Any:
        return -number(self.value(node.operand))

    def of_not(self, node: Not) -> Any:
        return not boolean(self.value(node.operand))

    def of_and(self, node: And) -> Any:
        return all(boolean(self.value(operand)) for operand in node.operands)

    def of_or(self, node: Or) -> Any:
        return any(boolean(self.value(operand)) for operand in node.operands)

    def of_conditional(self, node: Conditional) -> Any:
        return self.value(node.yes if boolean(self.value(node.test)) else node.no)

    def of_arithmetic(self, node: Arithmetic) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        if node.operator == "+":
            left, right = number_or_text(left), number_or_text(right)
            if isinstance(left, str) or isinstance(right, str):
                return as_text(left) + as_text(right)
            return left + right
        return ARITHMETIC[node.operator](number(left), number(right))

    def of_relation(self, node: Relation) -> Any:
        left = self.value(node.operands[0])
        for operator, operand in zip(node.operators, node.operands[1:], strict=True):
            right = self.value(operand)
            if not RELATIONS[operator](left, right):
                return False
            left = right
        return True

    def of_membership(self, node: Membership) -> Any:
        left, right = as_list(self.value(node.left), self.value(node.right))
        found = all(any(same_value(item, other) for other in right) for item in left)
        return found is not node.negated

    def of_call(self, node: Call) -> Any:
        name = node.function.text
        if name in {"exists", "empty"} and not self.filtrex:
            value = self.value_or_absent(node.arguments[0])
            return FUNCTIONS[name](value)
        arguments = [self.value(argument) for argument in node.arguments]
        if name not in FUNCTIONS:
            raise FailedError("UnknownFunctionError")
        return FUNCTIONS[name](*arguments)

    def value_or_absent(self, node: Node) -> Any:
        if isinstance(node, Property):
            holder = self.value_or_absent(node.subject)
            return ABSENT if holder is ABSENT else self.look_up_or_absent(node.name, holder)
        if isinstance(node, Name):
            return self.look_up_or_absent(node, self.data)
        return self.value(node)

    def look_up_or_absent(self, name: Name, holder: Any) -> Any:
        try:
            return self.look_up(name, holder)
        except FailedError:
            return ABSENT


def unwrap(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(value: Any) -> float:
    value = unwrap(value)
    if not is_number(value):
        raise FailedError("UnexpectedTypeError")
    return as_double(value)


def as_double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def number_or_text(value: Any) -> Any:
    value = unwrap(value)
    return value if isinstance(value, str) else number(value)


def text(value: Any) -> str:
    value = unwrap(value)
    if not isinstance(value, str):
        raise FailedError("UnexpectedTypeError")
    return value


def boolean(value: Any) -> bool:
    value = unwrap(value)
    if not isinstance(value, bool):
        raise FailedError("UnexpectedTypeError")
    return value


def as_list(*values: Any) -> list[list[Any]]:
    if any(value is None for value in values):
        raise FailedError("UnexpectedTypeError")
    return [value if isinstance(value, list) else [value] for value in values]


def same(left: Any, right: Any) -> bool:
    if is_number(left) and is_number(right):
        return as_double(left) == as_double(right)
    if isinstance(left, list | dict) or isinstance(right, list | dict):
        return left is right
    return type(left) is type(right) and left == right


def same_value(left: Any, right: Any) -> bool:
    both_nan = all(isinstance(value, float) and math.isnan(value) for value in (left, right))
    return both_nan or same(left, right)


def as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    if value == 0:
        return "0"
    sign, digit_tuple, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    digits = "".join(map(str, digit_tuple))
    point = len(digits) + exponent
    if -6 < point <= 21:
        padded = digits.rjust(len(digits) - min(point - 1, 0), "0").ljust(point, "0")
        whole = max(point, 1)
        written = padded[:whole] + ("." + padded[whole:] if padded[whole:] else "")
    else:
        written = f"{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e{point - 1:+d}"
    return "-" * sign + written


def divided(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.inf * math.copysign(1, left) * math.copysign(1, right)


def modulo(left: float, right: float) -> float:
    if math.isinf(left) or right == 0 or math.isnan(left) or math.isnan(right):
        return math.nan
    once = math.fmod(left, right) + right
    return math.nan if math.isinf(once) else math.fmod(once, right)


def raised(base: float, exponent: float) -> float:
    if abs(base) == 1 and not math.isfinite(exponent):
        return math.nan
    try:
        result = base**exponent
    except ZeroDivisionError:
        odd = exponent % 2 == 1
        return math.copysign(math.inf, base) if odd else math.inf
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    return math.nan if isinstance(result, complex) else result


def converted(value: Any) -> float:
    if value is None or value in ("", []):
        return 0.0
    if isinstance(value, bool) or is_number(value):
        return as_double(value)
    if isinstance(value, str):
        stripped = value.strip(" \t\n")
        if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", stripped):
            return float(stripped)
        return math.nan if stripped else 0.0
    if isinstance(value, list) and len(value) == 1 and not isinstance(value[0], bool):
        return converted(value[0]) or 0.0
    return math.nan


def case(change: Callable[[str], str]) -> Callable[..., Any]:
    def convert(value: Any = None, *_: Any) -> Any:
        if not isinstance(value, str):
            raise FailedError("TypeError")
        return change(value)

    return convert


def includes(items: Any = None, value: Any = ABSENT, *_: Any) -> bool:
    if not isinstance(items, list):
        raise FailedError("TypeError")
    return any(same_value(item, value) for item in items)


def extreme(values: tuple[Any, ...], start: float, sign: int) -> float:
    result = start
    for value in map(converted, values):
        if math.isnan(value) or math.isnan(result):
            result = math.nan
        elif (value * sign, math.copysign(sign, value)) > (result * sign, math.copysign(sign, result)):
            result = value
    return result


def rounded(value: float) -> float:
    if not math.isfinite(value) or abs(value) >= 2**52:
        return value
    below = math.floor(value)
    nearest = below + (value - below >= 0.5)
    return math.copysign(nearest, value) if nearest == 0 else float(nearest)


def math_function(compute: Callable[[float], float]) -> Callable[..., Any]:
    def call(value: Any = math.nan, *_: Any) -> float:
        number_ = converted(value)
        try:
            return math.nan if math.isnan(number_) else compute(number_)
        except (ValueError, OverflowError):
            return -math.inf if number_ == 0 else number_ if math.isinf(number_) and number_ > 0 else math.nan

    return call


def kept(compute: Callable[[float], int]) -> Callable[..., Any]:
    return math_function(
        lambda value: (
            value
            if math.isinf(value)
            else math.copysign(compute(value), value)
            if compute(value) == 0
            else float(compute(value))
        )
    )


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": math_function(abs),
    "ceil": kept(math.ceil),
    "floor": kept(math.floor),
    "round": math_function(rounded),
    "sqrt": math_function(math.sqrt),
    "log": math_function(math.log),
    "log2": math_function(math.log2),
    "log10": math_function(math.log10),
    "max": lambda *values: extreme(values, -math.inf, 1),
    "min": lambda *values: extreme(values, math.inf, -1),
    "exists": lambda value=None, *_: value is not None and value is not ABSENT,
    "empty": lambda value=None, *_: value is None or value is ABSENT or value in ("", []),
    "lower": case(str.lower),
    "upper": case(str.upper),
    "includes": includes,
}
ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": divided,
    "mod": modulo,
    "^": raised,
}


def matched(subject: Any, pattern: Any) -> bool:
    compiled = re.compile(text(pattern))
    return compiled.search(text(subject)) is not None


def ordered(compare: Callable[[float, float], bool]) -> Callable[[Any, Any], bool]:
    return lambda left, right: compare(number(left), number(right))


RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": same,
    "!=": lambda left, right: not same(left, right),
    "<": ordered(lambda left, right: left < right),
    "<=": ordered(lambda left, right: left <= right),
    ">": ordered(lambda left, right: left > right),
    ">=": ordered(lambda left, right: left >= right),
    "~=": matched,
}


# Comparing.


def compiled_or_none(expression: str, *, filtrex: bool) -> Filter | None:
    try:
        return compile_filter(expression, filtrex=filtrex)
    except FilterSyntaxError:
        return None


def mistakes_in(expression: str, *, filtrex: bool) -> tuple[Mistake, ...]:
    try:
        return compile_filter(expression, filtrex=filtrex).warnings
    except FilterSyntaxError as error:
        return error.mistakes


def outcome_of(run: Callable[[], Any]) -> tuple[str, Any]:
    try:
        return "value", run()
    except FailedError as error:
        return "error", str(error)
    except EvaluationError as error:
        return "error", error.problem.type


def alike(left: Any, right: Any) -> bool:
    """The same value, where new lists may be other objects than those they are compared with."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(alike, left, right))
    if isinstance(left, dict) or isinstance(right, dict):
        return left is right
    if is_number(left) and is_number(right):
        signs = math.copysign(1, as_double(left)) == math.copysign(1, as_double(right))
        return same_value(as_double(left), as_double(right)) and (signs or left != 0)
    return same_value(left, right)


# The naive parser: precedence climbing over a list of tokens, as yacc's tables of precedence have it.

LEVELS = {"or": 2, "and": 3, "in": 4, "not in": 4, "<": 5, "==": 5, "+": 6, "-": 6, "*": 7, "mod": 7, "^": 9}
OPERANDS = st.sampled_from(["a", "b", "1"])
PREFIXES = st.lists(st.sampled_from(["-", "not", "x of"]), max_size=2)
LINKS = st.sampled_from([*LEVELS, "if", "?"])


@st.composite
def token_lists(draw: st.DrawFn) -> list[str]:
    tokens: list[str] = [*draw(PREFIXES), draw(OPERANDS)]
    for link in draw(st.lists(LINKS, max_size=6)):
        if link == "if":
            tokens[-1:] = ["if", tokens[-1], "then", draw(OPERANDS), "else", *draw(PREFIXES), draw(OPERANDS)]
        elif link == "?":
            tokens += ["?", *draw(PREFIXES), draw(OPERANDS), ":", *draw(PREFIXES), draw(OPERANDS)]
        else:
            tokens += [link, *draw(PREFIXES), draw(OPERANDS)]
    return tokens


class Climbing:
    """Parses by precedence climbing; a prefix operator takes what its own level allows, wherever it stands."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = [*tokens, "end"]

    def take(self) -> str:
        return self.tokens.pop(0)

    def whole(self) -> str:
        parsed = self.expression(1)
        assert self.tokens == ["end"]
        return parsed

    def prefix(self) -> str:
        token = self.take()
        match token:
            case "-" | "not":
                return f"({token} {self.expression(8)})"
            case "x of":
                return f"(x of {self.expression(10)})"
            case "if":
                test = self.expression(1)
                self.take()
                yes = self.expression(1)
                self.take()
                return f"(if {test} {yes} {self.expression(1)})"
            case _:
                return token

    def expression(self, least: int) -> str:
        left = self.prefix()
        while True:
            operator = self.tokens[0]
            if operator == "?" and least <= 1:
                self.take()
                yes = self.expression(1)
                self.take()
                left = f"(if {left} {yes} {self.expression(1)})"
            elif LEVELS.get(operator, 0) < least:
                return left
            elif LEVELS[operator] == 5:
                left = self.chain(left)
            else:
                self.take()
                level = LEVELS[operator]
                left = f"({left} {operator} {self.expression(level if operator == '^' else level + 1)})"

    def chain(self, left: str) -> str:
        parts = [left]
        while LEVELS.get(self.tokens[0]) == 5:
            parts += [self.take(), self.expression(6)]
        return f"({' '.join(parts)})"


def bracketed(node: Node) -> str:
    parts = [bracketed(part) for part in node.parts]
    match node:
        case Name(text=name):
            return name
        case Number(value=value):
            return f"{value:g}"
        case Negate() | Not():
            return f"({'-' if isinstance(node, Negate) else 'not'} {parts[0]})"
        case Property():
            return f"(x of {parts[0]})"
        case Conditional():
            return f"(if {' '.join(parts)})"
    return joined(node, parts)


def joined(node: Node, parts: list[str]) -> str:
    match node:
        case Arithmetic(operator=operator):
            return f"({parts[0]} {operator} {parts[1]})"
        case Membership(negated=negated):
            return f"({parts[0]} {'not in' if negated else 'in'} {parts[1]})"
        case Relation(operators=operators):
            rest = [f" {operator} {part}" for operator, part in zip(operators, parts[1:], strict=True)]
            return f"({parts[0]}{''.join(rest)})"
    word = "and" if isinstance(node, And) else "or"
    nested = parts[0]
    for part in parts[1:]:
        nested = f"({nested} {word} {part})"
    return nested


def check_agrees(verdict: Verdict, kind: str, value: Any) -> None:
    """The verdict is the value where that is a boolean, and otherwise an error."""
    if kind == "value" and isinstance(value, bool):
        assert verdict.kind is (VerdictKind.PASS if value else VerdictKind.REJECT)
    else:
        assert verdict.error is not None
        assert verdict.error.type == (value if kind == "error" else "NotBooleanError")


def test_the_compiled_code_agrees_with_a_naive_interpreter(soak, expressions, payloads):
    @sampled(expressions(), payloads, st.booleans(), soak=soak)
    def holds(expression, payload, filtrex):
        compiled = compiled_or_none(expression, filtrex=filtrex)
        if compiled is None:
            return
        naive = Naive(payload, filtrex=filtrex)
        want_kind, want = outcome_of(lambda: naive.value(compiled.tree))
        got_kind, got = outcome_of(lambda: compiled.evaluate(payload))
        assert got_kind == want_kind, (want, got)
        assert want == got if want_kind == "error" else alike(want, got), (want, got)
        verdict = compiled.check(payload)
        check_agrees(verdict, want_kind, want)
        explained = explain(compiled, payload)
        assert explained.verdict == verdict
        if want_kind == "value":
            assert alike(explained.root.value, want)


def test_whatever_filtrex_decides_ours_decides_the_same_or_refuses_to_compile(soak, expressions, payloads):
    @sampled(expressions(), payloads, soak=soak)
    def holds(expression, payload):
        ours, theirs = compiled_or_none(expression, filtrex=False), compiled_or_none(expression, filtrex=True)
        if ours is None or theirs is None:
            return
        original = theirs.check(payload)
        if original.kind is not VerdictKind.ERROR:
            assert ours.check(payload) == original


TOKENS = ["a", "1", '"x"', "'y'", "and", "or", "not", "in", "of", "if", "then", "else", "mod", "==", "event.a"]
JUNK = [*"()+-*/^%?:,.=!&|[]\"'\\<>~ ", "f(", "é", "\ud800", "1.", "010"]


def test_every_text_compiles_or_is_explained(soak, expressions):
    soup = st.lists(st.sampled_from([*TOKENS, *JUNK]), max_size=30).map(" ".join)

    @sampled(soup | st.text(max_size=40) | expressions(), soak=soak)
    def holds(expression):
        for mistake in [*mistakes_in(expression, filtrex=False), *mistakes_in(expression, filtrex=True)]:
            assert 0 <= mistake.start <= mistake.end <= len(expression)
            assert mistake.message
            assert mistake.rule.startswith("filter-")


def test_the_span_of_every_node_parses_to_that_node_again(soak, expressions):
    @sampled(expressions(), soak=soak)
    def holds(expression):
        parsed = parse(expression)
        assert parsed.tree is not None
        for node in walk(parsed.tree):
            again = parse(expression[node.start : node.end]).tree
            assert again is not None
            assert type(again) is type(node)
            assert again.depth == node.depth


def test_the_grammar_agrees_with_precedence_climbing(soak):
    @sampled(token_lists(), soak=soak)
    def holds(tokens):
        parsed = parse(" ".join(tokens))
        assert parsed.tree is not None, tokens
        assert bracketed(parsed.tree) == Climbing(tokens).whole()
