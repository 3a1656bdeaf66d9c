"""Files as people break them, and what they are told, to the letter.

When messages change on purpose, write the new text and read every line of the difference:

    python -m tests.unit.spec.test_broken  # from the root of the repository
"""

from datetime import UTC, datetime
from pathlib import Path

from runner.cli.diagnostics import render, summary
from runner.plan import DesiredState, desire
from runner.spec.loader import read
from runner.spec.source import SourceFile

FOLDER = Path(__file__).parent / "broken"
EXPECTED = Path(__file__).parent / "broken.expected.txt"
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def state() -> DesiredState:
    files = [
        read(SourceFile(path.relative_to(FOLDER).as_posix(), path.read_bytes(), "jobs.d"))
        for path in FOLDER.rglob("*.yaml")
    ]
    return desire(files, now=NOW)


def shown() -> str:
    found = state()
    return f"{render(found.diagnostics, color=False)}\n{summary(found.diagnostics, found.files)}\n"


def test_all_problems_of_all_files_are_told_in_one_go_and_as_expected():
    assert shown() == EXPECTED.read_text()


def test_every_broken_file_is_mentioned():
    mentioned = {diagnostic.path for diagnostic in state().diagnostics}
    broken = {f"jobs.d/{path.relative_to(FOLDER).as_posix()}" for path in FOLDER.rglob("*.yaml")}
    assert broken - mentioned == {"jobs.d/agents/importer.yaml"}


def test_only_what_has_no_errors_is_scheduled():
    assert set(state().jobs) == {"fine-by-itself"}


if __name__ == "__main__":
    EXPECTED.write_text(shown())
