"""Edits of the job tree: whole files in one step, single documents cut out, everything else left as it is."""

import contextlib
import os
import re
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from runner.errors import ConflictError, StorageError, UnknownJobError

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_MARKER = re.compile(r"^(?:---|\.\.\.)(?=\s|$)")
_START = re.compile(r"^---(?=\s|$)")
_END = re.compile(r"^\.\.\.(?=\s|$)")


class JobFiles:
    """Writes below the jobs directory; paths are as diagnostics and records show them."""

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
            with path.open("x", encoding="utf-8", newline="") as file:
                try:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    path.unlink()
                    raise
        except FileExistsError as error:  # a file may be in the place of a folder, too
            raise ConflictError(f"{error.filename} exists already") from None
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
        """Replace a file's text in one step; its mode stays.

        Raises:
            ConflictError: when the file is not `expected` any more: somebody else edited it meanwhile.
        """
        target = self._inside(path).resolve()
        if self.text(path) != expected:
            raise ConflictError(f"{path} was changed meanwhile; nothing was written")
        temporary: str | None = None
        try:
            mode = stat.S_IMODE(target.stat().st_mode)
            descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".new", dir=target.parent)
            with open(descriptor, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - a descriptor
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            Path(temporary).replace(target)
        except OSError as error:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    Path(temporary).unlink()
            raise StorageError(f"can't write {path}: {_reason(error)}") from None

    def remove_document(self, path: str, line: int, expected: str) -> None:
        """Remove the document in which a line (from 1) lies; the file as well, when it was the last.

        Raises:
            ConflictError: when the file is not `expected` any more: another document may lie at that line.
        """
        rest = without_document(expected, line)
        if rest.strip():
            self.replace(path, rest, expected)
            return
        if self.text(path) != expected:
            raise ConflictError(f"{path} was changed meanwhile; nothing was removed")
        try:
            self._inside(path).unlink()
        except OSError as error:
            raise StorageError(f"can't remove {path}: {_reason(error)}") from None


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
    return "".join(content for part in rest for content in part)


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
