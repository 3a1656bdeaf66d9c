"""Jobs, agents and defaults as JSON and back, so that the last good versions outlive the runner's process."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, TypeVar

from runner.errors import RunnerError
from runner.filters import compile_filter
from runner.schedule import parse_schedule
from runner.spec.drafts import Defaults
from runner.spec.models import (
    Agent,
    CatchUp,
    CatchUpPolicy,
    CommandSpec,
    Concurrency,
    Expect,
    Job,
    Limits,
    LlmSpec,
    Mode,
    Origin,
    Payload,
    RateLimit,
    Retry,
    WhenFull,
)

T = TypeVar("T")
V = TypeVar("V")

VERSION: Final = 1


class SnapshotError(ValueError):
    """A snapshot that this version of jobsd can't read; what it was of is then not known."""


def job_to_json(job: Job) -> dict[str, Any]:
    """Return a job as a JSON object, with its agent.

    `stale` is left out, since the files tell it anew, and so are the tests, which the runner has no use for.
    """
    return {
        "v": VERSION,
        "id": job.id,
        "name": job.name,
        "description": job.description,
        "agent": agent_to_json(job.agent),
        "prompt": job.prompt,
        "mode": job.mode.value,
        "schedule": job.schedule.text if job.schedule else None,
        "timezone": job.timezone,
        "filter": job.filter.text if job.filter else None,
        "payload": [job.payload.value] if job.payload else [],
        "enabled": job.enabled,
        "jitter": job.jitter.total_seconds(),
        "timeout": job.timeout.total_seconds(),
        "concurrency": _maybe(_concurrency_to_json, job.concurrency),
        "rate_limit": _maybe(_rate_limit_to_json, job.rate_limit),
        "retry": _maybe(_retry_to_json, job.retry),
        "catch_up": _catch_up_to_json(job.catch_up),
        "expect": _maybe(_expect_to_json, job.expect),
        "labels": dict(job.labels),
        "digest": job.digest,
        "origin": _origin_to_json(job.origin),
        "sources": dict(job.sources),
    }


def job_from_json(data: Mapping[str, Any]) -> Job:
    """Return the job that `job_to_json` wrote.

    Raises:
        SnapshotError: Another version of jobsd wrote it, or it is damaged.
    """
    return _read(_job, data)


def agent_to_json(agent: Agent) -> dict[str, Any]:
    """Return an agent as a JSON object; references to secrets stay references."""
    return {
        "v": VERSION,
        "id": agent.id,
        "name": agent.name,
        "description": agent.description,
        "type": agent.type,
        "timeout": _maybe(timedelta.total_seconds, agent.timeout),
        "digest": agent.digest,
        "origin": _maybe(_origin_to_json, agent.origin),
        "folder": agent.folder,
        "spec": _spec_to_json(agent.spec),
    }


def agent_from_json(data: Mapping[str, Any]) -> Agent:
    """Return the agent that `agent_to_json` wrote.

    Raises:
        SnapshotError: Another version of jobsd wrote it, or it is damaged.
    """
    return _read(_agent, data)


def defaults_to_json(defaults: Defaults) -> dict[str, Any]:
    """Return a defaults document as a JSON object."""
    return {
        "v": VERSION,
        "path": defaults.path,
        "folder": defaults.folder,
        "lines": dict(defaults.lines),
        "agent": defaults.agent,
        "timezone": defaults.timezone,
        "timeout": _maybe(timedelta.total_seconds, defaults.timeout),
        "concurrency": _maybe(_concurrency_to_json, defaults.concurrency),
        "rate_limit": _maybe(_rate_limit_to_json, defaults.rate_limit),
        "retry": _maybe(_retry_to_json, defaults.retry),
        "catch_up": _maybe(_catch_up_to_json, defaults.catch_up),
        "expect": _maybe(_expect_to_json, defaults.expect),
        "labels": _maybe(dict, defaults.labels),
    }


def defaults_from_json(data: Mapping[str, Any]) -> Defaults:
    """Return the defaults document that `defaults_to_json` wrote.

    Raises:
        SnapshotError: Another version of jobsd wrote it, or it is damaged.
    """
    return _read(_defaults, data)


def _read(make: Callable[[Mapping[str, Any]], T], data: Mapping[str, Any]) -> T:
    try:
        if data["v"] != VERSION:
            raise SnapshotError(f"written by another version: {data['v']}")
        return make(data)
    except (KeyError, TypeError, ValueError, OverflowError, RunnerError) as error:
        raise SnapshotError(str(error)) from error


