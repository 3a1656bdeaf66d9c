"""The command `jobsd simulate`; what it does is in `simulation`, which the help does not load."""

from datetime import datetime

import click

from runner.cli.session import Session, command_options
from runner.cli.times import instant


@click.command()
@click.argument("names", nargs=-1, metavar="[JOB]...")
@click.option("--from", "start", callback=instant, metavar="TIME", help="Begin at this time instead of now.")
@click.option("--to", "end", callback=instant, metavar="TIME", help="End at this time instead of a week later.")
@click.option(
    "--duration", metavar="DURATION", help="How long each run takes, instead of what its last ones took."
)
@click.option(
    "--tz", "zone", default="UTC", show_default=True, metavar="ZONE", help="Zone of the hours of the day."
)
@click.option("--slots", is_flag=True, help="Show every slot, too.")
@command_options()
def simulate(
    session: Session,
    names: tuple[str, ...],
    start: datetime | None,
    end: datetime | None,
    duration: str | None,
    zone: str,
    *,
    slots: bool,
) -> None:
    """Show what the schedules will do in a stretch of time.

    How often each job starts, which of its runs would overlap, in which minutes most jobs start, and how the
    starts are spread over the day. Answers from the files, with a runner or without, and runs nothing.
    """
    from runner.cli.simulation import Question, answer  # noqa: PLC0415 - the help needs none of it

    answer(session, Question(names, start, end, duration, zone, slots=slots))
