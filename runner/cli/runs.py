"""Running jobs by hand, and ending runs."""

import sys
from pathlib import Path
from typing import Any

import click
import orjson

from runner.cli.render import json_out, status_text, why
from runner.cli.session import Reader, Session, actor, command_options
from runner.errors import InvalidRequestError
from runner.execution.lifecycle import Status
from runner.service.views import ExecutionView
from runner.spec.models import Payload

_LOOK = 0.1
"""Seconds between two looks at an execution that is followed."""


def read_payload(text: str | None, option: str = "--payload") -> Payload | None:
    """A payload from the command line: JSON, `@FILE` or `-` for standard input.

    Raises:
        InvalidRequestError: when it can't be read or is not JSON; the message says where it stops being JSON.
    """
    if text is None:
        return None
    if text == "-":
        raw, name = sys.stdin.buffer.read(), "standard input"
    elif text.startswith("@"):
        name = text[1:]
        try:
            raw = Path(name).read_bytes()
        except OSError as error:
            raise InvalidRequestError(f"{option} {text}: {(error.strerror or 'failed').lower()}") from None
    else:
        raw, name = text.encode("utf-8", "surrogateescape"), option
    try:
        return Payload(orjson.loads(raw))
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(f"{name} is not JSON: {error}") from None


@click.command()
@click.argument("job")
@click.option("--payload", "payload_text", metavar="JSON|@FILE|-", help="The event that the job gets.")
@click.option("--wait", is_flag=True, help="Follow the run; exit 0 when it completed, 1 otherwise.")
@click.option("--local", is_flag=True, help="Run in the foreground without a runner, taking its place meanwhile.")
@command_options()
def run(session: Session, job: str, payload_text: str | None, *, wait: bool, local: bool) -> None:
    """Run a job now.

    On a cron or push job a payload goes through the job's filter, as an event would.
    """
    payload = read_payload(payload_text)
    if local:
        import asyncio  # noqa: PLC0415 - a question to a runner needs no event loop

        _finish(session, asyncio.run(_run_local(session, job, payload)), waited=True)
        return
    with session.runner() as runner:
        execution = runner.run(job, payload)
        if wait:
            execution = follow_output(runner, execution, show=not session.json)
    _finish(session, execution, waited=wait)


def follow_output(reader: Reader, execution: ExecutionView, *, show: bool) -> ExecutionView:
    """Print an execution's output as it comes, until it has ended; how it ended."""
    from runner.clock import pause  # noqa: PLC0415 - brings an event loop, of no use to most commands

    position = 0
    while True:
        ended = execution.status.terminal
        if show:
            position += _print_output(reader.output(execution.id, position))
        if ended:
            return execution
        pause(_LOOK)
        execution = reader.execution(execution.id)


def _print_output(chunk: bytes) -> int:
    sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
    return len(chunk)


async def _run_local(session: Session, job: str, payload: Payload | None) -> ExecutionView:
    from runner.daemon import foreground  # noqa: PLC0415 - a command to a runner needs none of it

    async with foreground(session.settings, frozenset({job})) as service:
        execution = await service.run(job, payload, actor())
        with service.follow() as records:
            execution = service.reading.execution(execution.id)
            if not execution.status.terminal:
                async for record in records:
                    if record.id == execution.id and record.status.terminal:
                        break
        execution = service.reading.execution(execution.id)
        if not session.json:
            _print_output(service.reading.output(execution.id))
        return execution


def _finish(session: Session, execution: ExecutionView, *, waited: bool) -> None:
    """Say how it stands, and exit with it."""
    if session.json:
        json_out(execution)
    else:
        reason = why(execution)
        status = status_text(execution.status.value, color=session.color)
        line = f"{execution.id} {status}" + (f" ({reason})" if reason else "")
        click.echo(line, err=waited)
    if waited and execution.status is not Status.COMPLETED:
        sys.exit(1)


@click.command()
@click.argument("execution")
@click.option("--wait", is_flag=True, help="Follow the run; exit 0 when it completed, 1 otherwise.")
@command_options()
def rerun(session: Session, execution: str, *, wait: bool) -> None:
    """Run the job of an execution again, with the same payload.

    The job is what its file says now; its filter decides again. The id may be shortened while unique.
    """
    with session.runner() as runner:
        again = runner.rerun(execution)
        if wait:
            again = follow_output(runner, again, show=not session.json)
    _finish(session, again, waited=wait)


@click.command()
@click.argument("execution", required=False)
@click.option("--job", "job_id", metavar="JOB", help="Cancel all open executions of this job.")
@command_options()
def cancel(session: Session, execution: str | None, job_id: str | None) -> None:
    """Cancel an execution.

    It may be pending or running; its id may be shortened while unique.
    """
    if (execution is None) == (job_id is None):
        raise InvalidRequestError("name an execution, or a job with --job")
    with session.runner() as runner:
        if job_id is not None:
            cancelled: Any = runner.cancel_job(job_id)
        else:
            cancelled = runner.cancel(execution or "")
    if session.json:
        json_out(cancelled)
        return
    views: list[ExecutionView] = cancelled if isinstance(cancelled, list) else [cancelled]
    for view in views:
        click.echo(f"{view.id} {status_text(view.status.value, color=session.color)}")
    if not views:
        click.echo("nothing to cancel", err=True)
