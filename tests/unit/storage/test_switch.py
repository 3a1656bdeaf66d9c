"""A job is switched on or off in its file by one line, and everything else stays as it was."""

import pytest

from runner.errors import ConflictError, UnknownJobError
from runner.spec.document import SourceFile
from runner.storage.switch import disabling_line, switched


def switch(text, job="a", *, enabled=False):
    return switched(SourceFile("x.yaml", text.encode(), "jobs.d"), job, enabled=enabled)


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("id: a\nname: A\nmode: manual\n", "id: a\nname: A\nmode: manual\nenabled: false\n", 4),
        ("id: a\nmode: manual\nname: A\n", "id: a\nmode: manual\nenabled: false\nname: A\n", 3),
        ("id: a\nname: A\nmode: manual", "id: a\nname: A\nmode: manual\nenabled: false", 4),
        ("id: a\r\nmode: manual\r\nname: A\r\n", "id: a\r\nmode: manual\r\nenabled: false\r\nname: A\r\n", 3),
        ("\ufeffid: a\nmode: manual\nname: A\n", "\ufeffid: a\nmode: manual\nenabled: false\nname: A\n", 3),
        (
            "id: a\nmode: manual # by hand\nname: A\n",
            "id: a\nmode: manual # by hand\nenabled: false\nname: A\n",
            3,
        ),
        ("id: a\nmode:\n  manual\nname: A\n", "id: a\nmode:\n  manual\nenabled: false\nname: A\n", 4),
        ("  id: a\n  mode: manual\n  name: A\n", "  id: a\n  mode: manual\n  enabled: false\n  name: A\n", 3),
        (
            "# first\nid: a\nmode: manual\n\n# about the name\nname: A\n",
            "# first\nid: a\nmode: manual\nenabled: false\n\n# about the name\nname: A\n",
            4,
        ),
        ('"id": a\n"mode": "manual"\n"name": A\n', '"id": a\n"mode": "manual"\n"enabled": false\n"name": A\n', 3),
        (
            "name: A\nid: a\ndescription: |\n  enabled: true\n  mode: x\nmode: manual\n",
            "name: A\nid: a\ndescription: |\n  enabled: true\n  mode: x\nmode: manual\nenabled: false\n",
            7,
        ),
        ("{id: a, name: A, mode: manual}\n", "{id: a, name: A, mode: manual, enabled: false}\n", 1),
        ("--- {id: a, name: A, mode: manual}\n", "--- {id: a, name: A, mode: manual, enabled: false}\n", 1),
        (
            '{\n  "id": "a",\n  "name": "A",\n  "mode": "manual"\n}\n',
            '{\n  "id": "a",\n  "name": "A",\n  "mode": "manual",\n  "enabled": false\n}\n',
            5,
        ),
    ],
)
def test_where_the_file_does_not_say_it_one_line_says_it(before, after, line):
    assert switch(before) == (after, line)


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("id: a\nname: A\nmode: manual\nenabled: true\n", "id: a\nname: A\nmode: manual\nenabled: false\n", 4),
        (
            "id: a\nname: A\nenabled:   true  # for now\nmode: manual\n",
            "id: a\nname: A\nenabled:   false  # for now\nmode: manual\n",
            3,
        ),
        ("{id: a, enabled: true, name: A, mode: manual}", "{id: a, enabled: false, name: A, mode: manual}", 1),
        (
            "id: a\nname: A\nmode: manual\nenabled: &e true\n",
            "id: a\nname: A\nmode: manual\nenabled: &e false\n",
            4,
        ),
        (
            "id: a\nname: A\nmode: manual\nenabled:\n  TRUE\n",
            "id: a\nname: A\nmode: manual\nenabled:\n  false\n",
            4,
        ),
    ],
)
def test_where_the_file_says_it_the_value_is_changed_and_nothing_else(before, after, line):
    assert switch(before) == (after, line)
    assert switch(after, enabled=True)[0] == before.replace("TRUE", "true")


def test_of_several_documents_only_that_of_the_job_changes():
    first, third = "id: b\nname: B\nmode: manual\n---\n", "---\nid: c\nname: C\nmode: push\n"
    text = f"{first}# second\nid: a\nname: A\nmode: manual\n{third}"
    after, line = switch(text)
    assert after == text.replace("name: A\nmode: manual\n", "name: A\nmode: manual\nenabled: false\n")
    assert line == 9


def test_a_job_is_found_by_the_id_that_its_name_makes():
    assert switch("name: Daily Report\nmode: manual\n", "daily-report")[1] == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "id: a\nname: A\nmode: manual\npayload: &yes true\nenabled: *yes\n",
            "jobs.d/x.yaml:5: `enabled` is an alias, which repeats the value in line 4; edit it by hand",
        ),
        (
            "id: a\nname: A\nmode: manual\nenabled: &yes true\npayload: *yes\n",
            "jobs.d/x.yaml:4: `enabled` is repeated by an alias in line 5; edit it by hand",
        ),
    ],
)
def test_a_value_that_is_shared_by_an_alias_is_left_to_people(text, message):
    with pytest.raises(ConflictError) as refusal:
        switch(text)
    assert str(refusal.value) == message


def test_a_file_without_the_job_is_refused():
    with pytest.raises(UnknownJobError, match="has no job b"):
        switch("id: a\nname: A\nmode: manual\n", "b")


def test_the_line_that_disables_a_job_is_told():
    file = SourceFile("x.yaml", b"# top\nid: a\nname: A\nmode: manual\nenabled: false\n", "jobs.d")
    assert disabling_line(file, "a") == 5
