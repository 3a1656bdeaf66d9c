"""`jobsd test`: the tests that job files hold, made without a runner and without running anything."""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from runner.cli.diagnostics import render, to_json
from runner.cli.filter import parts_of, problem_of
from runner.cli.junit import Case, Complaint, junit
from runner.cli.render import json_out
from runner.cli.session import Session, command_options
from runner.daemon import read_jobs
from runner.errors import Diagnostic, InvalidRequestError, UnknownJobError
from runner.plan import DesiredState
from runner.rehearsal import Rehearsed, Run, Runs, Verdict, rehearse, untested
from runner.service.drawing import visible
from runner.service.trial import tried_data
from runner.spec.checks import ID_PATTERN
from runner.spec.models import Job
from runner.spec.suggest import did_you_mean

HAS_TESTS = "has tests"
"""What is checked of a job with --missing."""


@dataclass(frozen=True, slots=True)
class _Look:
    """How results are shown: in colour or not, with signs that not every terminal can show or in ASCII."""

    color: bool
    signs: bool

    def mark(self, *, passed: bool) -> str:
        """The sign of what passed or failed."""
        good, bad = ("\N{CHECK MARK}", "\N{BALLOT X}") if self.signs else ("ok", "FAIL")
        mark = good if passed else bad
        return click.style(mark, fg="green" if passed else "red") if self.color else mark


_PLAIN = _Look(color=False, signs=True)


@dataclass(frozen=True, slots=True)
class _Selection:
    """The jobs that are asked about, and the errors of those that can't be tested."""

    jobs: list[Job]
    errors: list[Diagnostic]


@click.command()
@click.argument("names", nargs=-1, metavar="[JOB|PATH]...")
@click.option("--missing", is_flag=True, help="Test nothing: list the cron and push jobs that have no tests.")
@command_options(formats=("text", "json", "junit"))
def test(session: Session, names: tuple[str, ...], *, missing: bool) -> None:
    """Make the tests that are written in job files.

    By default those of the whole jobs directory. Needs no runner, resolves no secret and runs nothing: an event
    goes through the job's filter, and a time through its schedule. Exits 1 when a test fails or a file has
    errors, and with --missing when a job has no tests.
    """
    chosen = _select(session, names)
    if missing:
        bare = untested(chosen.jobs)
        _print_missing(session, chosen, bare)
        sys.exit(1 if bare or chosen.errors else 0)
    made = [each for job in chosen.jobs for each in rehearse(job)]
    if session.format == "junit":
        click.echo(junit([*_cases(made), *_broken(chosen.errors)], "jobsd test").encode(), nl=False)
    elif session.json:
        json_out(
            {
                "tests": [_to_json(each) for each in made],
                "diagnostics": [to_json(each) for each in chosen.errors],
                **_counts(made),
            }
        )
    else:
        _print(session, chosen, made)
    if chosen.errors or not all(each.passed for each in made):
        sys.exit(1)


# -- which jobs ----------------------------------------------------------------------------------------------


def _select(session: Session, names: Sequence[str]) -> _Selection:
    trees = _Trees(session)
    if not names:
        state = trees.own()
        return _Selection(_ordered(state.jobs.values()), [each for each in state.diagnostics if each.is_error])
    jobs: dict[str, Job] = {}
    errors: dict[Diagnostic, None] = {}
    for name in names:
        found = _of_job(trees, name) or _of_path(trees, name)
        jobs |= {f"{job.origin.path}:{job.id}": job for job in found.jobs}
        errors |= dict.fromkeys(found.errors)
    return _Selection(_ordered(jobs.values()), list(errors))


class _Trees:
    """The trees that are asked about, each read once."""

    def __init__(self, session: Session) -> None:
        self._settings = session.settings
        self._read: dict[Path, DesiredState] = {}
        self.root = session.settings.jobs

    def own(self) -> DesiredState:
        """The jobs directory."""
        if not self.root.is_dir():
            raise InvalidRequestError(f"there is no directory {self.root}; name one with --jobs or as an argument")
        return self.at(self.root)

    def at(self, root: Path) -> DesiredState:
        """A tree by its root."""
        if root not in self._read:
            self._read[root] = read_jobs(self._settings.model_copy(update={"jobs": root}))
        return self._read[root]

    def around(self, path: Path) -> DesiredState:
        """The tree that a path lies in: the jobs directory, else the folder itself or the one of the file."""
        if self.root.is_dir() and path.resolve().is_relative_to(self.root.resolve()):
            return self.own()
        return self.at(path if path.is_dir() else path.parent)


