"""Without a model, the built-in agent says at once what to do."""

from runner.agents.insulin import Insulin
from runner.execution.lifecycle import Attempt, ErrorType
from runner.ports import Context
from runner.secrets import Secrets
from runner.testing import build_job


async def test_a_run_fails_at_once_with_what_to_do_about_it(tmp_path):
    job = build_job("id: summary\nname: Summary\nmode: manual\n")
    attempt = Attempt("01J", 1, job, None, None)
    outcome = await Insulin().run(Context(attempt, None, Secrets({}, None), tmp_path))
    assert outcome.result is None
    assert outcome.failure.type is ErrorType.PROVIDER
    assert outcome.failure.message == (
        "no model is set: the built-in agent insulin can't use one in this version; name a command agent"
        " with 'agent:' in jobs.d/job.yaml"
    )
