"""How long a large tree takes: to start with, to edit, to check out, to validate; against PyYAML's own reading.

    python tests/bench/files.py [--files N]

The peer is a process that reads the same files with `yaml.load(…, CSafeLoader)` and does nothing with them. Both
sides are whole processes, in the same run on the same files; every fourth file has a filter.
"""

import argparse
import contextlib
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from runner.client import Client

PEER = """
import sys, yaml
from pathlib import Path
for path in sorted(Path(sys.argv[1]).rglob("*.yaml")):
    yaml.load(path.read_bytes(), yaml.CSafeLoader)
"""
JOBSD = Path(sys.executable).with_name("jobsd")
ROUNDS = 3
EDITS = 20


def document(number: int, word: str = "first") -> str:
    """A job of about 20 lines, different from all others."""
    condition = (
        f'filter: event.amount > {number} and event.region == "r{number % 7}"\npayload: {{amount: {number}}}\n'
    )
    return (
        f"# Owned by team {number % 13}.\n"
        f"id: job-{number}\n"
        f"name: Job {number} of the marketplace\n"
        f"description: >\n  Summarise what happened in segment {number}\n  and tell team {number % 13} ({word}).\n"
        f"agent: robot\n"
        f"mode: cron\n"
        f'schedule: "{number % 60} {number % 24} * * {number % 7}"\n'
        f"timezone: {['UTC', 'Europe/Berlin', 'America/New_York'][number % 3]}\n"
        f"timeout: {number % 50 + 1}m\n"
        f"concurrency:\n  limit: {number % 3 + 1}\n  when_full: skip\n"
        f"retry: {{attempts: {number % 4 + 1}, backoff: 30s}}\n"
        f"labels:\n  team: team-{number % 13}\n  segment: s{number}\n" + (condition if number % 4 == 0 else "")
    )


def write(root: Path, files: int) -> None:
    """The tree: a hundred files in each folder."""
    (root / "agents").mkdir(parents=True)
    (root / "agents" / "robot.yaml").write_text("kind: agent\nid: robot\ntype: command\ncommand: [/bin/true]\n")
    for number in range(files):
        path(root, number).parent.mkdir(exist_ok=True)
        path(root, number).write_text(document(number))


def path(root: Path, number: int) -> Path:
    """The file of a job."""
    return root / f"folder-{number // 100}" / f"job-{number}.yaml"


def took(action: Callable[[], object]) -> float:
    """Seconds that an action takes."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


@contextlib.contextmanager
def runner(root: Path) -> Iterator[tuple[subprocess.Popen[str], float]]:
    """A runner and how long it took until all jobs were scheduled."""
    environment = {**os.environ, "JOBSD_JOBS": str(root / "jobs.d"), "JOBSD_STATE": str(root / "state")}
    begun = time.perf_counter()
    process = subprocess.Popen(
        [JOBSD, "up"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        yield process, time.perf_counter() - begun
        assert " jobs from " in first, first
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def memory(process: "subprocess.Popen[str]") -> float:
    """MiB that a process holds."""
    text = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS")) / 1024


def until(condition: Callable[[], bool]) -> float:
    """Seconds until something holds, looked at every few milliseconds."""
    begun = time.perf_counter()
    while not condition():
        time.sleep(0.002)
    return time.perf_counter() - begun


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Benchmark of a large tree.")
    parser.add_argument("--files", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        jobs = root / "jobs.d"
        write(jobs, given.files)
        read = statistics.median(
            took(lambda: subprocess.run([sys.executable, "-c", PEER, jobs], check=True)) for _ in range(ROUNDS)
        )
        print(f"{given.files} files; PyYAML's C loader reads them in {read:.2f} s")
        with runner(root) as (process, cold), Client.connect(root / "state" / "jobsd.sock", "bench") as client:
            print(f"cold start {cold:.2f} s, ratio {cold / read:.2f}; {memory(process):.0f} MiB")
            draw = random.Random(3)
            delays = []
            for turn in range(EDITS):
                number = draw.randrange(given.files)
                path(jobs, number).write_text(document(number, f"edit {turn}"))
                word = f"edit {turn}"
                delays.append(until(lambda n=number, w=word: w in client.job(f"job-{n}").description))
            print(f"an edit takes effect after {statistics.median(delays) * 1000:.0f} ms (median of {EDITS})")
            some = min(1000, given.files)
            for number in range(some):
                path(jobs, number).write_text(document(number, "checkout"))
            last = until(
                lambda: all("checkout" in client.job(f"job-{n}").description for n in (0, some // 2, some - 1))
            )
            print(f"{some} changed files take effect after {last:.2f} s")
        with runner(root) as (process, warm):
            print(f"warm start {warm:.2f} s, ratio {warm / read:.2f}; {memory(process):.0f} MiB")
        environment = {**os.environ, "JOBSD_JOBS": str(jobs), "JOBSD_STATE": str(root / "state")}
        check = took(
            lambda: subprocess.run([JOBSD, "validate"], env=environment, check=True, stdout=subprocess.DEVNULL)
        )
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(
            f"validate {check:.2f} s, ratio {check / read:.2f}; at most {peak:.0f} MiB in any of these processes"
        )


if __name__ == "__main__":
    main()
