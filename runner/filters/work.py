"""How much the costly parts of a filter may do for one event: they share a bound, so that a verdict comes in time.

Most parts look at a few values, however large the event. A part is costly where one look can go through all of it:
a list that is searched, a text that is matched or converted.
"""

from typing import Final

from runner.filters.tree import Call, Membership, Node, Relation, walk

MOST_ITEMS: Final = 2**25
"""Items of lists, and characters of texts that are converted, that all parts together may look at."""

MOST_STEPS: Final = 2**30
"""Steps that all patterns together may take: the bytes of the text times the size of the compiled pattern."""

SMALL_ITEMS: Final = 2**14
SMALL_STEPS: Final = 2**20
"""What is no more than these is within the share of every part, however many there are."""

_FEW_PARTS: Final = 16
_SHORT: Final = 300
"""A text of fewer characters has no more than a few costly parts."""


class Shares:
    """What each costly part of one expression may do; counted when it is first asked."""

    __slots__ = ("_counted", "_tree", "few")

    def __init__(self, tree: Node, text: str) -> None:
        self._tree = tree
        self._counted: tuple[int, int] | None = None
        self.few = len(text) < _SHORT or self._counts()[0] <= _FEW_PARTS
        """Whether a search that costs next to nothing for an item needs no bound."""

    @property
    def items(self) -> int:
        """How many items of lists each part may look at."""
        return MOST_ITEMS // max(self._counts()[0], 1)

    @property
    def steps(self) -> int:
        """How many steps each pattern may take."""
        return MOST_STEPS // max(self._counts()[1], 1)

    def _counts(self) -> tuple[int, int]:
        """How many parts search lists, and how many match patterns."""
        if self._counted is None:
            searches = matches = 0
            for node in walk(self._tree):
                match node:
                    case Membership():
                        searches += 1
                    case Call(arguments=arguments):
                        searches += max(len(arguments), 1)
                    case Relation(operators=operators):
                        matches += operators.count("~=")
                    case _:
                        pass
            self._counted = (searches, matches)
        return self._counted
