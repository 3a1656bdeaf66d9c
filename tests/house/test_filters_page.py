"""The page on filters says what filters do: every example on it is run, and every table is compared with the code.

A block `filter` has lines `expression   → outcome`, and tables have expressions and outcomes in their cells. An
outcome is `pass`, `reject`, `error: …` or `invalid: …` with the beginning of the message, or a value.
"""

import doctest
import io
import json
import math
import re
import shlex
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from pages import blocks, code, page, section, table

from runner.cli.main import main
from runner.filters import FilterSyntaxError, VerdictKind, compile_filter
from runner.filters.compiler import compile_value
from runner.filters.encoding import DEEPEST, LARGEST
from runner.filters.filter import MOST_MISTAKES
from runner.filters.functions import FUNCTIONS
from runner.filters.javascript import same
from runner.filters.lexer import KEYWORDS
from runner.filters.operators import LONGEST_PATTERN, LONGEST_TEXT
from runner.filters.parser import MAX_LENGTH, parse
from runner.filters.patterns import LARGEST_SIZE
from runner.filters.tree import MAX_NESTING, Conditional, Node
from runner.filters.verdict import Verdict
from runner.filters.work import MOST_ITEMS, MOST_STEPS
from runner.plan import desire
from runner.service.trial import MOST_SHOWN
from runner.spec.document import SourceFile
from runner.spec.loader import read
from runner.web.api import application

ROOT = Path(__file__).parents[2]
PAGE = page("filters")


def examples() -> Iterator[tuple[str, str]]:
    for block in blocks(PAGE, "filter"):
        for line in filter(None, block.splitlines()):
            expression, _, outcome = line.rpartition("→")
            yield expression.strip(), outcome.strip()


(EVENT,) = [json.loads(block) for block in blocks(PAGE, "json")]
EXAMPLES = list(examples())
TRAPS = table(section(PAGE, "Traps"))
NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def outcome_of(expression: str, *, filtrex: bool = False) -> tuple[str, str]:
    """The verdict or `invalid`, and the message."""
    try:
        verdict = compile_filter(expression, filtrex=filtrex).check(EVENT)
    except FilterSyntaxError as error:
        return "invalid", error.message
    return verdict.kind.value, verdict.error.message if verdict.error else ""


def check_outcome(expression: str, said: str) -> None:
    kind, _, message = said.partition(": ")
    found, found_message = outcome_of(expression)
    if kind in {"error", "invalid"}:
        assert message, "the message is missing"
        assert found == kind
        assert found_message.startswith(message)
    elif said in {"pass", "reject"}:
        assert (found, found_message) == (said, "")
    else:
        check_value(expression, said)


def check_value(expression: str, said: str) -> None:
    tree = parse(expression).tree
    assert tree is not None
    value = compile_value(tree, expression, ("event",), filtrex=False)(EVENT)
    assert type(value) is not Verdict, value
    expected = NUMBERS[said] if said in NUMBERS else json.loads(said)
    assert same(value, expected) or (math.isnan(value) and math.isnan(expected)), value


@pytest.mark.parametrize(("expression", "said"), EXAMPLES, ids=[expression for expression, _ in EXAMPLES])
def test_every_example_comes_out_as_the_page_says(expression, said):
    check_outcome(expression, said)


def test_there_are_examples_of_every_outcome():
    kinds = {said.partition(":")[0] for _, said in EXAMPLES}
    assert {"pass", "reject", "error", "invalid"} < kinds


def test_the_documents_of_the_page_are_valid_and_their_filters_pass():
    documents = blocks(PAGE, "yaml")
    files = [read(SourceFile(f"{index}.yaml", text.encode(), "")) for index, text in enumerate(documents)]
    state = desire(files, None, now=None)
    assert not state.diagnostics
    assert len(state.jobs) == len(documents) == 2
    for job in state.jobs.values():
        assert job.filter.check(EVENT).passed
        assert not job.filter.warnings


def test_the_verdicts_are_those_of_the_code():
    text = PAGE[: PAGE.index("## Examples")]
    assert [code(row["verdict"])[0] for row in table(text)] == list(VerdictKind)


