"""`jobsd filter`: try an expression on an event, and see what each part of it is."""

import sys
from collections.abc import Iterator

import click

from runner.cli.render import json_out
from runner.cli.runs import read_payload
from runner.cli.session import Session, command_options
from runner.errors import InvalidRequestError, Mistake
from runner.filters import Filter, FilterProblem, FilterSyntaxError, VerdictKind
from runner.filters.batch import answer
from runner.filters.explain import Explained, explain
from runner.service.drawing import render, visible
from runner.service.trial import compile_trial, mistake_diagnostic, mistakes_data, tried_data, valid_data

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
        json_out({**tried_data(explained)})
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
        return compile_trial(expression, filtrex=filtrex)
    except FilterSyntaxError as error:
        if session.json:
            json_out({"verdict": "error", "diagnostics": mistakes_data(error)})
        else:
            problems = [mistake_diagnostic(expression, mistake) for mistake in error.mistakes]
            click.echo(render(problems, color=session.color), err=True, nl=False)
        sys.exit(1)


def _valid(session: Session, compiled: Filter) -> None:
    """Say that a filter is valid, and what may be unwanted of it."""
    if session.json:
        json_out({**valid_data(compiled)})
        return
    if compiled.warnings:
        problems = [mistake_diagnostic(compiled.text, mistake) for mistake in compiled.warnings]
        click.echo(render(problems, color=session.color), err=True, nl=False)
    click.echo("valid; --event tries it on an event")


def _print(session: Session, compiled: Filter, explained: Explained) -> None:
    kind = explained.verdict.kind
    click.echo(click.style(kind.value, fg=_COLORS[kind]) if session.color else kind.value)
    click.echo()
    for line in parts_of(explained):
        click.echo(line)
    problem = explained.verdict.error
    if problem is not None:
        click.echo()
        click.echo(problem_of(compiled.text, problem, color=session.color), nl=False)


def parts_of(explained: Explained) -> Iterator[str]:
    """Each part of a filter with its value, in a line of its own."""
    parts = [("  " * level + visible(part.text), part.shown) for level, part in explained.root.walk()]
    width = min(max(len(text) for text, _ in parts), 72)
    return (f"{text:<{width}}  {visible(shown)}" for text, shown in parts)


def problem_of(expression: str, problem: FilterProblem, *, color: bool) -> str:
    """Why a filter has no answer, with carets under the place."""
    mistake = Mistake("filter-error", problem.message, problem.start, problem.end, problem.help)
    return render([mistake_diagnostic(expression, mistake)], color=color)
