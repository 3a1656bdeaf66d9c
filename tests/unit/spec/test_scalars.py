"""The core schema of YAML 1.2."""

import pytest

from runner.spec.scalars import BadScalar, resolve, resolve_tagged


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None), ("nUll", "nUll"),
        ("true", True), ("True", True), ("TRUE", True), ("tRUE", "tRUE"), ("false", False), ("False", False),
        ("FALSE", False), ("yes", "yes"), ("on", "on"), ("No", "No"), ("y", "y"),
        ("0", 0), ("-0", 0), ("+7", 7), ("42", 42), ("0o17", 15), ("0x1F", 31), ("0O17", "0O17"),
        ("0b1", "0b1"), ("1_000", "1_000"), ("12:30", "12:30"), ("1.5", 1.5), (".5", 0.5), ("5.", 5.0),
        ("1e3", 1000.0), ("-1.5E-2", -0.015), ("1e", "1e"), (".", "."), ("-", "-"), ("+", "+"), ("0.5", 0.5),
        ("2026-11-24", "2026-11-24"), ("1.2.3", "1.2.3"), ("0x", "0x"), ("=", "="), ("-5x", "-5x"),
        ("18446744073709551615", 2**64 - 1), ("-9223372036854775808", -(2**63)), ("\u0661", "\u0661"),
    ],
)  # fmt: skip
def test_a_plain_text_is_what_the_core_schema_says(text, value):
    found = resolve(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("0644", "leading-zero"), ("00", "leading-zero"), ("-08", "leading-zero"), ("007.5", "leading-zero"),
        (".inf", "not-a-json-number"), ("-.Inf", "not-a-json-number"), (".NaN", "not-a-json-number"),
        ("18446744073709551616", "number-too-large"), ("-9223372036854775809", "number-too-large"),
        ("9" * 10_000, "number-too-large"), ("1e999", "number-too-large"), ("0x" + "f" * 17, "number-too-large"),
        ("0x" + "f" * 100_000, "number-too-large"),
    ],
)  # fmt: skip
def test_numbers_that_readers_understand_differently_are_refused(text, rule):
    found = resolve(text)
    assert isinstance(found, BadScalar)
    assert found.rule == rule
    assert len(found.message) < 200


def test_octal_is_offered_only_for_what_could_be_octal():
    assert "0o644" in resolve("0644").help
    assert "0o7" in resolve("007").help
    assert "0o" not in resolve("08").help


def test_a_tag_says_what_a_scalar_is():
    assert resolve_tagged("str", "12") == "12"
    assert resolve_tagged("int", "12") == 12
    assert resolve_tagged("float", "12") == 12.0
    assert type(resolve_tagged("float", "12")) is float
    assert resolve_tagged("bool", "true") is True
    assert resolve_tagged("null", "~") is None
    assert resolve_tagged("int", "1.5").rule == "wrong-tag"
    assert resolve_tagged("int", "true").rule == "wrong-tag"
    assert resolve_tagged("bool", "yes").rule == "wrong-tag"
