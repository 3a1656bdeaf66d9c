"""What the three kinds of trigger become: one firing."""

from dataclasses import dataclass
from datetime import datetime

from runner.execution.lifecycle import Trigger
from runner.spec.models import Payload


@dataclass(frozen=True, slots=True)
class PushEvent:
    """The envelope of an event that came in from outside; the payload travels in the firing."""

    id: str | None = None
    source: str | None = None
    type: str | None = None
    delivery: str | None = None


@dataclass(frozen=True, slots=True)
class Firing:
    """A job is to run: why, for which slot (an instant in UTC), with which payload, and who asked.

    `due` is the slot with its jitter; a slot that is `caught_up` came due when nobody could run it.
    """

    job: str
    trigger: Trigger
    payload: Payload | None = None
    scheduled_for: datetime | None = None
    due: datetime | None = None
    caught_up: bool = False
    event: PushEvent | None = None
    actor: str | None = None
    rerun_of: str | None = None