def _of_job(trees: _Trees, name: str) -> _Selection | None:
    """The job of this id, or the errors that keep it from being one; None where a path is meant."""
    is_id = re.fullmatch(ID_PATTERN, name) is not None
    if not is_id or (Path(name).exists() and not trees.root.is_dir()):
        return None
    state = trees.own()
    if name in state.jobs:
        return _Selection([state.jobs[name]], [])
    errors = [each for invalid in state.invalid if invalid.id == name for each in invalid.diagnostics]
    if errors:
        return _Selection([], [each for each in errors if each.is_error])
    if Path(name).exists():
        return None
    meant = did_you_mean(name, state.jobs)
    hint = f"did you mean {meant!r}?" if meant else "'jobsd list' shows all"
    raise UnknownJobError(f"no job has the id {name!r}; {hint}")


def _of_path(trees: _Trees, name: str) -> _Selection:
    path = Path(name)
    if not path.exists():
        raise InvalidRequestError(f"{name} does not exist")
    state, place = trees.around(path), path.resolve()

    def below(shown: str) -> bool:
        # A loop of links, which is an error of the tree, has no end that `Path.resolve` could name.
        return Path(os.path.realpath(shown)).is_relative_to(place)

    return _Selection(
        [job for job in state.jobs.values() if below(job.origin.path)],
        [each for each in state.diagnostics if each.is_error and below(each.path)],
    )


def _ordered(jobs: Iterable[Job]) -> list[Job]:
    return sorted(jobs, key=lambda job: (job.origin.path, job.origin.line))


# -- for people ----------------------------------------------------------------------------------------------


def _print(session: Session, chosen: _Selection, made: Sequence[Rehearsed]) -> None:
    look = _Look(session.color, (sys.stdout.encoding or "").lower().replace("-", "") == "utf8")
    if chosen.errors:
        click.echo(render(chosen.errors, color=session.color))
    for _, group in groupby(made, key=lambda each: (each.job.origin, each.job.id)):
        members = list(group)
        failed = [each for each in members if not each.passed]
        total = _counted(len(members), "test")
        words = f"{len(failed)} of {total} failed" if failed else total
        click.echo(f"{look.mark(passed=not failed)} {members[0].job.id}  {words}")
        for each in failed:
            for line in _failure(each, look):
                click.echo(f"    {line}".rstrip())
    counts = _counts(made)
    parts = [f"{counts['passed']} passed", *([f"{counts['failed']} failed"] if counts["failed"] else [])]
    words = f"{_counted(len(made), 'test')}: {', '.join(parts)}" if made else "no tests"
    if chosen.errors:
        words += f"; {_counted(len(chosen.errors), 'error')} in {_counted(len(_files(chosen)), 'file')}"
    if bare := untested(chosen.jobs):
        words += f"; {_counted(len(bare), 'cron or push job')} without tests (--missing lists them)"
    click.echo(words, err=True)


def _failure(made: Rehearsed, look: _Look) -> Iterator[str]:
    """What was expected and what was found, in lines."""
    yield f"{made.job.origin.path}:{made.test.line}: {visible(made.name)}"
    if isinstance(made.answer, Verdict):
        yield from _of_verdict(made.job, made.answer, color=look.color)
    else:
        yield from _of_runs(made.answer, look)


def _of_verdict(job: Job, answer: Verdict, *, color: bool) -> Iterator[str]:
    why = f", since {answer.why}" if answer.why else ""
    yield f"  expected {answer.expected}, got {answer.got}{why}"
    if answer.explained is None or job.filter is None:
        return
    yield from (f"    {line}" for line in parts_of(answer.explained))
    if problem := answer.explained.verdict.error:
        yield from (f"    {line}" for line in problem_of(job.filter.text, problem, color=color).splitlines())


def _of_runs(answer: Runs, look: _Look) -> Iterator[str]:
    if answer.skipped:
        yield f"  the clock in {answer.zone} never shows {_shown(answer.at)}; name a time before or after"
        return
    yield f"  after {_shown(answer.at)}, in {answer.zone}"
    rows = [(run, _shown(run.expected), _shown(run.got) if run.got else "no run") for run in answer.runs]
    width = max(len("expected"), *(len(expected) for _, expected, _ in rows))
    yield f"    {'expected':<{width}}  got"
    for run, expected, got in rows:
        note = f"  ({run.note})" if run.note else ""
        mark = "" if run.fits else f"  {look.mark(passed=False)}"
        yield f"    {expected:<{width}}  {got}{mark}{note}"


