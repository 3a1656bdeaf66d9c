"""Looking after the log of records."""

import sys

import click

from runner.cli.render import json_out
from runner.cli.session import Session, command_options
from runner.daemon import verification


@click.group()
def records() -> None:
    """Look after the records: the lines of executions.jsonl and of its closed segments."""


@records.command()
@command_options()
def verify(session: Session) -> None:
    """Check every line of all segments.

    Each must be a record, each transition legal, each execution begin and end once, and each large payload be
    where the record says and have its hash. Works with a runner up or without. Exits 1 when there is a problem.
    """
    checked = verification(session.settings)
    found = checked.problems()
    if session.json:
        problems = [{"path": each.path, "line": each.line, "message": each.message} for each in found]
        count = len(problems)
        tally = checked.tally
        json_out(
            {
                "problems": problems,
                "files": tally.files,
                "lines": tally.lines,
                "executions": tally.executions,
                "open": tally.open,
                "cut_off": tally.cut_off,
            }
        )
    else:
        count = 0
        for count, each in enumerate(found, 1):  # noqa: B007 - how many there were
            click.echo(f"{each.path}:{each.line}: {each.message}")
        tally = checked.tally
        click.echo(
            f"{count} problems in {tally.lines} lines of {tally.executions} executions ({tally.open} open), "
            f"in {tally.files} files",
            err=True,
        )
    if count:
        sys.exit(1)
