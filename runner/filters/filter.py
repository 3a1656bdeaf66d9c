"""A compiled filter, and the mistakes that keep a text from being one."""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from runner.errors import ExpressionError, Mistake, Severity
from runner.filters.checker import check_tree
from runner.filters.compiler import compile_check, compile_value
from runner.filters.parser import parse
from runner.filters.tree import Node
from runner.filters.verdict import EvaluationError, Verdict

EVENT: Final = frozenset({"event"})
"""The roots of a job's filter: the payload, as `event`."""

MOST_MISTAKES: Final = 20
"""How many mistakes and warnings are told of one text: a longer list would help nobody, and could be very long."""

_CACHED_FILTERS = 1024


class FilterSyntaxError(ExpressionError):
    """A text that is no filter; `mistakes` has what is wrong, first the errors, in the order of the text."""

    title = "Invalid filter"


class Filter:
    """A filter, ready to be asked. Made by `compile_filter`; immutable, and safe to share between threads.

    `check` is the compiled code itself: call it with the payload (with more than one root: with the values of
    `roots`, in that order) and it returns the verdict. It never raises, whatever the JSON value. It is made when
    it is first asked for: most filters that are read are never asked.
    """

    __slots__ = ("_value", "check", "filtrex", "roots", "text", "tree", "warnings")

    check: Callable[..., Verdict]

    def __init__(
        self, text: str, tree: Node, roots: tuple[str, ...], warnings: tuple[Mistake, ...], *, filtrex: bool
    ) -> None:
        self.text = text
        self.tree = tree
        self.roots = roots
        self.warnings = warnings
        self.filtrex = filtrex
        self._value: Callable[..., Any] | None = None

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Only what is not there yet comes here, so that a check costs no more than a call."""
            if name != "check":
                raise AttributeError(name)
            self.check = compile_check(self.tree, self.text, self.roots, filtrex=self.filtrex)
            return self.check

    def __repr__(self) -> str:
        return f"Filter({self.text!r})"

    def evaluate(self, *values: Any) -> Any:
        """The raw value of the expression, for the same arguments as `check`.

        Raises:
            EvaluationError: a field is missing, a type is wrong, or another problem; it carries the problem.
        """
        if self._value is None:
            self._value = compile_value(self.tree, self.text, self.roots, filtrex=self.filtrex)
        value = self._value(*values)
        if type(value) is Verdict and value.error is not None:
            raise EvaluationError(value.error)
        return value


def compile_filter(text: str, *, roots: frozenset[str] = EVENT, filtrex: bool = False) -> Filter:
    """Compile an expression, or take it from the cache.

    Args:
        text: the expression, at most 10,000 characters.
        roots: the names that it may read. `event` comes first in the arguments of the filter, then the others
            by name.
        filtrex: behave as filtrex itself does: no constants, `exists` and `empty` fail on a missing field,
            keywords swallow a character, a leading zero is octal, and nothing but syntax is checked.

    Raises:
        FilterSyntaxError: with the mistakes that can be found without a payload, at most `MOST_MISTAKES`.
    """
    return _compile(text, roots, filtrex)


def compile_uncached(text: str, roots: frozenset[str], *, filtrex: bool) -> Filter:
    """Compile an expression anew; the arguments and errors are those of `compile_filter`."""
    parsed = parse(text, filtrex=filtrex)
    mistakes = list(parsed.mistakes)
    if parsed.tree is not None and not filtrex:
        mistakes += check_tree(parsed.tree, text, roots)
    mistakes = sorted(mistakes, key=_order)[:MOST_MISTAKES]
    if parsed.tree is None or any(mistake.severity is Severity.ERROR for mistake in mistakes):
        raise FilterSyntaxError(text, tuple(mistakes))
    ordered = tuple(sorted(roots, key=lambda root: (root != "event", root)))
    return Filter(text, parsed.tree, ordered, tuple(mistakes), filtrex=filtrex)


@lru_cache(maxsize=_CACHED_FILTERS)
def _compile(text: str, roots: frozenset[str], filtrex: bool) -> Filter:  # noqa: FBT001 - a cache key
    return compile_uncached(text, roots, filtrex=filtrex)


def _order(mistake: Mistake) -> tuple[bool, int, int]:
    """Errors in the order of the text, then warnings: the first one gives the exception its message."""
    return (mistake.severity is not Severity.ERROR, mistake.start, mistake.end)
