"""The runner's own log goes to standard error, for people or for machines, and gives no secret away."""

import json
import subprocess
import sys
import textwrap

import pytest


def log(form, text, *, color=False):
    """Standard output and standard error of a process that configures its log and then does something."""
    program = textwrap.dedent(
        f"""
        import logging, warnings
        import structlog
        from runner.telemetry import configure
        configure({form!r}, color={color})
        log = structlog.get_logger()
        """
    ) + textwrap.dedent(text)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr


FAILING = """
def run(token):
    raise ValueError("out of order")
try:
    run("hunter2-hunter2")
except ValueError as error:
    {call}
"""


@pytest.mark.parametrize("form", ["console", "json"])
@pytest.mark.parametrize(
    "call",
    [
        "log.error('failed', exc_info=error)",
        "log.exception('failed')",
        "logging.getLogger('x').exception('failed')",
    ],
)
def test_a_traceback_shows_where_and_why_but_no_values_of_variables(form, call):
    said = log(form, FAILING.format(call=call).replace('hunter2-hunter2")', "hunter2-\" + 'hunter2')"))
    assert "failed" in said
    assert "ValueError" in said
    assert "out of order" in said
    assert "hunter2-hunter2" not in said


def test_the_form_for_machines_is_one_json_object_a_line():
    said = log(
        "json",
        """
        log.info("job added", job="nightly")
        log.error("broken", problem="two\\nlines")
        logging.getLogger("library").warning("of %s", "theirs")
        """,
    )
    first, second, third = map(json.loads, said.splitlines())
    assert (first["level"], first["event"], first["job"]) == ("info", "job added", "nightly")
    assert first["timestamp"].endswith("Z")
    assert (second["level"], second["problem"]) == ("error", "two\nlines")
    assert (third["level"], third["event"]) == ("warning", "of theirs")


def test_a_failure_in_the_form_for_machines_is_still_one_line():
    (line,) = log("json", FAILING.format(call="log.error('failed', exc_info=error)")).splitlines()
    assert json.loads(line)["exception"][0]["exc_type"] == "ValueError"


def test_the_form_for_people_is_a_line_with_level_event_and_values():
    said = log("console", "log.info('job added', job='nightly')")
    assert "[info" in said
    assert "job added" in said
    assert "job=nightly" in said
    assert "\x1b" not in said
    assert "\x1b" in log("console", "log.info('job added')", color=True)


def test_chatter_is_left_out_of_the_log():
    said = log(
        "json",
        """
        log.debug("details")
        logging.getLogger("library").info("request served")
        """,
    )
    assert said == ""