@pytest.mark.parametrize("row", TRAPS, ids=lambda row: code(row["trap"])[0])
def test_every_trap_does_what_the_page_says_and_the_other_way_passes(row):
    (trap,), (better,) = code(row["trap"]), code(row["write"])
    kind, _, message = row["what happens"].partition(": ")
    found, found_message = outcome_of(trap)
    assert found == kind
    assert message
    if kind in {"error", "invalid"}:
        # A remark for people may follow in parentheses.
        assert found_message.startswith(message.partition(" (")[0])
    for expression in code(message) if kind == "reject" else ():
        if expression.startswith("event"):
            assert outcome_of(expression) == ("pass", "")
    assert outcome_of(better) == ("pass", "")
    assert not compile_filter(better).warnings


def test_the_last_trap_is_one_that_gives_a_warning():
    assert compile_filter(code(TRAPS[-1]["trap"])[0]).warnings


def test_the_advice_for_an_invalid_trap_is_what_the_page_advises():
    for trap, better in [
        ("event.partner == 'AWS'", '"AWS"'),
        ('not event.status == "ended"', 'not (event.status == "ended")'),
        ("amount > 1000", "event.amount"),
        ('event["amount"] > 1000', "event.amount"),
        ('event.tags[0] == "vip"', "event.tags.0"),
    ]:
        assert trap in [code(row["trap"])[0] for row in TRAPS]
        with pytest.raises(FilterSyntaxError) as raised:
            compile_filter(trap)
        assert f"`{better}`" in raised.value.mistakes[0].help


def test_every_keyword_is_named_and_can_be_the_name_of_a_field():
    (sentence,) = re.findall(r"^(.*) are keywords\.", section(PAGE, "Traps"), re.MULTILINE)
    assert set(code(sentence)) == {keyword.lower() for keyword in KEYWORDS - {"NOT_IN"}}
    for keyword in code(sentence):
        event = {keyword: True}
        assert compile_filter(f"event.{keyword}").check(event).passed
        assert compile_filter(f"'{keyword}' of event").check(event).passed


def test_the_table_of_functions_is_the_table_of_the_code():
    rows = table(section(PAGE, "Functions"))
    said = [(code(row["function"])[0], row["gives"]) for row in rows]
    assert said == [(function.usage, function.gives) for function in FUNCTIONS.values()]
    for row, name in zip(rows, FUNCTIONS, strict=True):
        expression, _, value = code(row["example"])[0].partition(" → ")
        assert expression.startswith(f"{name}(")
        check_value(expression, value)


CHAINED = frozenset(["==", "!=", "<", "<=", ">", ">=", "~="])
BINARY = CHAINED | frozenset(["^", "*", "/", "mod", "%", "+", "-", "in", "and", "or"]) | {"not in"}


def test_the_table_of_operators_has_all_of_them_in_the_order_in_which_they_bind():
    rows = table(section(PAGE, "Operators"))
    written = [code(row["operators"]) for row in rows]
    named = {operator for operators in written for operator in operators}
    assert named == BINARY | {"of", "not", "if … then … else …", "… ? … : …"}
    joined = [[operator for operator in operators if operator in BINARY] for operators in written]
    joined[2] = []  # the minus that stands before one value
    ranks = {operator: rank for rank, operators in enumerate(joined) for operator in operators}
    ranks |= dict.fromkeys(CHAINED, ranks["=="])
    for tight, loose in product(ranks, ranks):
        if ranks[tight] < ranks[loose]:
            for text in (f"event.a {tight} event.b {loose} event.c", f"event.a {loose} event.b {tight} event.c"):
                tree = parse(text).tree
                assert tree is not None, text
                assert root_operator(tree, text) == loose, text


def root_operator(tree: Node, text: str) -> str:
    """What stands between the first two parts of a tree."""
    first, second = tree.parts[:2]
    return text[first.end : second.start].strip()


def test_the_prefixes_bind_where_the_table_has_them():
    rows = [code(row["operators"]) for row in table(section(PAGE, "Operators"))]
    assert rows[:4] == [["of"], ["^"], ["not", "-"], ["*", "/", "mod", "%"]]
    assert rows[-1] == ["if … then … else …", "… ? … : …"]
    for text, root in (
        ("-event.a ^ 2", "Negate"),
        ("-event.a * 2", "Arithmetic"),
        ("a of event ^ 2", "Arithmetic"),
    ):
        assert type(parse(text).tree).__name__ == root
    assert type(parse("event.a or event.b ? 1 : 2").tree) is Conditional
    assert type(parse("if event.a then 1 else event.b or event.c").tree) is Conditional


