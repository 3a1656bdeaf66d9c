"""Writing job files: a new one, an edited one, or one document less."""

import asyncio
import sys
from pathlib import PurePosixPath
from typing import Any

import click

from runner.cli.editing import edit_in_editor, edit_values, errors_in, show
from runner.cli.render import json_out
from runner.cli.runs import read_payload
from runner.cli.session import Session, actor, command_options
from runner.daemon import foreground, job_files
from runner.errors import ConflictError, InvalidDocumentError, InvalidRequestError, NoRunnerError
from runner.service.views import Deleted
from runner.spec.checks import slug
from runner.storage.notation import Style, entries


@click.command()
@click.argument("name")
@click.option("--mode", type=click.Choice(["manual", "cron", "push"]), help="By default as the options suggest.")
@click.option("--schedule", metavar="CRON", help="When to run, such as '0 9 * * 1-5'.")
@click.option("--timezone", metavar="ZONE", help="Zone of the schedule.")
@click.option("--filter", "filter_text", metavar="EXPR", help="Which events run the job.")
@click.option("--agent", help="Id of the agent.")
@click.option("--description", help="What the job does.")
@click.option("--prompt", help="What the agent is asked to do.")
@click.option("--payload", metavar="JSON|@FILE|-", help="Payload of a cron tick and of a run by hand.")
@click.option("--file", "file_name", metavar="NAME", help="File below the jobs directory.  [default: ID.yaml]")
@command_options()
def new(session: Session, name: str, file_name: str | None, filter_text: str | None, **fields: str | None) -> None:
    """Write the file of a new job.

    It is validated first, and never replaces a file.
    """
    payload = read_payload(fields.pop("payload"))
    identity = slug(name)
    if not identity:
        raise InvalidRequestError(f"no id can be made from the name {name!r}")
    mode = fields.pop("mode") or ("cron" if fields["schedule"] else "push" if filter_text else "manual")
    values: dict[str, Any] = {"id": identity, "name": name, **_in_order(fields, mode, filter_text)}
    if payload is not None:
        values["payload"] = payload.value
    given = {key: value for key, value in values.items() if value is not None or key == "payload"}
    lines = ("# yaml-language-server: $schema=../schemas/job.schema.json", *entries(given, Style(), 0))
    text = "".join(f"{line}\n" for line in lines)
    relative = file_name or f"{identity}.yaml"
    if not relative.endswith((".yaml", ".yml")):
        raise InvalidRequestError(f"--file {relative}: job files end in .yaml or .yml")
    if any(part.startswith(".") and part != ".." for part in PurePosixPath(relative).parts):
        raise InvalidRequestError(f"--file {relative}: names that start with a dot are ignored")
    if (session.settings.jobs / relative).exists():
        raise ConflictError(
            f"{session.settings.jobs / relative} exists already; 'jobsd edit {identity}' changes it"
        )
    if errors := errors_in(session, relative, text):
        show(errors)
        raise InvalidDocumentError("nothing was written")
    path = job_files(session.settings).create(relative, text)
    if session.json:
        json_out({"id": identity, "path": path})
    else:
        click.echo(f"wrote {path}: job {identity}")


def _in_order(fields: dict[str, str | None], mode: str, filter_text: str | None) -> dict[str, str | None]:
    return {
        "description": fields["description"],
        "agent": fields["agent"],
        "prompt": fields["prompt"],
        "mode": mode,
        "schedule": fields["schedule"],
        "timezone": fields["timezone"],
        "filter": filter_text,
    }


@click.command()
@click.argument("job")
@click.argument("assignments", nargs=-1, metavar="[FIELD=VALUE]...")
@click.option("--unset", multiple=True, metavar="FIELD", help="Take a field away; may be repeated.")
@command_options(formats=("text",))
def edit(session: Session, job: str, assignments: tuple[str, ...], unset: tuple[str, ...]) -> None:
    """Edit a job's file, by values or in your editor.

    With values, only the lines of these fields change: comments, order, quotes and all other lines stay.
    Fields within others are written with dots: retry.attempts=3. Without values it opens $VISUAL or $EDITOR.
    The edited text replaces the file only when it is valid.
    """
    if assignments or unset:
        edit_values(session, job, assignments, unset)
    else:
        edit_in_editor(session, job)


@click.command()
@click.argument("job")
@click.option("--yes", is_flag=True, help="Don't ask.")
@command_options()
def delete(session: Session, job: str, *, yes: bool) -> None:
    """Delete a job for good.

    That is its document, its history, its outputs and what it remembers.
    Asks first; where there is no terminal, it wants --yes. Executions of it that run are cancelled.
    """
    if not yes:
        if not sys.stdin.isatty():
            raise InvalidRequestError("deleting is for good: say --yes where nobody can be asked")
        click.confirm(f"Delete {job}, its file and all of its history?", abort=True, err=True)
    try:
        with session.runner() as runner:
            gone = runner.delete(job)
    except NoRunnerError:
        gone = asyncio.run(_delete_without_runner(session, job))
    if session.json:
        json_out(gone)
    else:
        executions = "1 execution" if gone.executions == 1 else f"{gone.executions} executions"
        click.echo(f"deleted {gone.job} with {executions}")


async def _delete_without_runner(session: Session, job: str) -> Deleted:
    async with foreground(session.settings, frozenset()) as service:
        return await service.delete(job, actor())
