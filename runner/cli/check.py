"""Checking files, and what helps to write them: schemas and reference pages. None of it needs a runner."""

import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import click
import orjson

from runner.cli.diagnostics import render, summary, to_json
from runner.cli.formats import Checked, github, junit, sarif
from runner.cli.pages import explained, topics
from runner.cli.render import json_out
from runner.cli.session import Session, command_options
from runner.daemon import changed_files, read_tree
from runner.errors import Diagnostic, InvalidRequestError
from runner.execution.jsonschema import execution_schema
from runner.service.checking import review
from runner.settings import settings_schema
from runner.spec.document import SourceFile
from runner.spec.jsonschema import SCHEMAS as DOCUMENTS
from runner.spec.policy import Policy, read_policy

SCHEMAS = {**DOCUMENTS, "execution": execution_schema, "settings": settings_schema}
"""How each schema is made, by its name."""


@click.command()
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("--changed-since", "revision", metavar="REV", help="Only files that differ from this git revision.")
@click.option("--explain", "rule", metavar="RULE", help="Say what a rule is about, and check nothing.")
@command_options(formats=("text", "json", "github", "sarif", "junit"))
def validate(session: Session, paths: tuple[str, ...], revision: str | None, rule: str | None) -> None:
    """Check job files.

    By default that is the whole jobs directory.

    Needs no runner, resolves no secret and runs nothing. PATH may be files of the jobs directory (the whole
    tree is read, as a file may name agents in others, and what concerns these files is shown) or another
    tree. Exits 1 when there is any error. The formats github, sarif and junit are for CI.
    """
    if rule is not None:
        print_page(explained(rule))
        return
    checked = _checked(session, paths, revision)
    _print(session, checked)
    if any(diagnostic.is_error for diagnostic in checked.diagnostics):
        sys.exit(1)


def _checked(session: Session, paths: Sequence[str], revision: str | None) -> Checked:
    """Check the files, and keep what concerns those that are asked for."""
    trees = _trees(session.settings.jobs, paths)
    policy, wrong, config = _policy(session)
    changed = None if revision is None else changed_files(revision, trees[0][0])
    found: dict[Diagnostic, None] = {}
    files: dict[str, None] = {}
    for root, shown in trees:
        tree = read_tree(session.settings.model_copy(update={"jobs": root}))
        wanted = _Wanted(shown, changed)
        found |= dict.fromkeys(each for each in review(tree, policy) if wanted.concerns(each))
        files |= dict.fromkeys(each.display for each in tree.files if wanted.path(each.display))
    if changed is None or config.resolve() in changed:
        return Checked([*wrong, *found], list(files))
    return Checked(list(found), list(files))


def _policy(session: Session) -> tuple[Policy, tuple[Diagnostic, ...], Path]:
    """What the settings file asks of the files, what is wrong with that, and which file it is."""
    path = session.config_file
    if not path.is_file():
        return Policy(), (), path
    return *read_policy(SourceFile(str(path), path.read_bytes())), path


class _Wanted:
    """What of a tree is asked for: what stands below some paths, and has changed; None says all."""

    def __init__(self, below: Sequence[Path] | None, changed: Collection[Path] | None) -> None:
        self._below = None if below is None else [each.resolve() for each in below]
        self._changed = None if changed is None else {each.resolve() for each in changed}
        self._known: dict[str, bool] = {}

    def path(self, path: str) -> bool:
        """Whether a file is asked for."""
        if self._below is None and self._changed is None:
            return True
        if path not in self._known:
            real = Path(path).resolve()
            is_below = self._below is None or any(real.is_relative_to(each) for each in self._below)
            self._known[path] = is_below and (self._changed is None or real in self._changed)
        return self._known[path]

    def concerns(self, diagnostic: Diagnostic) -> bool:
        """Whether a diagnostic stands in such a file, or speaks of one."""
        return self.path(diagnostic.path) or any(self.path(each.path) for each in diagnostic.related)


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


def _print(session: Session, checked: Checked) -> None:
    found = checked.diagnostics
    if session.json:
        json_out([to_json(diagnostic) for diagnostic in found])
        return
    if session.format == "sarif":
        json_out(sarif.log(found))
    elif session.format == "junit":
        click.echo(junit.report(checked), nl=False)
    elif session.format == "github":
        _annotate(found)
    elif found:
        click.echo(render(found, color=session.color))
    if not found and not checked.files:
        click.echo("there are no job files to check", err=True)
        return
    click.echo(summary(found, len(checked.files)), err=True)
    if found and session.format == "text":
        click.echo(f"to read why a rule matters: jobsd validate --explain {found[0].rule}", err=True)


def _annotate(diagnostics: Sequence[Diagnostic]) -> None:
    """Print what GitHub shows of one step, and put the rest where it shows more."""
    first, rest = github.divided(diagnostics)
    for each in first:
        click.echo(github.annotation(each))
    file = os.environ.get("GITHUB_STEP_SUMMARY")
    if rest and file:
        try:
            with Path(file).open("a", encoding="utf-8", errors="replace") as written:
                written.write(github.markdown(rest))
        except OSError as error:
            raise InvalidRequestError(f"can't write $GITHUB_STEP_SUMMARY {file}: {error.strerror}") from None
        click.echo(f"{len(rest)} more are in the summary of this step")
    elif rest:
        click.echo(github.harmless(render(rest, color=False)))


@click.command()
@click.argument("kind", type=click.Choice(sorted(SCHEMAS)))
def schema(kind: str) -> None:
    """Print a JSON Schema.

    It is Draft 2020-12, of a kind of document, of jobsd.yaml, or of a line of executions.jsonl.
    """
    click.echo(orjson.dumps(SCHEMAS[kind](), option=orjson.OPT_INDENT_2).decode())


@click.command()
@click.argument("topic", required=False)
def docs(topic: str | None) -> None:
    """Print a reference page, or list them."""
    pages = topics()
    if topic is None:
        for name, text in pages.items():
            title = text.splitlines()[0].lstrip("# ")
            click.echo(f"{name:<10} {title}")
        return
    if topic not in pages:
        raise InvalidRequestError(f"there is no page {topic!r}; there are {', '.join(pages)}")
    print_page(pages[topic])


def print_page(text: str) -> None:
    """Print a page in Markdown, drawn where a terminal shows it."""
    if not sys.stdout.isatty():
        click.echo(text, nl=False)
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.markdown import Markdown  # noqa: PLC0415 - likewise

    Console().print(Markdown(text))
