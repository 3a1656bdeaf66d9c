"""Documents that are valid by themselves, in the words of the house; what they leave out is None."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from runner.filters import Filter
from runner.spec.documents import (
    DefaultsDocument,
    JobDocument,
    WrittenCatchUp,
    WrittenConcurrency,
    WrittenExpect,
    WrittenRetry,
    WrittenTest,
)
from runner.spec.models import (
    CatchUp,
    Concurrency,
    EventTest,
    Expect,
    Mode,
    Payload,
    RateLimit,
    Retry,
    ScheduleTest,
    Test,
)


@dataclass(frozen=True, slots=True)
class JobDraft:
    """A job as its document says, before agent and defaults documents have filled the gaps."""

    id: str
    id_is_given: bool
    name: str
    description: str
    agent: str | None
    prompt: str | None
    mode: Mode
    schedule: str | None
    timezone: str | None
    filter: Filter | None
    payload: Payload | None
    enabled: bool | None
    jitter: timedelta | None
    timeout: timedelta | None
    concurrency: Concurrency | None
    rate_limit: RateLimit | None
    retry: Retry | None
    catch_up: CatchUp | None
    expect: Expect | None
    labels: Mapping[str, str] | None
    tests: tuple[Test, ...] = ()


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a defaults document gives to the jobs of its folder and below; `lines` says where each stands."""

    path: str
    folder: str
    lines: Mapping[str, int]
    agent: str | None = None
    timezone: str | None = None
    timeout: timedelta | None = None
    concurrency: Concurrency | None = None
    rate_limit: RateLimit | None = None
    retry: Retry | None = None
    catch_up: CatchUp | None = None
    expect: Expect | None = None
    labels: Mapping[str, str] | None = None


def draft_job(document: JobDocument, job_id: str, test_lines: Sequence[int] = ()) -> JobDraft:
    """Return what a document says of a job; `test_lines` says where each of its tests begins."""
    given = document.model_fields_set
    return JobDraft(
        id=job_id,
        id_is_given=document.id is not None,
        name=document.name,
        description=document.description,
        agent=document.agent,
        prompt=document.prompt,
        mode=document.mode,
        schedule=document.schedule,
        timezone=document.timezone,
        filter=document.filter,
        payload=Payload(document.payload) if "payload" in given else None,
        enabled=document.enabled if "enabled" in given else None,
        jitter=document.jitter,
        timeout=document.timeout,
        concurrency=_concurrency(document.concurrency),
        rate_limit=document.rate_limit,
        retry=_retry(document.retry),
        catch_up=_catch_up(document.catch_up),
        expect=_expect(document.expect),
        labels=document.labels,
        tests=tuple(map(_test, document.tests or (), test_lines)),
    )


def draft_defaults(document: DefaultsDocument, path: str, folder: str, lines: Mapping[str, int]) -> Defaults:
    """Return what a document gives to the jobs below it."""
    return Defaults(
        path=path,
        folder=folder,
        lines=lines,
        agent=document.agent,
        timezone=document.timezone,
        timeout=document.timeout,
        concurrency=_concurrency(document.concurrency),
        rate_limit=document.rate_limit,
        retry=_retry(document.retry),
        catch_up=_catch_up(document.catch_up),
        expect=_expect(document.expect),
        labels=document.labels,
    )


def _test(written: WrittenTest, line: int) -> Test:
    if written.at is not None:
        return ScheduleTest(written.name, line, written.at, tuple(written.next or ()))
    return EventTest(written.name, line, written.event, str(written.expect))


def _concurrency(written: WrittenConcurrency | None) -> Concurrency | None:
    return Concurrency(written.limit, written.when_full) if written else None


def _expect(written: WrittenExpect | None) -> Expect | None:
    return Expect(written.success_within) if written else None


def _catch_up(written: WrittenCatchUp | None) -> CatchUp | None:
    return CatchUp(written.policy, written.within or CatchUp().within) if written else None


def _retry(written: WrittenRetry | None) -> Retry | None:
    if written is None:
        return None
    usual = Retry()
    backoff = written.backoff or usual.backoff
    # A first wait that is longer than the built-in maximum raises the maximum, which nobody gave.
    longest = written.max_backoff or max(usual.max_backoff, backoff)
    return Retry(written.attempts, min(backoff, longest), longest)
