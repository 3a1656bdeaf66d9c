"""More than can run: every slot has its outcome on record, and the runner goes on answering."""

import contextlib
import itertools
import logging
import signal
import subprocess
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from runner.client import Client
from runner.execution.lifecycle import Reason

_log = logging.getLogger(__name__)

MOST_MEMORY = 400 * 1024
"""KiB that the runner may have in the end."""

MOST_GROWTH = 100 * 1024
"""KiB that the second half of an overload may add: what it keeps does not grow with what it records."""


@dataclass
class Patience:
    """How long the answers took, in seconds."""

    status: list[float] = field(default_factory=list)
    cancel: list[float] = field(default_factory=list)
    status_command: list[float] = field(default_factory=list)
    cancel_command: list[float] = field(default_factory=list)

    def longest(self) -> dict[str, float]:
        """The longest of each kind."""
        return {name: max(seconds) for name, seconds in asdict(self).items()}


def memory_of(pid: int) -> int:
    """Resident memory in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def test_every_slot_of_an_overload_is_on_record_while_status_and_cancel_answer(place, soak) -> None:
    jobs, seconds = (2000, 25) if soak else (300, 6)
    for part in range(0, jobs, 500):
        documents = [
            f"id: j{number}\nname: J {number}\nagent: sleeper\nmode: cron\nschedule: '@every 1s'\n"
            for number in range(part, min(jobs, part + 500))
        ]
        place.write(f"part{part}.yaml", "---\n".join(documents))
    place.write("a.yaml", "kind: agent\nid: sleeper\ntype: command\ncommand: [sleep, '1000']\n")
    answers = Patience()
    with place.up("--max-running", "4") as process, Client.connect(place.state / "jobsd.sock", "tester") as client:
        place.await_record(lambda record: record.get("reason") == Reason.OVERLAP)
        begun = time.monotonic()
        halfway = 0
        while (passed := time.monotonic() - begun) < seconds:
            answers.status.append(_seconds(client.status))
            busy = [job.id for job in client.jobs() if job.running][:2]
            answers.cancel.append(_seconds(lambda job=busy[0]: client.cancel_job(job)))
            answers.status_command.append(_seconds(lambda: _succeed(place.jobsd("status"))))
            answers.cancel_command.append(
                _seconds(lambda job=busy[-1]: _succeed(place.jobsd("cancel", "--job", job)))
            )
            if not halfway and passed > seconds / 2:
                halfway = memory_of(process.pid)
        whole = memory_of(process.pid)
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)  # the second signal, when the place is left, is one of its own and hastens the end
    _log.info("seconds: %s, memory in KiB: %s", answers.longest(), [halfway, whole])
    assert max(answers.longest().values()) < 1, answers.longest()
    assert whole < MOST_MEMORY
    assert whole - halfway < MOST_GROWTH
    _log.info("latest slot: %s ms", _assert_every_slot_has_one_outcome(place, jobs, seconds))


def _succeed(done) -> None:
    assert done.code == 0, done.err


def _seconds(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _assert_every_slot_has_one_outcome(place, jobs: int, seconds: int) -> int:
    """The lateness of the latest slot in milliseconds."""
    first: dict[str, dict] = {}
    for record in place.records():
        first.setdefault(record["id"], record)
    slots: dict[str, list[datetime]] = defaultdict(list)
    for record in first.values():
        if record.get("reason") == Reason.MISSED:
            instant = datetime.fromisoformat(record["from"])
            slots[record["job"]] += [instant + timedelta(seconds=number) for number in range(record["count"])]
        else:
            slots[record["job"]].append(datetime.fromisoformat(record["scheduled_for"]))
    assert len(slots) == jobs
    assert len(first) >= jobs * seconds
    for found in slots.values():
        found.sort()
        steps = Counter(later - earlier for earlier, later in itertools.pairwise(found))
        assert set(steps) == {timedelta(seconds=1)}
    return max(record.get("lateness_ms", 0) for record in first.values())
