"""References to secrets: resolving them when a run starts, and masking their values in what is captured."""

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

MASK = b"***"
SHORTEST = 8
"""Shorter values are refused: masking them would tear ordinary output to pieces."""

_REFERENCE = re.compile(r"\$\{(env|file):([^}]*)\}")


class SecretError(Exception):
    """A reference that can't be resolved; the message names the reference, never a value."""


class Secrets:
    """Resolves `${env:NAME}` and `${file:NAME}` and remembers the values, to mask them."""

    def __init__(self, environment: Mapping[str, str], directory: Path | None) -> None:
        self._environment = environment
        self._directory = directory
        self._values: set[bytes] = set()

    @classmethod
    def of_process(cls, directory: Path | None) -> "Secrets":
        """Secrets from this process's environment and from `directory`, else `$CREDENTIALS_DIRECTORY`."""
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        return cls(os.environ, directory or (Path(credentials) if credentials else None))

    def fresh(self) -> "Secrets":
        """The same sources with nothing resolved yet, for one run."""
        return Secrets(self._environment, self._directory)

    def resolve(self, text: str) -> str:
        """The text with every reference replaced by its value.

        Raises:
            SecretError: when a reference names nothing, or a value too short to be masked.
        """
        return _REFERENCE.sub(self._value, text)

    def _value(self, match: re.Match[str]) -> str:
        kind, name = match.groups()
        value = self._from_environment(name) if kind == "env" else self._from_file(name)
        if len(value) < SHORTEST:
            raise SecretError(f"the value of ${{{kind}:{name}}} is shorter than {SHORTEST} characters")
        self._values.update(_spellings(value))
        return value

    def _from_environment(self, name: str) -> str:
        value = self._environment.get(name)
        if value is None:
            raise SecretError(f"${{env:{name}}}: the runner's environment has no variable {name}")
        return value

    def _from_file(self, name: str) -> str:
        if self._directory is None:
            raise SecretError(f"${{file:{name}}}: no secrets_dir is set, nor $CREDENTIALS_DIRECTORY")
        if not name or "/" in name or "\0" in name or name.startswith("."):
            raise SecretError(f"${{file:{name}}}: the name must be a plain file name")
        try:
            return (self._directory / name).read_bytes().decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise SecretError(f"${{file:{name}}}: not UTF-8") from None
        except OSError as error:
            raise SecretError(f"${{file:{name}}}: {(error.strerror or 'failed').lower()}") from None

    @property
    def mask(self) -> "Mask":
        """A mask for the values resolved so far."""
        return Mask(self._values)


def _spellings(value: str) -> set[bytes]:
    """The bytes by which a value may appear in output: as it is, and as JSON writes it."""
    spellings = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    return {spelling.encode("utf-8", "surrogateescape") for spelling in spellings}


class Mask:
    """Replaces secret values in a stream of bytes, also where a value is cut in two by a chunk's end."""

    def __init__(self, values: Iterable[bytes]) -> None:
        self._values = sorted(values, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, self._values))) if self._values else None
        self._rest = b""

    def feed(self, chunk: bytes) -> bytes:
        """What can be let through after this chunk; an end that may be the beginning of a value waits."""
        if self._pattern is None:
            return chunk
        data = self._rest + chunk
        passed = bytearray()
        place, cut = 0, self._open_end(data, 0)
        for match in self._pattern.finditer(data):
            if match.start() >= cut:
                break  # a longer value may start at the same place
            passed += data[place : match.start()] + MASK
            place = match.end()
            if cut < place:
                cut = self._open_end(data, place)
        self._rest = data[cut:]
        return bytes(passed + data[place:cut])

    def _open_end(self, data: bytes, start: int) -> int:
        """The first place from `start` on where all that follows is the beginning of a value."""
        first = len(data)
        for value in self._values:
            place = data.find(value[:1], max(start, len(data) - len(value) + 1))
            while 0 <= place < first:
                if value.startswith(data[place:]):
                    first = place
                place = data.find(value[:1], place + 1)
        return first

    def flush(self) -> bytes:
        """What was held back, at the end of the stream."""
        rest, self._rest = self._rest, b""
        return rest if self._pattern is None else self._pattern.sub(MASK, rest)

    def text(self, text: str) -> str:
        """A whole text with the values masked."""
        if self._pattern is None:
            return text
        return self._pattern.sub(MASK, text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")

    def data(self, value: Any) -> Any:
        """JSON data with the values masked in all of its strings."""
        match value:
            case _ if self._pattern is None:
                return value
            case str():
                return self.text(value)
            case list():
                return [self.data(item) for item in value]
            case dict():
                return {self.text(key): self.data(item) for key, item in value.items()}
            case _:
                return value
