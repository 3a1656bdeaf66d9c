"""Where the values of a job come from."""

from dataclasses import replace
from datetime import timedelta

from runner.spec.drafts import Defaults, JobDraft
from runner.spec.loader import built_in_agent, read
from runner.spec.models import Agent, CatchUp, CatchUpPolicy, Concurrency, Expect, Job, Origin, Retry
from runner.spec.resolve import agent_of, resolve_job
from runner.spec.source import SourceFile

ORIGIN = Origin("jobs.d/x.yaml", 1)


def definition(text: str, path: str = "x.yaml") -> object:
    parsed = read(SourceFile(path, text.encode(), "jobs.d"))
    assert not parsed.diagnostics, parsed.diagnostics
    return parsed.documents[0].definition


def draft(text: str = "") -> JobDraft:
    found = definition(f"id: a\nname: A\nmode: manual\n{text}\n")
    assert isinstance(found, JobDraft)
    return found


def defaults(text: str, path: str) -> Defaults:
    found = definition(f"kind: defaults\n{text}\n", path)
    assert isinstance(found, Defaults)
    return found


def agent(text: str = "") -> Agent:
    found = definition(f"kind: agent\nid: clerk\ntype: command\ncommand: [x]\n{text}\n")
    assert isinstance(found, Agent)
    return found


NEAR = "team/defaults.yaml"
FAR = "defaults.yaml"


def resolve(job: JobDraft, *layers: Defaults, by: Agent | None = None) -> Job:
    return resolve_job(job, by or built_in_agent(), layers, ORIGIN)


def test_what_nobody_gives_is_built_in():
    job = resolve(draft())
    assert (job.timezone, job.timeout.total_seconds(), job.enabled) == ("UTC", 3600, True)
    assert (job.concurrency, job.retry, job.rate_limit, job.labels) == (Concurrency(), Retry(), None, {})
    assert (job.schedule, job.filter, job.payload, job.stale) == (None, None, None, ())
    assert job.agent.id == "insulin"
    assert set(job.sources.values()) == {"job", "built-in", "description"}


def test_the_prompt_is_the_description_where_none_is_given():
    assert resolve(draft("description: Count.")).prompt == "Count."
    assert resolve(draft("description: Count.\nprompt: ''")).prompt == ""


def test_a_timeout_is_the_job_s_then_the_agent_s_then_the_nearest_defaults():
    near, far = defaults("timeout: 2m", NEAR), defaults("timeout: 3m", FAR)
    by = agent("timeout: 1m")
    chosen = [
        resolve(draft("timeout: 5s"), near, far, by=by),
        resolve(draft(), near, far, by=by),
        resolve(draft(), near, far),
        resolve(draft(), far),
    ]
    assert [job.timeout.total_seconds() for job in chosen] == [5, 60, 120, 180]
    assert [job.sources["timeout"] for job in chosen] == [
        "job",
        "agent clerk",
        "defaults jobs.d/team/defaults.yaml:2",
        "defaults jobs.d/defaults.yaml:2",
    ]


def test_each_field_comes_whole_from_the_nearest_defaults_that_give_it():
    near = defaults("retry: {attempts: 2}", NEAR)
    far = defaults("retry: {attempts: 5, backoff: 1m}\nconcurrency: {limit: 3}\nrate_limit: 1/day", FAR)
    job = resolve(draft(), near, far)
    assert job.retry == Retry(attempts=2)
    assert job.concurrency == Concurrency(3)
    assert job.rate_limit.text == "1/day"
    assert (job.expect, job.sources["expect"]) == (None, "built-in")
    expecting = resolve(draft(), near, defaults("expect: {success_within: 26h}", FAR))
    assert expecting.expect == Expect(timedelta(hours=26))
    assert expecting.sources["expect"] == "defaults jobs.d/defaults.yaml:2"
    assert job.sources["concurrency"] == "defaults jobs.d/defaults.yaml:3"


def test_labels_are_merged_and_the_nearest_wins():
    near, far = defaults("labels: {team: a, tier: b}", NEAR), defaults("labels: {team: x, env: prod}", FAR)
    job = resolve(draft("labels: {tier: c}"), near, far)
    assert job.labels == {"team": "a", "tier": "c", "env": "prod"}
    assert job.sources["labels"] == "job, defaults jobs.d/team/defaults.yaml:2, defaults jobs.d/defaults.yaml:2"


def test_the_zone_of_the_schedule_may_come_from_defaults():
    cron = definition('name: A\nmode: cron\nschedule: "0 9 * * *"\n')
    job = resolve(cron, defaults("timezone: Asia/Tokyo", FAR))
    assert (job.timezone, job.schedule.timezone) == ("Asia/Tokyo", "Asia/Tokyo")