def _job(data: Mapping[str, Any]) -> Job:
    schedule, expression = data["schedule"], data["filter"]
    return Job(
        id=data["id"],
        name=data["name"],
        description=data["description"],
        agent=_agent(data["agent"]),
        prompt=data["prompt"],
        mode=Mode(data["mode"]),
        schedule=None if schedule is None else parse_schedule(schedule, data["timezone"], data["id"]),
        timezone=data["timezone"],
        filter=None if expression is None else compile_filter(expression),
        payload=Payload(data["payload"][0]) if data["payload"] else None,
        enabled=data["enabled"],
        jitter=_seconds(data.get("jitter", 0)),
        timeout=_seconds(data["timeout"]),
        concurrency=_concurrency(data["concurrency"]),
        rate_limit=_maybe(_rate_limit, data["rate_limit"]),
        retry=_retry(data["retry"]),
        catch_up=_maybe(_catch_up, data.get("catch_up")) or CatchUp(),
        expect=_maybe(_expect, data.get("expect")),
        labels=dict(data["labels"]),
        digest=data["digest"],
        origin=_origin(data["origin"]),
        sources=dict(data["sources"]),
    )


def _agent(data: Mapping[str, Any]) -> Agent:
    return Agent(
        id=data["id"],
        name=data["name"],
        description=data["description"],
        type=data["type"],
        timeout=_maybe(_seconds, data["timeout"]),
        digest=data["digest"],
        origin=_maybe(_origin, data["origin"]),
        folder=data["folder"],
        spec=_spec(data["spec"]),
    )


def _defaults(data: Mapping[str, Any]) -> Defaults:
    return Defaults(
        path=data["path"],
        folder=data["folder"],
        lines=dict(data["lines"]),
        agent=data["agent"],
        timezone=data["timezone"],
        timeout=_maybe(_seconds, data["timeout"]),
        concurrency=_maybe(_concurrency, data["concurrency"]),
        rate_limit=_maybe(_rate_limit, data["rate_limit"]),
        retry=_maybe(_retry, data["retry"]),
        catch_up=_maybe(_catch_up, data.get("catch_up")),
        expect=_maybe(_expect, data.get("expect")),
        labels=_maybe(dict, data["labels"]),
    )


def _maybe(convert: Callable[[V], T], value: V | None) -> T | None:
    return None if value is None else convert(value)


def _seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def _origin_to_json(origin: Origin) -> list[Any]:
    return [origin.path, origin.line]


def _origin(data: list[Any]) -> Origin:
    path, line = data
    return Origin(path, line)


def _concurrency_to_json(concurrency: Concurrency) -> list[Any]:
    return [concurrency.limit, concurrency.when_full.value]


def _concurrency(data: list[Any]) -> Concurrency:
    limit, when_full = data
    return Concurrency(limit, WhenFull(when_full))


def _rate_limit_to_json(rate: RateLimit) -> list[Any]:
    return [rate.count, rate.window.total_seconds(), rate.text]


def _rate_limit(data: list[Any]) -> RateLimit:
    count, window, text = data
    return RateLimit(count, _seconds(window), text)


def _retry_to_json(retry: Retry) -> list[Any]:
    return [retry.attempts, retry.backoff.total_seconds(), retry.max_backoff.total_seconds()]


def _catch_up_to_json(catch_up: CatchUp) -> list[Any]:
    return [catch_up.policy.value, catch_up.within.total_seconds()]


def _catch_up(data: list[Any]) -> CatchUp:
    policy, within = data
    return CatchUp(CatchUpPolicy(policy), _seconds(within))


def _retry(data: list[Any]) -> Retry:
    attempts, backoff, max_backoff = data
    return Retry(attempts, _seconds(backoff), _seconds(max_backoff))


def _expect_to_json(expect: Expect) -> float:
    return expect.success_within.total_seconds()


def _expect(seconds: float) -> Expect:
    return Expect(_seconds(seconds))


def _spec_to_json(spec: CommandSpec | LlmSpec) -> dict[str, Any]:
    if isinstance(spec, CommandSpec):
        return {
            "command": list(spec.command),
            "env": dict(spec.env),
            "cwd": spec.cwd,
            "user": spec.user,
            "limits": _maybe(_limits_to_json, spec.limits),
        }
    return {"model": spec.model}


def _spec(data: Mapping[str, Any]) -> CommandSpec | LlmSpec:
    if "command" in data:
        # A snapshot from before there were users and limits has none.
        limits = _maybe(_limits, data.get("limits"))
        return CommandSpec(tuple(data["command"]), dict(data["env"]), data["cwd"], data.get("user"), limits)
    return LlmSpec(data["model"])


def _limits_to_json(limits: Limits) -> list[Any]:
    return [limits.memory, _maybe(timedelta.total_seconds, limits.cpu), limits.files]


def _limits(data: list[Any]) -> Limits:
    memory, cpu, files = data
    return Limits(memory, _maybe(_seconds, cpu), files)
