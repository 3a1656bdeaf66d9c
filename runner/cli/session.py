"""What every command needs: the settings, and somebody to ask, a running runner or the files."""

import contextlib
import functools
import os
import pwd
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from runner.client import Client
from runner.errors import NoRunnerError
from runner.places import SOCKET, config_file, state_directory
from runner.service.views import AgentView, ExecutionView, HistoryQuery, JobDetail, JobView, NextRun, StatusView

if TYPE_CHECKING:
    from runner.settings import Settings

SETTINGS_KEY = "jobsd.settings"
"""Where a command's own options that are settings wait in click's context."""


class Reader(Protocol):
    """Somebody who answers questions: the client of a running runner, or the files themselves."""

    def status(self) -> StatusView:
        """How the runner stands."""
        ...

    def jobs(self) -> list[JobView]:
        """All jobs."""
        ...

    def job(self, job: str) -> JobDetail:
        """One job."""
        ...

    def agents(self) -> list[AgentView]:
        """All agents."""
        ...

    def next_runs(self, job: str | None, count: int, start: Any = None) -> list[NextRun]:
        """Coming instants."""
        ...

    def executions(self, query: HistoryQuery) -> list[ExecutionView]:
        """Executions, newest first."""
        ...

    def execution(self, prefix: str) -> ExecutionView:
        """One execution."""
        ...

    def output(self, execution: str, start: int = 0) -> bytes:
        """Captured output."""
        ...

    def follow(self) -> Iterator[ExecutionView]:
        """Transitions as they happen."""
        ...


def actor() -> str:
    """The person at the keyboard, for the records."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


class Session:
    """One call of the command line."""

    def __init__(self, said: Mapping[str, Any], config: Path | None, output_format: str) -> None:
        self._said = said
        self._config = config
        self.format = output_format
        self.json = output_format == "json"
        self.color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    @functools.cached_property
    def settings(self) -> "Settings":
        """All settings, checked."""
        from runner.settings import load_settings  # noqa: PLC0415 - a question to a runner needs none of it

        return load_settings(self._said, self._config)

    @property
    def config_file(self) -> Path:
        """Where the settings file is, if there is one."""
        return config_file(self._said, self._config)

    @contextlib.contextmanager
    def runner(self) -> Iterator[Client]:
        """The running runner.

        Raises:
            NoRunnerError: when none is up.
        """
        state = state_directory(self._said, self._config) or self.settings.state
        with Client.connect(state / SOCKET, actor()) as client:
            yield client

    @contextlib.contextmanager
    def reader(self) -> Iterator[Reader]:
        """The running runner, else the files and the state directory."""
        with contextlib.ExitStack() as stack:
            try:
                reader: Reader = stack.enter_context(self.runner())
            except NoRunnerError:
                from runner.daemon import offline  # noqa: PLC0415 - a live runner needs none of it

                click.echo("jobsd: no runner is up; answering from the files", err=True)
                if not self.settings.jobs.is_dir():
                    click.echo(f"jobsd: there is no directory {self.settings.jobs}", err=True)
                reader = offline(self.settings)
            yield reader


def command_options(
    *, formats: tuple[str, ...] = ("text", "json")
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that say where things are, and a `Session` as its first argument.

    They are accepted after the command's name as well as before it; the help of `jobsd` itself lists them.
    """
    choice = click.option("--format", "output_format", type=click.Choice(formats), default="text", help="Output.")
    options = (
        *((choice,) if len(formats) > 1 else ()),
        click.option("--config", type=click.Path(), help="Settings file.", hidden=True),
        click.option("--state", type=click.Path(), help="State directory.", hidden=True),
        click.option("--jobs", type=click.Path(), help="Directory with the job files.", hidden=True),
    )

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def command(*, output_format: str = "text", **given: Any) -> None:
            context = click.get_current_context()
            where = {name: given.pop(name) or context.obj.get(name) for name in ("jobs", "state", "config")}
            config = where.pop("config")
            said = {**where, **context.meta.get(SETTINGS_KEY, {})}
            function(Session(said, Path(config) if config else None, output_format), **given)

        for option in options:
            option(command)
        return command

    return decorate
