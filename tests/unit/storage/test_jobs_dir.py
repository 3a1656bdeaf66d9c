"""The job tree is read whole, whatever lies in it, and what changes in it is noticed, however it changes."""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest

from runner.clock import SystemClock
from runner.storage import jobs_dir as module
from runner.storage.jobs_dir import JobsDir

JOB = "id: {id}\nname: {id}\nmode: manual\n"


class At:
    """The system's clock, some time later."""

    def __init__(self, later=timedelta(0)):
        self.later = later

    def now(self):
        return SystemClock().now() + self.later


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "jobs.d"
    folder.mkdir()
    return folder


@pytest.fixture
def source(root):
    return JobsDir(root, SystemClock())


def put(root, *relatives):
    for relative in relatives:
        path = root / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(JOB.format(id=Path(relative).stem.strip(".") or "x"))


def paths(snapshot):
    return [each.file.path for each in snapshot.files]


def jobs(snapshot):
    """The ids of all jobs in a snapshot."""
    return sorted(document.id for each in snapshot.files for document in each.documents)


def problems(snapshot):
    return {each.file.path: [problem.message for problem in each.diagnostics] for each in snapshot.files}


# -- what is read --------------------------------------------------------------------------------------------


async def test_yaml_files_of_all_folders_are_read_by_path(source, root):
    put(root, "b.yaml", "a.yml", "team/c.yaml", "team/night/d.yaml")
    (root / "team" / "notes.txt").write_text("no")
    (root / "team" / "tool.py").write_text("no")
    snapshot = await source.read()
    assert paths(snapshot) == ["a.yml", "b.yaml", "team/c.yaml", "team/night/d.yaml"]
    assert snapshot.files[0].file.display == str(root / "a.yml")
    assert not snapshot.unsettled


def test_names_that_start_with_a_dot_are_left_out_folders_too(source, root):
    put(root, ".hidden.yaml", ".git/a.yaml", "..data/b.yaml", "team/.c.yaml.swp.yaml", "d.yaml")
    assert paths(source.read_now()) == ["d.yaml"]


def test_a_missing_folder_has_no_files(tmp_path):
    assert JobsDir(tmp_path / "missing", SystemClock()).read_now().files == ()
    (tmp_path / "file").write_text("")
    assert JobsDir(tmp_path / "file", SystemClock()).read_now().files == ()


def test_a_folder_with_the_name_of_a_file_is_a_folder(source, root):
    put(root, "folder.yaml/a.yaml")
    assert paths(source.read_now()) == ["folder.yaml/a.yaml"]


def test_links_to_folders_are_entered_once_also_in_a_circle(source, root, tmp_path):
    put(root, "b/job.yaml")
    put(tmp_path / "outside", "other.yaml")
    (root / "b" / "up").symlink_to("..")
    (root / "c").symlink_to("b")
    (root / "a").symlink_to(tmp_path / "outside")
    assert paths(source.read_now()) == ["a/other.yaml", "b/job.yaml"]


def test_links_to_files_are_read_and_those_that_lead_nowhere_are_not(source, root):
    put(root, "..data/a.yaml")
    (root / "a.yaml").symlink_to("..data/a.yaml")
    (root / "b.yaml").symlink_to("..data/b.yaml")
    assert paths(source.read_now()) == ["a.yaml"]


def test_what_can_not_be_read_is_a_problem_of_its_own_and_the_others_are_read(source, root):
    put(root, "good.yaml")
    os.mkfifo(root / "fifo.yaml")
    (root / "loop.yaml").symlink_to("loop.yaml")
    (root / "loop").symlink_to("loop")
    (root / "null.yaml").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket.yaml"))
    assert problems(source.read_now()) == {
        "fifo.yaml": ["the file can't be read: it is not a regular file"],
        "good.yaml": [],
        "loop.yaml": ["the file can't be read: too many levels of symbolic links"],
        "null.yaml": ["the file can't be read: it is not a regular file"],
        "socket.yaml": ["the file can't be read: no such device or address"],
    }


def test_a_file_whose_name_is_not_utf8_is_a_problem_that_can_be_written_down(source, root):
    put(root, "good.yaml")
    (root / os.fsdecode(b"caf\xe9.yaml")).write_text(JOB.format(id="cafe"))
    found = problems(source.read_now())
    assert found == {"caf\\xe9.yaml": ["the file can't be read: its name is not UTF-8"], "good.yaml": []}
    assert json.dumps(found).encode("utf-8")


def test_a_file_that_can_be_read_again_is_read_again_also_when_it_is_empty(source, root):
    (root / "a.yaml").symlink_to("a.yaml")
    assert problems(source.read_now())["a.yaml"]
    (root / "a.yaml").unlink()
    (root / "a.yaml").write_text("")
    assert problems(source.read_now()) == {"a.yaml": []}


