"""What one file says by itself."""

from datetime import UTC, datetime, timedelta
from time import process_time

import pytest

from runner.errors import Severity
from runner.spec.agents import AGENT_TYPES
from runner.spec.documents import DefaultsDocument, JobDocument
from runner.spec.drafts import Defaults, JobDraft
from runner.spec.loader import Kind, ParsedFile, Reopener, built_in_agent, read
from runner.spec.models import (
    Agent,
    CommandSpec,
    Concurrency,
    EventTest,
    Limits,
    Mode,
    Origin,
    Payload,
    Retry,
    ScheduleTest,
    WhenFull,
)
from runner.spec.source import SourceFile
from runner.spec.support import KUBERNETES, NOT_SUPPORTED_YET


def parse(text: str, path: str = "x.yaml") -> ParsedFile:
    return read(SourceFile(path, text.encode(), "jobs.d"))


def job(text: str) -> JobDraft:
    parsed = parse(text)
    assert not parsed.diagnostics, parsed.diagnostics
    definition = parsed.documents[0].definition
    assert isinstance(definition, JobDraft)
    return definition


def rules(text: str, path: str = "x.yaml") -> list[str]:
    return [diagnostic.rule for diagnostic in parse(text, path).diagnostics]


def told(text: str) -> str:
    """The one message and help that a text yields."""
    (diagnostic,) = parse(text).diagnostics
    return f"{diagnostic.message}; {diagnostic.help}"


def test_a_job_says_what_its_fields_say():
    draft = job(
        "id: orders\nname: Orders\ndescription: Look.\nagent: clerk\nprompt: Count.\nmode: cron\n"
        'schedule: "0 9 * * 1-5"\ntimezone: Europe/Berlin\nfilter: event.total > 1\npayload: null\n'
        "enabled: false\ntimeout: 1h30m\nconcurrency: {limit: 2, when_full: skip}\nrate_limit: 10/hour\n"
        "retry: {attempts: 3, backoff: 5s, max_backoff: 1m}\nlabels: {team: revenue}\n"
    )
    assert (draft.id, draft.name, draft.description, draft.agent, draft.prompt, draft.mode) == (
        "orders", "Orders", "Look.", "clerk", "Count.", Mode.CRON,
    )  # fmt: skip
    assert (draft.schedule, draft.timezone, draft.filter.text) == (
        "0 9 * * 1-5",
        "Europe/Berlin",
        "event.total > 1",
    )
    assert draft.payload == Payload(None)
    assert draft.enabled is False
    assert draft.timeout.total_seconds() == 5400
    assert draft.concurrency == Concurrency(2, WhenFull.SKIP)
    assert (draft.rate_limit.count, draft.rate_limit.window.total_seconds(), draft.rate_limit.text) == (
        10, 3600, "10/hour",
    )  # fmt: skip
    assert draft.retry == Retry(3, timedelta(seconds=5), timedelta(minutes=1))
    assert draft.labels == {"team": "revenue"}


def test_what_a_job_leaves_out_is_left_open():
    draft = job("name: Orders\nmode: manual\n")
    assert draft.payload is None
    assert draft.enabled is draft.timeout is draft.agent is draft.prompt is draft.labels is None


def test_parts_of_a_group_have_defaults_of_their_own():
    assert job("name: A\nmode: manual\nconcurrency: {when_full: replace}\n").concurrency == Concurrency(
        1, WhenFull.REPLACE
    )
    assert job("name: A\nmode: manual\nretry: {attempts: 5}\n").retry == Retry(attempts=5)
    assert job("name: A\nmode: manual\nretry: {backoff: 1h}\n").retry.max_backoff.total_seconds() == 3600


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Daily Revenue Summary", "daily-revenue-summary"),
        ("  Été à la plage! ", "ete-a-la-plage"),
        ("Straße & Søren's Œuvre", "strasse-sorens-oeuvre"),
        ("a" * 100, "a" * 63),
        ("a" * 62 + " b", "a" * 62),
        ("\uff26\uff35\uff2c\uff2c width", "full-width"),
        ("№ 5", "no-5"),
        ("Łódź", "lodz"),
    ],
)
def test_the_id_is_made_from_the_name(name, expected):
    draft = job(f'name: "{name}"\nmode: manual\n')
    assert draft.id == expected
    assert not draft.id_is_given


