"""How the runner stands, and which agents there are."""

import sys

import click

from runner.cli.diagnostics import render
from runner.cli.render import json_out, pause_text, table, when
from runner.cli.session import Session, command_options
from runner.service.views import StatusView


@click.command()
@command_options()
def status(session: Session) -> None:
    """Show how the runner stands.

    That is jobs, executions, pauses, and what is wrong with the files. Exits 1 when a job is stale: when its
    file is broken, so that its last good version is in force.
    """
    with session.reader() as reader:
        view = reader.status()
    _show(session, view)
    if view.stale:
        sys.exit(1)


def _show(session: Session, view: StatusView) -> None:
    if session.json:
        json_out(view)
        return
    for name, value in _lines(view):
        click.echo(f"{name:<9} {value}")
    if view.diagnostics:
        click.echo()
        click.echo(render([each.diagnostic() for each in view.diagnostics], color=session.color), nl=False)


def _lines(view: StatusView) -> list[tuple[str, str]]:
    lines = [("runner", f"up since {when(view.started_at)}, pid {view.pid}" if view.live else "not up")]
    lines.append(("files", f"{view.jobs_dir}: {view.jobs} jobs in force, {view.invalid} with errors"))
    lines.append(("state", view.state_dir))
    lines.append(("now", f"{view.running} running, {view.pending} pending"))
    if view.counts:
        ended = ", ".join(f"{count} {name}" for name, count in sorted(view.counts.items()))
        lines.append(("ended", ended))
    if view.next:
        lines.append(("next", f"{view.next.job} at {view.next.local}"))
    drift = ((each, pause_text(each.pause)) for each in view.drift)
    lines.extend(("paused", f"{each.job} {pause} (enabled in {each.path})") for each, pause in drift)
    if view.stale:
        lines.append(("stale", f"{', '.join(view.stale)}: the last good version is in force"))
    if view.overdue:
        lines.append(("overdue", f"{', '.join(view.overdue)}: the last success is older than expected"))
    if view.filter_fails:
        fails = "the filter failed on each of the last 20 events; 'jobsd history JOB' says why"
        lines.append(("filter", f"{', '.join(view.filter_fails)}: {fails}"))
    if view.held:
        lines.append(("held", view.held))
    return lines


@click.command()
@command_options()
def agents(session: Session) -> None:
    """List the agents and the jobs that use them."""
    with session.reader() as reader:
        views = reader.agents()
    if session.json:
        json_out(views)
        return
    rows = [
        (each.id, each.type, " ".join(each.command or ()) or "-", ", ".join(each.jobs) or "-") for each in views
    ]
    table(("AGENT", "TYPE", "COMMAND", "JOBS"), rows)
