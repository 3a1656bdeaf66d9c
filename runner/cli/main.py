"""The command `jobsd`: finds the module of a sub-command when it is needed, and turns errors into one line."""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from runner import __version__

COMMANDS = {
    "up": "runner.cli.up:up",
    "validate": "runner.cli.check:validate",
    "test": "runner.cli.test:test",
    "list": "runner.cli.jobs:list_jobs",
    "show": "runner.cli.jobs:show",
    "next": "runner.cli.jobs:next_runs",
    "simulate": "runner.cli.simulate:simulate",
    "run": "runner.cli.runs:run",
    "rerun": "runner.cli.runs:rerun",
    "cancel": "runner.cli.runs:cancel",
    "enable": "runner.cli.jobs:enable",
    "disable": "runner.cli.jobs:disable",
    "new": "runner.cli.files:new",
    "edit": "runner.cli.files:edit",
    "delete": "runner.cli.files:delete",
    "history": "runner.cli.history:history",
    "logs": "runner.cli.history:logs",
    "status": "runner.cli.status:status",
    "agents": "runner.cli.status:agents",
    "records": "runner.cli.records:records",
    "filter": "runner.cli.filter:filter_command",
    "import": "runner.cli.importing:import_group",
    "schema": "runner.cli.check:schema",
    "docs": "runner.cli.check:docs",
}
"""Each command and where it lives. Importing them all would slow down each of them."""


class Commands(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        """All names, in the order in which people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """The command of this name."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)  # noqa: S101 - the table above is ours
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one was probably meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches  # noqa: PLC0415 - only needed after a mistake

            close = get_close_matches(args[0], COMMANDS, 1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(error.message + hint, ctx) from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="jobsd")
@click.option("--jobs", type=click.Path(), help="Directory with the job files.  [default: jobs.d]")
@click.option("--state", type=click.Path(), help="State directory.  [default: .jobsd]")
@click.option(
    "--config", type=click.Path(), help="Settings file.  [default: jobsd.yaml beside the jobs directory]"
)
@click.pass_context
def cli(ctx: click.Context, /, **where: str | None) -> None:
    """Run jobs that are declared as YAML files: each connects an agent to a trigger.

    \b
    Start with:
      jobsd validate        check the files in jobs.d
      jobsd up              run them until stopped
      jobsd list            see the jobs and when each is due (in a second terminal)
      jobsd run JOB --wait  run one now and follow it

    All options that say where things are can also be given as JOBSD_JOBS, JOBSD_STATE and so on, or in
    jobsd.yaml. Exit codes: 0 ok, 1 a negative answer, 2 misuse, 3 no runner is up, 4 refused.
    """  # noqa: D301 - click reads the backspace as "keep these lines"
    ctx.obj = where


def _first_known(error: BaseException) -> Any:
    """The error for people inside a group of errors, if there is one."""
    from runner.errors import RunnerError  # noqa: PLC0415 - `--version` needs none of it

    if isinstance(error, RunnerError):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for inner in error.exceptions if (found := _first_known(inner))), None)
    return None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; leaves the process with the contract's exit code."""
    try:
        cli.main(args=list(arguments) if arguments is not None else None, prog_name="jobsd", standalone_mode=False)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("jobsd: interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has gone (such as head): nothing to say, and nobody to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        known = _first_known(error)
        if known is None:
            raise
        click.echo(f"jobsd: {known.message}", err=True)
        sys.exit(known.exit_code)
