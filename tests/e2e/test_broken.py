"""One file of many is always broken: each job has an outcome for every slot all the same, restarts included."""

import random
import time
from datetime import UTC, datetime, timedelta

PERIOD = timedelta(seconds=10)
AGENT = "kind: agent\nid: nothing\ntype: command\ncommand: [/bin/true]\n"
DAMAGE = [
    lambda text: text.replace("mode: cron", "mode: corn"),
    lambda text: text.replace("schedule:", "shedule:"),
    lambda text: text + "nonsense: 1\n",
    lambda text: text.replace("id: ", "id: ["),
    lambda text: "\t" + text,
    lambda text: text[: len(text) // 2],
    lambda _: "\ufffd\ufffd: {",
]


def document(number: int) -> str:
    return (
        f"id: job-{number}\nname: Job {number}\nagent: nothing\nmode: cron\n"
        'schedule: "@every 10s"\njitter: 9s\ncatch_up: {policy: latest, within: 1m}\n'
    )


def test_one_broken_file_costs_no_job_a_slot_not_even_its_own(place, soak):
    jobs, seconds, restarts = (500, 60, 3) if soak else (50, 10, 1)
    seed = random.SystemRandom().randrange(10_000)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    draw = random.Random(seed)
    place.write("agents/nothing.yaml", AGENT)
    for number in range(jobs):
        place.write(f"f{number}.yaml", document(number))
    spans = []
    for turn in range(restarts + 1):
        with place.up() as runner, place.client() as client:
            begin = datetime.now(UTC)
            until = time.monotonic() + seconds / (restarts + 1)
            while time.monotonic() < until or (turn == 0 and not _all_have_run(client, jobs)):
                number = draw.randrange(jobs)
                place.write(f"f{number}.yaml", draw.choice(DAMAGE)(document(number)))
                place.eventually(lambda n=number: client.job(f"job-{n}").stale)
                assert runner.poll() is None
                if draw.random() < 0.8:  # else it stays broken over the restart
                    place.write(f"f{number}.yaml", document(number))
            spans.append((begin, datetime.now(UTC)))
    firsts = [lines[0] for lines in place.histories().values()]
    for number in range(jobs):
        job = f"job-{number}"
        slots = place.slots(job, PERIOD)
        assert slots == [slots[0] + n * PERIOD for n in range(len(slots))], (
            f"{job}: a slot is there twice, or never"
        )
        ran = {line["scheduled_for"] for line in firsts if line["job"] == job and line["status"] == "pending"}
        ran = {datetime.fromisoformat(each) for each in ran}
        for begin, end in spans:
            # With jitter a slot starts up to nine seconds later; those at the edges may belong to the stop.
            due = [slot for slot in slots if begin < slot and slot + PERIOD < end]
            assert set(due) <= ran, f"{job}: a slot that came due while the runner was up did not run"


def _all_have_run(client, jobs: int) -> bool:
    return sum(job.last is not None for job in client.jobs()) == jobs
