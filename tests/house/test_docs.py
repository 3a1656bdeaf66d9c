"""The reference pages say what the code does: every field, status, command and option, and nothing else.

The table of the fields of a record is generated from the model: `python tests/house/test_docs.py` writes it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from pages import PAGES, Row, blocks, code, names, own, page, section, table

from runner.agents import command as command_agent
from runner.cli.check import SCHEMAS
from runner.cli.main import COMMANDS, cli
from runner.engine import backlog, dispatcher, intake
from runner.execution import admission, slots
from runner.execution.lifecycle import TRANSITIONS, ErrorType, Reason, Status
from runner.execution.records import RecordLine, from_line, to_line
from runner.filters import VerdictKind, compile_filter
from runner.filters.functions import FUNCTIONS
from runner.plan import DesiredState, desire
from runner.process import GRACE
from runner.rehearsal import rehearse
from runner.schedule import format_duration, parse_duration, parse_schedule
from runner.secrets import MASK, SHORTEST
from runner.settings import Settings
from runner.spec.agents import CommandAgent
from runner.spec.checks import to_rate_limit
from runner.spec.document import SourceFile
from runner.spec.documents import DefaultsDocument, JobDocument, Written
from runner.spec.loader import read
from runner.spec.models import CommandSpec, Mode, WhenFull
from runner.spec.support import NOT_SUPPORTED_YET
from runner.storage import outputs, records

ROOT = Path(__file__).parents[2]
LNAV = ROOT / "schemas" / "jobsd.lnav.json"
BEGIN = "<!-- generated from the model: python tests/house/test_docs.py -->\n"
END = "<!-- end -->"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NO_JSON = ("up", "edit", "logs", "schema", "docs")


def leaves(model: type[Written], leave_out: frozenset[str]) -> Iterator[tuple[str, bool]]:
    """The fields of a document with those of mappings inside it, such as `retry.attempts`; is each required?"""
    for name, field in model.model_fields.items():
        inner = next(_written(field.annotation), None)
        if name in leave_out:
            continue
        if inner is None:
            yield name, field.is_required()
        else:
            yield from ((f"{name}.{below}", required) for below, required in leaves(inner, frozenset()))


def _written(annotation: Any) -> Iterator[type[Written]]:
    if isinstance(annotation, type) and issubclass(annotation, Written):
        yield annotation
    for argument in get_args(annotation):
        yield from _written(argument)


def state_of(*texts: str) -> DesiredState:
    files = [read(SourceFile(f"{number}.yaml", text.encode(), "")) for number, text in enumerate(texts)]
    return desire(files, None, now=NOW)


# -- job files -----------------------------------------------------------------------------------------------


def test_every_supported_field_of_a_job_is_in_the_table_and_no_other():
    rows = table(section(page("jobs"), "Job"))

    assert names(rows, "field") == sorted_as(names(rows, "field"), dict(leaves(JobDocument, unsupported("job"))))


def test_the_table_of_a_job_says_the_defaults_that_a_job_gets():
    rows = table(section(page("jobs"), "Job"))
    job = state_of("name: A job\nmode: manual\n").jobs["a-job"]
    # A field inside a mapping that nobody has to write is required of nobody.
    required = {name for name, must in leaves(JobDocument, unsupported("job")) if must and "." not in name}
    given = {
        "kind": f"`{JobDocument.model_fields['kind'].default}`",
        "id": "made from the name",
        "description": "empty" if job.description == "" else "?",
        "agent": f"`{job.agent.id}`",
        "prompt": "the description" if job.prompt == job.description else "?",
        "schedule": or_none(job.schedule),
        "timezone": f"`{job.timezone}`",
        "filter": or_none(job.filter),
        "payload": or_none(job.payload),
        "enabled": f"`{str(job.enabled).lower()}`",
        "jitter": f"`{format_duration(job.jitter)}`",
        "timeout": f"`{format_duration(job.timeout)}`",
        "concurrency.limit": f"`{job.concurrency.limit}`",
        "concurrency.when_full": f"`{job.concurrency.when_full}`",
        "rate_limit": or_none(job.rate_limit),
        "retry.attempts": f"`{job.retry.attempts}`",
        "retry.backoff": f"`{format_duration(job.retry.backoff)}`",
        "retry.max_backoff": f"`{format_duration(job.retry.max_backoff)}`",
        "catch_up.policy": f"`{job.catch_up.policy}`",
        "catch_up.within": f"`{format_duration(job.catch_up.within)}`",
        "expect.success_within": or_none(job.expect),
        "labels": or_none(job.labels or None),
        "tests.name": "its number",
        **dict.fromkeys(("tests.event", "tests.expect", "tests.at", "tests.next"), or_none(job.tests or None)),
    }

    said = {code(row["field"])[0]: row["default"] for row in rows}
    assert {name for name, default in said.items() if default == "required"} == required
    assert {name: default for name, default in said.items() if default != "required"} == given


def test_the_table_of_a_job_marks_what_a_defaults_document_may_give():
    rows = table(section(page("jobs"), "Job"))
    marked = {code(row["field"])[0] for row in rows if row["in defaults"] == "✓"}

    fields = {name for name, _ in leaves(DefaultsDocument, unsupported("defaults"))}
    assert marked == fields - {"kind"}


def test_every_supported_field_of_an_agent_is_in_the_table_and_no_other():
    rows = table(section(page("jobs"), "Agent"))
    fields = dict(leaves(CommandAgent, unsupported("agent")))

    assert names(rows, "field") == sorted_as(names(rows, "field"), fields)
    assert {code(row["field"])[0] for row in rows if row["default"] == "required"} == {
        name for name, required in fields.items() if required
    }


def test_the_table_of_an_agent_says_the_defaults_that_an_agent_gets():
    agents = state_of("kind: agent\nid: a\ntype: command\ncommand: [a]\n").agents
    agent, spec = agents["a"], agents["a"].spec
    rows = table(section(page("jobs"), "Agent"))
    said = {code(row["field"])[0]: row["default"] for row in rows if row["default"] != "required"}

    assert isinstance(spec, CommandSpec)
    assert said == {
        "id": "made from the name",
        "name": "the id" if agent.name == agent.id else "?",
        "description": "empty" if agent.description == "" else "?",
        "timeout": or_none(agent.timeout),
        "env": or_none(spec.env or None),
        "cwd": "the folder of this file" if spec.cwd is None else "?",
        "user": "the runner's" if spec.user is None else "?",
        **dict.fromkeys(("limits.memory", "limits.cpu", "limits.files"), or_none(spec.limits)),
    }
    assert (
        "made-from-the-name"
        in state_of("kind: agent\nname: Made from the name\ntype: command\ncommand: [a]").agents
    )


def test_what_is_not_supported_yet_is_in_one_table_and_only_that():
    rows = table(section(page("jobs"), "Not supported yet"))

    assert {row["of"]: set(code(row["not supported yet"])) for row in rows} == {
        kind: set(names) for kind, names in NOT_SUPPORTED_YET.items() if names
    }


def test_the_examples_of_documents_are_valid_together():
    state = state_of(*blocks(page("jobs"), "yaml"))

    assert not state.diagnostics
    assert (len(state.jobs), len(state.defaults)) == (2, 1)


def test_the_examples_of_tests_pass():
    jobs = state_of(*blocks(page("jobs"), "yaml")).jobs.values()
    made = [each for job in jobs for each in rehearse(job)]

    assert len(made) == 3
    assert all(each.passed for each in made)


def test_every_mode_and_every_answer_to_a_full_job_is_named():
    text = page("jobs")

    assert names(table(section(text, "Modes")), "mode") == list(Mode)
    when_full = next(row for row in table(section(text, "Job")) if "when_full" in row["field"])
    assert set(code(when_full["meaning"])) == set(WhenFull)


def test_every_schedule_in_the_table_is_one():
    rows = table(section(page("jobs"), "Schedules"))

    for schedule in names(rows, "schedule"):
        assert parse_schedule(schedule, "Europe/Berlin", "a-job").after(NOW)


def test_every_duration_and_every_rate_named_is_one():
    durations, rates = section(page("jobs"), "Durations and rates").strip().split("\n\n")

    assert [parse_duration(text) for text in code(durations) if len(text) > 1]
    assert [to_rate_limit(text) for text in code(rates)]


def test_every_filter_in_the_table_lets_its_event_through_and_not_another():
    rows = table(section(page("jobs"), "Filters"))

    for row in rows:
        checked = compile_filter(code(row["filter"])[0])
        assert checked.check(json.loads(code(row["an event that passes"])[0])).kind is VerdictKind.PASS
        assert checked.check({}).kind is VerdictKind.ERROR
    assert len(rows) == 6


def test_every_function_of_the_filter_language_is_named():
    named = section(page("jobs"), "Filters").partition("the functions ")[2].partition(".\n")[0]

    assert set(code(named)) == set(FUNCTIONS)


def test_every_variable_that_a_command_gets_is_named():
    source = Path(command_agent.__file__).read_text(encoding="utf-8")
    rows = table(section(page("jobs"), "What a command gets"))

    assert set(names(rows, "variable")) == {"JOBSD_EXECUTION", *re.findall(r'"(JOBSD_\w+)"', source)}


# -- records -------------------------------------------------------------------------------------------------


def fields_of_a_record() -> str:
    """The generated part of the page: every field of a line, in order."""
    schema = RecordLine.model_json_schema()
    definitions = schema["$defs"]
    lines = ["| field | holds | meaning |", "|---|---|---|"]
    for name, field in schema["properties"].items():
        holds, inner = _holds(field, definitions)
        lines.append(f"| `{name}` | {holds} | {field['description']} |")
        for below, more in inner.items():
            lines.append(f"| `{name}.{below}` | {_holds(more, definitions)[0]} | {more['description']} |")
    always = ", ".join(f"`{name}`" for name in schema["required"])
    return f"\n{chr(10).join(lines)}\n\nEvery line has {always}; the others where there is something to say.\n\n"


def _holds(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """What a field holds in a word, and the fields inside it."""
    part = next(part for part in field.get("anyOf", [field]) if part.get("type") != "null")
    if "$ref" in part:
        part = definitions[part["$ref"].rpartition("/")[2]]
    kinds = {"string": "text", "integer": "number", "object": "object", "array": "two numbers"}
    kind = "time" if part.get("format") == "date-time" else kinds.get(part.get("type", ""), "any JSON")
    return kind, part.get("properties", {})


def with_generated_fields(text: str) -> str:
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + fields_of_a_record() + END + rest.partition(END)[2]


def test_the_table_of_fields_is_the_models():
    text = page("records")

    assert text == with_generated_fields(text), "run: python tests/house/test_docs.py"


def test_the_example_of_a_line_is_a_line():
    (line,) = blocks(page("records"), "json")

    assert to_line(from_line(line.encode())).decode() == line


def test_the_table_of_statuses_is_the_table_of_transitions():
    rows = table(section(page("records"), "Statuses"))

    said = {(code(row["status"]) or [None])[0]: set(code(row["may become"])) for row in rows}
    assert said == {before: set(after) for before, after in TRANSITIONS.items()}


@pytest.mark.parametrize(
    ("title", "column", "known"), [("Reasons", "reason", Reason), ("Errors", "error.type", ErrorType)]
)
def test_the_closed_sets_are_complete(title, column, known):
    assert names(table(section(page("records"), title)), column) == list(known)


def test_every_reason_is_of_a_status():
    rows = table(section(page("records"), "Reasons"))

    assert {status for row in rows for status in code(row["of"])} <= set(Status)


def test_the_log_format_for_lnav_knows_the_fields_and_every_status():
    log = json.loads(LNAV.read_text(encoding="utf-8"))["jobsd_log"]
    fields = set(re.findall(r"^\| `([\w.]+)` \|", fields_of_a_record(), re.MULTILINE))
    shown = {part["field"] for part in log["line-format"] if isinstance(part, dict)}

    assert {name.replace("/", ".") for name in log["value"]} <= fields
    assert shown - {"__timestamp__"} <= set(log["value"])
    for status in Status:
        assert [level for level, pattern in log["level"].items() if re.search(pattern, status)], status


# -- command line --------------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(cli)
    for name in COMMANDS:
        found = cli.get_command(context, name)
        assert found is not None
        yield name, found


def options(found: click.Command) -> list[click.Option]:
    of_all = [*found.params]
    if isinstance(found, click.Group):
        of_all += [each for inner in found.commands.values() for each in inner.params]
    return [each for each in of_all if isinstance(each, click.Option) and not each.hidden]


def written_options(rows: list[Row]) -> set[str]:
    return {name for row in rows for part in code(row["option"]) for name in re.findall(r"^--?[a-z][a-z-]*", part)}


def section_of(name: str, found: click.Command) -> str:
    arguments = []
    for each in found.params:
        if isinstance(each, click.Argument):
            context = click.Context(found)
            is_choice = isinstance(each.type, click.Choice)
            arguments.append(each.human_readable_name if is_choice else each.make_metavar(context))
    return section(page("cli"), f"`{' '.join(['jobsd', name, *filter(None, arguments)])}`")


def test_every_command_is_in_the_table_in_the_order_of_the_help():
    assert names(table(page("cli")), "command") == list(COMMANDS)


def test_every_command_has_a_section_and_nothing_else_has():
    titles = re.findall(r"^### `jobsd ([a-z]+)", page("cli"), re.MULTILINE)

    assert titles == list(COMMANDS)


@pytest.mark.parametrize(("name", "found"), list(commands()), ids=list(COMMANDS))
def test_the_section_of_a_command_has_its_options_and_its_exit_codes(name, found):
    text = section_of(name, found)
    everywhere = {"--help", "-h", "--format"}
    known = {spelling for option in options(found) for spelling in (*option.opts, *option.secondary_opts)}

    assert written_options(table(text)) == known - everywhere
    codes = re.search(r"^Exit codes: (.+)\.$", text, re.MULTILINE)
    assert codes, "the exit codes are missing"
    documented = {row["code"] for row in table(section(page("cli"), "Exit codes"))}
    assert {part.split()[0] for part in re.findall(r"\d[^,]*", codes[1])} <= documented


@pytest.mark.parametrize(("name", "found"), list(commands()), ids=list(COMMANDS))
def test_a_default_that_the_help_shows_is_in_the_table(name, found):
    rows = {spelling: row for row in table(section_of(name, found)) for spelling in written_options([row])}

    for option in options(found):
        if option.show_default:
            assert rows[option.opts[0]]["default"] == f"`{option.default}`"


def test_the_options_of_every_command_are_in_one_table():
    rows = table(section(page("cli"), "Options of every command"))
    everywhere = {spelling for option in options(cli) for spelling in option.opts}

    assert written_options(rows) == everywhere | {"--format", "--help", "-h"}


def test_the_commands_without_json_are_named():
    rows = table(section(page("cli"), "Options of every command"))
    (row,) = [row for row in rows if "--format" in row["option"]]
    choices = {name: [o.type for o in options(found) if o.name == "output_format"] for name, found in commands()}
    without = [name for name, types in choices.items() if not any("json" in each.choices for each in types)]

    assert without == list(NO_JSON)
    assert [part for part in code(row["meaning"]) if part in COMMANDS] == list(NO_JSON)


def test_every_setting_is_in_the_table_with_its_variable_and_its_default():
    rows = table(section(page("cli"), "Settings and environment"))
    shown = {None: "none", False: "`false`"}

    assert names(rows, "key in `jobsd.yaml`") == list(Settings.model_fields)
    for row in rows:
        name = code(row["key in `jobsd.yaml`"])[0]
        field = Settings.model_fields[name]
        assert code(row["variable"]) == [f"JOBSD_{name.upper()}"]
        if field.default_factory is None:
            assert row["default"] == shown.get(field.default, f"`{field.default}`")


def test_every_schema_and_every_page_is_named():
    text = page("cli")

    assert set(code(own(section(text, "`jobsd schema KIND`")))) == set(SCHEMAS)
    assert set(code(own(section(text, "`jobsd docs [TOPIC]`")))) == {path.stem for path in PAGES.glob("*.md")}


# -- all pages -----------------------------------------------------------------------------------------------


def thousands(number: int) -> str:
    return f"{number:,}"


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("jobs", f"at most {command_agent.RESULT_LIMIT // 1024} KiB"),
        ("jobs", f"the last {command_agent.TAIL // 1024} KiB of its standard output"),
        ("jobs", f"{outputs.CAP // 1024**2} MiB at most"),
        ("jobs", f"{thousands(admission.QUEUE_LIMIT)} pushed and manual executions"),
        ("jobs", f"fewer than {SHORTEST} characters"),
        ("jobs", f"replaced by `{MASK.decode()}`"),
        ("records", f"{thousands(admission.QUEUE_LIMIT)} executions of the job wait"),
        ("records", f"when it has {records.ROTATE_BYTES // 1024**2} MiB"),
        ("records", f"a payload over {intake.INLINE_PAYLOAD // 1024} KiB"),
    ],
)
def test_numbers_in_the_pages_are_those_of_the_code(name, phrase):
    assert phrase in page(name)


def test_times_that_the_pages_have_in_words_are_those_of_the_code():
    assert "KILL ten seconds later" in page("jobs")
    assert GRACE == 10
    assert "for less than a minute is late and runs" in page("jobs")
    assert timedelta(minutes=1) == slots.LATE
    assert "ten start a second at most" in page("jobs")
    assert timedelta(seconds=0.1) == backlog.PACE
    assert "a minute later it had not come back" in page("records")
    assert dispatcher.HOLD_REMOVED == 60


def test_every_page_opens_with_its_title_and_links_to_no_file():
    for path in PAGES.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        assert text.startswith("# ")
        assert all(target.startswith("https://") for target in re.findall(r"\]\(([^)]*)\)", text))


def unsupported(kind: str) -> frozenset[str]:
    return NOT_SUPPORTED_YET[kind]


def or_none(value: object) -> str:
    return "none" if value is None else "?"


def sorted_as(order: list[str], known: Mapping[str, Any]) -> list[str]:
    """The known names, in the order of a page as far as it has them."""
    return sorted(known, key=lambda name: order.index(name) if name in order else len(order))


if __name__ == "__main__":
    PAGES.joinpath("records.md").write_text(with_generated_fields(page("records")), encoding="utf-8")
