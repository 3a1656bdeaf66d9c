"""A program runs as the user that its agent names, with what belongs to that user and nothing of the runner's."""

import os
import pwd
import shutil
import tempfile
from pathlib import Path

import pytest

from runner.agents.users import ROOT_REFUSED, choose_identity, hand_over
from runner.execution.lifecycle import ErrorType
from runner.process import SpawnError, identity_of
from runner.spec.models import Payload

IS_ROOT = os.geteuid() == 0
OTHER = next(entry for name in ("nobody", "daemon") if (entry := pwd.getpwnam(name)).pw_uid != os.geteuid())
"""A user that is not the one of the tests."""


@pytest.fixture
def tmp_path():
    """A folder that every user can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="jobsd-users-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def bench(bench):
    """A bench on which root's agents are not allowed and whose state directory is closed, as in earnest."""
    bench.allow_root = False
    for folder in (bench.job_dir, bench.job_dir.parent):
        folder.chmod(0o700)
    bench.tree.chmod(0o755)
    return bench


def spawn_error(outcome):
    assert outcome.failure is not None
    assert outcome.failure.type is ErrorType.SPAWN
    return outcome.failure.message


def needs_root(told):
    """What an ordinary runner says to another user; True where the runner is root and the test may go on."""
    if not IS_ROOT:
        assert told.endswith("only a runner that is root can run it")
    return IS_ROOT


async def test_root_runs_an_agent_without_a_user_only_when_told_to(bench):
    outcome = await bench.run("true")
    if IS_ROOT:
        assert spawn_error(outcome) == ROOT_REFUSED
        assert "--allow-root-agents" in ROOT_REFUSED
        assert "JOBSD_ALLOW_ROOT_AGENTS=1" in ROOT_REFUSED
        assert "'user'" in ROOT_REFUSED
        bench.allow_root = True
        outcome = await bench.run("true")
    assert outcome.failure is None


async def test_a_user_that_is_the_runners_own_needs_nothing(bench):
    for user in (os.geteuid(), pwd.getpwuid(os.geteuid()).pw_name):
        assert (await bench.run("id", "-u", user=user)).result == Payload(str(os.geteuid()))


@pytest.mark.parametrize("user", [OTHER.pw_name, OTHER.pw_uid])
async def test_a_program_runs_as_its_user_with_its_groups_and_its_home(bench, user):
    outcome = await bench.shell("id -u; id -g; id -G; echo $HOME; id -ru", user=user)
    if needs_root(outcome.failure and outcome.failure.message):
        groups = " ".join(map(str, os.getgrouplist(OTHER.pw_name, OTHER.pw_gid)))
        uid, gid = OTHER.pw_uid, OTHER.pw_gid
        assert outcome.result == Payload(f"{uid}\n{gid}\n{groups}\n{OTHER.pw_dir}\n{uid}")


async def test_the_home_that_an_agent_gives_is_its_home(bench):
    outcome = await bench.shell("echo $HOME", user=OTHER.pw_name, env={"HOME": "/srv"})
    if needs_root(outcome.failure and outcome.failure.message):
        assert outcome.result == Payload("/srv")


async def test_a_user_can_write_the_result_and_the_folder_of_the_job_also_after_roots_runs(bench):
    bench.allow_root = True
    await bench.shell(
        'mkdir "$JOBSD_JOB_DIR/deep"; echo 1 > "$JOBSD_JOB_DIR/deep/count"; touch "$JOBSD_JOB_DIR/x"'
    )
    text = 'cd "$JOBSD_JOB_DIR" && echo 2 > deep/count && rm x && cat deep/count > "$JOBSD_RESULT"'
    outcome = await bench.shell(text, user=OTHER.pw_name)
    if needs_root(outcome.failure and outcome.failure.message):
        assert outcome.result == Payload(2)
        assert [path.name for path in bench.job_dir.iterdir()] == ["deep"]


async def test_other_users_can_pass_the_state_directory_and_read_nothing_of_it(bench):
    (bench.job_dir.parent / "executions.jsonl").touch(mode=0o600)
    outcome = await bench.shell(
        'ls "$JOBSD_JOB_DIR/.."; cat "$JOBSD_JOB_DIR/../executions.jsonl"', user=OTHER.pw_name
    )
    if needs_root(outcome.failure and outcome.failure.message):
        assert outcome.failure.type is ErrorType.EXIT_CODE
        assert bench.said.text.lower().count("permission denied") == 2
        assert bench.job_dir.parent.stat().st_mode & 0o777 == 0o701


async def test_a_result_that_is_a_link_to_what_the_user_may_not_read_is_refused(bench, tmp_path):
    (tmp_path / "secret").write_text("of root")
    (tmp_path / "secret").chmod(0o600)
    for link, reason in (("ln -s", "too many levels of symbolic links"), ("ln", "")):
        outcome = await bench.shell(f'{link} "{tmp_path}/secret" "$JOBSD_RESULT"', user=OTHER.pw_name)
        if needs_root(outcome.failure and outcome.failure.message):
            assert outcome.result is None
            assert reason in outcome.failure.message


@pytest.mark.parametrize("user", ["no-such-user", "4000000000", "99999999999999999999"])
def test_a_user_that_this_machine_lacks_is_named(user):
    with pytest.raises(SpawnError, match=f"^this machine has no user '{user}'$"):
        choose_identity(user, allow_root=True)


async def test_a_link_in_the_folder_of_a_job_gives_nothing_else_away(bench, tmp_path):
    if not IS_ROOT:
        with pytest.raises(
            SpawnError, match=f"can't be given to the user {OTHER.pw_name}: operation not permitted"
        ):
            hand_over(bench.job_dir, identity_of(OTHER.pw_name))
        return
    outside = tmp_path / "outside"
    outside.touch()
    (bench.job_dir / "soft").symlink_to(outside)
    (bench.job_dir / "hard").hardlink_to(outside)
    (bench.job_dir / "folder").symlink_to(tmp_path)
    hand_over(bench.job_dir, identity_of(OTHER.pw_name))
    assert outside.stat().st_uid == 0
    assert tmp_path.stat().st_uid == 0
    assert bench.job_dir.stat().st_uid == OTHER.pw_uid


async def test_what_a_user_leaves_behind_is_killed_too(bench, until, lives):
    outcome = await bench.shell("sleep 60 & echo $!", user=OTHER.pw_name)
    if needs_root(outcome.failure and outcome.failure.message):
        await until(lambda: not lives(int(outcome.result.value)))
