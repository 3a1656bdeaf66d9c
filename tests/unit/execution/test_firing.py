"""What the three kinds of trigger become."""

import dataclasses

import pytest

from runner.execution.firing import Firing, PushEvent
from runner.execution.lifecycle import Trigger
from runner.spec.models import Payload


def test_a_firing_needs_a_job_and_a_trigger_and_nothing_else() -> None:
    firing = Firing("a", Trigger.MANUAL)
    others = {field.name for field in dataclasses.fields(firing)} - {"job", "trigger"}
    assert not any(getattr(firing, name) for name in others)


def test_a_payload_of_null_is_not_the_same_as_no_payload() -> None:
    assert Firing("a", Trigger.PUSH, Payload(None)) != Firing("a", Trigger.PUSH)


def test_a_firing_and_its_event_never_change() -> None:
    for value in (Firing("a", Trigger.CRON), PushEvent("1")):
        name = dataclasses.fields(value)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, "b")
