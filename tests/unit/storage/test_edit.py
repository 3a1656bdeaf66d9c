"""Edits touch one document of one file below the jobs directory, in one step, and leave the rest as it is."""

import os
import resource
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import ConflictError, StorageError, UnknownJobError
from runner.storage.edit import JobFiles, without_document


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "jobs.d"
    folder.mkdir()
    return folder


@pytest.fixture
def files(root):
    return JobFiles(root)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# -- cutting a document out ----------------------------------------------------------------------------------

THREE = "# the file\nid: a\n# of a\n---\n# about b\nid: b\n---\nid: c\n"


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        (2, "---\n# about b\nid: b\n---\nid: c\n"),
        (6, "# the file\nid: a\n# of a\n---\nid: c\n"),
        (8, "# the file\nid: a\n# of a\n---\n# about b\nid: b\n"),
    ],
    ids=["first", "middle", "last"],
)
def test_the_document_of_a_line_goes_with_its_comments_and_the_others_stay(line, rest):
    assert without_document(THREE, line) == rest


@pytest.mark.parametrize(
    ("text", "line", "rest"),
    [
        pytest.param("---\nid: a\n---\nid: b\n", 2, "---\nid: b\n", id="marker before the first"),
        pytest.param("--- {id: a}\n--- # b\nid: b\n", 1, "--- # b\nid: b\n", id="content on the marker's line"),
        pytest.param("id: a\n...\n---\nid: b\n", 4, "id: a\n...\n", id="ended, the last goes"),
        pytest.param("id: a\n...\n---\nid: b\n", 1, "---\nid: b\n", id="ended, the first goes"),
        pytest.param(
            "id: a\n...\n%YAML 1.2\n---\nid: b\n", 5, "id: a\n...\n", id="directives go with their document"
        ),
        pytest.param(
            "%YAML 1.2\n---\nid: a\n---\nid: b\n", 5, "%YAML 1.2\n---\nid: a\n", id="directives stay with theirs"
        ),
        pytest.param("%YAML 1.2\n---\nid: a\n---\nid: b\n", 3, "---\nid: b\n", id="directives of the first go"),
        pytest.param(
            "id: a\nprompt: |\n  text\n  ---\n  more\n---\nid: b\n",
            7,
            "id: a\nprompt: |\n  text\n  ---\n  more\n",
            id="an indented marker is text",
        ),
        pytest.param(
            "id: a\nprompt: |\n  text\n---\nid: b\n", 1, "---\nid: b\n", id="a marker at the margin ends a scalar"
        ),
        pytest.param("id: a\n---x: 1\n---\nid: b\n", 4, "id: a\n---x: 1\n", id="more than a marker is none"),
        pytest.param("id: a\r\n---\r\nid: b\r\n", 3, "id: a\r\n", id="CRLF"),
        pytest.param("id: a\r---\rid: b\r", 3, "id: a\r", id="CR"),
        pytest.param("id: a\n---\nid: b", 3, "id: a\n", id="no line end at the end"),
        pytest.param("\ufeffid: a\n---\nid: b\n", 3, "\ufeffid: a\n", id="byte order mark"),
        pytest.param("\ufeffid: a\n---\nid: b\n", 1, "\ufeff---\nid: b\n", id="byte order mark of the first"),
        pytest.param(
            "# yaml-language-server: $schema=x\n# of a\nid: a\n---\nid: b\n",
            3,
            "# yaml-language-server: $schema=x\n---\nid: b\n",
            id="the line for editors is about the file",
        ),
        pytest.param(
            'id: a\nname: "x\u2028y\x85z\x0c"\n---\nid: b\n',
            4,
            'id: a\nname: "x\u2028y\x85z\x0c"\n',
            id="odd breaks",
        ),
        pytest.param("id: a\n", 1, "", id="the only one"),
        pytest.param("# head\n---\nid: a\n---\n# nothing\n", 3, "", id="the only one with content"),
        pytest.param("%YAML 1.2\n---\nid: a\n...\n", 3, "", id="nothing but markers is left"),
    ],
)
def test_documents_are_told_apart_as_yaml_does(text, line, rest):
    assert without_document(text, line) == rest


