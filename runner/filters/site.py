"""One place of an expression at run time: it knows its span and words the problems that arise there."""

from typing import Any

from runner.filters.verdict import FilterProblem, Verdict, VerdictKind
from runner.filters.work import SMALL_ITEMS, Shares

KINDS = {bool: "boolean", int: "number", float: "number", str: "text", list: "list", dict: "object"}
"""The language's names for the types of JSON values, but for null."""


_IN_TEXT = 'write `text ~= "pattern"` to look for a part of a text'


def kind_of(value: Any) -> str:
    """The language's name for the type of a value."""
    return KINDS.get(type(value), "null")


def with_article(kind: str) -> str:
    """Put a kind into a sentence."""
    if kind in {"null", "text"}:
        return kind
    return f"an {kind}" if kind == "object" else f"a {kind}"


def article_list(kinds: tuple[str, ...]) -> str:
    """Several kinds as alternatives in a sentence."""
    return " or ".join(with_article(kind) for kind in kinds)


class Site:
    """A node of the expression, and the verdicts that it has already had to give.

    A failing filter must not cost much more than a passing one, so each distinct problem of a place is
    worded once: there are few, because messages name the types of values and never the values. `gone` has
    those for objects that lack the key of a step, and `shares` what a costly part may do.
    """

    __slots__ = ("_given", "end", "gone", "guard", "hint", "keys", "owner", "path", "shares", "start", "written")

    def __init__(
        self,
        start: int,
        end: int,
        *,
        written: str = "",
        keys: tuple[str, ...] = (),
        owner: str = "",
        path: str = "",
        guard: bool = False,
        hint: str | None = None,
    ) -> None:
        self.start = start
        self.end = end
        self.written = written
        self.keys = keys
        self.owner = owner
        self.path = path
        self.guard = guard
        self.hint = hint
        self.shares: Shares | None = None
        self.gone: list[Verdict | None] = [None] * len(keys)
        self._given: dict[object, Verdict] = {}

    def missing(self, step: int, holder: Any) -> Verdict:
        """The path stops at `step`, because `holder` has no field or item of that name."""
        if type(holder) is dict:
            verdict = self.gone[step] = self.gone[step] or self._missing(step, holder)
            return verdict
        key = (step, type(holder))
        known = self._given.get(key)
        if known is None:
            known = self._given[key] = self._missing(step, holder)
        return known

    def _missing(self, step: int, holder: Any) -> Verdict:
        key = self.keys[step]
        steps = self.keys[:step]
        owner = ".".join((self.owner, *steps) if self.owner else steps)
        owner = f"`{owner}`" if owner else "the value"
        if type(holder) is dict:
            message = f"`{self.path}` is missing: {owner} has no field `{key}`"
        elif type(holder) is list:
            message = f"`{self.path}` is missing: {owner} is a list without an item `{key}`"
        else:
            message = f"`{self.path}` is missing: {owner} is {with_article(kind_of(holder))}"
        help_ = f"write `exists({self.path}) and …` if it may be missing" if self.guard else None
        return self.problem("UnknownPropertyError", message, path=self.path, help_=help_)

    def wrong(self, value: Any, *expected: str) -> Verdict:
        """An operand has a type that the operator does not take."""
        key = (type(value), expected)
        verdict = self._given.get(key)
        if verdict is None:
            got = with_article(kind_of(value))
            message = f"`{self.written}` needs {article_list(expected)}, but this is {got}"
            verdict = self._given[key] = self.problem("UnexpectedTypeError", message, help_=self.hint)
        return verdict

    def unfit(self, value: Any, expected: str) -> Verdict:
        """An argument has a type that the function does not take."""
        key = (type(value), expected)
        verdict = self._given.get(key)
        if verdict is None:
            message = (
                f"`{self.written}` needs {with_article(expected)}, but this is {with_article(kind_of(value))}"
            )
            help_ = _IN_TEXT if self.written == "includes()" and type(value) is str else None
            verdict = self._given[key] = self.problem("TypeError", message, help_=help_)
        return verdict

    def not_boolean(self, value: Any) -> Verdict:
        """The result of the whole expression is neither true nor false."""
        verdict = self._given.get(type(value))
        if verdict is None:
            message = f"the result is {with_article(kind_of(value))}, not true or false"
            help_ = "compare it with something"
            verdict = self._given[type(value)] = self.problem("NotBooleanError", message, help_=help_)
        return verdict

    def check_share(self, what: str, size: int, unit: str) -> Verdict | None:
        """The verdict on a list or text that has more items or characters than this place may look at."""
        if size <= SMALL_ITEMS or self.shares is None or size <= self.shares.items:
            return None
        return self.too_much(what, f"at most {self.shares.items:,} {unit}")

    def too_much(self, what: str, most: str) -> Verdict:
        """A costly part would take more than its share."""
        return self.problem("RangeError", f"{what} too long for `{self.written}` in this filter: {most}")

    def problem(self, type_: str, message: str, *, path: str | None = None, help_: str | None = None) -> Verdict:
        """Any other problem here."""
        return Verdict(VerdictKind.ERROR, FilterProblem(type_, message, self.start, self.end, path, help_))