def test_a_file_that_is_too_large_is_a_problem_of_its_own(source, root):
    (root / "large.yaml").write_bytes(b"# " + b"x" * (2 * 1024 * 1024))
    ((message,),) = problems(source.read_now()).values()
    assert "more than 1 MiB" in message


@contextlib.contextmanager
def unprivileged():
    """A tree, and a look at it by a process of another user: the ids of the jobs, and the problems."""
    code = """
import json, os, sys
from pathlib import Path
from runner.clock import SystemClock
from runner.storage.jobs_dir import JobsDir
root = Path(sys.argv[1])
source = JobsDir(root, SystemClock())
os.seteuid(65534)
def look():
    found = source.read_now()
    ids = sorted(document.id for each in found.files for document in each.documents)
    said = sorted(problem.path + ": " + problem.message for each in found.files for problem in each.diagnostics)
    print(json.dumps([ids, said]), flush=True)
for line in sys.stdin:
    look()
"""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        root = Path(folder, "jobs.d")
        root.mkdir(mode=0o755)
        argv = [sys.executable, "-c", code, str(root)]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

            def look():
                process.stdin.write("\n")
                process.stdin.flush()
                while not (line := process.stdout.readline()).startswith("["):
                    assert line, "the other user's process died"
                return json.loads(line)

            yield root, look


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


@needs_root
def test_a_file_without_permission_is_a_problem_of_its_own():
    with unprivileged() as (root, look):
        put(root, "a.yaml", "b.yaml")
        (root / "a.yaml").chmod(0o600)
        ids, said = look()
        assert ids == ["b"]
        assert said == [f"{root}/a.yaml: the file can't be read: permission denied"]
        (root / "a.yaml").chmod(0o644)
        assert look() == [["a", "b"], []]


@needs_root
@pytest.mark.parametrize("closed", ["team", ""])
def test_what_was_known_of_a_folder_without_permission_stays(closed):
    with unprivileged() as (root, look):
        put(root, "a.yaml", "team/b.yaml", "team/night/c.yaml", "teams/d.yaml")
        assert look() == [["a", "b", "c", "d"], []]
        (root / closed).chmod(0o700)
        ids, said = look()
        assert ids == ["a", "b", "c", "d"]
        assert said == [f"{root}/{closed}: the file can't be read: permission denied"]
        (root / closed).chmod(0o755)
        shutil.rmtree(root / "team")
        assert look() == [["a", "d"], []]


# -- what is read again --------------------------------------------------------------------------------------


def test_unchanged_files_are_not_parsed_again(root):
    put(root, "a.yaml", "b.yaml")
    for later in (timedelta(0), timedelta(hours=1)):
        source = JobsDir(root, At(later))
        first, second = source.read_now(), source.read_now()
        assert [a is b for a, b in zip(first.files, second.files, strict=True)] == [True, True]


def test_a_changed_file_is_parsed_and_the_others_are_not(root):
    put(root, "a.yaml", "b.yaml")
    source = JobsDir(root, At(timedelta(hours=1)))
    first = source.read_now()
    (root / "a.yaml").write_text(JOB.format(id="c"))
    second = source.read_now()
    assert jobs(second) == ["b", "c"]
    assert second.files[1] is first.files[1]


