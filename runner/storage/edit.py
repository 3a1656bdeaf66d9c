"""Edits of the job tree: whole files in one step, single documents cut out, everything else left as it is."""

import contextlib
import os
import re
import tempfile
from pathlib import Path

from runner.errors import ConflictError, StorageError, UnknownJobError

_MARKER = re.compile(r"^(?:---|\.\.\.)(?=\s|$)")
_START = re.compile(r"^---(?=\s|$)")


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
            ConflictError: when the file exists.
            StorageError: when it can't be written.
        """
        path = self._root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            raise ConflictError(f"{path} exists already") from None
        except OSError as error:
            raise StorageError(f"can't write {path}: {(error.strerror or 'failed').lower()}") from None
        return str(path)

    def text(self, path: str) -> str:
        """The text of a file of the tree."""
        try:
            return self._inside(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise UnknownJobError(f"{path} is gone") from None
        except (OSError, UnicodeDecodeError) as error:
            raise StorageError(f"can't read {path}: {error}") from None

    def replace(self, path: str, text: str, expected: str) -> None:
        """Replace a file's text in one step.

        Raises:
            ConflictError: when the file is not `expected` any more: somebody else edited it meanwhile.
        """
        target = self._inside(path)
        if self.text(path) != expected:
            raise ConflictError(f"{path} was changed meanwhile; nothing was written")
        mode = target.stat().st_mode & 0o7777
        try:
            descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".new", dir=target.resolve().parent)
            with open(descriptor, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - a descriptor
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            Path(temporary).replace(target.resolve())
        except OSError as error:
            with contextlib.suppress(OSError, UnboundLocalError):
                Path(temporary).unlink(missing_ok=True)
            raise StorageError(f"can't write {path}: {(error.strerror or 'failed').lower()}") from None

    def remove_document(self, path: str, line: int) -> None:
        """Remove the document in which a line (from 1) lies; the file as well, when it was the last."""
        text = self.text(path)
        rest = without_document(text, line)
        if rest.strip():
            self.replace(path, rest, text)
            return
        try:
            self._inside(path).unlink()
        except OSError as error:
            raise StorageError(f"can't remove {path}: {(error.strerror or 'failed').lower()}") from None


def without_document(text: str, line: int) -> str:
    """A YAML stream without the document in which a line (from 1) lies.

    `---` at the start of a line always begins a document, also inside of block scalars (YAML 1.2, 9.1.2), so
    no parser is needed. What remains is empty when no other document has any content.
    """
    parts: list[list[str]] = [[]]
    place = 0
    for number, content in enumerate(text.splitlines(keepends=True), start=1):
        if _START.match(content) and any(not _is_blank(earlier) for earlier in parts[-1]):
            parts.append([])
        parts[-1].append(content)
        if number == line:
            place = len(parts) - 1
    del parts[place]
    if not any(_has_content(part) for part in parts):
        return ""
    return "".join(content for part in parts for content in part)


def _is_blank(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _has_content(part: list[str]) -> bool:
    return any(not _is_blank(_MARKER.sub("", line)) for line in part if not line.startswith("%"))