def test_a_name_without_latin_letters_needs_an_id():
    assert rules("name: 每日\nmode: manual\n") == ["missing-id"]
    assert rules("id: daily\nname: 每日\nmode: manual\n") == []


@pytest.mark.parametrize("written", ["Daily", "a_b", "-a", "a-", "a" * 64, "", "é", "a b"])
def test_an_id_has_lower_case_letters_digits_and_inner_hyphens(written):
    parsed = parse(f'id: "{written}"\nname: A\nmode: manual\n')
    assert [each.rule for each in parsed.diagnostics] == ["invalid-id"]
    assert parsed.documents[0].id is None


@pytest.mark.parametrize("written", ["a", "0", "a-b", "a--b", "a" * 63])
def test_ids_within_the_rules_are_accepted(written):
    assert job(f'id: "{written}"\nname: A\nmode: manual\n').id == written


def test_names_have_1_to_100_characters_on_one_line():
    assert rules("name: ''\nmode: manual\n") == ["invalid-name"]
    assert rules(f"name: {'a' * 101}\nmode: manual\n") == ["invalid-name"]
    assert rules(f"name: {'a' * 100}\nmode: manual\n") == []
    assert rules('name: "a\\nb"\nmode: manual\n') == ["invalid-name"]


def test_a_field_without_a_value_is_an_error_but_a_payload_may_be_null():
    assert rules("name: A\nmode: manual\ntimeout:\n") == ["empty-value"]
    assert rules("name: A\nmode: manual\nagent: ~\n") == ["empty-value"]
    assert rules("name: A\nmode: manual\npayload:\n") == []
    assert rules("name:\nmode: manual\n") == ["wrong-type"]


def test_a_schedule_may_be_written_as_a_block():
    assert job("name: A\nmode: cron\nschedule: >\n  0 9 * * *\n").schedule == "0 9 * * *"


def test_a_schedule_belongs_to_cron_and_only_to_cron():
    assert rules("name: A\nmode: cron\n") == ["missing-field"]
    assert rules('name: A\nmode: manual\nschedule: "@daily"\n') == ["schedule-without-cron"]
    assert rules('name: A\nmode: push\nschedule: "@daily"\n') == ["schedule-without-cron"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("mode: manual", 1),
        ('mode: cron\nschedule: "@daily"', 1),
        ('mode: cron\nschedule: "@daily"\npayload: {a: 1}', 0),
        ("mode: push", 0),
    ],
)
def test_a_filter_that_has_no_effect_is_a_warning(text, count):
    parsed = parse(f"name: A\nfilter: event.a > 1\n{text}\n")
    assert [each.rule for each in parsed.diagnostics] == ["filter-without-effect"] * count
    assert all(each.severity is Severity.WARNING for each in parsed.diagnostics)
    assert parsed.documents[0].definition is not None


@pytest.mark.parametrize("name", sorted(KUBERNETES))
def test_a_field_of_kubernetes_names_the_field_to_use(name):
    (diagnostic,) = parse(f"name: A\nmode: manual\n{name}: 1\n").diagnostics
    assert diagnostic.rule == "kubernetes-field"
    assert KUBERNETES[name][0] in diagnostic.message
    assert KUBERNETES[name][0] in JobDocument.model_fields


def test_a_manifest_of_kubernetes_is_recognised():
    assert rules("apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec: {}\n") == ["kubernetes-field"]


def test_unknown_fields_get_a_suggestion_and_a_fix_where_one_is_near():
    (diagnostic,) = parse("name: A\nmode: manual\nlables: {a: b}\n").diagnostics
    assert (diagnostic.rule, diagnostic.fix) == ("unknown-field", "labels")
    assert "did you mean `schedule`" in told("name: A\nmode: manual\ncron: x\n")
    assert "`command` is a field of agents" in told("name: A\nmode: manual\ncommand: x\n")
    assert "known here: " in told("name: A\nmode: manual\nxyzzy: x\n")
    assert "`when_full`" in told("name: A\nmode: manual\nconcurrency: {policy: x}\n")


