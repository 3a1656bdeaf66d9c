"""The last good versions of jobs, agents and defaults, `last-good.jsonl`: what runs while files are broken."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from runner.plan import DesiredState
from runner.spec.drafts import Defaults
from runner.spec.models import Agent, Job
from runner.spec.snapshot import (
    SnapshotError,
    agent_from_json,
    agent_to_json,
    defaults_from_json,
    defaults_to_json,
    job_from_json,
    job_to_json,
)
from runner.storage.keyed import KeyedLines

T = TypeVar("T")

_KINDS: Final = ("job", "agent", "defaults")

_log = structlog.get_logger()


class LastGoodFile:
    """The versions that had no errors. Only one process may `open` it."""

    def __init__(self, path: Path) -> None:
        self._lines = KeyedLines(path, _note)
        self._saved: dict[str, dict[str, object]] = {kind: {} for kind in _KINDS}
        self._first = True

    def open(self) -> None:
        """Open for writing.

        Raises:
            StorageError: when the file can't be opened.
        """
        self._lines.open()

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def known(self) -> DesiredState:
        """What was good last; what this version of jobsd can't read is passed over and said."""
        jobs: dict[str, Job] = {}
        agents: dict[str, Agent] = {}
        defaults: dict[str, Defaults] = {}
        for data in self._lines.read().values():
            kind, name, good = data["kind"], data["id"], data["good"]
            try:
                if kind == "job":
                    jobs[name] = job_from_json(good)
                elif kind == "agent":
                    agents[name] = agent_from_json(good)
                else:
                    defaults[name] = defaults_from_json(good)
            except SnapshotError as error:
                what, where = f"{kind} {name}", str(self._lines.path)
                _log.warning("a last good version can't be read", of=what, file=where, reason=str(error))
        return DesiredState(jobs=jobs, agents=agents, defaults=defaults)

    async def save(self, state: DesiredState) -> None:
        """Keep what is good now and drop what is there no more; writes only what is different.

        Raises:
            StorageError: when the disk is full or failing; what was kept before still is.
        """
        present: dict[str, Mapping[str, Any]] = {
            "job": state.jobs,
            "agent": {name: agent for name, agent in state.agents.items() if agent.origin},
            "defaults": state.defaults,
        }
        changed = [
            (kind, name, now.get(name))
            for kind, now in present.items()
            for name in self._names(kind, now)
            if now.get(name) is not self._saved[kind].get(name) or self._first
        ]
        if changed:
            await asyncio.to_thread(lambda: self._lines.put(_items(changed)))
        self._saved = {kind: dict(now) for kind, now in present.items()}
        self._first = False

    def _names(self, kind: str, now: Mapping[str, Any]) -> Iterator[str]:
        yield from now
        known = (
            self._saved[kind].keys()
            if not self._first
            else (data["id"] for data in self._lines.read().values() if data["kind"] == kind)
        )
        yield from (name for name in known if name not in now)


def _items(changed: list[tuple[str, str, Any]]) -> Iterator[dict[str, Any]]:
    to_json: Mapping[str, Callable[[Any], dict[str, Any]]] = {
        "job": job_to_json,
        "agent": agent_to_json,
        "defaults": defaults_to_json,
    }
    for kind, name, good in changed:
        if good is None:
            yield {"kind": kind, "id": name}
        else:
            yield {"kind": kind, "id": name, "good": to_json[kind](good)}


def _note(data: Any) -> tuple[str, bool]:
    kind, name = data["kind"], data["id"]
    if kind not in _KINDS or not isinstance(name, str):
        raise ValueError("not a last good version")
    return f"{kind} {name}", isinstance(data.get("good"), dict)
