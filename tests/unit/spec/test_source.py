"""How YAML is read."""

import pytest

from runner.errors import Diagnostic
from runner.spec.decoding import MAX_BYTES
from runner.spec.source import Document, SourceFile, read_documents


def documents_of(text: str | bytes) -> tuple[Document, ...]:
    documents, diagnostics = read_documents(
        SourceFile("x.yaml", text if isinstance(text, bytes) else text.encode())
    )
    assert not diagnostics
    return documents


def problems_of(text: str | bytes) -> list[Diagnostic]:
    raw = text if isinstance(text, bytes) else text.encode()
    return list(read_documents(SourceFile("x.yaml", raw, "jobs.d"))[1])


def only_problem_of(text: str | bytes) -> Diagnostic:
    found = problems_of(text)
    assert len(found) == 1, found
    return found[0]


def marked(text: str, diagnostic: Diagnostic) -> str:
    """What the carets stand under."""
    span = diagnostic.span
    assert span is not None
    line = text.split("\n")[span.line - 1]
    return line[span.column - 1 : span.end_column - 1 if span.end_line == span.line else None]


def test_a_file_is_known_by_the_path_that_people_see_and_by_its_bytes():
    file = SourceFile("agents/x.yaml", b"a: 1", "jobs.d")
    assert file.display == "jobs.d/agents/x.yaml"
    assert file.folder == "agents"
    assert SourceFile("x.yaml", b"").display == "x.yaml"
    assert SourceFile("x.yaml", b"").folder == ""
    assert file.digest == SourceFile("y.yaml", b"a: 1").digest != SourceFile("x.yaml", b"a: 2").digest


def test_plain_texts_that_yaml_1_1_converts_stay_texts():
    text = "on: no\ny: yes\ntime: 12:30\nday: 2026-11-24\nversion: 1_000\nN: off\n"
    assert documents_of(text)[0].data == {
        "on": "no",
        "y": "yes",
        "time": "12:30",
        "day": "2026-11-24",
        "version": "1_000",
        "N": "off",
    }


def test_documents_without_content_are_ignored():
    assert [document.data for document in documents_of("---\n# nothing\n---\na: 1\n---\n")] == [{"a": 1}]
    assert documents_of("") == ()
    assert documents_of("# only a comment\n") == ()


def test_a_byte_order_mark_does_not_move_columns():
    document = documents_of("\ufeffa: [1, x]\n")[0]
    assert document.data == {"a": [1, "x"]}
    assert document.value_span(("a", 1)).column == 8


def test_columns_count_characters_and_lines_end_as_on_any_system():
    document = documents_of("é: ü\r\n\U0001f600: [\U0001f600, b]\r\n")[0]
    assert document.value_span(("é",)).column == 4
    span = document.value_span(("\U0001f600", 1))
    assert (span.line, span.column, span.end_column) == (2, 8, 9)


def test_spans_leave_out_tags_anchors_comments_and_the_layout_behind():
    document = documents_of("a: !!str &x 12   # twelve\nb:\n  c: 1\n  d: 2\n\n# end\n")[0]
    span = document.value_span(("a",))
    assert (span.column, span.end_column) == (13, 15)
    span = document.value_span(("b",))
    assert (span.line, span.column, span.end_line, span.end_column) == (3, 3, 4, 7)


def test_the_span_of_an_empty_value_is_its_key():
    document = documents_of("name:\nlist:\n  -\n  - x\n")[0]
    assert document.value_span(("name",)) == document.key_span(("name",))
    assert document.value_span(("list", 0)).line == 3


@pytest.mark.parametrize(
    ("written", "value", "start", "end", "line", "column", "end_column"),
    [
        ("abc def", "abc def", 4, 7, 1, 8, 11),
        ("'it''s it'", "it's it", 2, 4, 1, 7, 10),
        ('"a\\u00e9\\tb"', "aé\tb", 1, 2, 1, 6, 12),
        ('"a \\\n    b"', "a b", 2, 3, 2, 5, 6),
        ("a\n  b\n\n  c", "a b\nc", 4, 5, 4, 3, 4),
        (">-\n  a b\n  c d", "a b c d", 6, 7, 3, 5, 6),
        ("|\n  a b\n    c\n", "a b\n  c\n", 6, 7, 3, 5, 6),
        (">2\n   a\n  b\n", " a\nb\n", 3, 4, 3, 3, 4),
        ("|+\n\n  a\n", "\na\n\n", 1, 2, 3, 3, 4),
    ],
)
def test_a_range_inside_a_scalar_is_found_however_it_is_written(
    written, value, start, end, line, column, end_column
):
    document = documents_of(f"v: {written}\n")[0]
    assert document.data == {"v": value}
    span = document.span_within(("v",), start, end)
    assert (span.line, span.column, span.end_column) == (line, column, end_column)


