"""What differs from a revision, whatever its names are, and without running anything of the repository."""

import subprocess
from pathlib import Path

import pytest

from runner.errors import InvalidRequestError
from runner.storage.git import changed_since


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path, monkeypatch):
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "site"
    (root / "jobs.d" / "deep").mkdir(parents=True)
    git(root, "init", "-q", "-b", "main")
    for name in ("a", "b", "gone", "deep/c"):
        (root / "jobs.d" / f"{name}.yaml").write_text("name: A\n")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    return root


def changed(root: Path, revision: str = "HEAD", folder: str = "jobs.d") -> set[str]:
    return {path.relative_to(root).as_posix() for path in changed_since(revision, root / folder)}


def test_nothing_differs_from_what_was_just_committed(tree):
    assert changed(tree) == set()


def test_edited_new_and_committed_files_differ_and_removed_ones_do_not(tree):
    first = git(tree, "rev-parse", "HEAD")
    (tree / "jobs.d" / "a.yaml").write_text("name: B\n")
    git(tree, "commit", "-q", "-a", "-m", "second")
    (tree / "jobs.d" / "deep" / "c.yaml").write_text("name: B\n")
    (tree / "jobs.d" / "new.yaml").write_text("name: B\n")
    (tree / "jobs.d" / "gone.yaml").unlink()
    (tree / "outside.yaml").write_text("name: B\n")

    assert changed(tree, first) == {"jobs.d/a.yaml", "jobs.d/deep/c.yaml", "jobs.d/new.yaml", "outside.yaml"}
    assert changed(tree, "HEAD", "jobs.d/deep") == changed(tree, first) - {"jobs.d/a.yaml"}


def test_what_is_moved_differs_under_its_new_name(tree):
    git(tree, "mv", "jobs.d/a.yaml", "jobs.d/z.yaml")

    assert changed(tree) == {"jobs.d/z.yaml"}


def test_names_with_line_breaks_quotes_and_other_letters_come_through(tree):
    names = {"jobs.d/a b.yaml", 'jobs.d/"q".yaml', "jobs.d/line\nbreak.yaml", "jobs.d/é.yaml", "jobs.d/-n.yaml"}
    for name in names:
        (tree / name).write_text("name: A\n")
    assert changed(tree) == names
    git(tree, "add", ".")
    assert changed(tree) == names


def test_what_git_ignores_does_not_count(tree):
    (tree / ".gitignore").write_text("*.yaml\n")
    (tree / "jobs.d" / "new.yaml").write_text("name: A\n")

    assert changed(tree) == {".gitignore"}


@pytest.mark.parametrize("revision", ["nowhere", "", "--output=stolen", "-h", "HEAD:jobs.d", "a..b", "main\n"])
def test_an_unknown_revision_is_one_clear_error(tree, revision):
    with pytest.raises(InvalidRequestError, match="git knows no revision"):
        changed_since(revision, tree / "jobs.d")
    assert not list(tree.rglob("stolen"))


def test_a_branch_and_a_tag_are_revisions(tree):
    git(tree, "tag", "v1")

    assert changed(tree, "v1") == changed(tree, "main") == set()


def test_outside_a_repository_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(InvalidRequestError, match="is in no git repository: not a git repository"):
        changed_since("HEAD", tmp_path)


def test_without_git_that_is_said(tree, monkeypatch):
    monkeypatch.setenv("PATH", str(tree))
    with pytest.raises(InvalidRequestError, match="git can't be started"):
        changed_since("HEAD", tree)


def test_no_program_that_the_repository_names_is_run(tree):
    trap = tree / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tree}/sprung\n")
    trap.chmod(0o755)
    for key in ("core.fsmonitor", "diff.external", "core.pager", "core.editor"):
        git(tree, "config", key, str(trap))
    git(tree, "config", "diff.relative", "true")
    git(tree, "config", "diff.renames", "copies")
    (tree / "jobs.d" / "a.yaml").write_text("name: B\n")

    assert changed(tree) >= {"jobs.d/a.yaml"}
    assert not (tree / "sprung").exists()