@pytest.mark.parametrize("kind", ["job", "defaults", "agent"])
def test_the_table_of_what_is_not_supported_yet_names_fields_that_exist(kind):
    known = {
        "job": JobDocument.model_fields,
        "defaults": DefaultsDocument.model_fields,
        "agent": AGENT_TYPES["command"].model_fields,
    }[kind]
    assert NOT_SUPPORTED_YET[kind] <= known.keys()
    assert NOT_SUPPORTED_YET["agent type"] <= AGENT_TYPES.keys()


VALID = {
    "accept": "{type: com.example.*, source: [a, b]}",
    "signature": "{type: hmac, secret: '${env:KEY}', header: X-Signature, algorithm: sha256}",
    "budget": "{usd: 0.5, requests: 3}",
    "notify": "[{on: [failed], url: 'slack://${env:TOKEN}', when: result.rows == 0}]",
    "redact": "[customer.email, 'items[*].card']",
    "queue": "gpu",
}
INVALID = {
    "accept": ["{}", "{kind: a}", "x", "{type: ''}", "{type: []}"],
    "signature": [
        "{type: github, secret: hunter2}",
        "{type: github, secret: '${env:A}', header: X}",
        "{type: hmac, secret: '${env:A}'}",
        "{type: gitlab, secret: '${env:A}'}",
        "{type: github, secret: []}",
        "{secret: '${env:A}'}",
    ],
    "budget": ["{}", "{usd: -1}", "{requests: 1.5}", "{tokens: 0}"],
    "notify": [
        "[{on: [], url: a}]",
        "[{on: [fail], url: a}]",
        "[{url: a}]",
        "[{on: [failed], url: a, when: x >}]",
    ],
    "redact": ["[]", "['a b']", "[.a]"],
    "queue": ["A B"],
}


@pytest.mark.parametrize("name", sorted(NOT_SUPPORTED_YET["job"]))
def test_a_field_that_is_not_supported_yet_is_checked_and_refused(name):
    mode = "mode: push" if name in {"accept", "signature"} else "mode: manual"
    assert rules(f"name: A\n{mode}\n{name}: {VALID[name]}\n") == ["not-supported-yet"]
    for value in INVALID[name]:
        found = rules(f"name: A\n{mode}\n{name}: {value}\n")
        assert "not-supported-yet" in found
        assert len(found) > 1, value


CRON = "name: A\nmode: cron\nschedule: '@daily'\n"


def test_the_tests_of_a_job_are_kept_with_the_lines_where_they_begin():
    text = (
        f"{CRON}tests:\n  - event: null\n    expect: run\n  - {{name: b, at: 2026-03-29 02:30, next: "
        "[2026-03-29T01:00:00Z]}\n"
    )
    assert parse(text).documents[0].definition.tests == (
        EventTest(None, 5, None, "run"),
        ScheduleTest("b", 7, datetime.fromisoformat("2026-03-29 02:30"), (datetime(2026, 3, 29, 1, tzinfo=UTC),)),
    )


@pytest.mark.parametrize(
    ("tests", "rule", "words"),
    [
        ("[]", "empty-value", "not empty"),
        ("", "empty-value", "no value"),
        ("x", "wrong-type", "found a text"),
        ("[x]", "wrong-type", "found a text"),
        ("[{}]", "invalid-value", "either `event` and `expect`, or `at` and `next`"),
        ("[{name: a}]", "invalid-value", "complete it"),
        ("[{event: 1}]", "missing-field", "`expect` is missing in this test"),
        ("[{expect: run}]", "missing-field", "`event` is missing in this test"),
        ("[{at: 2026-03-29 00:00}]", "missing-field", "`next` is missing in this test"),
        ("[{next: [2026-03-29 00:00]}]", "missing-field", "`at` is missing in this test"),
        ("[{event: 1, at: 2026-03-29 00:00}]", "invalid-value", "divide it into two tests"),
        ("[{event: 1, expect: pass}]", "unknown-value", "`run`, `filtered` or `error`"),
        ("[{event: 1, expects: run}]", "unknown-field", "did you mean `expect`?"),
        ("[{at: 2026-03-29 00:00, next: []}]", "empty-value", "not empty"),
        ("[{at: 2026-03-29 00:00, next: 2026-03-29 01:00}]", "wrong-type", "found a text"),
        ("[{at: tomorrow, next: [2026-03-29 01:00]}]", "invalid-time", "`tomorrow` is no time"),
        ("[{at: 2026-02-30 00:00, next: [2026-03-29 01:00]}]", "invalid-time", "on no calendar"),
        ("[{at: 2026-03-29, next: [2026-03-29 01:00]}]", "invalid-time", "write it as `2026-03-29 09:00`"),
        ("[{at: 2026, next: [2026-03-29 01:00]}]", "wrong-type", "found a number"),
        ("[{at: 0001-01-01T00:00+14:00, next: [2026-03-29 01:00]}]", "invalid-time", "out of reach"),
    ],
)
def test_a_test_of_no_known_shape_is_one_error(tests, rule, words):
    (found,) = parse(f"{CRON}tests: {tests}\n").diagnostics
    assert (found.rule, found.span.line) == (rule, 4)
    assert words in f"{found.message}; {found.help}"