def _shown(time: datetime) -> str:
    """A time as clocks show it, with its offset if it has one: `Sun 2026-03-29 03:00 +02:00`."""
    seconds = f":{time:%S}" if time.second else ""
    offset = f" {time.isoformat(timespec='seconds')[19:]}" if time.tzinfo else ""
    return f"{time:%a %Y-%m-%d %H:%M}{seconds}{offset}"


def _counted(number: int, noun: str) -> str:
    """A number of things: `1 test`, `2 tests`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _files(chosen: _Selection) -> set[str]:
    return {each.path for each in chosen.errors}


def _print_missing(session: Session, chosen: _Selection, bare: Sequence[Job]) -> None:
    if session.format == "junit":
        missing = {job.id for job in bare}
        triggered = [job for job in chosen.jobs if job.tests or job.id in missing]
        click.echo(
            junit([*(_has_tests(job) for job in triggered), *_broken(chosen.errors)], "jobsd test"), nl=False
        )
        return
    if session.json:
        json_out([{"job": job.id, "mode": job.mode.value, **_place(job, job.origin.line)} for job in bare])
        return
    if chosen.errors:
        click.echo(render(chosen.errors, color=session.color))
    for job in bare:
        click.echo(f"{job.origin.path}:{job.origin.line}: {job.id} ({job.mode.value}) has no tests")
    click.echo(f"{_counted(len(bare), 'cron or push job')} without tests", err=True)


# -- for programs --------------------------------------------------------------------------------------------


def _counts(made: Sequence[Rehearsed]) -> dict[str, int]:
    passed = sum(1 for each in made if each.passed)
    return {"passed": passed, "failed": len(made) - passed}


def _place(job: Job, line: int) -> dict[str, Any]:
    return {"path": job.origin.path, "line": line}


def _to_json(made: Rehearsed) -> dict[str, Any]:
    answer = made.answer
    data: dict[str, Any] = {
        "job": made.job.id,
        "name": made.name,
        **_place(made.job, made.test.line),
        "passed": made.passed,
    }
    if isinstance(answer, Verdict):
        data |= {"expected": answer.expected, "got": answer.got}
        if answer.explained is not None:
            data["filter"] = tried_data(answer.explained)
        return data
    data |= {"at": answer.at.isoformat(), "timezone": answer.zone}
    if answer.skipped:
        return data | {"skipped": True}
    return data | {"runs": [_run_json(run) for run in answer.runs]}


def _run_json(run: Run) -> dict[str, Any]:
    got = {"got": run.got.isoformat()} if run.got else {}
    note = {"note": run.note} if run.note else {}
    return {"expected": run.expected.isoformat(), **got, "fits": run.fits, **note}


def _cases(made: Sequence[Rehearsed]) -> Iterator[Case]:
    for each in made:
        place, *more = _failure(each, _PLAIN)
        complaint = None if each.passed else Complaint(_message(each), "\n".join([place, *more]))
        yield Case(each.job.id, each.name, each.job.origin.path, each.test.line, complaint)


def _message(made: Rehearsed) -> str:
    if isinstance(made.answer, Verdict):
        return f"expected {made.answer.expected}, got {made.answer.got}"
    wrong = next((run for run in made.answer.runs if not run.fits), None)
    if wrong is None:
        return f"the clock in {made.answer.zone} never shows {_shown(made.answer.at)}"
    return f"expected {_shown(wrong.expected)}, got {_shown(wrong.got) if wrong.got else 'no run'}"


def _has_tests(job: Job) -> Case:
    complaint = None if job.tests else Complaint("the job has no tests", f"{job.origin.path}:{job.origin.line}")
    return Case(job.id, HAS_TESTS, job.origin.path, job.origin.line, complaint)


def _broken(errors: Sequence[Diagnostic]) -> Iterator[Case]:
    for each in errors:
        text = render([each], color=False)
        complaint = Complaint(f"{each.rule}: {each.message}", text, broken=True)
        line = each.span.line if each.span else None
        yield Case(each.path, each.rule, each.path, line, complaint)
