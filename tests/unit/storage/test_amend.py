"""A field of a job is changed in its file, and what can't be changed alone is refused with its place."""

import pytest

from runner.errors import ConflictError, UnknownJobError
from runner.spec.document import SourceFile
from runner.storage.amend import Change, amended, with_ids

REMOVE = object()


def file(text):
    return SourceFile("x.yaml", text.encode(), "jobs.d")


def amend(text, changes, job="a", sources=None):
    made = [
        Change(tuple(field.split(".")), remove=True) if value is REMOVE else Change(tuple(field.split(".")), value)
        for field, value in changes.items()
    ]
    return amended(file(text), job, made, sources)


HEAD = "id: a\nname: A\nmode: manual\n"

CHANGED = {
    "a value": ("timeout: 1h  # long\n", "timeout", "2h", "timeout: 2h  # long\n"),
    "quotes": ("timeout: '1h'\n", "timeout", "2h", "timeout: '2h'\n"),
    "double quotes": ('timeout: "1h"\n', "timeout", "2h", 'timeout: "2h"\n'),
    "a plain text that needs quotes now": ("prompt: x # y\n", "prompt", "a: b", 'prompt: "a: b" # y\n'),
    "a plain text over several lines": ("prompt: x\n  y\n  z # c\n", "prompt", "q", "prompt: q # c\n"),
    "an anchor that nothing repeats": ("timeout: &t 1h\n", "timeout", "2h", "timeout: &t 2h\n"),
    "a tag that fits": ("timeout: !!str 1h\n", "timeout", "2h", "timeout: !!str 2h\n"),
    "a tag that does not": ("payload: !!int 1\n", "payload", "x", "payload: x\n"),
    "a folded block": ("prompt: > # c\n  x\n  y\n\nlabels: {}\n", "prompt", "z", "prompt: z # c\n\nlabels: {}\n"),
    "a literal block": ("prompt: |\n    x\n", "prompt", "y\nz\n", "prompt: |\n    y\n    z\n"),
    "a text that gets lines": ("prompt: x # c\n", "prompt", "y\nz", "prompt: |- # c\n  y\n  z\n"),
    "a value that is not there": ("payload:  # none\n", "payload", 5, "payload: 5  # none\n"),
    "a field within a field": ("retry:\n  # c\n  attempts: 1 # d\n", "retry.attempts", 3,
                               "retry:\n  # c\n  attempts: 3 # d\n"),
    "a field in brackets": ("retry: {attempts: 1, backoff: 1m} # c\n", "retry.attempts", 3,
                            "retry: {attempts: 3, backoff: 1m} # c\n"),
    "a mapping by another": ("retry:\n  attempts: 1 # c\n  backoff: 1m\n", "retry",
                             {"attempts": 1, "max_backoff": "2m"},
                             "retry:\n  attempts: 1 # c\n  max_backoff: 2m\n"),
    "a mapping by a value": ("payload: # c\n  a: 1\n  b: 2\n", "payload", 5, "payload: 5 # c\n"),
    "a mapping by a text that would swallow a comment": ("payload:\n  a: 1\n  # c\n", "payload", "x\nz",
                                                         'payload: "x\\nz"\n  # c\n'),
    "a list": ("payload:\n- 1\n- 2\n", "payload", ["x", "z"], "payload:\n- x\n- z\n"),
    "a list in brackets": ("payload: [1,\n  2]\n", "payload", ["x"], "payload: [x]\n"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "field", "value", "after"), CHANGED.values(), ids=CHANGED)
def test_a_value_is_changed_in_its_place(before, field, value, after):
    assert amend(HEAD + before, {field: value}).text == HEAD + after