def test_coming_runs_are_tested_on_jobs_that_have_a_schedule():
    (found,) = parse(
        "name: A\nmode: push\ntests:\n  - at: 2026-03-29 00:00\n    next: [2026-03-29 01:00]\n"
    ).diagnostics
    assert (found.rule, found.span.line, found.span.column, found.span.end_column) == ("cron-only", 4, 5, 7)


def test_limits_and_users_of_agents_are_checked_as_well():
    text = "kind: agent\nid: a\ntype: command\ncommand: [x]\n"
    for field in (
        "limits: {memory: lots}",
        "limits: {memory: true}",
        "limits: {memory: 0}",
        "limits: {cpu: 0.5}",
        "limits: {cpu: 0s}",
        "limits: {files: 1.5}",
        "limits: {files: 3}",
        "limits: {disk: 1G}",
        "user: ''",
        "user: '${env:USER}'",
        "user: [a]",
        "user: -1",
    ):
        assert len(rules(f"{text}{field}\n")) == 1, field


@pytest.mark.parametrize(
    ("written", "memory"),
    [
        ("512", 512),
        ("512M", 512_000_000),
        ("512MB", 512_000_000),
        ("512Mi", 512 * 1024**2),
        ("1.5G", 1_500_000_000),
        ("1.1Ki", 1126),
    ],
)
def test_a_size_is_decimal_or_with_an_i_binary(written, memory):
    text = f"kind: agent\nid: a\ntype: command\ncommand: [x]\nlimits: {{memory: {written}}}\n"
    assert parse(text).documents[0].definition.spec.limits == Limits(memory=memory)


def test_users_and_limits_are_part_of_what_an_agent_is_and_leave_others_as_they_were():
    text = "kind: agent\nid: a\ntype: command\ncommand: [x]\n"

    def agent(more):
        return parse(text + more).documents[0].definition

    both = agent("user: 33\nlimits: {memory: 1G, cpu: 90s, files: 64}\n")
    assert both.spec.user == "33"
    assert both.spec.limits == Limits(1_000_000_000, timedelta(seconds=90), 64)
    assert agent("limits: {}\n").digest == agent("").digest
    assert len({agent(more).digest for more in ("", "user: a\n", "user: b\n", "limits: {cpu: 1m}\n")}) == 4
    # What it was before there were users and limits.
    assert agent("").digest == "88f0a1b8d45db9e0869f8bcce6a1e48756f8fa56a60408e98a62be493bb49d92"


