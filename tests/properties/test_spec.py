"""What holds for every file, whatever is in it: reading never fails, and places are where the text stands."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.cli.diagnostics import render, to_json
from runner.plan import desire
from runner.spec.loader import ParsedFile, read
from runner.spec.source import Document, SourceFile, read_documents

NOW = datetime(2026, 11, 24, tzinfo=UTC)

WORDS = st.sampled_from(
    [
        "name", "id", "mode", "cron", "push", "manual", "schedule", "filter", "agent", "kind", "defaults", "job",
        "payload", "timeout", "labels", "retry", "concurrency", "limit", "attempts", "type", "command", "env",
        "${env:A}", "0 9 * * *", "*/5 * * * *", "event.a > 1", "5m", "10/hour", "Europe/Berlin", "&a", "*a", "<<",
        "!x", "!!str", "0644", "1", "true", "~", ".nan", "é", "\U0001f600", "a: b", "# c", "x",
    ]
)  # fmt: skip
PUNCTUATION = st.sampled_from(
    [": ", ":", "\n", "\n  ", "\n    ", "- ", "[", "]", "{", "}", ", ", '"', "'", "|\n", ">-\n", "---\n", "\t",
     " ", "? ", "...\n", "\r\n", "\\", "\\u00e9", "%YAML 1.2\n", "\ufeff", "\u2028", "\x00"]
)  # fmt: skip
YAML_LIKE = st.lists(st.one_of(WORDS, PUNCTUATION), max_size=60).map("".join)

PLAIN = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=12,
)


def sampled(
    *strategies: st.SearchStrategy[Any], soak: bool, few: int = 100
) -> Callable[[Callable[..., None]], None]:
    """Run a function over examples at once: `few` of them, or many."""

    def run(holds: Callable[..., None]) -> None:
        settings(max_examples=20 * few if soak else few, deadline=None)(given(*strategies)(holds))()

    return run


def survives(raw: bytes) -> ParsedFile:
    parsed = read(SourceFile("x.yaml", raw, "jobs.d"))
    state = desire([parsed], now=NOW)
    again = desire([parsed], state, now=NOW)
    assert again == state
    text = render(state.diagnostics, color=True)
    assert not any(ord(character) < 32 for character in text.replace("\x1b", "").replace("\n", ""))
    for diagnostic in state.diagnostics:
        json.dumps(to_json(diagnostic))
        assert diagnostic.message
        assert "\n" not in diagnostic.message
        assert len(diagnostic.message) < 300
        assert len(diagnostic.help or "") < 500
        if diagnostic.span:
            assert (diagnostic.span.line, diagnostic.span.column) <= (
                diagnostic.span.end_line,
                diagnostic.span.end_column,
            )
            assert diagnostic.span.column <= len(diagnostic.source or "") + 1
    return parsed


def test_no_bytes_make_reading_fail(soak):
    @sampled(st.binary(max_size=200), soak=soak, few=100)
    def holds(raw: bytes) -> None:
        survives(raw)


def test_no_text_that_looks_like_yaml_makes_reading_fail(soak):
    @sampled(YAML_LIKE, soak=soak, few=400)
    def holds(text: str) -> None:
        survives(text.encode())


def test_no_structure_makes_reading_fail(soak):
    @sampled(st.dictionaries(WORDS, PLAIN, max_size=8), soak=soak, few=200)
    def holds(data: dict[str, Any]) -> None:
        survives(json.dumps(data).encode())


def test_json_is_read_as_itself(soak):
    @sampled(PLAIN, soak=soak, few=200)
    def holds(value: Any) -> None:
        raw = orjson.dumps({"value": value}, option=orjson.OPT_PASSTHROUGH_SUBCLASS)
        documents, diagnostics = read_documents(SourceFile("x.yaml", raw))
        if not diagnostics:
            assert documents[0].data == {"value": value}


def _escaped(text: str, how: list[bool]) -> str:
    """Write a text in double quotes, with some characters escaped that need not be."""
    parts = []
    for index, character in enumerate(text):
        if character in '"\\' or ord(character) < 32 or ord(character) in range(0x7F, 0xA0):
            parts.append(f"\\x{ord(character):02x}")
        elif how[index % len(how)] or ord(character) in {0x2028, 0x2029, 0xFEFF}:
            parts.append(f"\\U{ord(character):08x}")
        else:
            parts.append(character)
    return '"' + "".join(parts) + '"'


def _source_at(document: Document, start: int, end: int) -> str:
    span = document.span_within(("value",), start, end)
    lines = document.text.characters.split("\n")
    if span.line == span.end_line:
        return lines[span.line - 1][span.column - 1 : span.end_column - 1]
    middle = lines[span.line : span.end_line - 1]
    return "\n".join(
        [lines[span.line - 1][span.column - 1 :], *middle, lines[span.end_line - 1][: span.end_column - 1]]
    )


TEXT = st.text(st.characters(blacklist_categories=["Cs", "Cn"], blacklist_characters="\ufffe\uffff"), min_size=1)


def test_a_character_of_a_quoted_text_is_found_at_its_escape(soak):
    @sampled(TEXT, st.lists(st.booleans(), min_size=1, max_size=5), st.data(), soak=soak, few=200)
    def holds(text: str, how: list[bool], data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(text) - 1))
        raw = f"before: x\nvalue: {_escaped(text, how)}  # after\n".encode()
        documents, diagnostics = read_documents(SourceFile("x.yaml", raw))
        assert not diagnostics
        assert documents[0].data["value"] == text
        visible = len(text.rstrip("\n")) or 1
        if index < visible:
            written = _source_at(documents[0], index, index + 1)
            assert written == text[index] or written.startswith("\\")
            assert _escaped(text[index], how if len(text) == 1 else [written.startswith("\\U")])[1:-1] == written


WORD = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x1F600, categories=["L", "N", "S"]), min_size=1)
LAYOUT = st.lists(st.tuples(st.lists(WORD, max_size=3).map(" ".join), st.integers(0, 3)), min_size=1, max_size=6)


def test_a_character_of_a_block_is_found_where_it_stands(soak):
    @sampled(
        LAYOUT,
        st.sampled_from(["|", "|-", "|+", ">", ">-", ">+", "|2", ">2-", ">2+"]),
        st.integers(1, 3),
        soak=soak,
        few=400,
    )
    def holds(layout: list[tuple[str, int]], style: str, indent: int) -> None:
        if "2" in style:
            indent = 2
        lines = "".join(" " * (indent + more) * bool(words) + words + "\n" for words, more in layout)
        raw = f"before: x\nvalue: {style}\n{lines}after: y\n".encode()
        documents, diagnostics = read_documents(SourceFile("x.yaml", raw))
        if diagnostics or not documents[0].data["value"]:
            return
        value = documents[0].data["value"]
        for index, character in enumerate(value.rstrip("\n")):
            written = _source_at(documents[0], index, index + 1)
            assert written == character or (written.isspace() and character.isspace()), (index, character)


def test_a_character_of_a_folded_text_is_found_where_it_stands(soak):
    @sampled(LAYOUT.filter(lambda layout: bool(layout[0][0])), st.sampled_from(["'", '"', ""]), soak=soak, few=300)
    def holds(layout: list[tuple[str, int]], quote: str) -> None:
        body = "\n".join(" " * (2 + more) * bool(words) + words for words, more in layout).strip()
        body = body.replace("'", "''") if quote == "'" else body.replace("\\", "").replace('"', "")
        raw = f"before: x\nvalue: {quote}{body}{quote}\nafter: y\n".encode()
        documents, diagnostics = read_documents(SourceFile("x.yaml", raw))
        if diagnostics or not documents or not isinstance(documents[0].data.get("value"), str):
            return
        value = documents[0].data["value"]
        for index, character in enumerate(value.rstrip("\n")):
            written = _source_at(documents[0], index, index + 1)
            assert written in {character, "''"} or (written.isspace() and character.isspace())