ADDED = {
    "behind the nearest before it": ("# c\nlabels: {}\n", "timeout", "2h", "timeout: 2h\n# c\nlabels: {}\n"),
    "at the end": ("timeout: 1h\n\n# end\n", "labels", {"a": "b"}, "timeout: 1h\nlabels:\n  a: b\n\n# end\n"),
    "below comments of what is before": ("retry:\n  attempts: 1\n  # few\n# c\n", "expect.success_within", "1d",
                                         "retry:\n  attempts: 1\n  # few\nexpect:\n  success_within: 1d\n# c\n"),
    "behind a block": ("payload: |\n  x\n\n\nlabels: {}\n", "timeout", "2h",
                       "payload: |\n  x\ntimeout: 2h\n\n\nlabels: {}\n"),
    "behind a block whose blank lines count": ("payload: |+\n  x\n\n\nlabels: {}\n", "timeout", "2h",
                                               "payload: |+\n  x\n\n\ntimeout: 2h\nlabels: {}\n"),
    "with the indentation of the file": ("labels:\n    x: y\n", "retry.attempts", 3,
                                         "retry:\n    attempts: 3\nlabels:\n    x: y\n"),
    "in brackets as others in the file": ("labels: {x: y}\n", "retry.attempts", 3,
                                          "retry: {attempts: 3}\nlabels: {x: y}\n"),
    "within a field": ("retry:\n  backoff: 1m # c\n", "retry.attempts", 3,
                       "retry:\n  attempts: 3\n  backoff: 1m # c\n"),
    "within brackets": ("retry: {backoff: 1m, } # c\n", "retry.max_backoff", "2m",
                        "retry: {backoff: 1m, max_backoff: 2m, } # c\n"),
    "within brackets over lines": ("labels: {\n  a: b # c\n}\n", "labels.d", "e",
                                   "labels: {\n  a: b, # c\n  d: e\n}\n"),
    "into empty brackets": ("labels: {} # c\n", "labels.a", "b", "labels: {a: b} # c\n"),
    "into a field without a value": ("labels: # c\n", "labels.a", "b", "labels: # c\n  a: b\n"),
    "deep within a payload": ("payload:\n  a:\n    b: 1\n", "payload.a.c.d", 2,
                              "payload:\n  a:\n    b: 1\n    c:\n      d: 2\n"),
    "behind an alias": ("payload: &x 1h\ntimeout: *x # c\nlabels: {}\n", "jitter", "1s",
                        "payload: &x 1h\njitter: 1s\ntimeout: *x # c\nlabels: {}\n"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "field", "value", "after"), ADDED.values(), ids=ADDED)
def test_a_new_field_goes_where_the_reference_has_it(before, field, value, after):
    assert amend(HEAD + before, {field: value}).text == HEAD + after


REMOVED = {
    "a line": ("timeout: 1h # c\nlabels: {}\n", "timeout", "labels: {}\n"),
    "its lines": ("payload:\n  # c\n  a: 1\n  # d\n\nlabels: {}\n", "payload", "  # d\n\nlabels: {}\n"),
    "the last line without an end": ("labels: {}\ntimeout: 1h", "timeout", "labels: {}"),
    "a field of a field": ("retry:\n  attempts: 1\n  backoff: 1m\n", "retry.attempts", "retry:\n  backoff: 1m\n"),
    "the last field of a field": ("retry:\n  attempts: 1\nlabels: {}\n", "retry.attempts", "labels: {}\n"),
    "the last of a payload": ("payload:\n  a: 1\n", "payload.a", "payload: {}\n"),
    "the first in brackets": ("retry: {attempts: 1, backoff: 1m}\n", "retry.attempts", "retry: {backoff: 1m}\n"),
    "the last in brackets": ("retry: {attempts: 1, backoff: 1m}\n", "retry.backoff", "retry: {attempts: 1}\n"),
    "a line in brackets": ("labels: {\n  a: b, # c\n  d: e\n}\n", "labels.a", "labels: {\n  d: e\n}\n"),
    "the last line in brackets": ("labels: {\n  a: b,\n  d: e\n}\n", "labels.d", "labels: {\n  a: b\n}\n"),
    "an alias": ("payload: &x 1h\ntimeout: *x\n", "timeout", "payload: &x 1h\n"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "field", "after"), REMOVED.values(), ids=REMOVED)
