"""All rules: what can be said about a document, how much it matters, and what it is in one line."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from runner.errors import Severity

AGENT_HAS_ERRORS = "agent-has-errors"
FIXED_SEVERITY = "fixed-severity"
POLICY_FORBIDDEN = "policy-forbidden"
POLICY_REQUIRED = "policy-required"
UNKNOWN_RULE = "unknown-rule"
UNUSED_IGNORE = "unused-ignore"

POLICY_RULES = frozenset({POLICY_FORBIDDEN, POLICY_REQUIRED})
"""Rules about what people agreed on, and not about what can be run."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can be wrong: its id, a title, and how much it matters where nobody says otherwise.

    Its page, `docs/rules/ID.md`, says why it matters, with an example that is wrong and one that is right.
    """

    id: str
    title: str
    severity: Severity = Severity.ERROR

    @property
    def is_policy(self) -> bool:
        """Whether it is about what people agreed on."""
        return self.id in POLICY_RULES

    @property
    def is_about_ignoring(self) -> bool:
        """Whether it is about the comments that ignore others, and can't be ignored itself."""
        return self.id in {UNKNOWN_RULE, UNUSED_IGNORE}

    @property
    def is_fixed(self) -> bool:
        """Whether its severity can't be changed: the runner can't use what has this error."""
        return self.severity is Severity.ERROR and not self.is_policy


