"""The mistakes that people make most: each is shown where it stands, with what to write instead."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import httpx
import pytest

from runner.cli.main import main

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

    slip: Any
    text: str
    span: tuple[int, int, int, int]


def written(slip: Any, form: str) -> Written:
    opening, encode, closing = FORMS[form]
    head = f"name: {slip.name} {form}\nmode: push\n{opening}"
    before = head + encode(slip.expression[: slip.start])
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    end = column + len(encode(slip.wrong))
    return Written(slip, head + encode(slip.expression) + closing, (line, column, line, end))


@pytest.fixture(scope="module")
def files(slips) -> dict[str, Written]:
    """Every slip in every form."""
    return {f"{form}-{slip.name}.yaml": written(slip, form) for form in FORMS for slip in slips}


def under_carets(lines: list[str]) -> Iterator[str]:
    """What stands above carets, wherever there are some."""
    for above, line in pairwise(lines):
        start = line.find("^")
        if start >= 0 and not line.replace("|", "").replace("^", "").strip():
            yield above[start : start + line.count("^")]


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


def test_programs_get_the_same_mistake_with_its_offsets(slip, capsys):
    with pytest.raises(SystemExit) as left:
        main(["filter", slip.expression, "--format", "json"])
    (mistake,) = json.loads(capsys.readouterr().out)["diagnostics"]
    assert left.value.code == 1
    assert (mistake["start"], mistake["end"]) == (slip.start, slip.start + len(slip.wrong))
    assert slip.message in mistake["message"]
    assert slip.help in mistake["help"]


def test_a_real_process_shows_both_texts_that_are_ordered_and_says_why_not(place):
    done = place.jobsd("filter", TWO_TEXTS)
    assert (done.code, done.out) == (1, "")
    assert list(under_carets(done.err.splitlines())) == ['"a"', '"b"']
    assert done.err.count("text has no order here") == 2


def test_validation_shows_each_mistake_at_its_place_in_the_file_however_the_filter_is_written(place, files, slips):
    for name, each in files.items():
        place.write(name, each.text)
    done = place.jobsd("validate", "--format", "json")
    found = {diagnostic["path"].removeprefix("jobs.d/"): diagnostic for diagnostic in done.json}
    assert done.code == 1
    assert len(done.json) == len(files) == len(found) == len(FORMS) * len(slips)
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


def test_what_is_written_as_the_help_says_is_valid(place, slips):
    for slip in slips:
        place.write(f"{slip.name}.yaml", f"name: {slip.name}\nmode: push\nfilter: |\n  {slip.better}\n")
    done = place.jobsd("validate", "--format", "json")
    assert (done.code, done.json) == (0, []), done.out


def test_a_real_runner_says_the_same_over_http(place, slips):
    with place.up(), http(place) as client:
        for slip in slips:
            answer = client.post("/v1/filter", json={"filter": slip.expression})
            assert answer.status_code == 422
            assert answer.headers["content-type"] == "application/problem+json"
            (mistake,) = answer.json()["diagnostics"]
            done = place.jobsd("filter", slip.expression)
            assert mistake["text"] == done.err
            assert list(under_carets(mistake["text"].splitlines())) == [slip.wrong]
            assert client.post("/v1/filter", json={"filter": slip.better}).json()["valid"] is True
        event = {"amount": 5}
        tried = client.post("/v1/filter", json={"filter": "event.amount > 1", "event": event}).json()
    shown = place.jobsd("filter", "event.amount > 1", "--event", json.dumps(event), "--format", "json")
    assert tried == shown.json
    assert tried["verdict"] == "pass"


def http(place) -> httpx.Client:
    """Requests as any program makes them, over the socket."""
    transport = httpx.HTTPTransport(uds=str(place.state / "jobsd.sock"))
    return httpx.Client(transport=transport, base_url="http://jobsd", timeout=30)