def test_a_field_is_taken_away_with_its_lines(before, field, after):
    done = amend(HEAD + before, {field: REMOVE})
    assert done.text == HEAD + after
    assert done.removed == (field,)


def test_several_changes_tell_their_lines():
    done = amend(
        HEAD + "# c\nlabels: {}\n", {"timeout": "2h", "retry.attempts": 3, "labels.x": "z", "mode": "push"}
    )
    added = "timeout: 2h\nretry:\n  attempts: 3\n# c\nlabels: {x: z}\n"
    assert done.text == HEAD.replace("manual", "push") + added
    assert done.lines == {"timeout": 4, "retry.attempts": 6, "labels.x": 8, "mode": 3}


def test_a_value_that_is_there_already_changes_nothing():
    text = HEAD + "timeout:   '1h' \npayload: {b: 1, a: [2.0]}\n"
    done = amend(text, {"timeout": "1h", "payload": {"a": [2.0], "b": 1}})
    assert (done.text, done.lines) == (text, {})
    assert amend(text, {"payload.b": True}).text == text.replace("b: 1", "b: true")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_byte_order_marks_stay(end):
    text = "\ufeff" + (HEAD + "payload:\n  a: 1\n").replace("\n", end)
    assert amend(text, {"payload.b": "x\ny"}).text == text + f"  b: |-{end}    x{end}    y{end}"


def test_only_the_document_of_the_job_changes():
    other = "id: b\nname: B\nmode: push\ntimeout: 1h\n"
    text = f"# head\n{other}--- # second\n{HEAD}timeout: 1h\n...\n---\n{other.replace('b', 'c', 1)}"
    done = amend(text, {"timeout": "2h"})
    assert done.text == text.replace(f"{HEAD}timeout: 1h", f"{HEAD}timeout: 2h")
    assert done.lines == {"timeout": 10}


# -- ids -------------------------------------------------------------------------------------------------------


def test_another_name_first_writes_down_the_id():
    done = amend("# c\nname: A  # n\nmode: manual\n", {"name": "Better"})
    assert done.text == "# c\nname: Better  # n\nid: a\nmode: manual\n"
    assert done.lines == {"id": 3, "name": 2}
    assert amend(HEAD, {"name": "Better"}).text == HEAD.replace("A", "Better")
    assert amend("name: A\nmode: manual\n", {"name": "A"}).text == "name: A\nmode: manual\n"


@pytest.mark.parametrize("changes", [{"id": "b"}, {"id": REMOVE, "name": "B"}, {"kind": "defaults"}])
def test_what_would_make_another_job_is_refused(changes):
    if "name" in changes:
        assert amend(HEAD, changes).text == "name: B\nid: a\nmode: manual\n"
        return
    with pytest.raises(ConflictError, match="job a would be another one after this change, without its history"):
        amend(HEAD, changes)


def test_a_job_that_a_person_renamed_keeps_its_id():
    old = file("name: A\nmode: manual\n---\nname: B\nmode: push\n")
    new = file("name: A2\nmode: manual\n---\nname: B\nmode: push\n")
    done = with_ids(old, new)
    assert done.text == "name: A2\nid: a\nmode: manual\n---\nname: B\nmode: push\n"
    assert done.lines == {"a.id": 2}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("id: a\nname: A\nmode: manual\n", "id: b\nname: B\nmode: manual\n"),
        ("name: A\nmode: manual\n", "name: A\nmode: push\n"),
        ("name: A\nmode: manual\nprompt: x\n", "name: B\nmode: push\nprompt: y\n"),
        (
            "name: A\nmode: manual\n---\nname: B\nmode: manual\n",
            "name: B\nmode: manual\n---\nname: A\nmode: manual\n",
        ),
        ("name: A\nmode: manual\n", "name: B\nmode: manual\n---\nname: C\nmode: manual\n"),
        ("name: A\nmode: manual\n", "name: [\n"),
    ],
    ids=["with ids", "no other name", "another job", "other order", "one more", "no YAML"],
)
def test_what_is_no_renaming_stays_as_the_person_wrote_it(old, new):
    assert with_ids(file(old), file(new)).text == new