def test_what_lies_past_the_end_of_a_text_is_shown_at_its_end():
    document = documents_of("v: |\n  ab\nw: ''\n")[0]
    assert document.span_within(("v",), 3, 3).column == 5
    assert document.span_within(("v",), 99, 120).column == 5
    assert document.span_within(("w",), 0, 0).line == 3


def test_a_duplicate_key_is_an_error_that_names_both_places():
    text = "a: 1\nb: 2\na: 3\n"
    found = only_problem_of(text)
    assert (found.rule, found.span.line, marked(text, found)) == ("duplicate-key", 3, "a")
    assert [(related.path, related.span.line) for related in found.related] == [("jobs.d/x.yaml", 1)]


def test_a_tag_without_a_name_makes_a_text():
    assert documents_of("a: ! 12\nb: ! [1]\n")[0].data == {"a": "12", "b": [1]}


def test_a_document_knows_which_locations_it_has():
    document = documents_of("a: [{b: 1}]\n")[0]
    assert document.has(("a", 0, "b"))
    assert not document.has(("a", 1))
    assert not document.has(("a", 0, "b", "c"))
    assert document.value_span(("a", 0, "b")).column == 9
    assert document.key_span(("a", 0)) == document.value_span(("a", 0))
    assert document.span_within(("a",), 0, 1) == document.value_span(("a",))


def test_an_empty_mapping_has_a_place_too():
    assert documents_of("# x\n{}\n")[0].start_span().line == 2


def test_an_empty_range_is_an_empty_span():
    span = documents_of("v: abc\n")[0].span_within(("v",), 1, 1)
    assert (span.column, span.end_column) == (5, 5)


def test_the_first_of_two_equal_keys_is_kept():
    documents, _ = read_documents(SourceFile("x.yaml", b"a: 1\na: 2\n"))
    assert documents[0].data == {"a": 1}
    assert documents[0].problems


def test_an_unquoted_star_gets_a_hint_to_quote_it():
    text = "schedule: */5 * * * *  # often\n"
    found = only_problem_of(text)
    assert (found.rule, marked(text, found), found.fix) == ("unquoted-star", "*/5 * * * *", '"*/5 * * * *"')
    assert only_problem_of("schedule: * * * * *\n").fix == '"* * * * *"'
    assert only_problem_of("a: [*]\n").rule == "unquoted-star"


def test_an_unknown_alias_is_an_error():
    text = "a: *base\n"
    found = only_problem_of(text)
    assert (found.rule, marked(text, found)) == ("unknown-alias", "*base")


def test_tabs_can_not_indent():
    for text in ("a:\n\tb: 1\n", "a:\n  b: 1\n\tc: 2\n", "a:\n  \tb: 1\n"):
        found = only_problem_of(text)
        assert found.rule == "tab-indent", text
        assert set(marked(text, found)) == {"\t"}


@pytest.mark.parametrize(
    ("text", "place", "line", "message"),
    [
        ("name:A\nmode: manual\n", ":", 1, "a space is missing behind this `:`"),
        ("name: A\n  mode: manual\n", "  ", 2, "this line is indented more than the field above it"),
        ("name: 'it's'\n", "'", 1, "the quoted text ends here, and more follows"),
        ('name: "say "a""\n', '"', 1, "the quoted text ends here, and more follows"),
        ("a:\n  b: 1\n c: 2\n", "c: 2", 3, "this line is indented unlike the fields before it"),
        ("a: |\n  b\n c\n", "c", 3, "this line is indented unlike the fields before it"),
    ],
)
def test_layout_that_does_not_fit_is_explained_where_it_begins(text, place, line, message):
    found = only_problem_of(text)
    assert (marked(text, found), found.span.line) == (place, line)
    assert found.message.startswith(message)


@pytest.mark.parametrize("value", ["@daily", "`date`", "%d"])
def test_a_text_that_begins_with_a_reserved_character_gets_a_hint_to_quote_it(value):
    found = only_problem_of(f"a: {value}\n")
    assert found.fix == f'"{value}"'


def test_a_colon_inside_a_text_gets_a_hint_to_quote_it():
    found = only_problem_of("name: Report: weekly # x\n")
    assert found.fix == '"Report: weekly"'


