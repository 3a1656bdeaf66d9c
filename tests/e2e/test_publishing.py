"""The ways in which people and programs publish job files, with the real programs, with events and with polling.

Who publishes a state as a whole sees it enacted as a whole, in one change set. For the others the final state is
reached, and no job is ever gone in between.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

FEW = 20
MANY = 1000
GIT = ["git", "-c", "user.name=tester", "-c", "user.email=tester@example.org", "-c", "init.defaultBranch=main"]


def document(number: int, version: str) -> str:
    return f"# of the team\nid: job-{number}\nname: {version}\ndescription: {version}\nmode: manual\n"


def write(folder: Path, version: str, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        below = folder / f"team-{number % 3}"
        below.mkdir(exist_ok=True)
        (below / f"f{number}.yaml").write_text(document(number, version))


def files(place) -> list[Path]:
    return sorted(place.jobs.rglob("*.yaml"))


def call(*command: object, cwd: Path) -> None:
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is not installed")
    subprocess.run([*map(str, command)], cwd=cwd, check=True, capture_output=True, timeout=60)


def changes(place) -> list[dict[str, str]]:
    return [json.loads(line) for line in (place.state / "changes.jsonl").read_text(encoding="utf-8").splitlines()]


# -- one file after the other ------------------------------------------------------------------------------------


def in_place(place, old: str, new: str) -> None:
    for path in files(place):
        path.write_text(path.read_text().replace(old, new))


def by_vim_with_a_backup(place, old: str, new: str) -> None:
    options = ["-c", "set backup backupcopy=no backupext=.bak swapfile"]
    command = f"argdo %s/{old}/{new}/g | update"
    call("vim", "-u", "NONE", "-es", *options, "-c", command, "-c", "qa", *files(place), cwd=place.root)


def by_write_and_rename(place, old: str, new: str) -> None:
    for path in files(place):
        temporary = path.with_name(f"{path.name}.tmp")
        temporary.write_text(path.read_text().replace(old, new))
        temporary.replace(path)


def by_sed(place, old: str, new: str) -> None:
    call("sed", "-i", f"s/{old}/{new}/", *files(place), cwd=place.root)


def by_rsync(place, old: str, new: str) -> None:
    write(place.root / "elsewhere", new, FEW)
    # By checksum, as rsync takes files of one size and second for equal.
    call("rsync", "-a", "--checksum", "--delete", f"{place.root}/elsewhere/", f"{place.jobs}/", cwd=place.root)


def by_making_the_folder_anew(place, old: str, new: str) -> None:
    shutil.rmtree(place.jobs)
    write(place.jobs, new, FEW)


ONE_BY_ONE = [
    in_place,
    by_vim_with_a_backup,
    by_write_and_rename,
    by_sed,
    by_rsync,
    by_making_the_folder_anew,
    in_place,
]


@pytest.mark.parametrize("options", [(), ("--poll",)], ids=["events", "polling"])
def test_files_that_are_written_one_by_one_reach_their_final_state_and_no_job_is_gone_meanwhile(
    place, options: tuple[str, ...]
):
    write(place.jobs, "v0", FEW)
    with place.up(*options), place.client() as client:
        for turn, publish in enumerate(ONE_BY_ONE):
            before, (old, new) = len(changes(place)), (f"v{turn}", f"v{turn + 1}")
            publish(place, old, new)
            place.eventually(lambda n=new: [job.name for job in client.jobs()] == [n] * FEW)
            assert client.status().diagnostics == [], publish
            lines = changes(place)[before:]
            assert {line["change"] for line in lines} == {"replaced"}, publish
            assert len({line["new"] for line in lines}) == FEW, f"{publish}: something else was in force"


# -- whole states ------------------------------------------------------------------------------------------------


def with_git(place, count: int) -> Path:
    """A repository with the branches `main` (v1) and `next` (v2), the work tree on `main`."""
    repository = place.root / "repository"
    write(repository / "jobs.d", "v1", count)
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "v1"], ["switch", "-qc", "next"]):
        call(*GIT, *command, cwd=repository)
    write(repository / "jobs.d", "v2", count)
    for command in (["commit", "-qam", "v2"], ["switch", "-q", "main"]):
        call(*GIT, *command, cwd=repository)
    return repository


def git_checkout(place) -> tuple[Path, Callable[[], None]]:
    repository = with_git(place, MANY)
    return repository / "jobs.d", lambda: call(*GIT, "switch", "-q", "next", cwd=repository)


def git_pull(place) -> tuple[Path, Callable[[], None]]:
    origin = with_git(place, MANY)
    call(*GIT, "clone", "-q", origin, place.root / "clone", cwd=place.root)
    call(*GIT, "merge", "-q", "--ff-only", "next", cwd=origin)
    return place.root / "clone" / "jobs.d", lambda: call(*GIT, "pull", "-q", cwd=place.root / "clone")


def kubernetes_volume(place) -> tuple[Path, Callable[[], None]]:
    folder = place.root / "volume"
    write(folder / "..one", "v1", FEW)
    (folder / "..data").symlink_to("..one")
    for number in range(3):
        (folder / f"team-{number}").symlink_to(f"..data/team-{number}")

    def swap() -> None:
        write(folder / "..two", "v2", FEW)
        (folder / "..data_tmp").symlink_to("..two")
        (folder / "..data_tmp").replace(folder / "..data")
        shutil.rmtree(folder / "..one")

    return folder, swap


def git_sync_link(place) -> tuple[Path, Callable[[], None]]:
    write(place.root / "one", "v1", FEW)
    link = place.root / "current"
    link.symlink_to("one")

    def flip() -> None:
        write(place.root / "two", "v2", FEW)
        (place.root / "following").symlink_to("two")
        (place.root / "following").replace(link)
        shutil.rmtree(place.root / "one")

    return link, flip


@pytest.mark.parametrize("options", [(), ("--poll",)], ids=["events", "polling"])
@pytest.mark.parametrize("publisher", [git_checkout, git_pull, kubernetes_volume, git_sync_link])
def test_a_state_that_is_published_as_a_whole_is_one_change_set(
    place, publisher: Callable, options: tuple[str, ...]
):
    folder, publish = publisher(place)
    place.environment["JOBSD_JOBS"] = str(folder)
    with place.up(*options), place.client() as client:
        count = len(client.jobs())
        assert {job.name for job in client.jobs()} == {"v1"}
        publish()
        place.eventually(lambda: {job.name for job in client.jobs()} == {"v2"})
        assert len(client.jobs()) == count
        assert client.status().diagnostics == []
    after = changes(place)[count:]
    assert [line["change"] for line in after] == ["replaced"] * count
    assert len({line["at"] for line in after}) == 1


# -- nothing that counts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--poll",)], ids=["events", "polling"])
def test_files_of_editors_and_new_times_of_files_change_nothing(place, options: tuple[str, ...]):
    write(place.jobs, "v1", FEW)
    with place.up(*options), place.client() as client:
        before = len(changes(place))
        for name in ("4913", ".f1.yaml.swp", "f1.yaml~", "#f1.yaml#", ".#f1.yaml", "f1.yaml.bak", "f1.yaml.swx"):
            (place.jobs / "team-1" / name).write_text(document(1, "v9"))
        for path in files(place):
            path.touch()
        place.write("last.yaml", document(FEW, "v1"))
        place.eventually(lambda: len(client.jobs()) == FEW + 1)
    assert [line["job"] for line in changes(place)[before:]] == [f"job-{FEW}"]
