"""`jobsd import`: job and agent files from what another scheduler has."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from runner.cli.render import json_out
from runner.cli.session import Session, command_options
from runner.daemon import job_files, read_jobs
from runner.errors import ConflictError, ExpressionError, InvalidRequestError
from runner.schedule import parse_schedule
from runner.service.drawing import visible
from runner.spec.crontab import read_crontab
from runner.spec.transcript import NewFile, Transcript, transcribe

LOCALTIME = Path("/etc/localtime")
"""The machine's own zone: a link to a file of the zone database."""

_ZONES = "/zoneinfo/"


@click.group("import")
def import_group() -> None:
    """Write job and agent files that do what another scheduler does."""


@import_group.command("crontab")
@click.argument("file")
@click.option("--user-field", is_flag=True, help="A user stands before each command, as in /etc/crontab.")
@click.option("--timezone", metavar="ZONE", help="Zone of the times.  [default: the machine's]")
@click.option("--into", metavar="DIR", help="Folder to write to.  [default: the jobs directory]")
@click.option("--dry-run", is_flag=True, help="Print the files, and write nothing.")
@command_options()
def crontab(
    session: Session, file: str, timezone: str | None, into: str | None, *, user_field: bool, dry_run: bool
) -> None:
    """Write a job and an agent for each line of a crontab.

    FILE is a crontab, or - for standard input: crontab -l | jobsd import crontab -. No file is ever replaced.
    What could not be taken over is told with its line, and then the exit code is 1.
    """
    if not user_field and _is_of_the_system(Path(file)):
        raise InvalidRequestError(f"{file} names a user before each command: say --user-field")
    text = _text(file)
    zone = _zone(timezone)
    found = transcribe(read_crontab(text, zone, user_field=user_field))
    folder = Path(into) if into is not None else session.settings.jobs
    if not dry_run:
        _refuse_conflicts(session, folder, found.files)
        files = job_files(session.settings.model_copy(update={"jobs": folder}))
        for each in found.files:
            files.create(each.path, each.text)
    _tell(session, folder, found, dry_run=dry_run)
    for note in found.notes:
        click.echo(f"{file}:{note.line}: left out: {visible(note.message)}", err=True)
    if found.notes:
        sys.exit(1)


def _is_of_the_system(file: Path) -> bool:
    return file == Path("/etc/crontab") or file.parent == Path("/etc/cron.d")


def _text(file: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return raw.decode("utf-8")
    except OSError as error:
        raise InvalidRequestError(f"{file}: {(error.strerror or 'failed').lower()}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InvalidRequestError(f"{file}:{line}: not UTF-8; write it anew, such as with iconv") from None


def _zone(named: str | None) -> str:
    """The zone in which the times of a crontab are meant: as said, else the machine's."""
    if named is not None:
        try:
            return parse_schedule("@daily", named).timezone
        except ExpressionError as error:
            mistake = error.mistakes[0]
            advice = f"; {mistake.help}" if mistake.help else ""
            raise InvalidRequestError(f"--timezone: {mistake.message}{advice}") from None
    if not LOCALTIME.exists():
        return "UTC"
    _, known, name = os.path.realpath(LOCALTIME).partition(_ZONES)
    name = name.removeprefix("Etc/") if name == "Etc/UTC" else name
    try:
        return parse_schedule("@daily", name if known else "").timezone
    except ExpressionError:
        raise InvalidRequestError(f"{LOCALTIME} does not say which zone it is; name it with --timezone") from None


def _refuse_conflicts(session: Session, folder: Path, files: Sequence[NewFile]) -> None:
    """Refuse to write when a file is there already, or another file has a job or an agent of the same id."""
    conflicts = [f"{folder / each.path} exists already" for each in files if os.path.lexists(folder / each.path)]
    jobs = session.settings.jobs
    root = jobs if folder.resolve().is_relative_to(jobs.resolve()) else folder
    if not conflicts and root.is_dir():
        state = read_jobs(session.settings.model_copy(update={"jobs": root}))
        for each in files:
            is_agent = Path(each.path).parent.name
            kind, there = ("agent", state.agents) if is_agent else ("job", state.jobs)
            if each.id in there:
                origin = there[each.id].origin
                where = f" in {origin.path}:{origin.line}" if origin else ""
                conflicts.append(f"there is the {kind} {each.id} already{where}")
        wanted = {each.id for each in files}
        conflicts += (
            f"there is a document with the id {invalid.id} already, with errors, in {invalid.path}"
            for invalid in state.invalid
            if invalid.id in wanted
        )
    if conflicts:
        for conflict in conflicts:
            click.echo(conflict, err=True)
        raise ConflictError("nothing was written: move these away, or name another folder with --into")


def _tell(session: Session, folder: Path, found: Transcript, *, dry_run: bool) -> None:
    if session.json:
        files = [
            {"path": str(folder / each.path), "id": each.id, **({"text": each.text} if dry_run else {})}
            for each in found.files
        ]
        notes = [{"line": note.line, "message": note.message} for note in found.notes]
        json_out({"files": files, "left_out": notes})
        return
    for each in found.files:
        if dry_run:
            click.echo(f"---\n# {folder / each.path}\n{each.text}", nl=False)
        else:
            click.echo(f"wrote {folder / each.path}")
    jobs = "1 job" if found.jobs == 1 else f"{found.jobs} jobs"
    click.echo(f"{jobs} in {len(found.files)} files{', none written' if dry_run else ''}", err=True)
