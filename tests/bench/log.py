"""What the log of records costs: appends against raw writes, a start on a long history, and looking back in it.

    python tests/bench/log.py [--executions N] [--jobs N]

Ratios are of things measured in the same run, on the same disk.
"""

import argparse
import asyncio
import contextlib
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from ulid import ULID

from runner.engine.journal import Journal
from runner.execution.ledger import newest
from runner.execution.lifecycle import Status
from runner.execution.records import Record, to_line
from runner.spec.models import Payload
from runner.storage.records import JsonlRecords
from runner.testing import START, build_record

WRITERS = 64
APPENDS = 20_000
ROUNDS = 5
WORDS = [
    "order",
    "amount",
    "buyer",
    "paid",
    "EUR",
    "renewal",
    "offer",
    "usage",
    "seats",
    "AWS",
    "Azure",
    "invoice",
]
TEXT = " ".join(f"{word} {chance.randrange(10**6)}" for chance in [random.Random(1)] for word in WORDS * 5000)


def padding(number: int) -> str:
    """600 characters that compress about as real payloads do."""
    start = number * 7919 % (len(TEXT) - 600)
    return TEXT[start : start + 600]


def life(number: int, jobs: int) -> list[Record]:
    """The lines of an execution, about 2.6 KB."""
    at = START + number * timedelta(seconds=1)
    given = {"job": f"job-{number % jobs}", "id": str(ULID.from_datetime(at)), "actor": "bench"}
    return [
        build_record(at=at, payload=Payload({"number": number, "text": padding(number)}), **given),
        build_record(
            Status.RUNNING,
            at=at,
            started_at=at,
            attempt=1,
            pid=number,
            usage={"text": padding(number + 2)},
            **given,
        ),
        build_record(
            Status.COMPLETED, at=at, finished_at=at, result=Payload({"text": padding(number + 1)}), **given
        ),
    ]


async def append_through_journal(folder: Path, records: list[Record]) -> float:
    """Records a second with many writers, each waiting until its line is durable."""
    store = JsonlRecords(folder / "executions.jsonl")
    store.open()
    journal = Journal(store, store.ledger())
    writing = asyncio.ensure_future(journal.run())
    begun = time.perf_counter()

    async def writer(number: int) -> None:
        for record in records[number::WRITERS]:
            await journal.record(record)

    await asyncio.gather(*map(writer, range(WRITERS)))
    took = time.perf_counter() - begun
    journal.close()
    await writing
    store.close()
    return len(records) / took


def append_raw(folder: Path, records: list[Record]) -> float:
    """The same lines, each with one write, each group of writers synced once."""
    lines = [to_line(record) for record in records]
    descriptor = os.open(folder / "raw", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    begun = time.perf_counter()
    for start in range(0, len(lines), WRITERS):
        for line in lines[start : start + WRITERS]:
            os.write(descriptor, line)
        os.fdatasync(descriptor)
    took = time.perf_counter() - begun
    os.close(descriptor)
    return len(lines) / took


async def fill(folder: Path, executions: int, jobs: int) -> int:
    """Write a history as a runner does, in large groups; its bytes."""
    store = JsonlRecords(folder / "executions.jsonl")
    store.open()
    ledger = store.ledger()
    size = 0
    for start in range(0, executions, 1000):
        group = [line for number in range(start, start + 1000) for line in life(number, jobs)]
        await store.append(group)
        size += sum(len(to_line(line)) for line in group)
        for record in group:
            ledger.apply(record)
        await store.applied()
    store.close()
    return size


def best(action: Callable[[], object]) -> float:
    """The median time of an action in seconds."""
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        action()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def start(folder: Path) -> None:
    """What a start does with the log."""
    store = JsonlRecords(folder / "executions.jsonl")
    store.open()
    store.ledger()
    store._chores.shutdown()
    store._log.close()


def command(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A process of the command line."""
    environment = {**os.environ, "JOBSD_JOBS": str(folder / "jobs.d"), "JOBSD_STATE": str(folder)}
    return subprocess.Popen(
        [Path(sys.executable).with_name("jobsd"), *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def jobsd(folder: Path, *arguments: str) -> None:
    """A command from its beginning to its end."""
    with command(folder, *arguments) as process:
        assert process.stdout is not None
        process.stdout.read()
    assert process.returncode == 0


@contextlib.contextmanager
def up(folder: Path) -> Iterator[float]:
    """A runner, and the seconds from its beginning to its ready line."""
    begun = time.perf_counter()
    with command(folder, "up") as process:
        assert process.stdout is not None
        assert b"jobsd is up" in process.stdout.readline()
        try:
            yield time.perf_counter() - begun
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.read()


def start_of_runner(folder: Path) -> float:
    """The median time that a runner takes until it is ready, in seconds."""
    times = []
    for _ in range(ROUNDS):
        with up(folder) as took:
            times.append(took)
    return statistics.median(times)


def main() -> None:
    """Measure, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executions", type=int, default=400_000)
    parser.add_argument("--jobs", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for name in ("none", "long", "appends"):
            (root / name / "jobs.d").mkdir(parents=True)
        records = [
            build_record(number=number, payload=Payload({"n": padding(number)[:200]})) for number in range(APPENDS)
        ]
        through = asyncio.run(append_through_journal(root / "appends", records))
        raw = append_raw(root / "appends", records)
        print(f"append: {through:,.0f}/s through the journal, {raw:,.0f}/s raw, ratio {through / raw:.2f}")

        size = asyncio.run(fill(root / "long", given.executions, given.jobs))
        on_disk = sum(each.stat().st_size for each in (root / "long").glob("executions*"))
        print(f"history: {size / 2**30:.2f} GiB of lines, {on_disk / 2**20:.0f} MiB on disk")
        asyncio.run(fill(root / "none", 0, given.jobs))
        short, long = best(lambda: start(root / "none")), best(lambda: start(root / "long"))
        print(f"fold at start: {short * 1000:.1f} ms without history, {long * 1000:.1f} ms with")
        for name in ("none", "long"):
            (root / name / "jobs.d" / "job.yaml").write_text("{id: job-7, name: Job 7, mode: manual}\n")
        short, long = start_of_runner(root / "none"), start_of_runner(root / "long")
        print(
            f"jobsd up until it is ready: {short * 1000:.0f} ms without history, {long * 1000:.0f} ms with, "
            f"ratio {long / short:.2f}"
        )
        with up(root / "long"):
            bare = best(lambda: jobsd(root / "long", "--version"))
            whole = best(lambda: jobsd(root / "long", "history", "job-7", "-n", "100"))
        print(
            f"jobsd history of a job, 100 executions: {whole * 1000:.0f} ms, {(whole - bare) * 1000:.0f} ms more "
            f"than jobsd --version"
        )

        def look_back(job: str) -> None:
            found = newest(JsonlRecords(root / "long" / "executions.jsonl").backwards(job=job))
            assert len([next(found) for _ in range(100)]) == 100

        print(f"history of a job, 100 executions: {best(lambda: look_back('job-7')) * 1000:.0f} ms to read")


if __name__ == "__main__":
    main()