def test_the_jitter_is_the_job_s_or_none():
    assert (resolve(draft()).jitter, resolve(draft()).sources["jitter"]) == (timedelta(0), "built-in")
    spread = resolve(replace(draft(), jitter=timedelta(minutes=5)))
    assert (spread.jitter, spread.sources["jitter"]) == (timedelta(minutes=5), "job")


def test_what_is_caught_up_is_the_job_s_then_the_nearest_defaults_and_then_the_latest_slot_of_an_hour():
    cron = 'name: A\nmode: cron\nschedule: "0 9 * * *"\n'
    near, far = defaults("catch_up: {policy: none}", NEAR), defaults("catch_up: {within: 1d}", FAR)
    own = definition(f"{cron}catch_up: {{policy: all, within: 90m}}\n")
    chosen = [resolve(own, near, far), resolve(definition(cron), near, far), resolve(definition(cron), far)]
    chosen.append(resolve(definition(cron)))
    assert [(job.catch_up, job.sources["catch_up"]) for job in chosen] == [
        (CatchUp(CatchUpPolicy.ALL, timedelta(minutes=90)), "job"),
        (CatchUp(CatchUpPolicy.NONE, timedelta(hours=1)), "defaults jobs.d/team/defaults.yaml:2"),
        (CatchUp(CatchUpPolicy.LATEST, timedelta(days=1)), "defaults jobs.d/defaults.yaml:2"),
        (CatchUp(CatchUpPolicy.LATEST, timedelta(hours=1)), "built-in"),
    ]


def test_the_agent_is_the_job_s_then_the_nearest_defaults_and_then_insulin():
    near, far = defaults("agent: near", NEAR), defaults("agent: far", FAR)
    assert agent_of(draft("agent: own"), [near, far]) == ("own", None)
    assert agent_of(draft(), [near, far]) == ("near", near)
    assert agent_of(draft(), []) == ("insulin", None)


def test_the_digest_covers_all_that_the_job_does_and_not_where_it_stands():
    job = resolve(draft())
    assert resolve_job(draft("# moved"), built_in_agent(), [], Origin("b.yaml", 7)).digest == job.digest
    changed = [
        resolve(draft("description: x")),
        resolve(draft("timeout: 5m")),
        resolve(draft("payload: null")),
        resolve(draft("payload: []")),
        resolve(draft("enabled: false")),
        resolve(draft("labels: {a: b}")),
        resolve(draft("rate_limit: 1/day")),
        resolve(draft("expect: {success_within: 1d}")),
        resolve(replace(draft(), jitter=timedelta(minutes=5))),
        resolve(draft(), defaults("catch_up: {policy: none}", FAR)),
        resolve(draft(), defaults("catch_up: {policy: all}", FAR)),
        resolve(draft(), defaults("catch_up: {within: 2h}", FAR)),
        resolve(draft(), defaults("timeout: 7m", FAR)),
        resolve(draft(), by=agent()),
        resolve(draft(), by=agent("env: {A: b}")),
    ]
    assert len({job.digest, *(other.digest for other in changed)}) == len(changed) + 1
    assert resolve(draft("timeout: 1h")).digest == job.digest


def test_the_digest_of_a_job_that_catches_up_as_by_default_is_what_it_was_before_there_was_a_choice():
    cron = 'id: a\nname: A\nmode: cron\nschedule: "0 9 * * *"\nagent: insulin\n'
    before = "ea67aa98df4bb92e47688ec2d86c6a41ef3000a90a3a554463930679445109b2"
    for given in ("", "jitter: 0s\n", "catch_up: {}\n", "catch_up: {policy: latest, within: 1h}\n"):
        assert resolve(definition(cron + given)).digest == before
    assert resolve(definition(f"{cron}catch_up: {{within: 59m}}\n")).digest != before


def test_only_what_triggers_a_job_is_in_its_trigger_key():
    cron = 'name: A\nmode: cron\nschedule: "0 9 * * *"\n'
    key = resolve(definition(cron)).trigger_key
    assert resolve(definition(cron + "description: x\nlabels: {a: b}\n")).trigger_key == key
    for change in ("timezone: Asia/Tokyo\n", "enabled: false\n"):
        assert resolve(definition(cron + change)).trigger_key != key
    assert resolve(definition(cron.replace("0 9", "0 8"))).trigger_key != key


def test_jobs_whose_values_come_from_the_same_places_share_what_says_so():
    assert resolve(draft()).sources is resolve(draft()).sources
