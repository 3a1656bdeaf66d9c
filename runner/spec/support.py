"""Tables of field names: what is not supported yet, and what other systems call our fields."""

from collections.abc import Mapping

NOT_SUPPORTED_YET: Mapping[str, frozenset[str]] = {
    "job": frozenset(
        {
            "accept",
            "signature",
            "budget",
            "notify",
            "redact",
            "queue",
        }
    ),
    "defaults": frozenset({"budget", "notify"}),
    "agent": frozenset(),
    "agent type": frozenset({"http", "python", "llm"}),
    "agent id": frozenset({"insulin"}),
}
"""What is read and checked in full, and then refused, because nothing acts on it yet."""

KUBERNETES: Mapping[str, tuple[str, str]] = {
    "suspend": ("enabled", "write `enabled: false` to stop a job from running"),
    "timeZone": ("timezone", "write `timezone: Europe/Berlin`"),
    "concurrencyPolicy": ("concurrency", "write `concurrency: {limit: 1, when_full: skip}`"),
    "startingDeadlineSeconds": ("catch_up", "write `catch_up: {within: 1h}`"),
    "activeDeadlineSeconds": ("timeout", "write `timeout: 1h`"),
    "backoffLimit": ("retry", "write `retry: {attempts: 3}`"),
}
"""Names that people write who know Kubernetes: the field to use, and how."""

OTHER_WORDS: Mapping[str, str] = {
    "cron": "schedule",
    "tz": "timezone",
    "title": "name",
    "when": "filter",
    "trigger": "mode",
    "retries": "retry",
    "disabled": "enabled",
    "active": "enabled",
    "deadline": "timeout",
    "if": "filter",
    "instructions": "prompt",
    "environment": "env",
    "working_directory": "cwd",
    "workdir": "cwd",
    "tags": "labels",
    "throttle": "rate_limit",
}
"""Names from elsewhere that no spelling leads from to ours."""

WRITTEN_AS: Mapping[str, str] = {
    "concurrency": "write `concurrency: {limit: 1, when_full: queue}`",
    "retry": "write `retry: {attempts: 3, backoff: 30s}`",
    "catch_up": "write `catch_up: {policy: latest, within: 1h}`",
    "expect": "write `expect: {success_within: 26h}`",
    "budget": "write `budget: {usd: 0.50}`",
    "schedule": 'write it as one text, such as `"0 9 * * 1-5"`',
    "labels": "write `labels: {team: revenue}`",
    "tests": "write `tests: [{event: {…}, expect: run}]`",
    "env": "write `env: {NAME: value}`",
    "limits": "write `limits: {memory: 512M}`",
}
"""How a field is written, for those who wrote a value of another type."""

MANIFEST = "apiVersion"
"""A field that every manifest of Kubernetes has."""
