"""How the tests read the reference pages: sections, tables, blocks of code."""

import re
from collections.abc import Mapping
from pathlib import Path

PAGES = Path(__file__).parents[2] / "runner" / "docs"
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)

Row = Mapping[str, str]


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    headings = FENCED.sub(lambda block: block[0].replace("#", " "), text)
    found = re.search(rf"^(#+) {re.escape(title)}$", headings, re.MULTILINE)
    assert found, f"there is no heading {title!r}"
    following = re.search(rf"^#{{1,{len(found[1])}}} ", headings[found.end() :], re.MULTILINE)
    return text[found.end() : found.end() + following.start() if following else None]


def own(text: str) -> str:
    """What stands before the first heading below."""
    return re.split(r"^#+ ", text, maxsplit=1, flags=re.MULTILINE)[0]


def table(text: str) -> list[Row]:
    """The first table."""
    found = re.search(r"(?:^\|.*\n?)+", text, re.MULTILINE)
    if found is None:
        return []
    lines = [re.split(r"(?<!\\)\|", line.strip()[1:-1]) for line in found[0].splitlines()]
    head, _, *rows = [[cell.replace("\\|", "|").strip() for cell in line] for line in lines]
    return [dict(zip(head, row, strict=True)) for row in rows]


def code(cell: str) -> list[str]:
    """What is written as code."""
    return re.findall(r"`([^`]+)`", cell)


def names(rows: list[Row], column: str) -> list[str]:
    """The names in a column, one a row; none stands twice."""
    found = [code(row[column])[0] for row in rows if code(row[column])]
    assert len(found) == len(set(found))
    return found


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
