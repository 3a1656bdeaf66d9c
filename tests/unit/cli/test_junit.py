"""JUnit XML that every reader takes, whatever the texts in it."""

from xml.etree import ElementTree as ET

from runner.cli.junit import Case, Complaint, junit

# What the readers of CI systems agree on: for each element what it may hold, and its attributes.
SHAPE = {
    "testsuites": ({"testsuite"}, {"name", "tests", "failures", "errors", "skipped", "time"}, {"name", "tests"}),
    "testsuite": ({"testcase"}, {"name", "tests", "failures", "errors", "skipped", "time"}, {"name", "tests"}),
    "testcase": ({"failure", "error"}, {"classname", "name", "file", "line", "time"}, {"classname", "name"}),
    "failure": (set(), {"message", "type"}, {"message"}),
    "error": (set(), {"message", "type"}, {"message"}),
}


def check(element: ET.Element) -> None:
    """Hold an element and all below it against the shape."""
    inside, known, required = SHAPE[element.tag]
    assert {child.tag for child in element} <= inside
    assert required <= set(element.keys()) <= known
    if element.tag in {"testsuites", "testsuite"}:
        cases = list(element.iter("testcase"))
        assert element.get("tests") == str(len(cases))
        assert element.get("failures") == str(len(list(element.iter("failure"))))
        assert element.get("errors") == str(len(list(element.iter("error"))))
    for child in element:
        check(child)


def test_the_usual_structure():
    cases = [
        Case("a", "one", "a.yaml", 3),
        Case("b", "two", "b.yaml", None, Complaint("wrong", "all of it")),
        Case("a", "three", "a.yaml", 7, Complaint("broken", "a\nb", broken=True)),
    ]
    root = ET.fromstring(junit(cases, "checks"))
    check(root)
    assert [(suite.get("name"), len(suite)) for suite in root] == [("a", 2), ("b", 1)]
    assert root[0][1][0].text == "a\nb"
    assert root[1][0].get("line") is None


def test_nothing_to_test_is_a_document_as_well():
    root = ET.fromstring(junit([], "checks"))
    check(root)
    assert root.get("tests") == "0"


def test_texts_that_xml_can_not_hold_are_made_visible():
    text = "\x00\x1b[31m<b>&\"'\ufffe\ud800\x85ü\U0001f600\ttab\nline"
    written = junit([Case(text, text, text, 1, Complaint(text, text))], text).encode()
    root = ET.fromstring(written)
    check(root)
    shown = "\u2400\u241b[31m<b>&\"'<U+FFFE><U+D800>\x85ü\U0001f600\ttab\nline"
    assert root.get("name") == shown
    assert root[0][0][0].text == shown
