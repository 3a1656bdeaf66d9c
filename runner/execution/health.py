"""Whether a job does what its document expects of it."""

from datetime import datetime

from runner.execution.ledger import JobHistory
from runner.spec.models import Job


def is_overdue(job: Job, history: JobHistory, since: datetime | None, now: datetime) -> bool:
    """Whether the last success of a job is older than its `expect` allows.

    Without any success, the time counts from `since`, when the job came into force (None: not known), or from
    its oldest execution on record, where that is older. A disabled job is never overdue.
    """
    if job.expect is None or not job.enabled:
        return False
    start = history.last_success
    if start is None:
        start = min((instant for instant in (history.first, since) if instant is not None), default=None)
    return start is not None and now - start > job.expect.success_within
