"""`jobsd filter`: try an expression on an event, and see what each part of it is."""

import sys
from typing import Any

import click

from runner.cli.diagnostics import render, visible
from runner.cli.render import json_out
from runner.cli.runs import read_payload
from runner.cli.session import Session, command_options
from runner.errors import Diagnostic, InvalidRequestError, Mistake, Span
from runner.filters import Filter, FilterSyntaxError, VerdictKind, compile_filter
from runner.filters.batch import answer, encode
from runner.filters.explain import Explained, PartState, explain

_COLORS = {VerdictKind.PASS: "green", VerdictKind.REJECT: "yellow", VerdictKind.ERROR: "red"}


@click.command("filter")
@click.argument("expression", required=False, metavar="[EXPR]")
@click.option("--event", metavar="JSON|@FILE|-", help="The event to try it on.")
@click.option("--batch", is_flag=True, help='Read lines {"expr": …, "payload": …}, write a result line for each.')
@click.option("--filtrex", is_flag=True, help="Behave as filtrex itself, without jobsd's differences.")
@command_options()
def filter_command(
    session: Session, expression: str | None, event: str | None, *, batch: bool, filtrex: bool
) -> None:
    """Check a filter, and try it on an event.

    Prints the verdict (pass, reject or error), the value, and the value of every part. Exits 0 when the event
    passes, or when there is no event and the filter is valid. `jobsd docs filters` explains the language.
    """
    if batch:
        if expression is not None or event is not None:
            raise InvalidRequestError("--batch reads expressions and events from standard input")
        _run_batch(filtrex=filtrex)
        return
    if expression is None:
        raise InvalidRequestError("name an expression, such as 'event.amount > 1000', or use --batch")
    compiled = _compile(session, expression, filtrex=filtrex)
    payload = read_payload(event, "--event")
    if payload is None:
        _valid(session, compiled)
        return
    explained = explain(compiled, payload.value)
    if session.json:
        json_out(_as_json(explained))
    else:
        _print(session, compiled, explained)
    if not explained.verdict.passed:
        sys.exit(1)


def _run_batch(*, filtrex: bool) -> None:
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    for line in source:
        if line.strip():
            sink.write(answer(line, filtrex=filtrex) + b"\n")
    sink.flush()


def _compile(session: Session, expression: str, *, filtrex: bool) -> Filter:
    try:
        expression.encode()
    except UnicodeEncodeError:
        # Bytes of the command line that are no text come as halves of surrogate pairs, which JSON can't hold.
        raise InvalidRequestError("the expression is not valid UTF-8") from None
    try:
        return compile_filter(expression, filtrex=filtrex)
    except FilterSyntaxError as error:
        problems = [mistake_diagnostic(expression, mistake) for mistake in error.mistakes]
        if session.json:
            json_out({"verdict": "error", "mistakes": [_mistake_json(mistake) for mistake in error.mistakes]})
        else:
            click.echo(render(problems, color=session.color), err=True, nl=False)
        sys.exit(1)


def mistake_diagnostic(expression: str, mistake: Mistake) -> Diagnostic:
    """A mistake in an expression of the command line, as a diagnostic that can be drawn."""
    line, column = _position(expression, mistake.start)
    end_line, end_column = _position(expression, mistake.end)
    return Diagnostic(
        mistake.rule,
        mistake.message,
        "filter",
        Span(line, column, end_line, end_column),
        mistake.severity,
        help=mistake.help,
        fix=mistake.fix,
        source=expression.split("\n")[line - 1],
    )


def _position(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def _mistake_json(mistake: Mistake) -> dict[str, Any]:
    values = {
        "rule": mistake.rule,
        "severity": mistake.severity.value,
        "message": mistake.message,
        "start": mistake.start,
        "end": mistake.end,
        "help": mistake.help,
        "fix": mistake.fix,
    }
    return {name: value for name, value in values.items() if value is not None}


def _valid(session: Session, compiled: Filter) -> None:
    """Say that a filter is valid, and what may be unwanted of it."""
    if session.json:
        json_out({"valid": True, "warnings": [_mistake_json(mistake) for mistake in compiled.warnings]})
        return
    if compiled.warnings:
        problems = [mistake_diagnostic(compiled.text, mistake) for mistake in compiled.warnings]
        click.echo(render(problems, color=session.color), err=True, nl=False)
    click.echo("valid; --event tries it on an event")


def _as_json(explained: Explained) -> dict[str, Any]:
    problem = explained.verdict.error
    data: dict[str, Any] = {"verdict": explained.verdict.kind.value}
    if explained.root.state is PartState.VALUE:
        data["value"] = encode(explained.root.value)
    if problem is not None:
        data["error"] = {
            "type": problem.type,
            "message": problem.message,
            "path": problem.path,
            "span": list(problem.span),
            "help": problem.help,
        }
        data["error"] = {name: value for name, value in data["error"].items() if value is not None}
    data["parts"] = [
        {"text": part.text, "span": [part.start, part.end], "level": level, "state": part.state.value}
        | ({"value": encode(part.value)} if part.state is PartState.VALUE else {})
        for level, part in explained.root.walk()
    ]
    return data


def _print(session: Session, compiled: Filter, explained: Explained) -> None:
    kind = explained.verdict.kind
    click.echo(click.style(kind.value, fg=_COLORS[kind]) if session.color else kind.value)
    parts = [("  " * level + visible(part.text), part.shown) for level, part in explained.root.walk()]
    width = min(max(len(text) for text, _ in parts), 72)
    click.echo()
    for text, shown in parts:
        click.echo(f"{text:<{width}}  {visible(shown)}")
    problem = explained.verdict.error
    if problem is not None:
        mistake = Mistake("filter-error", problem.message, problem.start, problem.end, problem.help)
        click.echo()
        click.echo(render([mistake_diagnostic(compiled.text, mistake)], color=session.color), nl=False)
