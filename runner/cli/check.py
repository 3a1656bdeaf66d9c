"""Checking files, and what helps to write them: schemas and reference pages. None of it needs a runner."""

import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import click
import orjson

from runner.cli.diagnostics import render, summary, to_json
from runner.cli.render import json_out
from runner.cli.session import Session, command_options
from runner.daemon import read_jobs
from runner.errors import Diagnostic, InvalidRequestError
from runner.execution.jsonschema import execution_schema
from runner.spec.jsonschema import SCHEMAS as DOCUMENTS

SCHEMAS = {**DOCUMENTS, "execution": execution_schema}
"""How each schema is made, by its name."""


@click.command()
@click.argument("paths", nargs=-1, type=click.Path())
@command_options()
def validate(session: Session, paths: tuple[str, ...]) -> None:
    """Check job files.

    By default that is the whole jobs directory.

    Needs no runner, resolves no secret and runs nothing. PATH may be files of the jobs directory (the whole
    tree is read, as a file may name agents in others, and what concerns these files is shown) or another
    tree. Exits 1 when there is any error.
    """
    found: dict[Diagnostic, None] = {}
    count = 0
    for root, shown in _trees(session.settings.jobs, paths):
        state = read_jobs(session.settings.model_copy(update={"jobs": root}))
        wanted = [each for each in state.diagnostics if shown is None or _below(each.path, shown)]
        found |= dict.fromkeys(wanted)
        count += state.files if shown is None else sum(map(_files_below, shown))
    diagnostics = list(found)
    _print(session, diagnostics, count)
    if any(diagnostic.is_error for diagnostic in diagnostics):
        sys.exit(1)


def _trees(jobs: Path, paths: Sequence[str]) -> list[tuple[Path, list[Path] | None]]:
    """The trees to read, each with what of it is to be shown (None: all)."""
    if not paths:
        if not jobs.is_dir():
            raise InvalidRequestError(f"there is no directory {jobs}; name one with --jobs or as an argument")
        return [(jobs, None)]
    inside: list[Path] = []
    trees: list[tuple[Path, list[Path] | None]] = []
    for text in paths:
        path = Path(text)
        if not path.exists():
            raise InvalidRequestError(f"{path} does not exist")
        if jobs.is_dir() and path.resolve() != jobs.resolve() and path.resolve().is_relative_to(jobs.resolve()):
            inside.append(path)
        elif path.is_dir():
            trees.append((path, None))
        else:
            trees.append((path.parent, [path]))
    return ([(jobs, inside)] if inside else []) + trees


def _below(path: str, shown: Sequence[Path]) -> bool:
    return any(Path(path).resolve().is_relative_to(each.resolve()) for each in shown)


def _files_below(path: Path) -> int:
    """How many job files a path stands for."""
    if path.is_file():
        return 1
    return sum(1 for each in path.rglob("*.y*ml") if not any(part.startswith(".") for part in each.parts))


def _print(session: Session, diagnostics: list[Diagnostic], count: int) -> None:
    if session.json:
        json_out([to_json(diagnostic) for diagnostic in diagnostics])
        return
    if diagnostics:
        click.echo(render(diagnostics, color=session.color))
    click.echo(summary(diagnostics, count), err=True)


@click.command()
@click.argument("kind", type=click.Choice(sorted(SCHEMAS)))
def schema(kind: str) -> None:
    """Print a JSON Schema.

    It is Draft 2020-12, of a kind of document or of a line of executions.jsonl.
    """
    click.echo(orjson.dumps(SCHEMAS[kind](), option=orjson.OPT_INDENT_2).decode())


@click.command()
@click.argument("topic", required=False)
def docs(topic: str | None) -> None:
    """Print a reference page, or list them."""
    pages = {Path(page.name).stem: page for page in files("runner").joinpath("docs").iterdir()}
    pages = {name: page for name, page in sorted(pages.items()) if page.name.endswith(".md")}
    if topic is None:
        for name, page in pages.items():
            title = page.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
            click.echo(f"{name:<10} {title}")
        return
    if topic not in pages:
        raise InvalidRequestError(f"there is no page {topic!r}; there are {', '.join(pages)}")
    text = pages[topic].read_text(encoding="utf-8")
    if not sys.stdout.isatty():
        click.echo(text, nl=False)
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.markdown import Markdown  # noqa: PLC0415 - likewise

    Console().print(Markdown(text))
