"""The command line wins over the environment, that over the settings file, and that over the defaults."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from runner.errors import InvalidRequestError
from runner.settings import load_settings, settings_schema


@pytest.fixture(autouse=True)
def clean(tmp_path, monkeypatch):
    """An empty working directory and an environment that says nothing of jobsd."""
    for name in list(os.environ):
        if name.startswith("JOBSD_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def refusal(given=None, config=None):
    with pytest.raises(InvalidRequestError) as error:
        load_settings(given or {}, config)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_without_anything_said_the_defaults_hold():
    settings = load_settings({})
    assert settings.jobs == Path("jobs.d")
    assert settings.state == Path(".jobsd")
    assert settings.socket == Path(".jobsd/jobsd.sock")
    assert settings.secrets_dir is None
    assert settings.max_running == 4 * (os.cpu_count() or 1)
    assert settings.log_format == "console"
    assert settings.listen == "none"
    assert settings.allow_empty is False
    assert settings.allow_root_agents is False


def test_the_nearer_source_wins(monkeypatch):
    Path("jobsd.yaml").write_text("max_running: 1\n")
    assert load_settings({}).max_running == 1
    monkeypatch.setenv("JOBSD_MAX_RUNNING", "2")
    assert load_settings({}).max_running == 2
    assert load_settings({"max_running": 3}).max_running == 3


def test_each_setting_takes_its_own_source(monkeypatch):
    Path("jobsd.yaml").write_text("state: from-file\nmax_running: 7\nallow_empty: true\n")
    monkeypatch.setenv("JOBSD_STATE", "from-environment")
    settings = load_settings({"log_format": "json", "state": None})
    assert (settings.state, settings.max_running) == (Path("from-environment"), 7)
    assert (settings.allow_empty, settings.log_format) == (True, "json")


def test_what_the_command_line_leaves_open_is_not_said():
    Path("jobsd.yaml").write_text("max_running: 1\n")
    assert load_settings({"max_running": None}).max_running == 1


def test_an_empty_variable_says_nothing(monkeypatch):
    monkeypatch.setenv("JOBSD_JOBS", "")
    monkeypatch.setenv("JOBSD_MAX_RUNNING", "")
    settings = load_settings({})
    assert settings.jobs == Path("jobs.d")
    assert settings.max_running >= 4


@pytest.mark.parametrize("source", ["command line", "environment"])
def test_the_settings_file_lies_beside_the_jobs_directory(monkeypatch, source):
    Path("site").mkdir()
    Path("site/jobsd.yaml").write_text("max_running: 5\n")
    Path("jobsd.yaml").write_text("max_running: 1\n")
    if source == "environment":
        monkeypatch.setenv("JOBSD_JOBS", "site/jobs.d")
    given = {"jobs": "site/jobs.d"} if source == "command line" else {}
    assert load_settings(given).max_running == 5


def test_a_settings_file_can_be_named():
    Path("other.yaml").write_text("max_running: 6\n")
    Path("jobsd.yaml").write_text("max_running: 1\n")
    assert load_settings({}, Path("other.yaml")).max_running == 6


def test_a_named_settings_file_that_is_missing_is_an_error():
    assert refusal(config=Path("other.yaml")) == (
        "the settings file other.yaml can't be read: no such file or directory"
    )


def test_an_empty_settings_file_says_nothing():
    Path("jobsd.yaml").write_text("# nothing yet\n")
    assert load_settings({}).jobs == Path("jobs.d")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_runing: 1\n", "jobsd.yaml: max_runing: is not a setting"),
        ("max_running: many\n", "jobsd.yaml: max_running: Input should be a valid integer"),
        ("max_running: 0\n", "jobsd.yaml: max_running: Input should be greater than or equal to 1"),
        ("max_running: [1]\n", "jobsd.yaml: max_running: Input should be a valid integer"),
        ("jobs: {a: b}\n", "jobsd.yaml: jobs: Input is not a valid path"),
        ("log_format: xml\n", "jobsd.yaml: log_format: Input should be 'console' or 'json'"),
        ("listen: 127.0.0.1:80\n", "jobsd.yaml: listen: only 'none' is possible"),
        ("max_running: 1\nmax_running: 2\n", "jobsd.yaml:2: "),
        ("a: 'open\n", "jobsd.yaml:1: "),
        ("- a list\n", "jobsd.yaml:1: "),
        ("max_running: 1\n---\nmax_running: 2\n", "jobsd.yaml: one document is expected, not 2"),
    ],
)
def test_what_is_wrong_in_the_file_is_one_line_that_names_the_place(text, message):
    Path("jobsd.yaml").write_text(text)
    assert refusal().startswith(message)


def test_what_is_wrong_in_the_environment_is_one_line_that_names_the_variable(monkeypatch):
    monkeypatch.setenv("JOBSD_MAX_RUNNING", "many")
    assert refusal().startswith("JOBSD_MAX_RUNNING: Input should be a valid integer")
    Path("jobsd.yaml").write_text("max_running: 1\n")
    assert refusal().startswith("JOBSD_MAX_RUNNING: ")


def test_what_is_wrong_on_the_command_line_is_one_line_that_names_the_option(monkeypatch):
    monkeypatch.setenv("JOBSD_MAX_RUNNING", "1")
    assert refusal({"max_running": 20_000}) == ("--max-running: Input should be less than or equal to 10000")
    assert refusal({"listen": "0.0.0.0:7878"}) == (
        "--listen: only 'none' is possible: this version answers on its Unix socket alone"
    )


def test_variables_that_jobsd_gives_to_its_runs_are_no_settings(monkeypatch):
    monkeypatch.setenv("JOBSD_EXECUTION", "01J0000000000000000000000")
    monkeypatch.setenv("JOBSD_JOB_DIR", "/somewhere")
    assert load_settings({}).jobs == Path("jobs.d")


def test_settings_do_not_change():
    settings = load_settings({})
    with pytest.raises(ValueError, match="frozen"):
        settings.max_running = 3


def test_the_history_is_kept_unless_something_limits_it():
    history = load_settings({}).history
    assert (history.count, history.age, history.bytes) == (None, None, None)
    assert (history.orphans, history.rotate_age) == (timedelta(days=7), timedelta(days=7))


def test_limits_of_the_history_are_read_with_durations(monkeypatch):
    Path("jobsd.yaml").write_text("history: {count: 10, age: 90d, orphans: 1h30m}\n")
    history = load_settings({}).history
    assert (history.count, history.age, history.orphans) == (10, timedelta(days=90), timedelta(minutes=90))
    monkeypatch.setenv("JOBSD_HISTORY", '{"count": 5}')
    assert load_settings({}).history.count == 5


@pytest.mark.parametrize("wrong", ["{count: 0}", "{age: soon}", "{ages: 1d}", "7"])
def test_a_limit_that_is_none_is_refused_with_its_place(wrong):
    Path("jobsd.yaml").write_text(f"history: {wrong}\n")
    assert refusal().startswith("jobsd.yaml: history: ")


def test_what_validate_asks_of_the_files_is_no_setting_and_keeps_no_runner_from_starting():
    Path("jobsd.yaml").write_text("max_running: 3\nvalidate: {rules: {whatever: louder}, requre: 7}\n")

    assert load_settings({}).max_running == 3


def test_the_schema_takes_a_settings_file_and_refuses_what_is_wrong_with_it():
    schema = Draft202012Validator(settings_schema())
    good = {"max_running": 3, "history": {"age": "7d"}, "validate": {"rules": {"schedule-dst-gap": "off"}}}

    assert schema.is_valid(good)
    assert schema.is_valid({})
    for bad in ({"max_runing": 3}, {"history": {"ages": "7d"}}, {"validate": {"rules": {"a": "louder"}}}):
        assert not schema.is_valid(bad)
    assert schema.is_valid({"validate": {"require": ["labels.owner", "timeout"], "forbid": {"labels.a": ["b"]}}})
    for bad in ({"require": ["timout"]}, {"forbid": {"agnt": ["insulin"]}}, {"forbid": {"agent": "insulin"}}):
        assert not schema.is_valid({"validate": bad})


def test_the_schema_says_the_defaults_as_people_write_them():
    history = settings_schema()["$defs"]["History"]["properties"]

    assert history["orphans"]["default"] == "7d"