@pytest.mark.parametrize(
    ("text", "rule", "place"),
    [
        ("a: [1\nb: 2\n", "yaml-syntax", "["),
        ("a: {x: 1\n", "yaml-syntax", "{"),
        ('a: "x\nb: 2\n', "yaml-syntax", '"'),
        ("a: 1\nb\nc: 2\n", "yaml-syntax", "b"),
        ("a: !foo 1\n", "unknown-tag", "!foo"),
        ("a: !!binary eA==\n", "unknown-tag", "!!binary"),
        ("a: !e!x 1\n", "unknown-tag", "!e!x 1"),
        ("a: !!int x\n", "wrong-tag", "x"),
        ("<<: {a: 1}\n", "merge-key", "<<"),
        ("1: a\n", "non-string-key", "1"),
        ("true: a\n", "non-string-key", "true"),
        ("? [a]\n: b\n", "non-string-key", "["),
        ("a: &x [*x]\n", "recursive-alias", "*x"),
        ("a: 0644\n", "leading-zero", "0644"),
        ("a: .inf\n", "not-a-json-number", ".inf"),
        ("a: 99999999999999999999\n", "number-too-large", "99999999999999999999"),
        ("a: 1e400\n", "number-too-large", "1e400"),
        ("- a\n", "not-a-mapping", "- a"),
        ("a: [1, x: {b}: c]\n", "yaml-syntax", ":"),
        ("a: [[1], {x: 2},\n---\nb: 1\n", "yaml-syntax", "["),
        ("a: |x\n  b\n", "yaml-syntax", ""),
        ("a: &\n", "yaml-syntax", ""),
        ("a: !x {b: 1}\n", "unknown-tag", "!x"),
        ("? \n: 1\n", "non-string-key", "?"),
        ("a: !!float x\n", "wrong-tag", "x"),
        ("a: *5 * * * *\n", "unquoted-star", "*5 * * * *"),
        ("a: [*5]\n", "unquoted-star", "*5]"),
        ("text\n", "not-a-mapping", "text"),
        ("~\n", "not-a-mapping", "~"),
        ('a: "\\ud83d"\n', "yaml-syntax", "\\ud83d"),
    ],
)
def test_each_mistake_has_its_rule_and_its_place(text, rule, place):
    found = only_problem_of(text)
    assert (found.rule, marked(text, found)[: len(place)]) == (rule, place)
    assert found.source == text.split("\n")[found.span.line - 1]


def test_aliases_may_repeat_but_not_explode():
    assert documents_of("a: &x [1, 2]\nb: *x\n")[0].data == {"a": [1, 2], "b": [1, 2]}
    levels = "".join(f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 10)}]\n" for level in range(1, 40))
    assert only_problem_of("l0: &l0 [x]\n" + levels).rule == "alias-bomb"
    assert only_problem_of(f'a: &a "{"x" * 500_000}"\nb: [*a, *a, *a]\n').rule == "alias-bomb"


@pytest.mark.parametrize(
    "text", ["[" * 500_000, "- " * 500_000, "{a: " * 200_000, "? " * 500_000, "a: " + "[" * 150 + "]" * 150]
)
def test_depth_is_an_error_and_never_a_crash(text):
    assert problems_of(text)[0].rule == "too-deep"


def test_aliases_do_not_hide_depth():
    text = "a: &a [" + "[" * 60 + "]" * 60 + "]\nb: " + "[" * 60 + "*a" + "]" * 60 + "\n"
    assert only_problem_of(text).rule == "too-deep"


def test_a_file_that_is_too_large_is_not_read():
    assert only_problem_of(b"#" * (MAX_BYTES + 1)).rule == "file-too-large"
    assert problems_of(b"#" * MAX_BYTES) == []


def test_a_file_that_is_not_utf_8_names_the_first_wrong_byte():
    found = only_problem_of("name: Café\nx: é".encode() + b"\xff\n")
    assert (found.rule, found.span.line, found.span.column) == ("not-utf8", 2, 5)
    assert "0xff" in found.message
    assert only_problem_of("a: 1".encode("utf-16")).rule == "not-utf8"


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffe"])
def test_control_characters_are_errors_with_a_code(character):
    found = only_problem_of(f"a: 'x{character}'\n")
    assert (found.rule, found.span.column) == ("control-character", 6)
    assert f"U+{ord(character):04X}" in found.message


def test_reading_goes_on_behind_a_document_that_is_no_yaml():
    documents, diagnostics = read_documents(
        SourceFile("x.yaml", b"a: 1\n---\nb: [\n---\nc: 3\n---\nd: *\n--- # x\ne: 5\n")
    )
    assert [document.data for document in documents] == [{"a": 1}, {"c": 3}, {"e": 5}]
    assert [diagnostic.span.line for diagnostic in diagnostics] == [3, 7]
    assert documents[2].value_span(("e",)).line == 9
    assert documents[2].line == 9


def test_very_many_mistakes_end_in_one_that_says_so():
    found = problems_of("{" + "x, " * 10_000 + "}")
    assert len(found) == 101
    assert found[-1].rule == "too-many-problems"


def test_a_million_bytes_of_anything_are_read_in_bounded_time():
    # Each of these took longer than linear time in some reader of YAML.
    for text in ('"' + "\\x41" * 250_000 + '"', "a: >\n" + " a\n\n" * 200_000, "---\n" * 200_000):
        problems_of(text)