def test_acceptance_and_signatures_are_for_push():
    assert "push-only" in rules(f"name: A\nmode: manual\naccept: {VALID['accept']}\n")


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("mode", "croon", "unknown-value"),
        ("mode", "[cron]", "wrong-type"),
        ("timezone", "Berlin", "unknown-timezone"),
        ("timezone", "../etc/passwd", "unknown-timezone"),
        ("timeout", "5 minutes", "duration-syntax"),
        ("timeout", "30", "invalid-duration"),
        ("timeout", "0s", "invalid-duration"),
        ("timeout", "[1h]", "wrong-type"),
        ("enabled", "yes", "wrong-type"),
        ("enabled", "1", "wrong-type"),
        ("description", "3", "wrong-type"),
        ("agent", "Some One", "invalid-id"),
        ("concurrency", "{limit: 0}", "out-of-range"),
        ("concurrency", "{limit: true}", "wrong-type"),
        ("concurrency", "{limit: 1.5}", "wrong-type"),
        ("concurrency", "{when_full: wait}", "unknown-value"),
        ("concurrency", "2", "wrong-type"),
        ("rate_limit", "10/fortnight", "invalid-rate-limit"),
        ("rate_limit", "10001/day", "invalid-rate-limit"),
        ("rate_limit", "0/hour", "invalid-rate-limit"),
        ("rate_limit", "10/hour;1/minute", "invalid-rate-limit"),
        ("rate_limit", "10", "wrong-type"),
        ("retry", "{attempts: 0}", "out-of-range"),
        ("retry", "{backoff: 1m, max_backoff: 10s}", "invalid-value"),
        ("labels", "{a: 1}", "wrong-type"),
        ("labels", "{'a b': x}", "invalid-label"),
        ("labels", "[a]", "wrong-type"),
        ("filter", "event.a >", "filter-syntax"),
        ("filter", "3", "wrong-type"),
        ("kind", "Jobs", "unknown-value"),
        ("kind", "3", "unknown-value"),
    ],
)
def test_a_wrong_value_has_its_rule(field, value, rule):
    mode = "" if field == "mode" else "mode: push\n"
    text = f"name: A\n{mode}{field}: {value}\n"
    found = parse(text).diagnostics
    assert [each.rule for each in found] == [rule], found
    assert found[0].span.line == text.count("\n")


@pytest.mark.parametrize("rate", ["10/hour", "10 per hour", "100/day", "5/10minutes", "1/second", "3 / 2 days"])
def test_rates_may_be_written_in_words(rate):
    assert job(f"name: A\nmode: push\nrate_limit: {rate}\n").rate_limit.text == rate


def test_all_problems_of_a_document_are_told_at_once():
    found = rules(
        'name: 5\nmode: cron\nschedule: "61 25 * * *"\ntimezone: Nowhere\n'
        "timout: 5m\nenabled: no\nfilter: event.a >\n"
    )
    assert len(found) >= 7


def test_what_is_wrong_as_yaml_is_not_told_twice():
    assert rules("name: A\nmode: manual\nconcurrency: {limit: 01}\n") == ["leading-zero"]
    assert rules("name: A\nmode: manual\ndescription: *x\n") == ["unknown-alias"]
    assert sorted(rules("name: A\nname: B\nmode: x\n")) == ["duplicate-key", "unknown-value"]


def test_a_prompt_with_a_reference_is_a_warning_since_nothing_resolves_it():
    (diagnostic,) = parse("name: A\nmode: manual\nprompt: Use ${env:KEY}\n").diagnostics
    assert (diagnostic.rule, diagnostic.severity) == ("secret-not-resolved", Severity.WARNING)


def test_a_command_agent_says_what_to_start():
    text = (
        "kind: agent\nid: clerk\nname: The clerk\ndescription: Counts.\ntype: command\ntimeout: 5m\n"
        "command: [python3, count.py]\nenv: {KEY: 'a ${env:KEY} ${file:db.password}'}\ncwd: ../lib\n"
    )
    parsed = parse(text, "team/agents/clerk.yaml")
    agent = parsed.documents[0].definition
    assert isinstance(agent, Agent)
    assert agent.spec == CommandSpec(
        ("python3", "count.py"), {"KEY": "a ${env:KEY} ${file:db.password}"}, "../lib"
    )
    assert (agent.id, agent.name, agent.description, agent.type) == ("clerk", "The clerk", "Counts.", "command")
    assert (agent.folder, agent.origin) == ("team/agents", Origin("jobs.d/team/agents/clerk.yaml", 1))
    assert agent.timeout.total_seconds() == 300


def test_the_digest_of_an_agent_does_not_depend_on_its_place():
    text = "kind: agent\nid: a\ntype: command\ncommand: [x]\n"
    first = parse(text, "a.yaml").documents[0].definition
    second = parse("# moved\n" + text, "b/c.yaml").documents[0].definition
    other = parse(text + "timeout: 5m\n").documents[0].definition
    assert first.digest == second.digest != other.digest


