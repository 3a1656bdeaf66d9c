"""What editors are told about documents."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from runner.spec.jsonschema import NOT_YET, SCHEMAS
from runner.spec.support import NOT_SUPPORTED_YET

VALIDATORS = {name: Draft202012Validator(make()) for name, make in SCHEMAS.items()}
JOB = {"name": "A", "mode": "manual"}
INSTANT = "2026-03-30T07:00:00Z"
AGENT = {"kind": "agent", "id": "a", "type": "command", "command": ["x"]}


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("job", JOB),
        ("job", {**JOB, "mode": "cron", "schedule": "@daily", "timezone": "Asia/Tokyo", "timeout": "1h30m"}),
        ("job", {**JOB, "payload": None, "labels": {"a": "b"}, "retry": {"attempts": 2, "backoff": "5s"}}),
        ("job", {**JOB, "concurrency": {"limit": 2, "when_full": "skip"}, "rate_limit": "10/hour"}),
        ("job", {**JOB, "mode": "push", "filter": "event.a > 1", "accept": {"type": ["a", "b"], "source": "c"}}),
        (
            "job",
            {**JOB, "tests": [{"event": None, "expect": "run"}, {"at": "2026-03-27 10:00", "next": [INSTANT]}]},
        ),
        ("agent", AGENT),
        ("agent", {**AGENT, "env": {"A": "${env:A}"}, "cwd": "lib"}),
        ("agent", {"kind": "agent", "name": "A", "type": "llm", "tools": ["a", {"mcp": "b", "url": "https://c"}]}),
        ("defaults", {"kind": "defaults", "timeout": "5m"}),
    ],
)
def test_good_documents_are_accepted(name, document):
    VALIDATORS[name].validate(document)


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("job", {}),
        ("job", {**JOB, "mode": "cron"}),
        ("job", {**JOB, "schedule": "@daily"}),
        ("job", {**JOB, "timout": "5m"}),
        ("job", {**JOB, "timeout": 5}),
        ("job", {**JOB, "timeout": None}),
        ("job", {**JOB, "timeout": "5 m"}),
        ("job", {**JOB, "id": "A"}),
        ("job", {**JOB, "kind": "agent"}),
        ("job", {**JOB, "concurrency": {"limit": 0}}),
        ("job", {**JOB, "concurrency": {"when_full": "wait"}}),
        ("job", {**JOB, "labels": {"a": 1}}),
        ("job", {**JOB, "tests": []}),
        ("job", {**JOB, "tests": [{"event": 1}]}),
        ("job", {**JOB, "tests": [{"event": 1, "expect": "run", "at": INSTANT}]}),
        ("job", {**JOB, "tests": [{"at": "tomorrow", "next": [INSTANT]}]}),
        ("agent", {**AGENT, "type": "comand"}),
        ("agent", {**AGENT, "command": "x"}),
        ("agent", {**AGENT, "env": {"a-b": "c"}}),
        ("agent", {"kind": "agent", "type": "command", "command": ["x"]}),
        ("agent", {"id": "a", "type": "command", "command": ["x"]}),
        ("defaults", {"timeout": "5m"}),
        ("defaults", {"kind": "defaults", "mode": "cron"}),
    ],
)
def test_broken_documents_are_refused(name, document):
    assert not VALIDATORS[name].is_valid(document)


def properties_of(schema: dict[str, Any]) -> dict[str, Any]:
    found = dict(schema.get("properties", {}))
    for part in schema["$defs"].values():
        if part["title"].startswith("Agent of type"):
            found.update(part["properties"])
    return found


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_field_is_described_and_what_is_not_supported_yet_says_so(name):
    schema = SCHEMAS[name]()
    for field, part in properties_of(schema).items():
        target = schema["$defs"].get(part.get("$ref", "").rpartition("/")[2], {})
        described = part.get("description") or target.get("description")
        assert described, field
        assert described.startswith(NOT_YET) == (field in NOT_SUPPORTED_YET[name]), field


def test_fields_come_in_the_order_in_which_people_write_them():
    assert list(SCHEMAS["job"]()["properties"])[:3] == ["kind", "name", "id"]
