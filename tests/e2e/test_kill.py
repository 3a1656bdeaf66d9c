"""A runner that is killed again and again under load: nothing is lost, doubled, or left running."""

import contextlib
import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.client import Client, RefusedError
from runner.errors import NoRunnerError
from runner.spec.models import Payload
from runner.storage.segments import Segments

JOBSD = Path(sys.executable).with_name("jobsd")

# Each run takes a link in its job's own folder, which fails where another run has it; it is stale when the
# process that it names is dead, as after a kill. What runs beside a live holder breaks the limit, and says so.
ALONE = r"""
cd "$JOBSD_JOB_DIR" || exit 99
until ln -s "$$" lock 2>/dev/null; do
  holder=$(readlink lock) || continue
  state=
  read -r _ _ state _ 2>/dev/null < "/proc/$holder/stat"
  case "$state" in
    ''|Z|X) rm -f lock ;;
    *) echo "$JOBSD_EXECUTION ran beside process $holder" >> violations; exit 98 ;;
  esac
done
sleep "0.$(( $$ % 3 ))5"
rm lock
[ "$1" = steady ] || [ $(( $$ % 3 )) -ne 0 ]
"""

TREE = """
{id: tick, name: Tick, mode: cron, schedule: "@every 1s", agent: steady}
---
{id: wobbly-tick, name: Wobbly tick, mode: cron, schedule: "@every 1s", agent: wobbly,
 retry: {attempts: 3, backoff: 1s}}
---
{id: skipping-tick, name: Skipping tick, mode: cron, schedule: "@every 1s", agent: steady,
 concurrency: {limit: 1, when_full: skip}}
---
{id: push, name: Push, mode: push, agent: steady, filter: event.n % 3 != 0}
---
{id: wobbly-push, name: Wobbly push, mode: push, agent: wobbly, retry: {attempts: 2, backoff: 1s}}
---
{id: hand, name: By hand, mode: manual, agent: steady}
---
{id: newest, name: Newest, mode: manual, agent: steady, concurrency: {limit: 1, when_full: replace}}
---
{kind: agent, id: steady, type: command, command: [sh, alone.sh, steady]}
---
{kind: agent, id: wobbly, type: command, command: [sh, alone.sh, wobbly]}
"""
TICKS = ("tick", "wobbly-tick", "skipping-tick")


class Load:
    """Threads that trigger and cancel, and remember every execution that was acknowledged."""

    def __init__(self, place, chance: random.Random) -> None:
        self.acknowledged: set[str] = set()
        self._place = place
        self._over = threading.Event()
        self.possible = threading.Event()
        doers: list[Callable[[Client, int], list[str]]] = [
            lambda client, n: _deliver(client, "push", n),
            lambda client, n: _deliver(client, "wobbly-push", n),
            lambda client, n: [client.run("hand", Payload(n)).id],
            lambda client, n: [client.run("newest", None).id],
            self._cancel,
        ]
        self._chance = chance
        self._threads = [threading.Thread(target=self._keep_doing, args=(do,)) for do in doers]

    def _cancel(self, client: Client, n: int) -> list[str]:
        some = sorted(self.acknowledged)[-10:]
        if some:
            client.cancel(self._chance.choice(some))
        return []

    def _keep_doing(self, do: Callable[[Client, int], list[str]]) -> None:
        n = 0
        while not self._over.is_set():
            self.possible.wait(0.1)
            with contextlib.suppress(NoRunnerError), self._place.client() as client:
                while not self._over.is_set():
                    n += 1
                    with contextlib.suppress(RefusedError):
                        self.acknowledged.update(do(client, n))
                    self._over.wait(0.25)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()


def _deliver(client: Client, job: str, n: int) -> list[str]:
    answer = client._call("POST", f"/v1/jobs/{job}/events", {"n": n})
    assert answer.status == 202
    return [execution["id"] for execution in answer.data["executions"]]


@pytest.mark.parametrize(("rotate_bytes", "by_default"), [(None, 10), (4000, 3)], ids=["one-file", "rotating"])
def test_a_runner_killed_at_random_moments_loses_nothing_doubles_nothing_and_leaves_nothing(
    place, soak, rotate_bytes, by_default
):
    kills = 50 if soak else by_default
    if rotate_bytes is not None:  # then kills also hit what closes, compresses and covers segments
        place.environment["JOBSD_HISTORY"] = json.dumps({"rotate_bytes": rotate_bytes})
    seed = random.SystemRandom().randrange(10_000)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)
    (place.jobs / "alone.sh").write_text(ALONE)
    place.write("tree.yaml", TREE)
    load = Load(place, chance)
    with load.applied():
        for n in range(kills):
            if n % 4 == 0:
                _killed_in_its_start(place, chance.uniform(0.3, 1.2))
            with place.up() as runner:
                load.possible.set()
                threading.Event().wait(chance.uniform(0.05, 0.8))
                load.possible.clear()
                runner.kill()
                runner.wait()
    with place.up(), place.client() as client:
        for job in TICKS:
            client.pause(job, None, None)
        place.eventually(lambda: not any(job.running or job.pending for job in client.jobs()), 60)

    verified = place.jobsd("records", "verify", "--format", "json")
    assert (verified.code, verified.json["problems"]) == (0, []), verified
    histories, ends = place.histories(), place.ends()
    assert len(load.acknowledged) > 3 * kills
    assert load.acknowledged <= histories.keys()
    assert histories.keys() == ends.keys()
    assert place.processes() == {}
    assert [path.read_text() for path in place.state.glob("jobs/*/violations")] == []
    slots = [(lines[0]["job"], lines[0].get("scheduled_for")) for lines in histories.values()]
    slots = [slot for slot in slots if slot[1]]
    assert len(slots) == len(set(slots)) > 0
    lost = [lines for lines in histories.values() if _was_lost(lines)]
    assert lost, "no kill ever hit a run"
    segments = Segments(place.state / "executions.jsonl").closed()
    assert len(segments) > kills if rotate_bytes is not None else segments == []


def _was_lost(lines) -> bool:
    return any(line.get("error", {}).get("type") == "runner_lost" for line in lines)


def _killed_in_its_start(place, seconds: float) -> None:
    """A runner that is killed so long after it was started, wherever it has come by then."""
    with (place.root / "up.err").open("a") as log:
        runner = subprocess.Popen([JOBSD, "up"], cwd=place.root, env=place._env, stdout=log, stderr=log)
        with contextlib.suppress(subprocess.TimeoutExpired):
            runner.wait(seconds)
            raise AssertionError(f"the runner ended by itself\n{place.log()}")
        runner.kill()
        runner.wait()
