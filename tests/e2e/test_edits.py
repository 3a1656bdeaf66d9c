"""Edits while a runner looks on: many at once, and files that somebody is still writing."""

import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

FILES = 100

# Writes a file in place as slow programs do: the text up to a mark, a pause with the file open, the rest.
SLOW_WRITER = """
import sys, time
path, before, after = sys.argv[1:]
with open(path, "w") as file:
    file.write(before)
    file.flush()
    print("half", flush=True)
    time.sleep(0.3)
    file.write(after)
"""


def document(number: int, version: str) -> str:
    """A job whose values all name its version, so that a mixture of two shows."""
    return f"id: job-{number}\nname: {version}\ndescription: {version}\nmode: manual\nlabels: {{v: {version}}}\n"


def changes(place) -> list[dict[str, str]]:
    text = (place.state / "changes.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def tree(place):
    """A tree of many files in which every job is valid."""
    for number in range(FILES):
        place.write(f"f{number}.yaml", document(number, "v0"))
    return place


def burst(place, chance: random.Random) -> dict[str, str]:
    """Rewrite, rename, delete and restore files as a checkout does; what is then in force: names by id."""
    expected = {f"job-{number}": "v0" for number in range(FILES)}
    for number in chance.sample(range(FILES), FILES):
        path = place.jobs / f"f{number}.yaml"
        match number % 5:
            case 0:
                path.write_text(document(number, "v1"))
                expected[f"job-{number}"] = "v1"
            case 1:
                path.rename(path.with_name(f"moved-{number}.yaml"))
            case 2:
                path.unlink()
                del expected[f"job-{number}"]
            case 3:
                path.unlink()
                path.write_text(document(number, "v0"))
            case _:
                (place.jobs / "folder").mkdir(exist_ok=True)
                draft = place.jobs / f".draft-{number}"
                draft.write_text(document(number, "v2"))
                draft.rename(place.jobs / "folder" / f"f{number}.yaml")
                path.unlink()
                expected[f"job-{number}"] = "v2"
    return expected


def test_a_burst_of_edits_ends_with_exactly_what_the_files_say(tree):
    seed = random.SystemRandom().randrange(10_000)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)
    with tree.up(), tree.client() as client:
        assert len(client.jobs()) == FILES
        expected = burst(tree, chance)
        tree.eventually(lambda: {job.id: job.name for job in client.jobs()} == expected)
        jobs, status = client.jobs(), client.status()
    assert {(job.name, job.description, job.labels["v"]) for job in jobs} <= {
        ("v0",) * 3,
        ("v1",) * 3,
        ("v2",) * 3,
    }
    assert [job.id for job in jobs if job.stale] == []
    assert (status.invalid, status.diagnostics) == (0, [])
    seen: dict[str, set[str]] = {}
    for line in changes(tree):
        if "new" in line:
            seen.setdefault(line["job"], set()).add(line["new"])
    versions = {job: len(hashes) for job, hashes in seen.items()}
    assert versions == {f"job-{number}": 1 + (number % 5 in {0, 4}) for number in range(FILES)}


def test_several_bursts_in_a_row_end_with_what_the_last_one_says(tree):
    with tree.up(), tree.client() as client:
        for version in ("v1", "v2", "v3"):
            for number in range(FILES):
                (tree.jobs / f"f{number}.yaml").write_text(document(number, version))
        tree.eventually(lambda: {job.name for job in client.jobs()} == {"v3"})
        assert len(client.jobs()) == FILES
        assert client.status().invalid == 0
    versions: dict[str, list[str]] = {}
    for line in changes(tree)[FILES:]:
        versions.setdefault(line["job"], []).append(line["new"])
    assert len(versions) == FILES
    for hashes in versions.values():
        assert len(hashes) == len(set(hashes)) <= 3


def test_a_document_that_is_still_being_written_is_never_in_force(place):
    places = [place.jobs / f"f{number}.yaml" for number in range(20)]
    with place.up(), place.client() as client, ThreadPoolExecutor(len(places)) as threads:
        place.write("other.yaml", "id: other\nname: Other\nmode: manual\n")

        def write_slowly(path) -> None:
            # What stands there first is valid by itself, and would run every second.
            before = f'id: {path.stem}\nname: Slow\nmode: cron\nschedule: "@every 1s"\n'
            command = [sys.executable, "-S", "-c", SLOW_WRITER, path, before, "enabled: false\n"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
                assert writer.stdout.readline() == "half\n"
            assert writer.returncode == 0

        for _ in threads.map(write_slowly, places):
            place.write("other.yaml", "id: other\nname: Other again\nmode: manual\n")
        place.eventually(lambda: len(client.jobs()) == len(places) + 1)
        jobs = [job for job in client.jobs() if job.id != "other"]
    assert {job.enabled for job in jobs} == {False}
    slow = [line["job"] for line in changes(place) if line["job"] != "other"]
    assert sorted(slow) == sorted(path.stem for path in places)
    assert place.records() == []
