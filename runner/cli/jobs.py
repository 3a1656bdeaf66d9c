"""Looking at jobs, and switching them on and off."""

from datetime import datetime

import click

from runner.cli.diagnostics import render
from runner.cli.render import json_out, last_of, pause_text, table, when
from runner.cli.session import Session, command_options
from runner.cli.times import instant, slot_remarks, slot_time
from runner.errors import InvalidRequestError, JobDisabledError, RunnerError
from runner.service.views import JobDetail, JobView


@click.command("list")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="Only jobs with this label.")
@command_options()
def list_jobs(session: Session, labels: tuple[str, ...]) -> None:
    """List the jobs with their next runs.

    Times are in each job's own zone; LAST is how its newest execution stands.
    """
    with session.reader() as reader:
        jobs = [job for job in reader.jobs() if all(_has_label(job, label) for label in labels)]
    if session.json:
        json_out(jobs)
        return
    rows = [
        (job.id, job.mode, job.state, when(job.next_run, job.timezone), last_of(job), job.agent) for job in jobs
    ]
    table(("JOB", "MODE", "STATE", "NEXT RUN", "LAST", "AGENT"), rows)


def _has_label(job: JobView, label: str) -> bool:
    key, equals, value = label.partition("=")
    if not equals:
        raise InvalidRequestError(f"--label {label}: expected KEY=VALUE")
    return job.labels.get(key) == value


@click.command()
@click.argument("job")
@command_options()
def show(session: Session, job: str) -> None:
    """Show a job's settings and next runs.

    Each setting is shown with where it comes from, and what is wrong with the file with its place.
    """
    with session.reader() as reader:
        detail = reader.job(job)
    if session.json:
        json_out(detail)
        return
    click.echo(f"{detail.name} ({detail.id}): {detail.state}")
    if detail.description:
        click.echo(f"  {detail.description}")
    click.echo(f"  {detail.definition.path}:{detail.definition.line}  sha256 {detail.definition.sha256[:12]}")
    if detail.schedule_in_words:
        click.echo(f"  runs {detail.schedule_in_words}")
    if detail.paused:
        click.echo(f"  paused {pause_text(detail.paused)}")
    click.echo()
    table(
        ("SETTING", "VALUE", "FROM"),
        [
            (name, _value(setting.value), setting.source)
            for name, setting in detail.settings.items()
            if setting.value not in ("", {})
        ],
    )
    _show_runs(detail)
    problems = [view.diagnostic() for view in [*detail.stale, *detail.diagnostics]]
    if problems:
        click.echo()
        click.echo(render(dict.fromkeys(problems), color=session.color), nl=False)


def _show_runs(detail: JobDetail) -> None:
    if detail.next_runs:
        click.echo("\nNext runs")
        for slot in detail.next_runs:
            click.echo(f"  {when(slot, detail.timezone)}")


def _value(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_value(inner)}" for key, inner in value.items()) or "{}"
    return str(value).lower() if isinstance(value, bool) else str(value)


@click.command("next")
@click.argument("job", required=False)
@click.option("-n", "count", type=click.IntRange(1, 10_000), default=10, show_default=True, help="How many.")
@click.option("--from", "start", callback=instant, metavar="TIME", help="Count from this time instead of now.")
@command_options()
def next_runs(session: Session, job: str | None, count: int, start: datetime | None) -> None:
    """Show the coming runs of one job, or of all together."""
    with session.reader() as reader:
        runs = reader.next_runs(job, count, start)
    if session.json:
        json_out(runs)
        return
    table(("AT", "JOB", "NOTE"), [(slot_time(run), run.job, slot_remarks(run)) for run in runs])


@click.command()
@click.argument("job")
@click.option("--reason", help="Why, for whoever looks at it later.")
@click.option("--for", "duration", metavar="DURATION", help="End the pause by itself, such as 2h or 1d12h.")
@click.option("--write", is_flag=True, help="Edit the job's file instead: enabled: false.")
@command_options()
def disable(session: Session, job: str, reason: str | None, duration: str | None, *, write: bool) -> None:
    """Pause a job at run time, or disable it in its file.

    A pause leaves the file as it is, and what was accepted still runs. The pause outlives the runner.
    """
    if write:
        if reason or duration:
            raise InvalidRequestError("--reason and --for are for a pause; --write edits the file instead")
        _switch(session, job, enabled=False)
        return
    with session.runner() as runner:
        view = runner.pause(job, reason, duration)
    if session.json:
        json_out(view)
        return
    until = f" until {when(view.paused.until)}" if view.paused and view.paused.until else ""
    click.echo(f"{view.id} is paused{until}")


@click.command()
@click.argument("job")
@click.option("--write", is_flag=True, help="Edit the job's file: enabled: true.")
@command_options()
def enable(session: Session, job: str, *, write: bool) -> None:
    """End the pause of a job, or enable it in its file."""
    if write:
        _switch(session, job, enabled=True)
        return
    try:
        with session.runner() as runner:
            view = runner.resume(job)
    except RunnerError:
        from runner.cli.switching import place_that_disables  # noqa: PLC0415 - only needed to refuse

        if place := place_that_disables(session, job):
            raise JobDisabledError(f"job {job} is disabled in {place}; use --write to change the file") from None
        raise
    if session.json:
        json_out(view)
        return
    coming = f"; next run {when(view.next_run, view.timezone)}" if view.next_run else ""
    click.echo(f"{view.id} is enabled{coming}")


def _switch(session: Session, job: str, *, enabled: bool) -> None:
    """Edit the file of a job, and say what it says now."""
    from runner.cli.switching import switch_in_file  # noqa: PLC0415 - a pause needs none of it

    done = switch_in_file(session, job, enabled=enabled)
    if session.json:
        json_out({"id": job, "path": done.path, "line": done.line, "enabled": enabled, "changed": done.changed})
    elif done.changed:
        click.echo(f"wrote {done.path}:{done.line}: {job} is {'enabled' if enabled else 'disabled'}")
    else:
        click.echo(
            f"{job} is {'enabled' if enabled else 'disabled'} already in {done.path}; nothing changed", err=True
        )
