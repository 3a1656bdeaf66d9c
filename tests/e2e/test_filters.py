"""The mistakes that people make most: each is shown where it stands, with what to write instead."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest

from runner.cli.main import main


@dataclass(frozen=True)
class Slip:
    """An expression, the part of it that is wrong, and what the help must say."""

    name: str
    expression: str
    wrong: str
    message: str
    help: str

    @property
    def start(self) -> int:
        return self.expression.index(self.wrong)


SLIPS = [
    Slip("equals", "event.a = 1", "=", "`=` is not an operator", "write `==` to compare"),
    Slip("and", "event.a > 1 && event.b", "&&", "`&&` is not an operator", "write `and`"),
    Slip("or", "event.a > 1 || event.b", "||", "`||` is not an operator", "write `or`"),
    Slip("not", "event.a > 1 and !event.b", "!", "`!` is not an operator", "write `not`"),
    Slip("quotes", "event.s == 'x y'", "'x y'", "`'x y'` in single quotes", 'write `"x y"` with double quotes'),
    Slip(
        "tight-not",
        'event.b or not event.s == "x"',
        'not event.s == "x"',
        "`not` binds tighter than `==`",
        'write `not (event.s == "x")`',
    ),
    Slip("contains", 'contains(event.tags, "vip")', "contains", "unknown function `contains`", "`includes`"),
    Slip("brackets", 'event["a"] > 1', '["a"]', "brackets can't be used", "write `event.a`"),
    Slip("order", 'event.b or event.s < "b"', '"b"', "`<` needs a number, but this is text", "no order"),
    Slip("function", 'lowr(event.s) == "x"', "lowr", "unknown function `lowr`", "did you mean `lower`"),
    Slip("root", 'status == "active"', "status", "unknown name `status`", "write `event.status`"),
]
BY_NAME = {slip.name: slip for slip in SLIPS}
TWO_TEXTS = '"a" < "b"'

# Each way to write a text in YAML: what stands before it, how its characters are written, what comes after.
Encode = Callable[[str], str]
FORMS: dict[str, tuple[str, Encode, str]] = {
    "plain": ("filter: ", str, "\n"),
    "double": ('filter: "', lambda text: text.replace("\\", "\\\\").replace('"', '\\"'), '"\n'),
    "single": ("filter: '", lambda text: text.replace("'", "''"), "'\n"),
    "literal": ("filter: |\n  event.z == 0 or\n\n    ", str, "\n"),
    "folded": ("filter: >-\n  event.z == 0 or\n\n  ", str, "\n  or event.z == 1\n"),
    "plain-lines": ("filter: event.z == 0 or\n\n  ", str, "\n   or event.z == 1\n"),
    "double-lines": ('filter: "event.\\x7a == 0 \\\n  or ', lambda text: text.replace('"', '\\"'), '"\n'),
}


@dataclass(frozen=True)
class Written:
    """A job file, and where in it the wrong part stands: line and column from 1, the end exclusive."""

    slip: Slip
    text: str
    span: tuple[int, int, int, int]


def written(slip: Slip, form: str) -> Written:
    opening, encode, closing = FORMS[form]
    head = f"name: {slip.name} {form}\nmode: push\n{opening}"
    before = head + encode(slip.expression[: slip.start])
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    end = column + len(encode(slip.wrong))
    return Written(slip, head + encode(slip.expression) + closing, (line, column, line, end))


@pytest.fixture(scope="module")
def files() -> dict[str, Written]:
    """Every slip in every form."""
    return {f"{form}-{slip.name}.yaml": written(slip, form) for form in FORMS for slip in SLIPS}


def under_carets(lines: list[str]) -> Iterator[str]:
    """What stands above carets, wherever there are some."""
    for above, line in pairwise(lines):
        start = line.find("^")
        if start >= 0 and not line.replace("|", "").replace("^", "").strip():
            yield above[start : start + line.count("^")]


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.name)
def test_the_command_line_shows_a_mistake_with_carets_and_help(slip, capsys):
    with pytest.raises(SystemExit) as left:
        main(["filter", slip.expression, "--event", "{}"])
    shown = capsys.readouterr()
    lines = shown.err.splitlines()
    assert left.value.code == 1
    assert shown.out == ""
    assert lines[0].startswith(f"filter:1:{slip.start + 1}: error[filter-")
    assert slip.message in lines[0]
    assert list(under_carets(lines)) == [slip.wrong]
    assert slip.help in lines[-1]


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.name)
def test_programs_get_the_same_mistake_with_its_offsets(slip, capsys):
    with pytest.raises(SystemExit) as left:
        main(["filter", slip.expression, "--format", "json"])
    (mistake,) = json.loads(capsys.readouterr().out)["mistakes"]
    assert left.value.code == 1
    assert (mistake["start"], mistake["end"]) == (slip.start, slip.start + len(slip.wrong))
    assert slip.message in mistake["message"]
    assert slip.help in mistake["help"]


def test_a_real_process_shows_both_texts_that_are_ordered_and_says_why_not(place):
    done = place.jobsd("filter", TWO_TEXTS)
    assert (done.code, done.out) == (1, "")
    assert list(under_carets(done.err.splitlines())) == ['"a"', '"b"']
    assert done.err.count("text has no order here") == 2


def test_validation_shows_each_mistake_at_its_place_in_the_file_however_the_filter_is_written(place, files):
    for name, each in files.items():
        place.write(name, each.text)
    done = place.jobsd("validate", "--format", "json")
    found = {diagnostic["path"].removeprefix("jobs.d/"): diagnostic for diagnostic in done.json}
    assert done.code == 1
    assert len(done.json) == len(files) == len(found) == len(FORMS) * len(SLIPS)
    for name, each in files.items():
        diagnostic = found[name]
        span = tuple(diagnostic[side] for side in ("line", "column", "end_line", "end_column"))
        assert span == each.span, each.text
        assert diagnostic["source"] == each.text.splitlines()[each.span[0] - 1]
        assert each.slip.message in diagnostic["message"], name
        assert each.slip.help in diagnostic["help"], name


def test_validation_draws_carets_under_what_stands_in_the_file(place, files):
    shown = {name: each for name, each in files.items() if not name.startswith("double")}
    for name, each in shown.items():
        place.write(name, each.text)
    done = place.jobsd("validate")
    assert done.code == 1
    blocks = done.out.rstrip().split("\n\n")
    assert len(blocks) == len(shown)
    for block in blocks:
        path, line, column, *_ = block.split(":")
        each = shown[path.removeprefix("jobs.d/")]
        encode = FORMS[path.removeprefix("jobs.d/").removesuffix(f"-{each.slip.name}.yaml")][1]
        assert (int(line), int(column)) == each.span[:2]
        assert list(under_carets(block.splitlines())) == [encode(each.slip.wrong)], block


def test_several_mistakes_in_one_filter_are_shown_together(place):
    place.write("a.yaml", "name: A\nmode: push\nfilter: |\n  event.a = 1 && event.b\n  || !event.c\n")
    done = place.jobsd("validate", "--format", "json")
    places = [(each["line"], each["column"]) for each in done.json]
    assert places == [(4, 11), (4, 15), (5, 3), (5, 6)]


def test_what_is_written_as_the_help_says_is_valid(place):
    better = {
        "equals": "event.a == 1",
        "and": "event.a > 1 and event.b",
        "or": "event.a > 1 or event.b",
        "not": "event.a > 1 and not event.b",
        "quotes": 'event.s == "x y"',
        "tight-not": 'event.b or not (event.s == "x")',
        "contains": 'includes(event.tags, "vip")',
        "brackets": "event.a > 1",
        "order": 'event.b or event.s ~= "^[ab]"',
        "function": 'lower(event.s) == "x"',
        "root": 'event.status == "active"',
    }
    assert set(better) == set(BY_NAME)
    for name, expression in better.items():
        place.write(f"{name}.yaml", f"name: {name}\nmode: push\nfilter: |\n  {expression}\n")
    done = place.jobsd("validate", "--format", "json")
    assert (done.code, done.json) == (0, []), done.out
