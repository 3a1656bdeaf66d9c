"""Whether a job does what its document expects of it, and whether its filter can work at all."""

from datetime import datetime

from runner.execution.ledger import JobHistory
from runner.spec.models import Job

ALL_ERRORS = 20
"""After how many events in a row on which its filter failed a job is said to need a look."""


def filter_fails(history: JobHistory) -> bool:
    """Whether the job's filter failed on each of the latest events, so that it is likely wrong itself."""
    return history.errors_in_a_row >= ALL_ERRORS


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
