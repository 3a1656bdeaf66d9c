"""Writing job files: a new one, an edited one, or one document less."""

import asyncio
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from runner.cli.diagnostics import render
from runner.cli.render import json_out
from runner.cli.runs import read_payload
from runner.cli.session import Session, actor, command_options
from runner.daemon import foreground, job_files, read_jobs_with
from runner.errors import ConflictError, Diagnostic, InvalidDocumentError, InvalidRequestError, NoRunnerError
from runner.service.views import Deleted
from runner.spec.checks import slug

_PLAIN = re.compile(r"[A-Za-z](?:[A-Za-z0-9 _-]*[A-Za-z0-9])?")
_WORDS_OF_YAML = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


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
    text = "# yaml-language-server: $schema=../schemas/job.schema.json\n" + "".join(
        f"{key}: {_scalar(value)}\n" for key, value in values.items() if value is not None
    )
    relative = file_name or f"{identity}.yaml"
    if not relative.endswith((".yaml", ".yml")):
        raise InvalidRequestError(f"--file {relative}: job files end in .yaml or .yml")
    if (session.settings.jobs / relative).exists():
        raise ConflictError(
            f"{session.settings.jobs / relative} exists already; 'jobsd edit {identity}' changes it"
        )
    _refuse_errors(session, relative, text)
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


def _scalar(value: Any) -> str:
    """A value as YAML: plain where nobody could misread it, else in JSON's form, which YAML shares."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS_OF_YAML:
        return value
    return json.dumps(value, ensure_ascii=False)


def _errors(session: Session, relative: str, text: str) -> list[Diagnostic]:
    """What would be wrong with a file of the tree if this were its text."""
    state = read_jobs_with(session.settings, relative, text)
    shown = str(session.settings.jobs / relative)
    return [each for each in state.diagnostics if each.is_error and each.path == shown]


def _refuse_errors(session: Session, relative: str, text: str) -> None:
    errors = _errors(session, relative, text)
    if errors:
        click.echo(render(errors, color=sys.stderr.isatty()), err=True)
        raise InvalidDocumentError("nothing was written")


@click.command()
@click.argument("job")
@click.argument("assignments", nargs=-1, metavar="")
@command_options(formats=("text",))
def edit(session: Session, job: str, assignments: tuple[str, ...]) -> None:
    """Edit a job's file in your editor.

    That is $VISUAL or $EDITOR. The edited text replaces the file only when it is valid.
    """
    if assignments:
        raise InvalidRequestError(f"{assignments[0]}: only editing in an editor is supported yet")
    with session.reader() as reader:
        path = reader.job(job).definition.path
    files = job_files(session.settings)
    before = files.text(path)
    descriptor, name = tempfile.mkstemp(prefix=f"jobsd-{job}-", suffix=".yaml")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(before)
    draft = Path(name)
    relative = Path(path).resolve().relative_to(session.settings.jobs.resolve()).as_posix()
    after = _edit_until_valid(session, draft, relative)
    if after == before:
        draft.unlink()
        click.echo("nothing changed", err=True)
        return
    try:
        files.replace(path, after, before)
    except ConflictError as error:
        raise ConflictError(f"{error}; your text is kept in {draft}") from None
    draft.unlink()
    click.echo(f"wrote {path}")


def _edit_until_valid(session: Session, draft: Path, relative: str) -> str:
    """The text that a person left in the editor, valid; they may try again as often as they like."""
    while True:
        click.edit(filename=str(draft))
        text = draft.read_text(encoding="utf-8")
        errors = _errors(session, relative, text)
        if not errors:
            return text
        click.echo(render(errors, color=sys.stderr.isatty()), err=True)
        again = sys.stdin.isatty() and click.confirm("Edit again?", default=True, err=True)
        if not again:
            raise InvalidDocumentError(f"nothing was written; your text is kept in {draft}")


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
