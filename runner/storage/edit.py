"""Edits of the job tree: whole files in one step, single documents cut out, everything else left as it is."""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from runner.errors import ConflictError, StorageError, UnknownJobError

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_MARKER = re.compile(r"^(?:---|\.\.\.)(?=\s|$)")
_START = re.compile(r"^---(?=\s|$)")
_WITHOUT_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""What file systems say that know no second name of a file."""
_MODELINE = re.compile(r"#\s*yaml-language-server:")
_END = re.compile(r"^\.\.\.(?=\s|$)")


class JobFiles:
    """Writes below the jobs directory; paths are as diagnostics and records show them.

    A text is written to a file of its own in the same folder, whose name begins with a dot, and is on disk before
    it gets the name that readers look for: they see all of it or nothing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def _inside(self, path: str) -> Path:
        target = Path(path)
        if self._root.resolve() not in target.resolve().parents:
            raise ConflictError(f"{path} is not below {self._root}")
        return target

    def create(self, name: str, text: str) -> str:
        """Write a new file; its path. An existing one is never replaced.

        Raises:
            ConflictError: when the file exists, or would not be below the jobs directory.
            StorageError: when it can't be written.
        """
        path = self._inside(str(self._root / name))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _draft(path.parent, text) as draft:
                _name(draft, path)
            _sync(path.parent)
        except FileExistsError as error:  # a file may be in the place of a folder, too
            raise ConflictError(f"{error.filename2 or error.filename} exists already") from None
        except OSError as error:
            raise StorageError(f"can't write {path}: {_reason(error)}") from None
        return str(path)

    def text(self, path: str) -> str:
        """The text of a file of the tree, its line ends as they are."""
        try:
            return self._inside(path).read_bytes().decode("utf-8")
        except FileNotFoundError:
            raise UnknownJobError(f"{path} is gone") from None
        except UnicodeDecodeError:
            raise StorageError(f"can't read {path}: it is not UTF-8") from None
        except OSError as error:
            raise StorageError(f"can't read {path}: {_reason(error)}") from None

    def replace(self, path: str, text: str, expected: str) -> None:
        """Replace a file's text in one step; its mode and its owner stay, and a link to it stays a link.

        Raises:
            ConflictError: when the file is not `expected` any more: somebody else edited it meanwhile.
            StorageError: when it can't be written, or not as its owner's.
        """
        target = self._inside(path).resolve()
        self._refuse_changed(path, expected, "written")
        try:
            if not os.access(target, os.W_OK, effective_ids=True):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            with _draft(target.parent, text, target.stat()) as draft, _locked(target.parent):
                # As late as can be: what somebody else wrote while this was on its way must not be lost.
                self._refuse_changed(path, expected, "written")
                draft.replace(target)
            _sync(target.parent)
        except OSError as error:
            raise StorageError(f"can't write {path}: {_reason(error)}") from None

    def _refuse_changed(self, path: str, expected: str, done: str) -> None:
        if self.text(path) != expected:
            raise ConflictError(f"{path} was changed meanwhile; nothing was {done}")

    def remove_document(self, path: str, line: int, expected: str) -> None:
        """Remove the document in which a line (from 1) lies; the file as well, when it was the last.

        Raises:
            ConflictError: when the file is not `expected` any more: another document may lie at that line.
        """
        rest = without_document(expected, line)
        if rest.strip():
            self.replace(path, rest, expected)
            return
        target = self._inside(path)
        try:
            with _locked(target.resolve().parent):
                self._refuse_changed(path, expected, "removed")
                target.unlink()
            _sync(target.parent)
        except OSError as error:
            raise StorageError(f"can't remove {path}: {_reason(error)}") from None


@contextlib.contextmanager
def _draft(folder: Path, text: str, like: os.stat_result | None = None) -> Iterator[Path]:
    """A file that no reader looks for, with a text, on disk; gone at the end unless it was renamed."""
    path = folder / f".{secrets.token_hex(8)}.new"
    mode = 0o666 if like is None else 0o600
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - a descriptor
            file.write(text)
            file.flush()
            if like is not None:
                _give(file.fileno(), like)
            os.fsync(file.fileno())
        yield path
    finally:
        path.unlink(missing_ok=True)


def _name(draft: Path, path: Path) -> None:
    """Give a draft a name that no file has.

    Raises:
        FileExistsError: when one has it.
    """
    try:
        os.link(draft, path)
    except OSError as error:
        if error.errno not in _WITHOUT_LINKS:
            raise
        # The name is taken first, by a file without any document.
        path.touch(exist_ok=False)
        draft.replace(path)


def _give(descriptor: int, like: os.stat_result) -> None:
    """Give a file the owner and the mode of another."""
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (like.st_uid, like.st_gid):
        try:
            os.fchown(descriptor, like.st_uid, like.st_gid)
        except PermissionError:
            message = "it belongs to another user or group, and would not any more"
            raise PermissionError(errno.EPERM, message) from None
    os.fchmod(descriptor, stat.S_IMODE(like.st_mode))


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold off everybody else who edits in a folder by way of this module."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    return (error.strerror or "failed").lower()


def without_document(text: str, line: int) -> str:
    """A YAML stream without the document in which a line (from 1) lies.

    `---` at the start of a line always begins a document and `...` ends one, also inside of block scalars
    (YAML 1.2, 9.1.2), so no parser is needed. What remains is empty when no other document has any content.

    Raises:
        ConflictError: when there is no such line.
    """
    parts = _documents(_LINE.findall(text))
    last = 0
    for place, part in enumerate(parts):
        last += len(part)
        if line <= last:
            rest = parts[:place] + parts[place + 1 :]
            break
    else:
        raise ConflictError(f"there is no line {line}: the file was changed meanwhile")
    if not any(_has_content(part) for part in rest):
        return ""
    head = _head(parts[0]) if place == 0 else ""
    return head + "".join(content for part in rest for content in part)


def _head(first: list[str]) -> str:
    """What stands before the first document and is about the file: a byte order mark, the line for editors."""
    mark = "\ufeff" if first[0].startswith("\ufeff") else ""
    return mark + "".join(line for line in first if _MODELINE.match(line.lstrip("\ufeff")))


def _documents(lines: Sequence[str]) -> list[list[str]]:
    """The lines of each document, with the directives and comments before it, to the end of its text."""
    parts: list[list[str]] = [[]]
    begun = False
    for content in lines:
        if begun and _START.match(content):
            parts.append([])
        elif not begun:
            begun = not (_is_blank(content) or content.startswith("%"))
        parts[-1].append(content)
        if _END.match(content):
            parts.append([])
            begun = False
    return parts


def _is_blank(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _has_content(part: list[str]) -> bool:
    return any(not _is_blank(_MARKER.sub("", line)) for line in part if not line.startswith("%"))
