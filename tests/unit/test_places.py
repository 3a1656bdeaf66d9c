"""The state directory is found as the settings find it, without checking anything else."""

import os
from pathlib import Path

import pytest

from runner.errors import InvalidRequestError
from runner.places import config_file, state_directory
from runner.settings import load_settings


@pytest.fixture(autouse=True)
def clean(tmp_path, monkeypatch):
    """An empty working directory and an environment that says nothing of jobsd."""
    for name in list(os.environ):
        if name.startswith("JOBSD_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("in_file", [None, "state: from-file\n", "# nothing\n", "max_running: 3\n"])
@pytest.mark.parametrize("in_environment", [None, "", "from-environment"])
@pytest.mark.parametrize("given", [{}, {"state": None}, {"state": "given"}, {"jobs": "site/jobs.d"}])
@pytest.mark.parametrize("config", [None, Path("other.yaml")])
def test_whatever_says_it_the_settings_agree(monkeypatch, in_file, in_environment, given, config):
    if in_environment is not None:
        monkeypatch.setenv("JOBSD_STATE", in_environment)
    Path("other.yaml").write_text("state: from-other\n")
    Path("site").mkdir()
    for folder in (Path(), Path("site")):
        if in_file is not None:
            (folder / "jobsd.yaml").write_text(in_file)
    assert state_directory(given, config) == load_settings(given, config).state


def test_a_state_directory_that_is_no_text_is_left_to_the_settings():
    Path("jobsd.yaml").write_text("state: [1]\n")
    assert state_directory({}, None) is None
    with pytest.raises(InvalidRequestError, match=r"^jobsd\.yaml: state: "):
        load_settings({}, None)


def test_a_broken_settings_file_is_an_error_at_once_unless_nothing_of_it_is_asked():
    Path("jobsd.yaml").write_text("a: 'open\n")
    with pytest.raises(InvalidRequestError, match=r"^jobsd\.yaml:1: "):
        state_directory({}, None)
    assert state_directory({"state": "here"}, None) == Path("here")


def test_the_settings_file_lies_beside_the_jobs_unless_one_is_named(monkeypatch):
    assert config_file({}, None) == Path("jobsd.yaml")
    monkeypatch.setenv("JOBSD_JOBS", "site/jobs.d")
    assert config_file({}, None) == Path("site/jobsd.yaml")
    assert config_file({"jobs": "a/b"}, None) == Path("a/jobsd.yaml")
    assert config_file({"jobs": "a/b"}, Path("c.yaml")) == Path("c.yaml")
