"""`jobsd filter`: verdicts, values and exit codes, for people, for programs and by the thousand."""

import io
import json
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from runner.cli.main import main

EVENT = {
    "amount": 1500,
    "partner": "AWS",
    "trial": False,
    "tags": ["vip"],
    "note": "a\u202eb\x1b[31m",
    "nothing": None,
}


@pytest.fixture
def jobsd(command, monkeypatch):
    """Run `jobsd filter` in this process."""

    def run(*arguments: str, stdin: bytes = b""):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
        return command("filter", *arguments)

    return run


@pytest.fixture
def tried(jobsd):
    """Run `jobsd filter` on the event of this file."""
    return lambda expression, *arguments: jobsd(expression, "--event", json.dumps(EVENT), *arguments)


@pytest.fixture
def batch(capsysbinary, monkeypatch):
    """Run `jobsd filter --batch` on some lines; the lines that come out."""

    def run(*lines: bytes, options: tuple[str, ...] = ()) -> list[Any]:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"\n".join(lines))))
        main(["filter", "--batch", *options])
        return [orjson.loads(line) for line in capsysbinary.readouterr().out.splitlines()]

    return run


def question(expression: object, payload: object = None) -> bytes:
    return orjson.dumps({"expr": expression, "payload": payload})


# -- one expression ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "verdict", "code"),
    [
        ("event.amount > 1000", "pass", 0),
        ("event.amount > 2000", "reject", 1),
        ("event.amount", "error", 1),
        ("event.missing == 1", "error", 1),
    ],
)
def test_the_first_line_is_the_verdict_and_only_a_pass_exits_with_0(tried, expression, verdict, code):
    done = tried(expression)
    assert (done.code, done.lines[0], done.err) == (code, verdict, "")
    assert tried(expression, "--format", "json").json["verdict"] == verdict
    assert tried(expression, "--format", "json").code == code


def test_every_part_is_shown_with_its_value_below_the_part_that_it_belongs_to(tried):
    done = tried('event.amount > 1000 and (event.partner == "GCP" or event.trial) and event.missing')
    assert done.lines[1] == ""
    assert [line.rsplit("  ", 1) for line in done.lines[2:]] == [
        ['event.amount > 1000 and (event.partner == "GCP" or event.trial) and event.missing', "false"],
        ["  event.amount > 1000".ljust(72), "true"],
        ["    event.amount".ljust(72), "1500"],
        ["    1000".ljust(72), "1000"],
        ['  (event.partner == "GCP" or event.trial)'.ljust(72), "false"],
        ['    event.partner == "GCP"'.ljust(72), "false"],
        ["      event.partner".ljust(72), '"AWS"'],
        ['      "GCP"'.ljust(72), '"GCP"'],
        ["    event.trial".ljust(72), "false"],
        ["  event.missing".ljust(72), "skipped"],
    ]


def test_an_error_at_run_time_has_carets_under_what_failed_and_help(tried):
    done = tried("event.amount > 1 and event.missing == 1")
    assert done.lines[-5:] == [
        "filter:1:22: error[filter-error]: `event.missing` is missing: `event` has no field `missing`",
        "   |",
        " 1 | event.amount > 1 and event.missing == 1",
        "   |                      ^^^^^^^^^^^^^",
        "   = help: write `exists(event.missing) and …` if it may be missing",
    ]


def test_json_has_the_value_the_parts_and_the_problem(tried):
    passed = tried("event.amount > 1000", "--format", "json").json
    assert passed == {
        "verdict": "pass",
        "value": True,
        "parts": [
            {"text": "event.amount > 1000", "span": [0, 19], "level": 0, "state": "value", "value": True},
            {"text": "event.amount", "span": [0, 12], "level": 1, "state": "value", "value": 1500},
            {"text": "1000", "span": [15, 19], "level": 1, "state": "value", "value": 1000},
        ],
    }
    failed = tried("exists(event.a) or event.b.c", "--format", "json").json
    assert failed["error"] == {
        "type": "UnknownPropertyError",
        "message": "`event.b.c` is missing: `event` has no field `b`",
        "path": "event.b.c",
        "span": [19, 28],
        "help": "write `exists(event.b.c) and …` if it may be missing",
    }
    assert "value" not in failed
    assert [part["state"] for part in failed["parts"]] == ["error", "value", "missing", "error"]


def test_a_value_that_is_no_boolean_is_shown_beside_the_error(tried):
    done = tried("event.tags", "--format", "json")
    assert (done.code, done.json["verdict"], done.json["value"]) == (1, "error", ["vip"])
    assert done.json["error"]["type"] == "NotBooleanError"
    assert "event.tags  a list of 1" in tried("event.tags").lines


def test_without_an_event_a_valid_filter_exits_with_0_and_shows_its_warnings(jobsd):
    done = jobsd("event.tags == (1, 2)")
    assert (done.code, done.out) == (0, "valid; --event tries it on an event\n")
    assert done.err.startswith("filter:1:1: warning[filter-never-equal]: this is never true")
    told = jobsd("event.tags == (1, 2)", "--format", "json")
    assert told.code == 0
    assert told.json["valid"] is True
    assert told.json["reads"] == ["event.tags"]
    assert [warning["severity"] for warning in told.json["warnings"]] == ["warning"]


def test_an_invalid_filter_exits_with_1_with_or_without_an_event(jobsd, tried):
    for done in (jobsd("event.a = 1"), tried("event.a = 1")):
        assert (done.code, done.out) == (1, "")
        assert "`=` is not an operator" in done.err
    told = jobsd("event.a = 1 && event.b", "--format", "json")
    assert told.code == 1
    assert told.json["verdict"] == "error"
    assert [mistake["fix"] for mistake in told.json["diagnostics"]] == ["==", "and"]


