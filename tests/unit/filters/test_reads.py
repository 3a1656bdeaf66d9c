"""The fields that an expression reads, each once, in the order of the text."""

import pytest

from runner.filters import compile_filter
from runner.filters.reads import fields_read


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("event.a > 1", ["event.a"]),
        ("event.b.c == event.a and event.b.c != 2", ["event.b.c", "event.a"]),
        ("if event.a then event.b else event.c", ["event.a", "event.b", "event.c"]),
        ("includes(event.tags, lower(event.s))", ["event.tags", "event.s"]),
        ("exists(event.a.0.length)", ["event.a.0.length"]),
        ("k of event.o == event.o.k", ["event.o.k"]),
        ("m.n of o of event == 1", ["event.o.m.n"]),
        ("'first name' of event.buyer == 1", ["'first name' of event.buyer"]),
        ("x of 'a b' of event == 1", ["'x' of 'a b' of event"]),
        (r"'it\'s' of event == 1", [r"'it\'s' of event"]),
        ("'0' of (event.a, event.b) == 1", ["event.a", "event.b"]),
        ("event == null", ["event"]),
        ("1 < 2", []),
    ],
)
def test_every_path_is_named_once_in_the_order_of_the_text(text, reads):
    assert list(fields_read(compile_filter(text))) == reads


def test_what_is_named_reads_the_same_field_again():
    for text in ("x of 'a b' of event == 1", r"'it\'s' of event == 1", "m.n of o of event == 1"):
        (path,) = fields_read(compile_filter(text))
        assert fields_read(compile_filter(f"{path} == 1")) == (path,)


def test_as_filtrex_a_constant_is_no_field_and_a_name_that_is_no_root_is_none():
    assert fields_read(compile_filter("true and event.a", filtrex=True)) == ("event.a",)
