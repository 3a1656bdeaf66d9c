"""References to secrets: resolving them when a run starts, and masking their values in what is captured."""

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

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
        self._values.update({value.encode(), json.dumps(value)[1:-1].encode()})
        return value

    def _from_environment(self, name: str) -> str:
        value = self._environment.get(name)
        if value is None:
            raise SecretError(f"${{env:{name}}}: the runner's environment has no variable {name}")
        return value

    def _from_file(self, name: str) -> str:
        if self._directory is None:
            raise SecretError(f"${{file:{name}}}: no secrets_dir is set, nor $CREDENTIALS_DIRECTORY")
        if not name or "/" in name or name.startswith("."):
            raise SecretError(f"${{file:{name}}}: the name must be a plain file name")
        try:
            return (self._directory / name).read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise SecretError(f"${{file:{name}}}: {reason}") from None

    @property
    def mask(self) -> "Mask":
        """A mask for the values resolved so far."""
        return Mask(self._values)


class Mask:
    """Replaces secret values in a stream of bytes, also where a value is cut in two by a chunk's end."""

    def __init__(self, values: Iterable[bytes]) -> None:
        ordered = sorted(values, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, ordered))) if ordered else None
        self._hold = max(map(len, ordered), default=1) - 1
        self._rest = b""

    def feed(self, chunk: bytes) -> bytes:
        """What can be let through after this chunk; the last bytes wait, as a value may start in them."""
        if self._pattern is None:
            return chunk
        data = self._pattern.sub(MASK, self._rest + chunk)
        cut = max(0, len(data) - self._hold)
        self._rest = data[cut:]
        return data[:cut]

    def flush(self) -> bytes:
        """What was held back, at the end of the stream."""
        rest, self._rest = self._rest, b""
        return rest

    def text(self, text: str) -> str:
        """A whole text with the values masked."""
        if self._pattern is None:
            return text
        return self._pattern.sub(MASK, text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