@pytest.mark.parametrize(
    ("field", "rule"),
    [
        ("command: make all", "wrong-type"),
        ("command: []", "empty-value"),
        ("command: ['']", "invalid-value"),
        ('command: ["a\\0"]', "invalid-value"),
        ("command: [a]\ncwd: ''", "invalid-path"),
        ("command: [a, '${env:KEY}']", "secret-not-allowed"),
        ("command: [a]\ndescription: '${env:KEY}'", "secret-not-allowed"),
        ("command: [a]\ncwd: /tmp", "path-outside"),
        ("command: [a]\ncwd: ../..", "path-outside"),
        ("command: [a]\ncwd: '${env:HOME}'", "secret-not-allowed"),
        ("command: [a]\nenv: {A: 1}", "wrong-type"),
        ("command: [a]\nenv: {A-B: x}", "invalid-name"),
        ("command: [a]\nenv: {JOBSD_JOB: x}", "reserved-name"),
        ("command: [a]\nenv: {A: '${env:A'}", "bad-reference"),
        ("command: [a]\nenv: {A: '${secret:A}'}", "bad-reference"),
        ("command: [a]\nuser: no one", "invalid-value"),
        ("command: [a]\nlimits: {memory: 1 GB}", "invalid-value"),
        ("command: [a]\nmode: cron", "unknown-field"),
        ("cmd: [a]\ncommand: [a]", "unknown-field"),
        ("name: x", "missing-field"),
    ],
)
def test_a_wrong_agent_has_its_rule(field, rule):
    text = f"kind: agent\nid: a\ntype: command\n{field}\n"
    assert rules(text, "agents/a.yaml") == [rule]


def test_a_secret_in_plain_text_is_not_shown():
    text = "kind: agent\nid: a\ntype: llm\napi_key: sk-12345678\n"
    found = parse(text).diagnostics
    assert [each.rule for each in found] == ["not-supported-yet", "secret-in-plain-text"]
    assert not any("12345678" in repr(each) for each in found)


@pytest.mark.parametrize(
    "text",
    [
        "type: http\nurl: https://x.example/${env:A}\nmethod: PUT\nheaders: {A: '${env:A}'}\nexpect: [200, 204]",
        "type: python\nentrypoint: package.module:callable",
        (
            "type: llm\nmodel: openai:gpt-5\nbase_url: https://x.example\napi_key: ${env:KEY}\n"
            "instructions: Be.\noutput: {type: object}\nbudget: {usd: 1}\nsettings: {temperature: 0.2}\n"
            "tools: [read_file, {mcp: files, command: [serve], env: {A: '${env:A}'}, tools: [list]}]"
        ),
    ],
)
def test_agents_of_types_that_are_not_supported_yet_are_checked_and_refused(text):
    assert rules(f"kind: agent\nid: a\n{text}\n") == ["not-supported-yet"]
    assert len(rules(f"kind: agent\nid: a\n{text}\nxyzzy: 1\n")) == 2


@pytest.mark.parametrize(
    "text",
    [
        "type: http\nurl: x.example",
        "type: http\nurl: https://a\nmethod: get",
        "type: http\nurl: https://a\nexpect: [99]",
        "type: http\nurl: https://a\nheaders: {'a b': c}",
        "type: python\nentrypoint: package.module",
        "type: llm\nmodel: gpt-5",
        "type: llm\ninstructions: ${env:A}",
        "type: llm\ntools: [{mcp: a}]",
        "type: llm\ntools: [5]",
        "type: llm\ntools: [{mcp: a, url: https://a, tool: [x]}]",
        "type: llm\nbase_url: ${env:A}",
    ],
)
def test_mistakes_in_such_agents_are_told_besides(text):
    found = rules(f"kind: agent\nid: a\n{text}\n")
    assert len(found) == 2
    assert "not-supported-yet" in found


def test_an_unknown_type_of_agent_gets_a_suggestion():
    assert "did you mean `command`?" in told("kind: agent\nid: a\ntype: comand\ncommand: [x]\n")
    assert rules("kind: agent\nid: a\ncommand: [x]\n") == ["missing-field"]


def test_insulin_can_not_be_replaced_yet():
    assert rules("kind: agent\nid: insulin\ntype: command\ncommand: [x]\n") == ["not-supported-yet"]


def test_an_agent_needs_an_id_or_a_name_to_make_it_from():
    assert parse("kind: agent\nname: The Clerk\ntype: command\ncommand: [x]\n").documents[0].id == "the-clerk"
    assert parse("kind: agent\nid: clerk\ntype: command\ncommand: [x]\n").documents[0].definition.name == "clerk"
    assert rules("kind: agent\ntype: command\ncommand: [x]\n") == ["missing-field"]
    assert rules("kind: agent\nname: 每日\ntype: command\ncommand: [x]\n") == ["missing-id"]