# -- refusals --------------------------------------------------------------------------------------------------

REFUSED = {
    "an alias": ("payload: &x 1h\ntimeout: *x\n", {"timeout": "2h"},
                 "jobs.d/x.yaml:5: `timeout` is an alias, which repeats the value in line 4; edit it by hand"),
    "what an alias repeats": ("timeout: &x 1h\npayload: *x\n", {"timeout": "2h"},
                              "jobs.d/x.yaml:4: `timeout` is repeated by an alias in line 5; edit it by hand"),
    "within an alias": ("retry: &x\n  attempts: 1\npayload: *x\n", {"payload.attempts": 2},
                        "jobs.d/x.yaml:6: `payload` is an alias, which repeats the value in line 5"),
    "the anchor of an alias": ("timeout: &x 1h\npayload: *x\n", {"timeout": REMOVE},
                               "jobs.d/x.yaml:4: `timeout` is repeated by an alias in line 5; edit it by hand"),
    "comments in a list": ("payload:\n- 1 # c\n", {"payload": [2]},
                           "jobs.d/x.yaml:4: the list `payload` has comments in it, which would be lost"),
    "a field within a text": ("payload: x\n", {"payload.a": 1},
                              "jobs.d/x.yaml:4: `payload` has no fields within it, but a value of its own; "),
    "what is not there": ("", {"timeout": REMOVE}, "job a does not give `timeout` itself"),
    "a key with a question mark": ("? prompt\n: x\n", {"schedule": "@daily"},
                                   "jobs.d/x.yaml:1: can't change `schedule`"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "changes", "message"), REFUSED.values(), ids=REFUSED)
def test_what_can_not_be_changed_alone_is_refused_with_its_place(text, changes, message):
    if "question" in message or "schedule" in changes:
        text = "? id\n: a\n? name\n: A\n? mode\n: cron\n" + text
    else:
        text = HEAD + text
    with pytest.raises(ConflictError) as refusal:
        amend(text, changes)
    assert str(refusal.value).startswith(message)


def test_a_value_from_elsewhere_is_told():
    sources = {
        "timeout": "defaults jobs.d/d.yaml:3",
        "retry": "defaults jobs.d/d.yaml:4",
        "labels": "job, defaults x:1",
    }
    with pytest.raises(ConflictError) as refusal:
        amend(HEAD, {"timeout": REMOVE}, sources=sources)
    assert str(refusal.value) == (
        "job a does not give `timeout` itself; the value comes from defaults jobs.d/d.yaml:3"
    )
    with pytest.raises(ConflictError) as refusal:
        amend(HEAD, {"retry.attempts": 3}, sources=sources)
    assert str(refusal.value) == (
        "`retry` of job a comes from defaults jobs.d/d.yaml:4, as a whole; "
        "change it there, or give the job its own: retry={…}"
    )
    done = amend(HEAD, {"retry": {"attempts": 3}, "timeout": "2h", "labels.x": "z"}, sources=sources)
    assert done.text == HEAD + "timeout: 2h\nretry:\n  attempts: 3\nlabels:\n  x: z\n"


def test_a_file_without_the_job_is_refused():
    with pytest.raises(UnknownJobError, match=r"jobs\.d/x\.yaml has no job b"):
        amend(HEAD, {"timeout": "2h"}, "b")


def test_a_job_with_errors_can_be_mended():
    text = "id: a\nname: A\nmode: cron\nschedule: 61 * * * *  # c\n"
    assert amend(text, {"schedule": "1 * * * *"}).text == text.replace("61 * * * *", '"1 * * * *"')
