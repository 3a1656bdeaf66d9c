"""The state directory: its layout, its lock, and the small durable facts that are not in the records."""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from runner.errors import StartError, StateInUseError, StorageError
from runner.execution.instants import format_instant
from runner.ports import Pause
from runner.storage.jsonl import sync_folder

_PAUSES = TypeAdapter(dict[str, Pause])


class StateDirectory:
    """Where a runner keeps what must outlive it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.executions = root / "executions.jsonl"
        self.changes = root / "changes.jsonl"
        self.schedules = root / "schedules.jsonl"
        self.last_good = root / "last-good.jsonl"
        self.outputs = root / "outputs"
        self.jobs = root / "jobs"
        self.socket = root / "jobsd.sock"
        self._pauses = root / "pauses.json"

    def create(self) -> None:
        """Make the directory, private to its owner and ignored by git.

        Raises:
            StartError: when it can't be made or written to.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            ignore = self.root / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
            for folder in (self.outputs, self.jobs):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StartError(f"the state directory {self.root} can't be used: {reason}") from None

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Be the one writer for as long as this is entered; the lock goes with the process, however it ends.

        Raises:
            StateInUseError: when another runner holds the lock.
        """
        path = self.root / "lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StartError(f"{path} can't be opened: {(error.strerror or 'failed').lower()}") from None
        try:
            self._take(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            who = f" (pid {holder})" if holder else ""
            raise StateInUseError(f"another runner{who} uses the state directory {self.root}") from None
        with contextlib.suppress(OSError):  # the pid is a courtesy, for which a full disk has no room
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def pauses(self) -> dict[str, Pause]:
        """Who paused what.

        Raises:
            StartError: when the file is there but can't be read; to ignore it would run what was paused.
        """
        try:
            return _PAUSES.validate_json(self._pauses.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            reason = (error.strerror or "failed").lower()
            raise StartError(f"{self._pauses} can't be read: {reason}") from None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(step) for step in first["loc"])
            problem = f"{where}: {first['msg']}" if where else first["msg"]
            raise StartError(f"{self._pauses} is damaged ({problem}); mend or remove it") from None

    def save_pauses(self, pauses: Mapping[str, Pause]) -> None:
        """Replace all pauses, durably and in one step."""
        data = {
            job: {
                key: format_instant(value) if key in {"at", "until"} else value
                for key, value in asdict(pause).items()
                if value is not None
            }
            for job, pause in sorted(pauses.items())
        }
        write_durably(self._pauses, orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file's content in one step that survives a crash.

    Raises:
        StorageError: when the disk is full or failing; the file is as it was.
    """
    temporary = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StorageError(f"can't write {path}: {(error.strerror or 'failed').lower()}") from None
