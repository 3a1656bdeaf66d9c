"""Logs of which the newest line of each key counts: cheap to change a little, and written anew now and then."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import orjson
import structlog

from runner.errors import StorageError
from runner.storage.jsonl import JsonLines

SPARE = 1000
"""Lines that may be out of date before the file is written anew."""

_log = structlog.get_logger()


class KeyedLines:
    """JSON objects by key, as one file of lines. Only one process may `open` it, any of its threads may `put`.

    `note` tells the key of an object and whether it still says something, as the last word on a key may be that
    there is nothing; of objects from elsewhere it raises ValueError, KeyError or TypeError.
    """

    def __init__(self, path: Path, note: Callable[[Any], tuple[str, bool]]) -> None:
        self._lines = JsonLines(path)
        self._note = note
        self._newest: dict[str, bytes] = {}
        self._count = 0
        self._turn = Lock()

    @property
    def path(self) -> Path:
        """The file."""
        return self._lines.path

    def open(self) -> None:
        """Open for writing.

        Raises:
            StorageError: when the file can't be opened.
        """
        self._lines.open()
        for line in self._lines.lines():
            self._take(line)

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def _take(self, line: bytes) -> None:
        try:
            key, alive = self._note(orjson.loads(line))
        except (ValueError, KeyError, TypeError):
            return
        self._count += 1
        if alive:
            self._newest[key] = _digest(line)
        else:
            self._newest.pop(key, None)

    def read(self) -> dict[str, Any]:
        """The newest object of each key, from the file; lines from elsewhere are passed over."""
        found: dict[str, Any] = {}
        for line in self._lines.lines():
            try:
                data = orjson.loads(line)
                key, alive = self._note(data)
            except (ValueError, KeyError, TypeError):
                continue
            if alive:
                found[key] = data
            else:
                found.pop(key, None)
        return found

    def put(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Write down objects that are not there yet as they are, durably, all of them or none.

        Raises:
            StorageError: when the disk is full or failing; what was there before still is.
        """
        with self._turn:
            lines = []
            for data in items:
                line = orjson.dumps(data)
                key, alive = self._note(data)
                known = self._newest.get(key)
                if known != _digest(line) if alive else known is not None:
                    lines.append(line)
            if not lines:
                return
            self._lines.append([line + b"\n" for line in lines])
            for line in lines:
                self._take(line)
            if self._count > 2 * len(self._newest) + SPARE:
                self._shorten()

    def _shorten(self) -> None:
        newest = set(self._newest.values())
        try:
            self._lines.rewrite(lambda line: _digest(line) in newest)
        except StorageError as error:  # nothing is lost by that, and the next time tries again
            _log.warning("lines that are out of date stay", file=str(self.path), reason=str(error))
        else:
            self._count = len(self._newest)


def _digest(line: bytes) -> bytes:
    return hashlib.blake2b(line, digest_size=16).digest()
