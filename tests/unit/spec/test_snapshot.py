"""What survives a restart."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from runner.plan import DesiredState, desire, plan
from runner.spec.loader import built_in_agent, read
from runner.spec.models import CatchUp, CatchUpPolicy
from runner.spec.snapshot import (
    SnapshotError,
    agent_from_json,
    agent_to_json,
    defaults_from_json,
    defaults_to_json,
    job_from_json,
    job_to_json,
)
from runner.spec.source import SourceFile

NOW = datetime(2026, 11, 24, tzinfo=UTC)
TREE = {
    "defaults.yaml": "kind: defaults\ntimezone: Asia/Tokyo\nretry: {attempts: 2}\nrate_limit: 5/day\n"
    "labels: {a: b}\ntimeout: 3m\nconcurrency: {limit: 2}\nexpect: {success_within: 26h}\n"
    "catch_up: {within: 2h}\n",
    "agents/a.yaml": "kind: agent\nid: clerk\ntype: command\ncommand: [x]\n"
    "env: {A: '${env:A}'}\ncwd: ..\ntimeout: 5m\nuser: 33\nlimits: {memory: 1G, cpu: 90s}\n",
    "a.yaml": 'name: A\nagent: clerk\nmode: cron\nschedule: "H 9 * * *"\n'
    "filter: event.a > 1\npayload: {a: null}\ncatch_up: {policy: all}\n",
    "b.yaml": "name: B\nmode: manual\npayload: null\nenabled: false\n",
}


def state(tree: dict[str, str], last: DesiredState | None = None) -> DesiredState:
    return desire([read(SourceFile(path, text.encode())) for path, text in tree.items()], last, now=NOW)


def recalled(found: DesiredState) -> DesiredState:
    """The state as it is after it was written to a disk and read again."""
    again = json.loads(
        json.dumps(
            {
                "jobs": [job_to_json(job) for job in found.jobs.values()],
                "agents": [agent_to_json(agent) for agent in found.agents.values()],
                "defaults": [defaults_to_json(defaults) for defaults in found.defaults.values()],
            }
        )
    )
    jobs = [job_from_json(data) for data in again["jobs"]]
    agents = [agent_from_json(data) for data in again["agents"]]
    defaults = [defaults_from_json(data) for data in again["defaults"]]
    return DesiredState(
        jobs={job.id: job for job in jobs},
        agents={agent.id: agent for agent in agents},
        defaults={each.folder: each for each in defaults},
    )


def test_jobs_agents_and_defaults_survive_as_they_were():
    before = state(TREE)
    after = recalled(before)
    assert after.agents == before.agents
    assert after.defaults == before.defaults
    assert plan(before, after.jobs).actions == ()
    for job_id, job in after.jobs.items():
        assert job.trigger_key == before.jobs[job_id].trigger_key
        assert job.payload == before.jobs[job_id].payload
        assert job.schedule == before.jobs[job_id].schedule


def test_jitter_survives_and_snapshots_from_before_it_have_none():
    job = replace(state(TREE).jobs["a"], jitter=timedelta(minutes=5))
    written = json.loads(json.dumps(job_to_json(job)))
    assert job_from_json(written).jitter == timedelta(minutes=5)
    del written["jitter"]
    assert job_from_json(written).jitter == timedelta(0)


def test_what_is_caught_up_survives_and_is_the_default_in_snapshots_from_before_there_was_a_choice():
    before = state(TREE)
    after = recalled(before)
    assert [after.jobs[name].catch_up for name in "ab"] == [before.jobs[name].catch_up for name in "ab"]
    assert after.jobs["a"].catch_up == CatchUp(CatchUpPolicy.ALL)
    assert after.jobs["b"].catch_up == CatchUp(within=timedelta(hours=2))
    written = job_to_json(before.jobs["a"])
    del written["catch_up"]
    assert job_from_json(written).catch_up == CatchUp()
    written = defaults_to_json(before.defaults[""])
    del written["catch_up"]
    assert defaults_from_json(written).catch_up is None


def test_a_file_that_broke_while_nothing_ran_leaves_the_last_good_job():
    last = recalled(state(TREE))
    found = state({**TREE, "a.yaml": "name: [\n", "agents/a.yaml": "- x\n"}, last)
    assert [each.rule for each in found.jobs["a"].stale] == ["yaml-syntax"]
    assert found.agents["clerk"] == last.agents["clerk"]


def test_references_to_secrets_stay_references():
    assert agent_to_json(state(TREE).agents["clerk"])["spec"]["env"] == {"A": "${env:A}"}


@pytest.mark.parametrize("damage", [{}, {"v": 2}, {"v": 1}, {"v": 1, "id": 5}])
def test_a_snapshot_that_is_not_understood_is_an_error_of_its_own(damage):
    for read_again in (job_from_json, agent_from_json, defaults_from_json):
        with pytest.raises(SnapshotError):
            read_again(damage)
    with pytest.raises(SnapshotError):
        job_from_json({**job_to_json(state(TREE).jobs["a"]), "schedule": "nonsense"})
    with pytest.raises(SnapshotError):
        agent_from_json({**agent_to_json(built_in_agent()), "origin": [1]})
