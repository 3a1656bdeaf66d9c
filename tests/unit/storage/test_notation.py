"""Values are written as YAML that says the same again, quoted only where that is needed."""

import pytest

from runner.spec.document import SourceFile
from runner.spec.source import scan
from runner.storage.notation import (
    Style,
    Written,
    block,
    block_text,
    entries,
    flow,
    is_plain,
    items,
    scalar,
    style_of,
)


def document(text):
    return scan(SourceFile("x.yaml", text.encode())).documents[0]


def read_again(text):
    return document(f"value: {text}\n").data["value"]


@pytest.mark.parametrize(
    "text",
    ["Daily Report", "2h", "1h30m", "event.total > 100", "a-b_c", "Größe 📏", "it's", 'say "so"', "a#b",
     "http://x/y", "10/hour", "null-ish", "Europe/Berlin"],
)  # fmt: skip
def test_a_text_that_nobody_could_misread_is_plain(text):
    assert is_plain(text)
    assert scalar(text, Style()) == text
    assert read_again(text) == text


@pytest.mark.parametrize(
    "text",
    ["", " ", "x ", "true", "No", "null", "~", "5", "1e3", "0042", "0x1f", "12:30", "2026-11-25", "1_000",
     "a: b", "a #b", "x:", "- a", "-", "?", "*a", "*/5 * * * *", "0 9 * * 1-5", "&a", "!a", "@daily", "%a", "{a",
     "[a", "#a", "'a", '"a', "|", ">", "---", "a\tb", "a\nb", "\x00", "\u2028", "\ufeff", 'a\\b: "'],
)  # fmt: skip
def test_another_is_quoted_and_read_again_as_it_was(text):
    assert not is_plain(text)
    for quote in ("'", '"'):
        assert read_again(scalar(text, Style(quote=quote))) == text


def test_a_text_is_quoted_as_is_usual_in_the_document_and_doubly_where_it_has_to_be():
    assert scalar("a: b", Style(quote="'")) == "'a: b'"
    assert scalar("it's: b", Style(quote="'")) == "'it''s: b'"
    assert scalar("a: b", Style()) == '"a: b"'
    assert scalar("a\nb", Style(quote="'")) == '"a\\nb"'
    assert scalar("plain", Style(), quote="'") == "'plain'"


def test_what_ends_a_text_in_brackets_is_quoted_there_alone():
    assert (scalar("a, b", Style()), scalar("a, b", Style(), flow=True)) == ("a, b", '"a, b"')
    assert read_again(flow(["a, b", {"c]": "{d}"}], Style())) == ["a, b", {"c]": "{d}"}]


@pytest.mark.parametrize(
    "value", [None, True, False, 0, -5, 2.5, 1e300, 2**63, [], {}, [1, ["a"]], {"a: b": {"c": None}}]
)
def test_other_values_are_read_again_as_they_were(value):
    found = read_again(flow(value, Style()))
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["a\nb", "a\nb\n", "a\n\n  b", "a: b\n# c\n", "one line\n"])
def test_a_text_of_several_lines_is_a_literal_block(text):
    written = block(text, Style(), 0)
    assert written.inline in {"|", "|-"}
    lines = "\n".join(written.body)
    assert document(f"value: {written.inline}\n{lines}\n").data["value"] == text


@pytest.mark.parametrize("text", ["one line", "\na", " a\nb", "a \nb", "a\n\n", "a\tb\nc", "a\x00\nb", "\n"])
def test_a_text_that_a_block_can_not_hold_is_none(text):
    assert block_text(text, 2) is None


def test_a_mapping_takes_the_form_of_the_document():
    value = {"attempts": 3, "more": {"a": [1, 2]}}
    assert block(value, Style(), 0) == Written("", ("  attempts: 3", "  more:", "    a: [1, 2]"))
    assert block(value, Style(step=4), 2) == Written(
        "", ("      attempts: 3", "      more:", "          a: [1, 2]")
    )
    assert block(value, Style(flow=True), 0) == Written("{attempts: 3, more: {a: [1, 2]}}")
    assert list(entries({"a": {}, "b": None}, Style(), 1)) == [" a: {}", " b: null"]
    assert list(items(["a: b", {"c": 1}], Style(), 2)) == ['  - "a: b"', "  - {c: 1}"]


@pytest.mark.parametrize(
    ("text", "style"),
    [
        ("a: 1\n", Style()),
        ("a:\r\n    b: 'c'\r\n", Style("\r\n", 4, False, "'")),
        ("a: {b: 1}\nc: {d: 1}\ne:\n   f: 1\n", Style(step=3, flow=True)),
        ("{a: 1}", Style(flow=True)),
        ('a: &x\n - b: \'q\'\n   c: 1\nd:\n  e: "r"\nf: *x\ng: "s"\n', Style()),
    ],
)
def test_the_style_of_a_document_is_what_there_is_more_of(text, style):
    assert style_of(document(text)) == style