def test_a_change_within_one_tick_of_the_file_systems_clock_is_seen(root):
    put(root, "a.yaml")
    source = JobsDir(root, SystemClock())
    before = (root / "a.yaml").stat()
    assert jobs(source.read_now()) == ["a"]
    with (root / "a.yaml").open("r+") as file:
        file.write(JOB.format(id="b"))
    os.utime(root / "a.yaml", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert jobs(source.read_now()) == ["b"]


def test_a_touched_file_with_the_same_text_is_the_same(root):
    put(root, "a.yaml")
    source = JobsDir(root, SystemClock())
    first = source.read_now()
    os.utime(root / "a.yaml", (1, 1))
    assert source.read_now().files[0] is first.files[0]


def test_a_removed_file_is_gone(source, root):
    put(root, "a.yaml", "b.yaml")
    source.read_now()
    (root / "a.yaml").unlink()
    assert jobs(source.read_now()) == ["b"]


# -- what is being written -----------------------------------------------------------------------------------


@pytest.fixture
def leases(root):
    """Skip where the file system can't tell that somebody writes."""
    probe = root / ".probe"
    probe.touch()
    with probe.open() as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            pytest.skip(f"no leases here: {error}")
    probe.unlink()


def test_a_file_that_somebody_writes_is_left_for_the_next_look_and_its_last_version_stays(root, source, leases):
    put(root, "a.yaml", "b.yaml")
    source.read_now()
    with (root / "a.yaml").open("r+") as file:
        file.write("id: [half")
        file.flush()
        snapshot = source.read_now()
        assert snapshot.unsettled
        assert jobs(snapshot) == ["a", "b"]
        file.seek(0)
        file.write(JOB.format(id="c"))
    snapshot = source.read_now()
    assert not snapshot.unsettled
    assert jobs(snapshot) == ["b", "c"]


def test_a_new_file_that_somebody_writes_is_not_there_yet(root, source, leases):
    with (root / "a.yaml").open("w") as file:
        file.write(JOB.format(id="a"))
        file.flush()
        snapshot = source.read_now()
        assert snapshot.unsettled
        assert snapshot.files == ()
    assert jobs(source.read_now()) == ["a"]


def test_on_a_network_file_system_a_refused_lease_does_not_mean_that_somebody_writes(
    root, source, leases, monkeypatch
):
    device = root.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    kinds = {fields[fields.index("-") + 1] for fields in mounts if fields[2] == number}
    if not kinds:
        pytest.skip(f"the device {number} is not among the mounts")
    put(root, "a.yaml")
    monkeypatch.setattr(module, "_REMOTE", kinds)
    with (root / "a.yaml").open("a"):
        snapshot = source.read_now()
    assert jobs(snapshot) == ["a"]
    assert not snapshot.unsettled


def test_a_file_that_somebody_reads_is_read(root, source, leases):
    put(root, "a.yaml")
    with (root / "a.yaml").open():
        snapshot = source.read_now()
    assert not snapshot.unsettled
    assert jobs(snapshot) == ["a"]


def test_reading_keeps_no_file_open_and_nobody_from_writing(root, source):
    put(root, "a.yaml", "b.yaml")
    before = len(list(Path("/proc/self/fd").iterdir()))
    source.read_now()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    descriptor = os.open(root / "a.yaml", os.O_WRONLY | os.O_NONBLOCK)
    os.close(descriptor)


@pytest.mark.parametrize(
    ("lock", "age", "unsettled"),
    [
        (".git/index.lock", 0, True),
        (".git/index.lock", 3600, False),
        (".git/other.lock", 0, False),
        ("inner/.git/index.lock", 0, True),
        ("gitdir/index.lock", 0, True),
        ("gitdir/other.lock", 0, False),
    ],
)
def test_while_git_changes_the_work_tree_it_is_not_whole(tmp_path, lock, age, unsettled):
    root = tmp_path / "inner" / "jobs.d"
    put(root, "a.yaml")
    path = tmp_path / lock
    path.parent.mkdir(parents=True)
    path.touch()
    if lock.startswith("gitdir"):
        (tmp_path / "inner" / ".git").write_text("gitdir: ../gitdir\n")
    else:
        (tmp_path / ".git").mkdir(exist_ok=True)
        (tmp_path / ".git" / "index").touch()
    snapshot = JobsDir(root, At(timedelta(seconds=age))).read_now()
    assert snapshot.whole is not unsettled
    assert not snapshot.unsettled
    assert jobs(snapshot) == ["a"]


def test_a_lock_of_a_repository_further_up_does_not_count(tmp_path):
    put(tmp_path / "inner" / "jobs.d", "a.yaml")
    (tmp_path / "inner" / ".git").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "index.lock").touch()
    assert not JobsDir(tmp_path / "inner" / "jobs.d", SystemClock()).read_now().unsettled


# -- what is noticed -----------------------------------------------------------------------------------------


@pytest.fixture
async def noticed(tmp_path):
    """Watch a folder; `noticed(root)` is entered, and gives a wait for the next notice."""

    @contextlib.asynccontextmanager
    async def watch(root):
        event = asyncio.Event()
        async with JobsDir(root, SystemClock()).watch(event.set):
            event.clear()

            async def wait():
                async with asyncio.timeout(10):
                    await event.wait()
                event.clear()

            yield wait

    return watch


async def test_one_look_is_asked_for_when_watching_begins(root):
    event = asyncio.Event()
    async with JobsDir(root, SystemClock()).watch(event.set):
        assert event.is_set()


async def test_new_edited_replaced_and_removed_files_are_noticed(root, noticed):
    put(root, "team/old.yaml")
    async with noticed(root) as notice:
        put(root, "a.yaml")
        await notice()
        with (root / "team" / "old.yaml").open("a") as file:
            file.write("# more\n")
        await notice()
        put(root, ".new")
        (root / ".new").rename(root / "a.yaml")
        await notice()
        (root / "a.yaml").unlink()
        await notice()
        put(root, "fresh/night/b.yaml")
        await notice()


