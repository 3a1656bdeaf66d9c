"""Edits are offered with the likelier first, and each touches a few characters only."""

from runner.spec.document import SourceFile
from runner.spec.source import scan
from runner.storage.surgery import Surgery


def surgery(text, **how):
    return Surgery(scan(SourceFile("x.yaml", text.encode())).documents[0], **how)


def test_a_value_is_replaced_first_without_its_tag_and_then_with_it():
    found = surgery("a: !!int 5 # c\n").replaced((), "a", "x")
    assert list(found) == ["a: !!int x # c\n", "a: x # c\n"]


def test_a_text_of_several_lines_is_a_block_only_where_blocks_are_wanted():
    assert next(surgery("a: b\n").replaced((), "a", "c\nd")) == "a: |-\n  c\n  d\n"
    assert next(surgery("a: b\n", literals=False).replaced((), "a", "c\nd")) == 'a: "c\\nd"\n'


def test_a_field_is_added_behind_another_and_where_that_may_be_wrong_before_the_next():
    text = "a: |\n  x\n\n  \nb: 1\n"
    assert list(surgery(text).added((), "c", 2, ["a"])) == [
        "a: |\n  x\nc: 2\n\n  \nb: 1\n",
        "a: |\n  x\n\n  \nc: 2\nb: 1\n",
        "a: |\n  x\n\n  \nb: 1\nc: 2\n",
    ]


def test_without_a_field_before_it_a_field_is_the_first():
    assert list(surgery("# c\nb: 1\n").added((), "a", 2, [])) == ["# c\na: 2\nb: 1\n"]
    assert list(surgery("{b: 1}").added((), "a", 2, [])) == ["{a: 2, b: 1}"]


def test_a_field_in_brackets_is_added_on_a_line_of_its_own_where_others_have_one():
    text = '{\n  "a": 1, # c\n  "b": 2\n}\n'
    assert next(surgery(text).added((), "c", "x", None)) == '{\n  "a": 1, # c\n  "b": 2,\n  "c": "x"\n}\n'
    assert next(surgery(text).added((), "c", "x", ["a"])) == '{\n  "a": 1, # c\n  "c": "x",\n  "b": 2\n}\n'


def test_a_field_is_removed_with_its_line_and_in_brackets_with_its_comma():
    assert next(surgery("a: 1\nb: 2 # c\n").removed((), "b")) == "a: 1\n"
    assert next(surgery("{a: 1, b: 2, c: 3}").removed((), "b")) == "{a: 1, c: 3}"
    assert next(surgery("{a: 1, b: 2, c: 3}").removed((), "a")) == "{b: 2, c: 3}"
    assert next(surgery("{a: 1, b: 2, c: 3}").removed((), "c")) == "{a: 1, b: 2}"


def test_comments_are_seen_within_a_value_and_not_in_its_texts():
    assert surgery("a:\n- 1 # c\n- 2\n").has_comments(("a",))
    assert surgery("a: [1, # c\n  2]\n").has_comments(("a",))
    assert not surgery("a:\n- 'x # y'\n- |\n  # z\n- b#c\n# c\n").has_comments(("a",))
    assert not surgery("a: [1] # c\n").has_comments(("a",))
