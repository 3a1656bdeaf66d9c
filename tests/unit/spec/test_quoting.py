"""Texts from files in messages."""

from runner.spec.quoting import quote_it, quoted, shown
from runner.spec.source import SourceFile, read_documents


def test_a_message_shows_a_short_text_on_one_line():
    assert shown("abc") == "abc"
    assert shown("a\nb\x1b") == "a\\x0ab\\x1b"
    assert len(shown("x" * 1_000)) == 60


def test_a_quoted_text_reads_as_itself():
    for text in ("a", 'a"b\\c', "a\n\tb", "\x00\x85\u2028é\U0001f600"):
        documents, diagnostics = read_documents(SourceFile("x.yaml", f"a: {quoted(text)}\n".encode()))
        assert not diagnostics
        assert documents[0].data == {"a": text}


def test_the_advice_to_quote_repeats_only_short_texts():
    assert quote_it('"a"') == 'quote it: "a"'
    assert quote_it("x" * 1_000) == "quote it"