def test_a_document_that_looks_like_an_agent_is_told_to_say_so():
    parsed = parse("id: clerk\ntype: command\ncommand: [x]\n")
    assert [each.rule for each in parsed.diagnostics] == ["missing-kind"]
    assert parsed.documents[0].kind is Kind.AGENT


def test_defaults_say_where_each_value_stands():
    parsed = parse("kind: defaults\n\ntimezone: Asia/Tokyo\nretry: {attempts: 2}\n", "team/defaults.yaml")
    defaults = parsed.documents[0].definition
    assert isinstance(defaults, Defaults)
    assert (defaults.folder, defaults.path) == ("team", "jobs.d/team/defaults.yaml")
    assert (defaults.timezone, defaults.retry, defaults.timeout) == ("Asia/Tokyo", Retry(attempts=2), None)
    assert (defaults.lines["timezone"], defaults.lines["retry"]) == (3, 4)


def test_defaults_can_not_give_what_is_a_job_s_own():
    assert "a defaults document can't give `mode`" in told("kind: defaults\nmode: cron\n")
    assert rules("kind: defaults\nnotify: []\n") == ["not-supported-yet"]


def test_a_lost_document_leaves_its_id_as_a_claim():
    parsed = parse("id: one\nname: [\n---\nid: two\nname: Two\nmode: manual\n---\nid: 'three'  # x\nx: *\n")
    assert parsed.claims == {"one", "three"}
    assert not parsed.whole
    assert [document.id for document in parsed.documents] == ["two"]


def test_a_broken_document_keeps_the_id_that_can_be_read():
    parsed = parse("id: one\nname: A\nmode: x\n---\nname: My Job\n---\nid: 5\nname: A\nmode: x\n")
    assert [document.id for document in parsed.documents] == ["one", "my-job", None]
    assert [document.definition for document in parsed.documents] == [None, None, None]


def test_a_document_knows_its_line_and_can_be_opened_again():
    parsed = parse("# comment\n---\n# another\n\nname: A\nmode: manual\n---\nname: B\nmode: manual\n")
    assert [document.origin.line for document in parsed.documents] == [5, 8]
    assert Reopener().open(parsed.documents[1]).value_span(("name",)).line == 8


def test_a_file_that_can_not_be_read_is_broken_as_a_whole():
    parsed = ParsedFile.unreadable(SourceFile("x.yaml", b"", "jobs.d"), "permission denied")
    assert not parsed.whole
    assert parsed.diagnostics[0].path == parsed.path == "jobs.d/x.yaml"


def test_diagnostics_name_the_job_they_belong_to():
    assert [each.job for each in parse("name: My Job\nmode: x\n").diagnostics] == ["my-job"]


@pytest.mark.parametrize(
    "text",
    [
        "a: *" + " " * 500_000 + "x",
        "a: b: " + " : " * 300_000,
        "a: b:" + " " * 500_000 + "x: y",
        "- " * 50 + "a: @" + " #" * 400_000,
        "[" + ", " * 10 + "\n" * 500_000,
        "kind: agent\nid: a\ntype: http\nurl: 'https://" + "a" * 900_000 + " '",
        "kind: agent\nid: a\ntype: command\ncommand: ['" + "${a:" * 200_000 + "']",
        "kind: agent\nid: a\ntype: command\ncommand: [x]\nenv: {A: '" + "${a:" * 200_000 + "'}",
        "kind: agent\nid: a\ntype: command\ncommand: " + "a " * 400_000,
        "name: A\nmode: push\nrate_limit: '" + "a" * 900_000 + "1'",
        "name: A\nmode: push\nschedule: '" + "* " * 400_000 + "'",
        "name: A\nmode: push\nfilter: '" + "(" * 400_000 + "'",
        "name: A\nmode: push\ntimeout: '" + "1h" * 400_000 + "'",
        "name: A\nmode: push\nredact: ['" + "a." * 400_000 + " ']",
        "name: A\nmode: push\n" + "x" * 900_000 + ": 1",
        "name: '" + "é" * 400_000 + "'\nmode: push",
        "name: A\nmode: " + "push" * 200_000,
        "name: A\nmode: push\nlabels:\n" + "".join(f"  a{number}:\n" for number in range(50_000)),
        "---\nname:\n" * 5_000,
        "".join(f"a{number}: 1\n" for number in range(20_000)),
    ],
)
def test_no_file_takes_long(text):
    started = process_time()
    parse(text)
    assert process_time() - started < 5


