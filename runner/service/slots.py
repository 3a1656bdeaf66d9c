"""A slot as people and programs see it: the instant, the clock on the wall, and what a clock change does to it."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from runner.schedule.jitter import jitter_of
from runner.service.views import NextRun
from runner.spec.models import Job


def slot_view(job: Job, slot: datetime) -> NextRun:
    """The view of a slot of a job."""
    return NextRun(
        job=job.id,
        scheduled_for=slot,
        local=local_time(slot, job.timezone),
        note=job.schedule.note(slot) if job.schedule else None,
        jitter_ms=jitter_of(job.id, slot, job.jitter) // timedelta(milliseconds=1) if job.jitter else None,
    )


def local_time(instant: datetime, timezone: str) -> str:
    """RFC 3339 in a zone: `2026-10-30T09:00:00+01:00`."""
    return instant.astimezone(ZoneInfo(timezone)).isoformat(timespec="seconds")
