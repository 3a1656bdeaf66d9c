"""`tombstones.json`: jobs whose history is being deleted, up to which execution, until the last line is gone."""

from collections.abc import Mapping
from pathlib import Path

import orjson

from runner.errors import StartError
from runner.storage.state import write_durably


class Tombstones:
    """What is hidden, as it is on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._until = self._read()

    def _read(self) -> dict[str, str]:
        try:
            data = orjson.loads(self._path.read_bytes())
            if isinstance(data, dict) and all(isinstance(until, str) for until in data.values()):
                return data
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise StartError(f"{self._path} can't be read: {error}") from None
        raise StartError(f"{self._path} is damaged; mend or remove it")

    @property
    def all(self) -> Mapping[str, str]:
        """The last hidden id of each job that is being deleted."""
        return dict(self._until)

    def hide(self, job: str, until: str) -> None:
        """Hide a job's executions up to an id, durably, from now on."""
        self._replace({**self._until, job: until})

    def drop(self, job: str) -> None:
        """Nothing is left that were to be hidden."""
        self._replace({name: until for name, until in self._until.items() if name != job})

    def _replace(self, until: dict[str, str]) -> None:
        write_durably(self._path, orjson.dumps(until))
        self._until = until

    def hides(self, job: str, execution: str) -> bool:
        """Whether an execution is deleted."""
        until = self._until.get(job)
        return until is not None and execution <= until