def test_the_line_of_a_mistake_in_an_expression_of_several_lines_is_counted(jobsd):
    lines = jobsd("event.a == 1\nand event.b = 2").err.splitlines()
    assert lines[0].startswith("filter:2:13: ")
    assert lines[2:4] == [" 2 | and event.b = 2", "   |             ^"]


def test_the_event_comes_from_a_file_or_from_standard_input_as_well(jobsd, tmp_path):
    path = tmp_path / "event.json"
    path.write_text('{"a": 1}')
    assert jobsd("event.a == 1", "--event", f"@{path}").code == 0
    assert jobsd("event.a == 1", "--event", "-", stdin=b'{"a": 1}').code == 0
    assert jobsd("event == null", "--event", "null").code == 0


def test_misuse_exits_with_2_and_one_line(jobsd, tmp_path):
    for arguments in (
        (),
        ("event.a", "--batch"),
        ("--batch", "--event", "{}"),
        ("event.a", "--event", "{nope"),
        ("event.a", "--event", f"@{tmp_path}/none.json"),
        ("event.a", "--event", "[" * 2000 + "]" * 2000),
        ("event.a == \udcff",),
        ('event.a == "\ud800"', "--format", "json"),
    ):
        done = jobsd(*arguments)
        assert (done.code, done.out) == (2, ""), arguments
        assert done.err.count("\n") == 1
        assert done.err.startswith("jobsd: ")


def test_nothing_from_the_event_can_change_what_the_terminal_shows(tried):
    done = tried('event.note == "\u202e"')
    assert done.code == 1
    assert all(line.isprintable() for line in done.lines)


def test_an_event_nested_as_deep_as_json_allows_is_shown(jobsd):
    deep = "[" * 1000 + "]" * 1000
    assert "event  a list of 1" in jobsd("event", "--event", deep).lines
    assert jobsd("event", "--event", deep, "--format", "json").json["verdict"] == "error"


def test_as_filtrex_the_constants_are_unknown_and_a_missing_field_is_an_error_to_exists(tried):
    assert tried("event.trial == false").code == 0
    assert tried("event.trial == false", "--filtrex", "--format", "json").json["error"]["path"] == "false"
    assert tried("exists(event.missing)").lines[0] == "reject"
    assert tried("exists(event.missing)", "--filtrex").lines[0] == "error"


# -- many expressions ----------------------------------------------------------------------------------------


def test_each_line_of_a_batch_is_answered_in_order_with_a_kind_and_a_verdict(batch):
    results = batch(
        question("event.a > 1", {"a": 2}),
        question("event.a > 1", {"a": 1}),
        question("event.a", {"a": "x"}),
        question("event.a > 1", {}),
        question("event.a >"),
    )
    assert [(result["kind"], result["verdict"]) for result in results] == [
        ("value", "pass"),
        ("value", "reject"),
        ("value", "error"),
        ("runtime_error", "error"),
        ("compile_error", "error"),
    ]
    assert results[2]["value"] == "x"
    assert results[3]["type"] == "UnknownPropertyError"


def test_numbers_that_json_lacks_are_written_as_objects(batch):
    expressions = ["0/0", "1/0", "-1/0", "0 * -1", "0", "1.5", "(0/0, 1)", "10 ^ 21", "2 ^ 53 - 1"]
    values = [
        result["value"] for result in batch(*(question(text) for text in expressions), options=("--filtrex",))
    ]
    assert values == [
        {"$num": "NaN"},
        {"$num": "Infinity"},
        {"$num": "-Infinity"},
        {"$num": "-0"},
        0,
        1.5,
        [{"$num": "NaN"}, 1],
        1e21,
        2**53 - 1,
    ]


def test_a_bad_line_is_answered_and_the_lines_after_it_too_and_a_blank_one_is_skipped(batch):
    bad = [
        b"{",
        b"[]",
        b"1",
        b'"x"',
        b"null",
        b"{}",
        b"\xff",
        b'{"payload": 1}',
        b'{"expr": "event", "payload": NaN}',
    ]
    bad += [b'{"expr": "event", "payload": "\\ud800"}', b'{"expr": "event", "payload": ' + b"[" * 5000]
    results = batch(*bad, b"", b"  ", question(1), question("event", "[" * 3), question("event == 1", 1))
    assert [result["kind"] for result in results[: len(bad)]] == ["harness_error"] * len(bad)
    assert [result["kind"] for result in results[len(bad) :]] == ["compile_error", "value", "value"]
    assert results[-1]["verdict"] == "pass"


def test_a_batch_reads_as_filtrex_where_it_is_told_to(batch):
    line = question("event.t == true", {"t": True})
    assert batch(line)[0]["verdict"] == "pass"
    assert batch(line, options=("--filtrex",))[0]["type"] == "UnknownPropertyError"


def test_thousands_of_lines_with_few_expressions_and_as_many_with_one_each_are_answered(batch):
    few = [question(f"event.amount > {index % 10}", {"amount": index % 20}) for index in range(10_000)]
    many = [question(f"event.amount > {index}", {"amount": 1_000}) for index in range(2_000)]
    results = batch(*few, *many)
    assert [result["verdict"] == "pass" for result in results] == [
        *(index % 20 > index % 10 for index in range(10_000)),
        *(index < 1_000 for index in range(2_000)),
    ]