@pytest.mark.parametrize("line", [4, 99])
def test_a_line_that_is_not_there_takes_no_document_away(line):
    with pytest.raises(ConflictError, match=f"there is no line {line}"):
        without_document("id: a\n---\nid: b\n", line)


DOCUMENTS = st.lists(
    st.sampled_from(
        [
            "id: {n}\n",
            "# about\nid: {n}\n\n# end\n",
            "id: {n}\ntext: |\n  ---\n  ...\n  # no comment\n",
            "id: {n}\nlist:\n- a\n- 'b'\n",
            "id: {n}\ntext: >-\n  folded\n\n  text\n",
        ]
    ),
    min_size=2,
    max_size=6,
)


@given(
    DOCUMENTS, st.data(), st.sampled_from(["---\n", "--- # next\n", "...\n---\n", "...\n# x\n---\n", "\n---\n\n"])
)
def test_the_other_documents_mean_what_they_meant(documents, data, between):
    texts = [text.format(n=number) for number, text in enumerate(documents)]
    text = between.join(texts)
    victim = data.draw(st.integers(0, len(texts) - 1))
    line = next(number for number, found in enumerate(text.split("\n"), 1) if found == f"id: {victim}")
    left = [document for document in yaml.safe_load_all(without_document(text, line)) if document]
    assert left == [yaml.safe_load(found) for index, found in enumerate(texts) if index != victim]


# -- files ---------------------------------------------------------------------------------------------------


def test_a_new_file_has_the_text_and_the_folders_that_it_needs(files, root):
    text = "id: a\r\nname: Grüße\n"
    path = files.create("team/night/a.yaml", text)
    assert path == str(root / "team" / "night" / "a.yaml")
    assert (root / "team" / "night" / "a.yaml").read_bytes() == text.encode()
    assert files.text(path) == text


def test_an_existing_file_is_never_replaced_by_a_new_one(files, root):
    (root / "a.yaml").write_text("id: a\n")
    (root / "link.yaml").symlink_to("nowhere.yaml")
    for name in ("a.yaml", "link.yaml"):
        with pytest.raises(ConflictError, match="exists already"):
            files.create(name, "id: b\n")
    assert (root / "a.yaml").read_text() == "id: a\n"
    assert names(root) == ["a.yaml", "link.yaml"]


@pytest.mark.parametrize("name", ["../b.yaml", "/tmp/b.yaml", "x/../../b.yaml", "out/b.yaml", ".", ""])
def test_nothing_is_written_outside(files, root, tmp_path, name):
    (tmp_path / "elsewhere").mkdir()
    (root / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConflictError, match="is not below"):
        files.create(name, "id: b\n")
    assert names(tmp_path) == ["elsewhere", "jobs.d"]
    assert names(tmp_path / "elsewhere") == []


def test_nothing_outside_is_read_changed_or_removed(files, root, tmp_path):
    outside = tmp_path / "secret.yaml"
    outside.write_text("id: a\n")
    (root / "link.yaml").symlink_to(outside)
    for path in (str(outside), str(root / ".." / "secret.yaml"), str(root / "link.yaml")):
        with pytest.raises(ConflictError, match="is not below"):
            files.text(path)
        with pytest.raises(ConflictError, match="is not below"):
            files.replace(path, "id: b\n", "id: a\n")
        with pytest.raises(ConflictError, match="is not below"):
            files.remove_document(path, 1, "id: a\n")
    assert outside.read_text() == "id: a\n"


def test_a_file_is_replaced_in_one_step_and_keeps_its_mode_and_its_line_ends(files, root):
    path = root / "a.yaml"
    path.write_bytes(b"id: a\r\n# Gr\xc3\xbc\xc3\x9fe\r\n")
    path.chmod(0o640)
    text = files.text(str(path))
    files.replace(str(path), text.replace("id: a", "id: b"), text)
    assert path.read_bytes() == b"id: b\r\n# Gr\xc3\xbc\xc3\x9fe\r\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert names(root) == ["a.yaml"]