def test_very_many_mistakes_end_in_one_that_says_so():
    found = rules("name: A\nmode: push\n" + "".join(f"a{number}: 1\n" for number in range(1_000)))
    assert len(found) == 101
    assert "too-many-problems" in found


def test_the_built_in_agent_needs_no_file():
    agent = built_in_agent()
    assert (agent.id, agent.type, agent.origin) == ("insulin", "llm", None)
    assert agent == built_in_agent()


@pytest.mark.parametrize("value", ["{}", "{success_within: never}", "{success_within: 0s}", "26h", "{within: 1h}"])
def test_what_a_job_expects_is_checked(value):
    assert rules(f"name: A\nmode: manual\nexpect: {value}\n")
    assert rules("name: A\nmode: manual\nexpect: {success_within: 26h}\n") == []


@pytest.mark.parametrize(
    ("schedule", "jitter", "message"),
    [
        ("*/15 * * * *", "15m", "the jitter is not shorter than the 15m between two slots of the schedule"),
        ("0 9 * * 1-5", "1d", "the jitter is not shorter than the 1d between two slots of the schedule"),
        ("@every 90s", "2m", "the jitter is not shorter than the 1m30s between two slots of the schedule"),
        ("H/20 * * * *", "30m", "the jitter is not shorter than the 20m between two slots of the schedule"),
    ],
)
def test_the_jitter_is_shorter_than_the_time_between_two_slots(schedule, jitter, message):
    found = parse(f'name: Orders\nmode: cron\nschedule: "{schedule}"\njitter: {jitter}\n').diagnostics
    (mistake,) = [each for each in found if each.rule == "jitter-too-long"]
    assert mistake.message == message
    assert (mistake.span.line, mistake.span.column, mistake.span.end_column) == (4, 9, 9 + len(jitter))


@pytest.mark.parametrize(
    ("schedule", "jitter"),
    [("*/15 * * * *", "14m59s"), ("0 9 * * 1", "6d23h"), ("0 0 30 2 *", "1d"), ("@daily", "0s")],
)
def test_a_shorter_jitter_is_fine(schedule, jitter):
    assert "jitter-too-long" not in rules(f'name: A\nmode: cron\nschedule: "{schedule}"\njitter: {jitter}\n')


@pytest.mark.parametrize("mode", ["manual", "push"])
@pytest.mark.parametrize("field", ["jitter: 5m", "catch_up: {policy: all}", "catch_up: {}"])
def test_only_slots_are_spread_and_caught_up(mode, field):
    (mistake,) = parse(f"name: A\nmode: {mode}\n{field}\n").diagnostics
    name = field.partition(":")[0]
    assert (mistake.rule, mistake.message) == ("cron-only", f"`{name}` is for jobs whose mode is `cron`")
    assert (mistake.span.line, mistake.span.column, mistake.span.end_column) == (3, 1, 1 + len(name))


@pytest.mark.parametrize("value", ["{}", "{policy: none}", "{policy: latest}", "{policy: all, within: 1d12h}"])
def test_a_cron_job_and_defaults_may_say_what_is_caught_up(value):
    assert rules(f'name: A\nmode: cron\nschedule: "0 9 * * *"\ncatch_up: {value}\n') == []
    assert rules(f"kind: defaults\ncatch_up: {value}\n") == []


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("{policy: last}", "unknown-value"),
        ("{policy: [all]}", "wrong-type"),
        ("{policy: null}", "wrong-type"),
        ("{within: 0s}", "invalid-duration"),
        ("{within: 60}", "invalid-duration"),
        ("{withn: 1h}", "unknown-field"),
        ("latest", "wrong-type"),
    ],
)
def test_what_is_caught_up_is_checked(value, rule):
    assert rules(f'name: A\nmode: cron\nschedule: "0 9 * * *"\ncatch_up: {value}\n') == [rule]
    assert rules(f"kind: defaults\ncatch_up: {value}\n") == [rule]