def test_the_bounds_are_those_of_the_code():
    text = section(PAGE, "Bounds")
    assert f"at most {MAX_LENGTH:,} characters" in text
    assert f"at most {MAX_NESTING} levels deep" in text
    assert f"text of at most {LONGEST_TEXT:,} characters" in text
    assert f"at most {MOST_MISTAKES} mistakes" in text
    assert f"comes from the event has at most {LONGEST_PATTERN:,}." in text
    assert f"lists of up to {MOST_ITEMS:,} items" in text
    assert f"a text of up to {MOST_STEPS:,} bytes" in text
    assert f"No pattern may be larger than {LARGEST_SIZE:,}." in text
    written = section(PAGE, "Trying a filter")
    assert f"deeper than {DEEPEST} levels" in written
    assert f"more than {LARGEST:,} characters and items" in written
    assert f"more than {MOST_SHOWN:,} together" in written


@pytest.mark.parametrize(
    "row", table(section(PAGE, "What is different from filtrex")), ids=lambda row: row["expression"]
)
def test_every_difference_from_filtrex_is_one(row):
    (expression,) = code(row["expression"])
    theirs, ours = outcome_of(expression, filtrex=True)[0], outcome_of(expression)[0]
    assert (theirs, ours) == (row["with `--filtrex`"], row["without"])
    assert theirs != ours


def commands() -> Iterator[tuple[str, str]]:
    for block in blocks(PAGE, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


@pytest.mark.parametrize(("command", "output"), list(commands()))
def test_every_command_prints_what_the_page_shows(command, output, capsys, monkeypatch):
    words, given = shlex.split(command), b""
    if words[0] == "echo":
        given = words[1].encode() + b"\n"
        words = words[3:]
    assert words[0] == "jobsd"
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(given)))
    ended: Any = 0
    try:
        main(words[1:])
    except SystemExit as leaving:
        ended = leaving.code
    printed = capsys.readouterr()
    assert [line.rstrip() for line in printed.out.splitlines()] == output.rstrip().splitlines()
    assert printed.err == ""
    assert ended == (1 if printed.out.startswith("reject") else 0)


async def test_http_answers_as_the_page_shows():
    requests = [line for block in blocks(PAGE, "sh") for line in block.splitlines()]
    (answers,) = blocks(PAGE, "text")
    service: Any = SimpleNamespace(reading=None)
    transport = httpx.ASGITransport(application(service))
    async with httpx.AsyncClient(transport=transport) as client:
        for request, answer in zip(requests, answers.splitlines(), strict=True):
            _, _, _, address, _, body = shlex.split(request)
            assert (await client.post(address, content=body)).text == answer


def test_the_session_in_python_is_as_shown():
    (session,) = blocks(PAGE, "python")
    parsed = doctest.DocTestParser().get_doctest(session, {}, "filters.md", None, 0)
    report = io.StringIO()
    result = doctest.DocTestRunner().run(parsed, out=report.write)
    assert result.attempted > 5
    assert result.failed == 0, report.getvalue()


@pytest.mark.parametrize(
    ("type_", "expression"),
    [
        ("UnknownPropertyError", "event.coupon"),
        ("UnexpectedTypeError", "event.partner > 1"),
        ("TypeError", "lower(event.amount) == event.partner"),
        ("NotBooleanError", "event.amount"),
        ("SyntaxError", 'event.partner ~= "(" + event.partner'),
        ("RangeError", " + ".join(["event.long"] * 5) + ' == "x"'),
        ("UnknownFunctionError", "nothing(1)"),
    ],
)
def test_every_type_of_error_in_the_table_occurs(type_, expression):
    assert type_ in [code(row["type of error"])[0] for row in table(section(PAGE, "In Python"))]
    event = {**EVENT, "long": "x" * (LONGEST_TEXT // 4)}
    verdict = compile_filter(expression, filtrex=type_ == "UnknownFunctionError").check(event)
    assert verdict.error is not None
    assert verdict.error.type == type_


def test_no_other_type_of_error_is_in_the_code():
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "runner" / "filters").glob("*.py"))
    raised = set(re.findall(r'problem\(\s*"(\w+Error)"', source))
    listed = [code(row["type of error"])[0] for row in table(section(PAGE, "In Python"))]
    assert raised == set(listed)
    assert len(listed) == len(set(listed))
