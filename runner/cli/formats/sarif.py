"""Diagnostics as SARIF 2.1.0, for code scanning and other systems that follow problems over time."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from runner import __version__
from runner.cli.formats import in_repository, with_help
from runner.cli.pages import rule_page
from runner.errors import Diagnostic, Severity, Span
from runner.spec.rules import RULES

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
FINGERPRINT: Final = "jobsd/v1"
"""The name of our fingerprints: rule, path and text of the line, and which of several alike it is."""

_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def log(diagnostics: Sequence[Diagnostic]) -> dict[str, Any]:
    """Return the log of one run, as what JSON is made of."""
    rules = sorted({each.rule for each in diagnostics})
    alike: Counter[str] = Counter()
    results = []
    for each in diagnostics:
        identity = _identity(each)
        alike[identity] += 1
        results.append(_result(each, rules.index(each.rule), _hash(f"{identity}\0{alike[identity]}")))
    driver = {"name": "jobsd", "version": __version__, "rules": [_rule(rule) for rule in rules]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True}],
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: str) -> dict[str, Any]:
    found = RULES[rule]
    page = rule_page(rule)
    text = page.partition("\n\n")[2].partition("\n\n## ")[0]
    return {
        "id": rule,
        "shortDescription": {"text": found.title},
        "fullDescription": {"text": text},
        "help": {"text": text, "markdown": page},
        "defaultConfiguration": {"level": _LEVELS[found.severity]},
    }


def _result(each: Diagnostic, index: int, fingerprint: str) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": each.rule,
        "ruleIndex": index,
        "level": _LEVELS[each.severity],
        "message": {"text": with_help(each)},
        "locations": [{"physicalLocation": _place(each.path, each.span, each.source)}],
        "partialFingerprints": {FINGERPRINT: fingerprint},
    }
    if each.related:
        result["relatedLocations"] = [
            {"id": number, "physicalLocation": _place(more.path, more.span), "message": {"text": more.message}}
            for number, more in enumerate(each.related, 1)
        ]
    if each.fix is not None and each.span is not None:
        change = {"deletedRegion": _region(each.span), "insertedContent": {"text": each.fix}}
        result["fixes"] = [
            {
                "description": {"text": each.help or "replace it"},
                "artifactChanges": [{"artifactLocation": _artifact(each.path), "replacements": [change]}],
            }
        ]
    return result


def _place(path: str, span: Span | None, source: str | None = None) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": _artifact(path)}
    if span is not None:
        place["region"] = _region(span)
        if source is not None:
            line = {"startLine": span.line, "snippet": {"text": source}}
            place["contextRegion"] = line
    return place


def _artifact(path: str) -> Mapping[str, str]:
    found = in_repository(path)
    if found.startswith("/"):
        return {"uri": f"file://{quote(found)}"}
    # A name with a colon in its first part would be taken for a scheme.
    uri = quote(found)
    return {"uri": uri, "uriBaseId": "%SRCROOT%"}


def _region(span: Span) -> Mapping[str, int]:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }


def _identity(each: Diagnostic) -> str:
    """Return what a problem is known by when lines above it come and go, or its own is indented anew."""
    text = " ".join((each.source or "").split())
    return "\0".join((each.rule, in_repository(each.path), text))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
