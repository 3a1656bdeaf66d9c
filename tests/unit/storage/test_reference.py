"""Fields are called by the names of the reference, and their values are what people mean by them."""

import re
from importlib.resources import files

import pytest

from runner.errors import ConflictError, InvalidRequestError
from runner.spec.documents import JobDocument
from runner.storage.reference import ORDER, before, is_text, location_of, value_of


def test_the_order_has_every_field_of_a_job_once():
    assert sorted(ORDER) == sorted(JobDocument.model_fields)


def test_the_order_is_that_of_the_page():
    page = files("runner").joinpath("docs", "jobs.md").read_text(encoding="utf-8")
    table = page[page.index("## Job\n") : page.index("## Modes\n")]
    rows = dict.fromkeys(re.findall(r"^\| `([a-z_]+)[.`]", table, re.MULTILINE))
    assert list(rows) == [name for name in ORDER if name in rows]


@pytest.mark.parametrize(
    ("field", "location"),
    [
        ("timeout", ("timeout",)),
        ("retry.attempts", ("retry", "attempts")),
        ("labels.team", ("labels", "team")),
        ("labels.example.com/team", ("labels", "example.com/team")),
        ("payload.a.b", ("payload", "a", "b")),
        ("catch_up.within", ("catch_up", "within")),
    ],
)
def test_a_field_within_another_is_called_with_dots(field, location):
    assert location_of(field) == location


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("timeot", "a job has no field `timeot`; did you mean `timeout`?"),
        ("suspend", "a job has no field `suspend`; did you mean `enabled`?"),
        ("cron", "a job has no field `cron`; did you mean `schedule`?"),
        ("retry.attempt", "a job has no field `retry.attempt`; did you mean `retry.attempts`?"),
        ("zebra", "a job has no field `zebra`; 'jobsd docs jobs' shows all"),
        ("timeout.seconds", "nothing is below the field `timeout`"),
    ],
)
def test_an_unknown_field_is_refused_with_what_was_meant(field, message):
    with pytest.raises(ConflictError) as refusal:
        location_of(field)
    assert str(refusal.value) == message


@pytest.mark.parametrize("field", ["", "payload..a", "retry."])
def test_what_is_no_name_is_misuse(field):
    with pytest.raises((InvalidRequestError, ConflictError)):
        location_of(field)


def test_the_fields_before_one_are_known_where_their_order_means_something():
    assert before(("description",)) == ("kind", "name", "id")
    assert before(("retry", "max_backoff")) == ("attempts", "backoff")
    assert before(("labels", "team")) is None
    assert before(("payload", "a")) is None


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("schedule", "*/5 * * * *", "*/5 * * * *"),
        ("filter", 'event.a == "b: #c"', 'event.a == "b: #c"'),
        ("filter", '"a" == "b"', '"a" == "b"'),
        ("name", '"quoted\\u0021"', "quoted!"),
        ("name", "'it''s'", "it's"),
        ("name", "true", "true"),
        ("labels.version", "1.10", "1.10"),
        ("labels.zip", "0042", "0042"),
        ("description", "", ""),
        ("timeout", "2h", "2h"),
        ("concurrency.when_full", "skip", "skip"),
        ("retry.attempts", "3", 3),
        ("enabled", "false", False),
        ("enabled", "no", "no"),
        ("payload", "{a: [1, x]}", {"a": [1, "x"]}),
        ("payload", "a: 1\nb:\n  - 2", {"a": 1, "b": [2]}),
        ("payload.a", "text", "text"),
        ("payload.a", "'5'", "5"),
        ("payload", "", None),
    ],
)
def test_a_text_field_takes_what_is_written_and_others_read_yaml(field, text, value):
    found = value_of(location_of(field), text)
    assert (found, type(found)) == (value, type(value))


def test_a_value_that_is_no_yaml_is_misuse():
    with pytest.raises(InvalidRequestError, match=r"payload: the value '\{a' is not YAML: "):
        value_of(("payload",), "{a")
    with pytest.raises(InvalidRequestError, match="not UTF-8"):
        value_of(("payload",), "\udcff")


def test_texts_are_told_from_other_fields_by_the_schema():
    assert all(is_text((name,)) for name in ("name", "schedule", "filter", "timeout", "rate_limit", "mode"))
    assert not any(is_text((name,)) for name in ("enabled", "payload", "retry", "labels", "notify"))
