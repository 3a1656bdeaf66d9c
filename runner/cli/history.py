"""Looking back: executions and their output."""

from http import HTTPStatus

import click

from runner.cli.render import EXECUTION_HEADERS, execution_row, json_line, json_out, table, why
from runner.cli.runs import follow_output
from runner.cli.session import Reader, Session, command_options
from runner.errors import RunnerError, UnknownExecutionError
from runner.execution.instants import format_instant
from runner.execution.lifecycle import Status
from runner.service.views import ExecutionView, HistoryQuery


@click.command()
@click.argument("job", required=False)
@click.option("-n", "limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many.")
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([status.value for status in Status]),
    help="Only executions with this status; may be repeated.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on and print each transition as it happens.")
@command_options()
def history(session: Session, job: str | None, limit: int, statuses: tuple[str, ...], *, follow: bool) -> None:
    """Show executions, the newest first.

    With -f the newest comes last, and then whatever happens.
    """
    wanted = frozenset(Status(status) for status in statuses)
    with session.reader() as reader:
        found = reader.executions(HistoryQuery(job, wanted, limit))
        if job is not None and not found:
            _require(reader, job)
        if follow:
            _follow(session, reader, list(reversed(found)), job, wanted)
            return
    if session.json:
        json_out(found)
    else:
        table(EXECUTION_HEADERS, [execution_row(execution) for execution in found])


def _require(reader: Reader, job: str) -> None:
    """A job that never was is an error; one that is gone may still have a history."""
    try:
        reader.job(job)
    except RunnerError as error:
        if error.status != HTTPStatus.NOT_FOUND or not reader.executions(HistoryQuery(job, frozenset(), 1)):
            raise


def _follow(
    session: Session, reader: Reader, before: list[ExecutionView], job: str | None, wanted: frozenset[Status]
) -> None:
    for execution in before:
        _print_transition(session, execution)
    for execution in reader.follow():
        if job in {None, execution.job} and (not wanted or execution.status in wanted):
            _print_transition(session, execution)


def _print_transition(session: Session, execution: ExecutionView) -> None:
    if session.json:
        json_line(execution)
        return
    reason = why(execution)
    at = format_instant(execution.at)
    click.echo(
        f"{at} {execution.id} {execution.job} {execution.status.value}" + (f" ({reason})" if reason else "")
    )


@click.command()
@click.argument("execution", metavar="EXECUTION|JOB")
@click.option("-f", "--follow", is_flag=True, help="Go on until the execution has ended.")
@command_options(formats=("text",))
def logs(session: Session, execution: str, *, follow: bool) -> None:
    """Print the output of an execution.

    Of a job it is that of the newest one.
    """
    with session.reader() as reader:
        found = _execution_or_newest(reader, execution)
        if follow:
            follow_output(reader, found, show=True)
        else:
            click.echo(reader.output(found.id), nl=False)


def _execution_or_newest(reader: Reader, name: str) -> ExecutionView:
    newest = reader.executions(HistoryQuery(name, frozenset(), 1))
    if newest:
        return newest[0]
    if any(job.id == name for job in reader.jobs()):
        raise UnknownExecutionError(f"job {name} has not run yet")
    return reader.execution(name)
