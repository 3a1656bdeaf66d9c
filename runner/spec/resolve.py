"""Jobs from drafts: what a document leaves out comes from its agent, from defaults, or is built in."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeVar

import orjson

from runner.schedule import parse_schedule
from runner.spec.drafts import Defaults, JobDraft
from runner.spec.models import BUILT_IN_AGENT, Agent, CatchUp, Concurrency, Job, Origin, Retry

V = TypeVar("V")

JOB = "job"
BUILT_IN = "built-in"
DEFAULT_TIMEOUT = timedelta(hours=1)
DEFAULT_TIMEZONE = "UTC"
NO_LABELS: Mapping[str, str] = MappingProxyType({})


def agent_of(draft: JobDraft, layers: Sequence[Defaults]) -> tuple[str, Defaults | None]:
    """Return the id of the agent that a job runs, and the defaults document that says so, if one does."""
    if draft.agent is not None:
        return draft.agent, None
    for layer in layers:
        if layer.agent is not None:
            return layer.agent, layer
    return BUILT_IN_AGENT, None


def resolve_job(draft: JobDraft, agent: Agent, layers: Sequence[Defaults], origin: Origin) -> Job:
    """Return the job that a draft means together with its agent and the defaults documents above it.

    `layers` are the defaults documents whose folder holds the job's file, the nearest first. Each field is
    taken whole from the nearest place that gives it; labels alone are merged name by name.
    """
    choose = _Choice(draft, layers)
    timezone = choose.value("timezone", draft.timezone, DEFAULT_TIMEZONE)
    job = Job(
        id=draft.id,
        name=draft.name,
        description=draft.description,
        agent=agent,
        prompt=draft.description if draft.prompt is None else draft.prompt,
        mode=draft.mode,
        schedule=None if draft.schedule is None else parse_schedule(draft.schedule, timezone, draft.id),
        timezone=timezone,
        filter=draft.filter,
        payload=draft.payload,
        enabled=draft.enabled is not False,
        jitter=draft.jitter or timedelta(0),
        timeout=choose.value("timeout", draft.timeout, DEFAULT_TIMEOUT, agent),
        concurrency=choose.value("concurrency", draft.concurrency, Concurrency()),
        rate_limit=choose.value("rate_limit", draft.rate_limit, None),
        retry=choose.value("retry", draft.retry, Retry()),
        catch_up=choose.value("catch_up", draft.catch_up, CatchUp()),
        expect=choose.value("expect", draft.expect, None),
        labels=choose.labels(),
        digest="",
        origin=origin,
        sources=_shared(tuple(choose.sources.items())),
        tests=draft.tests,
    )
    return replace(job, digest=definition_digest(job))


def definition_digest(job: Job) -> str:
    """Return the SHA-256 of everything that a job is, wherever it stands, as canonical JSON.

    Its tests are no part of it: they say what is expected of the job, and whoever adds one changes no run.
    """
    content: dict[str, Any] = {
        "id": job.id,
        "name": job.name,
        "description": job.description,
        "agent": job.agent.digest,
        "prompt": job.prompt,
        "mode": job.mode,
        "schedule": job.schedule.text if job.schedule else None,
        "timezone": job.timezone,
        "filter": job.filter.text if job.filter else None,
        "payload": [job.payload.value] if job.payload else [],
        "enabled": job.enabled,
        "timeout": job.timeout.total_seconds(),
        "concurrency": [job.concurrency.limit, job.concurrency.when_full],
        "rate_limit": [job.rate_limit.count, job.rate_limit.window.total_seconds()] if job.rate_limit else None,
        "retry": [
            job.retry.attempts,
            job.retry.backoff.total_seconds(),
            job.retry.max_backoff.total_seconds(),
        ],
        "labels": dict(job.labels),
    }
    # A field that came later is there only where it is given, so that the digests of other jobs stay.
    if job.expect is not None:
        content["expect"] = job.expect.success_within.total_seconds()
    if job.jitter:
        content["jitter"] = job.jitter.total_seconds()
    if job.catch_up != CatchUp():
        content["catch_up"] = [job.catch_up.policy, job.catch_up.within.total_seconds()]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


class _Choice:
    """Chooses where each value comes from, and keeps what it chose."""

    def __init__(self, draft: JobDraft, layers: Sequence[Defaults]) -> None:
        self._draft = draft
        self._layers = layers
        _, giver = agent_of(draft, layers)
        given = {
            "id": draft.id_is_given,
            "filter": draft.filter is not None,
            "payload": draft.payload is not None,
            "schedule": draft.schedule is not None,
            "enabled": draft.enabled is not None,
            "jitter": draft.jitter is not None,
        }
        self.sources: dict[str, str] = {
            "id": JOB if draft.id_is_given else "name",
            "name": JOB,
            "description": JOB if draft.description else BUILT_IN,
            "agent": JOB if draft.agent else _from(giver, "agent") if giver else BUILT_IN,
            "prompt": JOB if draft.prompt is not None else "description",
            "mode": JOB,
            **{name: JOB if given[name] else BUILT_IN for name in given if name != "id"},
        }

    def value(self, name: str, own: V | None, built_in: V, agent: Agent | None = None) -> V:
        """Return a value from the nearest place that gives it."""
        if own is not None:
            self.sources[name] = JOB
            return own
        if agent is not None:
            from_agent: V | None = getattr(agent, name)
            if from_agent is not None:
                self.sources[name] = f"agent {agent.id}"
                return from_agent
        for layer in self._layers:
            given: V | None = getattr(layer, name)
            if given is not None:
                self.sources[name] = _from(layer, name)
                return given
        self.sources[name] = BUILT_IN
        return built_in

    def labels(self) -> Mapping[str, str]:
        """Return the labels of the job over those of the defaults documents, the nearest last."""
        givers = [layer for layer in self._layers if layer.labels]
        words = [*([JOB] if self._draft.labels else []), *(_from(layer, "labels") for layer in givers)]
        self.sources["labels"] = ", ".join(words) or BUILT_IN
        merged: dict[str, str] = {}
        for layer in reversed(givers):
            merged.update(layer.labels or {})
        merged.update(self._draft.labels or {})
        return merged or NO_LABELS


def _from(layer: Defaults, name: str) -> str:
    return f"defaults {layer.path}:{layer.lines.get(name, 1)}"


@lru_cache(maxsize=4096)
def _shared(sources: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """Return one mapping for all jobs whose values come from the same places, since most do."""
    return MappingProxyType(dict(sources))
