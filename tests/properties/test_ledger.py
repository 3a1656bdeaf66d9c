"""What holds for every log: only legal lines count, and reading backwards tells the same as folding."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import reduce
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.execution.firing import PushEvent
from runner.execution.ledger import Execution, Ledger, fold, merge, newest, settle_lost
from runner.execution.lifecycle import (
    TRANSITIONS,
    ErrorType,
    Failure,
    IllegalTransitionError,
    Reason,
    Status,
)
from runner.execution.records import (
    Definition,
    FilterNote,
    ForeignLineError,
    Record,
    from_line,
    read_carefully,
    read_plainly,
    to_dict,
    to_line,
)
from runner.spec.models import Mode, Payload
from runner.testing import START, build_record

INSTANTS = st.integers(0, 10**9).map(lambda ms: START + timedelta(milliseconds=ms))
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(-1e9, 1e9), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=3,
)
MAPS = st.dictionaries(TEXTS, JSON, max_size=2)
COUNTS = st.integers(0, 10**6)
FAILURES = st.builds(Failure, st.sampled_from(ErrorType), TEXTS, st.none() | MAPS)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "mode": st.sampled_from(Mode),
    "scheduled_for": INSTANTS,
    "lateness_ms": COUNTS,
    "not_before": INSTANTS,
    "started_at": INSTANTS,
    "finished_at": INSTANTS,
    "duration_ms": COUNTS,
    "attempt": COUNTS,
    "actor": TEXTS,
    "cancelled_by": TEXTS,
    "rerun_of": TEXTS,
    "event": st.builds(PushEvent, st.none() | TEXTS, st.none() | TEXTS, st.none() | TEXTS, st.none() | TEXTS),
    "payload": JSON.map(Payload),
    "payload_ref": TEXTS,
    "payload_sha256": TEXTS,
    "filter": st.builds(
        FilterNote, TEXTS, st.none() | TEXTS, st.none() | TEXTS, st.none() | st.tuples(COUNTS, COUNTS)
    ),
    "pid": COUNTS,
    "pid_start": COUNTS,
    "result": JSON.map(Payload),
    "usage": MAPS,
    "error": FAILURES,
    "from_": INSTANTS,
    "until": INSTANTS,
    "count": COUNTS,
    "definition": st.builds(Definition, TEXTS, COUNTS, TEXTS),
}
RECORDS = st.builds(
    lambda status, values: build_record(status, **values),
    st.sampled_from(Status),
    st.fixed_dictionaries(
        {"id": TEXTS, "job": TEXTS, "name": TEXTS, "agent": TEXTS, "at": INSTANTS},
        optional=VALUES | {"reason": st.sampled_from(Reason)},
    ),
)
NUMBERS = st.integers(0, 5)
SAID = st.fixed_dictionaries(
    {},
    optional={
        name: VALUES[name]
        for name in ("attempt", "actor", "payload", "result", "error", "started_at", "not_before", "definition")
    },
)


def a_line(number: int, status: Status, at: int, said: dict[str, Any]) -> Record:
    return build_record(status, number=number, job="ab"[number % 2], at=START + timedelta(seconds=at), **said)


STEPS = st.sampled_from([Status.PENDING, Status.PENDING, Status.RUNNING, Status.RUNNING, *Status])
BARE_LOGS = st.lists(st.builds(a_line, NUMBERS, STEPS, st.integers(0, 50), st.just({})), max_size=25)
LOGS = st.lists(st.builds(a_line, NUMBERS, STEPS, st.integers(0, 50), SAID), max_size=20)


def sampled(soak: bool, *strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], None]:  # noqa: FBT001 - the fixture's value
    """Check what holds for every sample, at once."""

    def check(holds: Callable[..., None]) -> None:
        settings(max_examples=10_000 if soak else 100, deadline=None)(given(*strategies)(holds))()

    return check


def everything(ledger: Ledger) -> object:
    """All that a ledger can be asked, as plain values."""
    return (
        [*ledger.open()],
        {
            job: (
                dict(history.open),
                [*history.recent],
                history.last,
                dict(history.counts),
                history.previous,
                history.last_success,
                [*history.admitted],
            )
            for job in ledger.jobs()
            for history in [ledger.history(job)]
        },
        {execution: ledger.get(f"{execution:026d}") for execution in range(6)},
    )


def legal(lines: Sequence[Record]) -> list[Record]:
    """The lines that the table allows, with the reasons that the engine gives them."""
    present: dict[str, Status] = {}
    kept = []
    for line in lines:
        before = present.get(line.id)
        if line.status not in TRANSITIONS[before]:
            continue
        present[line.id] = line.status
        reason = None
        if line.status is Status.PENDING and before is Status.RUNNING:
            reason = Reason.RETRY
        elif line.status is Status.CANCELLED:
            reason = Reason.BY_HAND if before else Reason.MISSED
        kept.append(replace(line, reason=reason))
    return kept


def test_every_record_comes_back_from_its_line_as_it_was(soak):
    @sampled(soak, RECORDS)
    def _(record: Record) -> None:
        line = to_line(record)
        assert from_line(line) == record
        assert to_line(from_line(line)) == line
        assert b"\n" not in line[:-1]


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(-5, 5),
    st.sampled_from(
        [
            "",
            "7",
            "pending",
            "cron",
            "timeout",
            "2026-03-02T08:00:00.000Z",
            "2026-03-02T08:00:00Z",
            "2026-03-02",
            "2026-W10-1T08:00:00.00Z",
            "2026-03-02T24:00:00.000Z",
            "2026-03-02T08:00:00.000+",
            "2026-03-02T08:00:60.000Z",
        ]
    ),
    st.lists(st.integers(0, 3), max_size=3),
    st.dictionaries(
        st.sampled_from(["type", "message", "detail", "verdict", "span", "path", "line", "sha256", "id", "other"]),
        st.one_of(
            st.none(), st.integers(0, 3), TEXTS, st.sampled_from(["agent"]), st.lists(st.integers(), max_size=3)
        ),
        max_size=4,
    ),
)
KEYS = st.sampled_from(["v", "from_", "from", "other", *(f for f in to_dict(build_record())), *VALUES])


def test_the_short_way_to_read_a_line_says_what_the_model_says_or_nothing(soak):
    @sampled(soak, RECORDS, st.dictionaries(KEYS, ODD, max_size=2), st.none() | KEYS)
    def _(record: Record, odd: dict[str, Any], missing: str | None) -> None:
        data = to_dict(record) | odd
        data.pop(missing, None)
        found = read_plainly(data)
        if found is None:
            return
        try:
            assert found == read_carefully(data)
        except ForeignLineError as error:
            raise AssertionError(f"{data} is no record: {error}") from None


def test_the_short_way_reads_whatever_this_version_writes(soak):
    @sampled(soak, RECORDS)
    def _(record: Record) -> None:
        assert read_plainly(orjson.loads(to_line(record))) == record


def test_legal_records_are_folded_and_illegal_ones_raise_and_change_nothing(soak):
    @sampled(soak, BARE_LOGS)
    def _(lines: list[Record]) -> None:
        ledger = Ledger()
        present: dict[str, Status] = {}
        for line in lines:
            before = present.get(line.id)
            if line.status in TRANSITIONS[before]:
                assert ledger.apply(line).status is line.status
                present[line.id] = line.status
            else:
                untouched = everything(ledger)
                with pytest.raises(IllegalTransitionError):
                    ledger.apply(line)
                assert everything(ledger) == untouched
            assert ledger.status_of(line.id) is present.get(line.id)
        ended = sum(status.terminal for status in present.values())
        assert len([*ledger.open()]) == len(present) - ended
        assert everything(fold(lines)) == everything(ledger)


def test_reading_backwards_yields_each_execution_once_the_newest_first_and_as_folded(soak):
    @sampled(soak, LOGS)
    def _(lines: list[Record]) -> None:
        log = legal(lines)
        of_each: dict[str, list[Record]] = {}
        for line in log:
            of_each.setdefault(line.id, []).append(line)
        expected = [Execution(reduce(merge, its), its[0].at) for its in reversed(of_each.values())]
        assert [*newest(reversed(log))] == expected
        ledger = fold(log)
        for execution in expected:
            known = ledger.get(execution.id)
            assert known is not None
            if execution.status.terminal:
                execution = replace(execution, record=replace(execution.record, payload=None, result=None))  # noqa: PLW2901 - as it is remembered
            assert known == execution


def test_after_a_crash_at_any_line_settling_what_ran_leaves_nothing_running(soak):
    @sampled(soak, BARE_LOGS, st.integers(0, 25), st.booleans())
    def _(lines: list[Record], crash: int, retry: bool) -> None:  # noqa: FBT001 - hypothesis gives it
        ledger = fold(legal(lines)[:crash])
        now = START + timedelta(days=30)
        for execution in [*ledger.open()]:
            if execution.status is Status.RUNNING:
                ledger.apply(settle_lost(execution, now, now if retry else None))
        assert {execution.status for execution in ledger.open()} <= {Status.PENDING}


def test_admissions_stay_in_order_of_time(soak):
    @sampled(soak, BARE_LOGS)
    def _(lines: list[Record]) -> None:
        ledger = fold(lines)
        for job in ledger.jobs():
            admitted = [*ledger.history(job).admitted]
            assert admitted == sorted(admitted)
