"""`jobsd up`: run the jobs until stopped."""

import asyncio
import os
import sys
from typing import Any

import click

from runner.cli.render import when
from runner.cli.session import SETTINGS_KEY, Session, command_options
from runner.daemon import Runner, online
from runner.telemetry import configure


def _set(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Make an option of this command a setting."""
    if value is not None and parameter.name is not None:
        ctx.meta.setdefault(SETTINGS_KEY, {})[parameter.name] = value
    return value


@click.command()
@click.option(
    "--listen", callback=_set, expose_value=False, metavar="none", help="TCP address; only 'none' so far."
)
@click.option("--max-running", type=int, callback=_set, expose_value=False, help="Runs at once, in all.")
@click.option(
    "--log-format",
    type=click.Choice(["console", "json"]),
    callback=_set,
    expose_value=False,
    help="Runner's log.",
)
@click.option(
    "--allow-empty",
    is_flag=True,
    default=None,
    callback=_set,
    expose_value=False,
    help="Let an empty or missing jobs directory remove all jobs.",
)
@click.option(
    "--poll",
    is_flag=True,
    default=None,
    callback=_set,
    expose_value=False,
    help="Look at the files again and again; on network file systems that is done by itself.",
)
@click.option(
    "--allow-root-agents",
    is_flag=True,
    default=None,
    callback=_set,
    expose_value=False,
    help="As root, run agents that name no user as root.",
)
@command_options(formats=("text",))
def up(session: Session) -> None:
    """Run the jobs until stopped.

    Edits of the files take effect at once.

    Ctrl-C or SIGTERM gives running executions 30 s to end; a second one ends them now. SIGHUP looks at the
    files and the clock again. The runner's own log goes to standard error, what the jobs do is in
    executions.jsonl.
    """
    settings = session.settings
    configure(settings.log_format, color=sys.stderr.isatty() and not os.environ.get("NO_COLOR"))

    def ready(runner: Runner) -> None:
        click.echo(_banner(session, runner))
        sys.stdout.flush()

    asyncio.run(online(settings, ready))


def _banner(session: Session, runner: Runner) -> str:
    """What a person wants to know when the runner is up."""
    status = runner.service.reading.status()
    lines = [
        f"jobsd is up (pid {status.pid}) with {_jobs(status.jobs)} from {session.settings.jobs}",
        f"  socket   {session.settings.socket}",
        f"  records  {runner.state.executions}",
    ]
    if status.invalid:
        lines.append(f"  problems {status.invalid} invalid; 'jobsd status' shows where")
    if status.jobs == 0:
        lines.append("  next     nothing: 'jobsd new \"My first job\"' writes a job file")
    elif status.next is None:
        lines.append("  next     nothing is scheduled")
    else:
        job = runner.service.reading.find(status.next.job)
        lines.append(f"  next     {job.id} at {when(status.next.scheduled_for, job.timezone)}")
    lines.append("In a second terminal: jobsd list · jobsd run JOB --wait · jobsd history -f · jobsd status")
    return "\n".join(lines)


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"