RULES: Mapping[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule("agent-has-errors", "the agent that a job runs has errors", Severity.INFO),
        Rule("alias-bomb", "aliases that expand to very many values"),
        Rule("bad-reference", "a reference to a secret that is not written as one"),
        Rule("control-character", "a control character, which YAML forbids"),
        Rule("cron-only", "a field that only jobs with a schedule have"),
        Rule("duplicate-defaults", "two defaults documents in one folder"),
        Rule("duplicate-id", "two jobs, or two agents, with one id"),
        Rule("duplicate-key", "a field that is given twice"),
        Rule("duration-order", "units of a duration that are out of order or repeated"),
        Rule("duration-syntax", "a duration that is not written as one"),
        Rule("duration-too-long", "a duration beyond what can be counted"),
        Rule("duration-unit", "a duration with a unit that is not known, or with none"),
        Rule("empty-value", "a field, or a list, without a value"),
        Rule("file-too-large", "a file of more than 1 MiB"),
        Rule("filter-arity", "a function of a filter with too many or too few arguments"),
        Rule("filter-in-text", "`in` does not look inside a text", Severity.WARNING),
        Rule("filter-never-equal", "a comparison that is always, or never, true", Severity.WARNING),
        Rule("filter-not", "`not` binds tighter than a comparison", Severity.WARNING),
        Rule("filter-not-boolean", "a filter whose result is never true or false"),
        Rule("filter-pattern", "a pattern that is no regular expression of RE2"),
        Rule("filter-syntax", "a filter that can't be read"),
        Rule("filter-too-deep", "a filter with too many levels of parentheses"),
        Rule("filter-too-long", "a filter of more than 10,000 characters"),
        Rule("filter-type", "an operator or a function on a value of the wrong type"),
        Rule("filter-unknown-function", "a function that filters don't have"),
        Rule("filter-unknown-name", "a name that means nothing in a filter"),
        Rule("filter-without-effect", "a filter that never gets an event", Severity.WARNING),
        Rule("fixed-severity", "a severity that `jobsd.yaml` can't change"),
        Rule("invalid-duration", "a duration that does not fit here"),
        Rule("invalid-entrypoint", "an entry point that names no callable"),
        Rule("invalid-glob", "a pattern that is empty or has control characters"),
        Rule("invalid-id", "an id with characters that an id can't have"),
        Rule("invalid-label", "a label with a name or a value that it can't have"),
        Rule("invalid-model", "a model without its provider"),
        Rule("invalid-name", "a name that can't be one"),
        Rule("invalid-path", "a path that can't be one"),
        Rule("invalid-rate-limit", "a rate limit that is not a count and a unit of time"),
        Rule("invalid-time", "a time that can't be read"),
        Rule("invalid-url", "a URL that is none, or of another scheme"),
        Rule("invalid-value", "a value that does not fit this field"),
        Rule("jitter-too-long", "a jitter that reaches into the next slot"),
        Rule("kubernetes-field", "a field of a Kubernetes CronJob"),
        Rule("leading-zero", "a number with a leading zero"),
        Rule("merge-key", "a merge key (`<<`)"),
        Rule("missing-field", "a field that has to be there"),
        Rule("missing-id", "a name from which no id can be made"),
        Rule("missing-kind", "an agent without `kind: agent`"),
        Rule("non-string-key", "a key that YAML does not read as a text"),
        Rule("not-a-json-number", "a number that JSON does not have"),
        Rule("not-a-mapping", "a document that is a list or a single value"),
        Rule("not-supported-yet", "a field, or a type of agent, that this version can't act on"),
        Rule("not-utf8", "a file that is not UTF-8"),
        Rule("number-too-large", "a number that does not fit into 64 bits"),
        Rule("out-of-range", "a number that is too small or too large"),
        Rule("path-outside", "a path that leaves the tree"),
        Rule("policy-forbidden", "a value that this tree forbids"),
        Rule("policy-required", "a field that this tree requires"),
        Rule("push-only", "a field that only pushed jobs have"),
        Rule("recursive-alias", "an alias inside the value that it repeats"),
        Rule("reserved-name", "an environment variable that belongs to the runner"),
        Rule("schedule-both-days", "a day of month and a weekday, joined by OR", Severity.WARNING),
        Rule("schedule-dst-gap", "a time that the clock skips", Severity.WARNING),
        Rule("schedule-dst-repeat", "a time that the clock shows twice", Severity.WARNING),
        Rule("schedule-fields", "a schedule that does not have five fields"),
        Rule("schedule-length", "a schedule of more than 256 characters"),
        Rule("schedule-long-step", "a step that reaches past the end of its field", Severity.WARNING),
        Rule("schedule-never-fires", "a schedule that never fires", Severity.WARNING),
        Rule("schedule-range", "a number that is out of range for its field"),
        Rule("schedule-skips-months", "a day that some months don't have", Severity.WARNING),
        Rule("schedule-step", "a step that is zero, or has nothing to count from"),
        Rule("schedule-syntax", "a schedule that can't be read"),
        Rule("schedule-unsupported", "a notation that only another scheduler has"),
        Rule("schedule-without-cron", "a schedule on a job that has another mode"),
        Rule("schedule-wrapped-range", "a range whose end comes before its start"),
        Rule("secret-in-plain-text", "a secret, where a reference to one is expected"),
        Rule("secret-not-allowed", "a reference to a secret in a field that takes none"),
        Rule("secret-not-resolved", "a reference to a secret in a prompt", Severity.WARNING),
        Rule("tab-indent", "a tab where YAML wants spaces"),
        Rule("too-deep", "a value with more than 100 levels"),
        Rule("too-many-problems", "a document with more than 100 problems"),
        Rule("unknown-agent", "an agent that no document describes"),
        Rule("unknown-alias", "an alias that repeats nothing"),
        Rule("unknown-field", "a field that jobsd does not know"),
        Rule("unknown-rule", "a rule that does not exist", Severity.WARNING),
        Rule("unknown-tag", "a tag that is not part of the core schema"),
        Rule("unknown-timezone", "a time zone that does not exist"),
        Rule("unknown-type", "a type of agent that does not exist"),
        Rule("unknown-value", "a word that this field does not take"),
        Rule("unquoted-star", "an unquoted value that begins with `*`"),
        Rule("unreadable-file", "a file that can't be read"),
        Rule("unused-ignore", "an ignore comment that silences nothing", Severity.WARNING),
        Rule("wrong-tag", "a value that is not what its tag says"),
        Rule("wrong-type", "a value of another type than the field has"),
        Rule("yaml-syntax", "a text that is no YAML"),
    )
}
"""Each rule by its id, in the order of the alphabet."""


def near(rule: str) -> str | None:
    """Return the rule that somebody who misspelt one most likely meant; many begin alike, so it has to be near."""
    found = difflib.get_close_matches(rule[:100].lower().replace("_", "-"), RULES, n=1, cutoff=0.8)
    return found[0] if found else None