def test_a_file_that_was_changed_meanwhile_is_not_replaced(files, root):
    path = root / "a.yaml"
    path.write_text("id: theirs\n")
    with pytest.raises(ConflictError, match="was changed meanwhile; nothing was written"):
        files.replace(str(path), "id: mine\n", "id: a\n")
    assert path.read_text() == "id: theirs\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_keeps_its_owner_and_its_group(files, root):
    path = root / "a.yaml"
    path.write_text("id: a\n")
    os.chown(path, 12345, 23456)
    path.chmod(0o4640)
    files.replace(str(path), "id: b\n", "id: a\n")
    now = path.stat()
    assert (now.st_uid, now.st_gid, stat.S_IMODE(now.st_mode)) == (12345, 23456, 0o4640)


def test_a_new_file_has_the_mode_that_the_umask_leaves(files, root):
    before = os.umask(0o027)
    try:
        files.create("a.yaml", "id: a\n")
    finally:
        os.umask(before)
    assert stat.S_IMODE((root / "a.yaml").stat().st_mode) == 0o640
    assert names(root) == ["a.yaml"]


def test_of_many_who_edit_at_once_none_loses_what_another_wrote(root):
    path = root / "count.yaml"
    path.write_text("0")

    def add(times: int) -> int:
        files, done = JobFiles(root), 0
        while done < times:
            known = files.text(str(path))
            try:
                files.replace(str(path), str(int(known) + 1), known)
            except ConflictError:
                continue
            done += 1
        return done

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(add, [25] * 4)) == [25] * 4
    assert path.read_text() == "100"
    assert names(root) == ["count.yaml"]


def test_a_link_within_the_tree_stays_a_link(files, root):
    (root / "..data").mkdir()
    (root / "..data" / "a.yaml").write_text("id: a\n")
    (root / "a.yaml").symlink_to("..data/a.yaml")
    files.replace(str(root / "a.yaml"), "id: b\n", "id: a\n")
    assert (root / "a.yaml").is_symlink()
    assert (root / "..data" / "a.yaml").read_text() == "id: b\n"
    assert names(root / "..data") == ["a.yaml"]


def test_a_document_is_removed_and_the_file_with_the_last_one(files, root):
    path = root / "a.yaml"
    path.write_bytes(b"id: a\r\n---\r\nid: b # last\r\n")
    files.remove_document(str(path), 1, files.text(str(path)))
    assert path.read_bytes() == b"---\r\nid: b # last\r\n"
    files.remove_document(str(path), 2, files.text(str(path)))
    assert names(root) == []


def test_no_document_is_removed_from_a_file_that_was_changed_meanwhile(files, root):
    path = root / "a.yaml"
    path.write_text("id: new\n---\nid: a\n")
    for known in ("id: a\n", "id: a\n---\nid: b\n"):
        with pytest.raises(ConflictError, match="was changed meanwhile"):
            files.remove_document(str(path), 1, known)
    assert path.read_text() == "id: new\n---\nid: a\n"


def test_what_can_not_be_read_is_one_clear_error(files, root):
    (root / "latin.yaml").write_bytes(b"id: caf\xe9\n")
    (root / "folder.yaml").mkdir()
    for name, kind, reason in (
        ("gone.yaml", UnknownJobError, "gone.yaml is gone"),
        ("latin.yaml", StorageError, "latin.yaml: it is not UTF-8"),
        ("folder.yaml", StorageError, "folder.yaml: is a directory"),
    ):
        with pytest.raises(kind) as refusal:
            files.text(str(root / name))
        assert str(refusal.value).endswith(reason)


def test_a_file_in_the_place_of_a_folder_is_named(files, root):
    (root / "a.yaml").write_text("")
    with pytest.raises(ConflictError) as refusal:
        files.create("a.yaml/b.yaml", "id: b\n")
    assert str(refusal.value) == f"{root}/a.yaml exists already"


@pytest.fixture
def full():
    """A disk on which a file may have 100 bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_does_not_fit_on_the_disk_is_one_clear_error_and_leaves_nothing_half(files, root, full):
    (root / "a.yaml").write_text("id: a\n")
    with pytest.raises(StorageError) as refusal:
        files.create("b.yaml", "x" * 1000)
    assert str(refusal.value) == f"can't write {root}/b.yaml: file too large"
    with pytest.raises(StorageError) as refusal:
        files.replace(str(root / "a.yaml"), "x" * 1000, "id: a\n")
    assert str(refusal.value) == f"can't write {root}/a.yaml: file too large"
    assert names(root) == ["a.yaml"]
    assert (root / "a.yaml").read_text() == "id: a\n"
