"""Programs that behave badly: they end when they must, and what they said is kept as far as it can be."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest

from runner.spec.models import Payload

GRACE = 10.0
"""Seconds between TERM and KILL."""

MARGIN = 8.0
"""Seconds that a busy machine may take besides."""

CAP = 10 * 1024 * 1024
QUEUE = 1000

# All of them ignore TERM: the leader, a child, a grandchild, one in a session of its own, one whose parent is
# gone, and one for which both is true.
STUBBORN = r"""
trap '' TERM INT HUP
sleep 600 &
sh -c 'sleep 600; :' &
setsid sleep 600 &
( sleep 600 & )
( setsid sleep 600 & )
while :; do sleep 600; done
"""
STUBBORN_PROCESSES = 8

# A process that is stopped takes no TERM until somebody continues it.
STOPPED = "kill -STOP $$"


def job(id_: str, script: str, more: str = "") -> str:
    """A job and its agent, which runs a shell script."""
    body = "\n".join(f"    {line}" for line in script.strip().splitlines())
    return (
        f"id: {id_}\nname: {id_}\nmode: manual\nagent: {id_}\n{more}---\n"
        f"kind: agent\nid: {id_}\ntype: command\ncommand:\n- sh\n- -c\n- |\n{body}\n"
    )


def ended(place, execution: str):
    return place.await_record(lambda r: r["id"] == execution and "finished_at" in r)


def output(place, execution: str) -> bytes:
    return (place.state / "outputs" / f"{execution}.log").read_bytes()


@pytest.fixture
def run(place):
    """Run a script as a job to its end: its last record."""

    def run_(script: str):
        place.write("job.yaml", job("job", script))
        with place.up(), place.client() as client:
            return ended(place, client.run("job", None).id)

    return run_


def test_whatever_a_run_started_is_gone_after_a_cancel_and_after_a_timeout(place):
    place.write("stubborn.yaml", job("stubborn", STUBBORN))
    place.write("slow.yaml", job("slow", STUBBORN, "timeout: 2s\n"))
    place.write("stopped.yaml", job("stopped", STOPPED))
    with place.up(), place.client() as client:
        slow, stubborn, stopped = (client.run(id_, None).id for id_ in ("slow", "stubborn", "stopped"))
        for execution in (slow, stubborn):
            place.eventually(lambda id_=execution: len(place.processes(id_)) >= STUBBORN_PROCESSES)
        place.eventually(lambda: place.processes(stopped))

        def cancel(execution: str) -> float:
            start = monotonic()
            with place.client() as other:
                assert other.cancel(execution).status == "cancelled"
            assert place.processes(execution) == {}
            return monotonic() - start

        with ThreadPoolExecutor() as threads:
            took = [*threads.map(cancel, (stubborn, stopped))]
        timed_out = ended(place, slow)
        assert place.processes(slow) == {}
    assert all(each < GRACE + MARGIN for each in took)
    assert timed_out["duration_ms"] < (2.0 + GRACE + MARGIN) * 1000
    assert (timed_out["status"], timed_out["error"]["type"]) == ("failed", "timeout")
    for execution in (stubborn, stopped):
        record = place.ends()[execution]
        assert (record["reason"], record["cancelled_by"]) == ("by_hand", "tester")
    assert place.processes() == {}


def test_a_run_that_closes_its_output_ends_when_it_ends(run):
    record = run('exec >&- 2>&-; sleep 0.3; echo \'{"a": 1}\' > "$JOBSD_RESULT"')
    assert (record["status"], record["result"]) == ("completed", {"a": 1})
    assert record["duration_ms"] >= 300


def test_a_child_left_in_the_background_with_the_output_open_does_not_keep_its_run_running(place, run):
    record = run("sleep 600 & echo done")
    assert (record["status"], record["result"]) == ("completed", "done")
    assert record["duration_ms"] < MARGIN * 1000
    assert place.processes() == {}


def test_of_50_megabytes_of_binary_output_the_head_and_the_tail_are_kept_and_how_much_went(place, run):
    record = run("echo the head; head -c 50000000 /dev/urandom; echo; echo the tail")
    kept = output(place, record["id"])
    assert record["status"] == "completed"
    assert kept.startswith(b"the head\n")
    assert kept.endswith(b"\nthe tail\n")
    note = f"\n[jobsd: {len(b'the head' + b'the tail') + 3 + 50_000_000 - CAP} bytes of output left out here]\n"
    assert note.encode() in kept
    assert len(kept) == CAP + len(note)
    assert record["result"].endswith("the tail")


def test_output_that_is_no_text_is_kept_as_it_is_and_shown_as_text_where_a_text_is_needed(place, run):
    record = run(r"printf 'a\377\376\200b\0c\n'; printf 'no\377\n' >&2; exit 3")
    assert sorted(output(place, record["id"]).splitlines()) == [b"a\xff\xfe\x80b\0c", b"no\xff"]
    assert record["error"]["message"] == "exited with code 3: no\N{REPLACEMENT CHARACTER}"


def test_output_that_comes_byte_by_byte_is_whole(place, run):
    record = run(r"for n in $(seq 1000); do printf '\303'; printf '\251'; done")
    assert output(place, record["id"]).decode() == "é" * 1000
    assert record["result"] == "é" * 1000


def test_a_payload_of_20_megabytes_reaches_the_run_whole(place):
    place.write("count.yaml", job("count", "wc -c"))
    text = "ü" * 10_000_000
    with place.up(), place.client() as client:
        execution = client.run("count", Payload(text)).id
        record = ended(place, execution)
    first = place.histories()[execution][0]
    stored = (place.state / first["payload_ref"]).read_bytes()
    assert record["status"] == "completed", record
    assert int(record["result"]) > 20_000_000
    assert stored.decode() == f'"{text}"'
    assert first["payload_sha256"] == hashlib.sha256(stored).hexdigest()
    assert max(map(len, (place.state / "executions.jsonl").read_bytes().splitlines())) < 10_000


def test_of_a_burst_a_thousand_wait_and_the_rest_is_on_record_as_refused(place):
    def run(_):
        with place.client() as own:  # a client serves one thread
            return own.run("busy", None)

    place.write("busy.yaml", job("busy", "sleep 600"))
    with place.up(), place.client() as client:
        first = client.run("busy", None).id
        place.await_record(lambda r: r["id"] == first and r["status"] == "running")
        with ThreadPoolExecutor(4) as threads:
            burst = [*threads.map(run, range(QUEUE + 5))]
        assert sum(each.status == "pending" for each in burst) == QUEUE
        over = [each for each in burst if each.status != "pending"]
        assert {(each.status, each.reason) for each in over} == {("rate_limited", "queue_full")}
        cancelled = client.cancel_job("busy")
        assert len(cancelled) == QUEUE + 1
    ends = place.ends()
    assert ends.keys() == {first, *(each.id for each in burst)}
    assert sum(end["status"] == "cancelled" for end in ends.values()) == QUEUE + 1
    assert place.processes() == {}