async def test_a_swap_of_the_folder_that_all_files_are_linked_through_is_noticed(root, noticed):
    put(root, "..1/a.yaml", "..2/a.yaml")
    (root / "..data").symlink_to("..1")
    (root / "a.yaml").symlink_to("..data/a.yaml")
    async with noticed(root) as notice:
        (root / "..new").symlink_to("..2")
        (root / "..new").rename(root / "..data")
        await notice()


async def test_a_folder_that_is_deleted_and_made_again_is_noticed_and_watched_on(root, noticed):
    put(root, "a.yaml")
    async with noticed(root) as notice:
        shutil.rmtree(root)
        await notice()
        put(root, "b.yaml")
        await notice()
        await settled(notice)
        put(root, "c.yaml")
        await notice()


async def test_a_link_that_is_given_as_the_folder_and_then_leads_elsewhere_is_noticed(tmp_path, noticed):
    put(tmp_path / "one", "a.yaml")
    put(tmp_path / "two", "a.yaml")
    (tmp_path / "current").symlink_to("one")
    async with noticed(tmp_path / "current") as notice:
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").rename(tmp_path / "current")
        await notice()
        await settled(notice)
        put(tmp_path / "two", "b.yaml")
        await notice()


async def test_a_folder_that_is_missing_at_first_is_noticed_when_it_appears(tmp_path, noticed):
    root = tmp_path / "deep" / "jobs.d"
    async with noticed(root) as notice:
        put(root, "a.yaml")
        await notice()
        await settled(notice)
        put(root, "b.yaml")
        await notice()


async def settled(notice):
    """Wait until nothing more is noticed of what happened so far."""
    with contextlib.suppress(TimeoutError):
        while True:
            async with asyncio.timeout(1.5):
                await notice()


async def test_watching_ends_at_once(root, noticed):
    async with asyncio.timeout(5):
        async with noticed(root):
            pass
        async with noticed(root / "missing"):
            pass
    assert asyncio.all_tasks() == {asyncio.current_task()}


# -- one whole state -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["jobs.d", "current", "jobs.d/..data", "jobs.d/team/..data"])
def test_a_state_that_is_published_while_it_is_read_is_not_whole_and_the_next_look_is(tmp_path, monkeypatch, link):
    """The link is flipped when half of the files have been read, as git-sync or a Kubernetes volume does."""
    place = tmp_path / link
    place.parent.mkdir(parents=True, exist_ok=True)
    for version in ("one", "two"):
        inside = {"current": "jobs.d/team"}.get(link, "team" if link == "jobs.d" else "")
        folder = place.parent / f"..{version}" / inside
        folder.mkdir(parents=True)
        for number in range(10):
            (folder / f"{number}.yaml").write_text(JOB.format(id=f"{version}-{number}"))
    place.symlink_to("..one")
    root = place / "jobs.d" if link == "current" else tmp_path / "jobs.d"
    if link.endswith("..data"):
        for number in range(10):
            (place.parent / f"{number}.yaml").symlink_to(f"..data/{number}.yaml")
    source = JobsDir(root, SystemClock())
    read = module._read_whole
    left = [5]

    def flipping(path):
        left[0] -= 1
        if left[0] == 0:
            following = place.with_name("following")
            following.symlink_to("..two")
            following.replace(place)
        return read(path)

    monkeypatch.setattr(module, "_read_whole", flipping)
    assert not source.read_now().whole
    snapshot = source.read_now()
    assert snapshot.whole
    assert jobs(snapshot) == [f"two-{number}" for number in range(10)]


def test_a_checkout_that_begins_and_ends_while_the_files_are_read_leaves_no_mixture(root, monkeypatch):
    put(root, "a.yaml", "b.yaml")
    (root / ".git").mkdir()
    index = root / ".git" / "index"
    index.write_text("one")
    read = module._read_whole

    def checking_out(path):
        if path.endswith("b.yaml") and index.read_text() == "one":
            lock = index.with_name("index.lock")
            lock.write_text("two!")
            lock.replace(index)
        return read(path)

    monkeypatch.setattr(module, "_read_whole", checking_out)
    source = JobsDir(root, SystemClock())
    assert not source.read_now().whole
    assert source.read_now().whole


async def test_a_folder_that_is_made_anew_is_watched_though_it_may_have_the_number_of_the_old_one(
    source, root, until
):
    put(root, "a.yaml")
    told = []
    async with source.watch(lambda: told.append(1)):
        for _ in range(3):
            shutil.rmtree(root)
            root.mkdir()
            put(root, "a.yaml")
            await until(lambda: told)
            told.clear()
            (root / "a.yaml").write_text(JOB.format(id="b"))
            await until(lambda: told)
            told.clear()
            # Long after the events of the folder itself, which are seen by the old watch as well.
            await until(lambda: told)
            told.clear()
            (root / "a.yaml").write_text(JOB.format(id="c"))
            await until(lambda: told)
