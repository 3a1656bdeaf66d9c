"""The built-in agent of jobs that name none: a language model, once one is set."""

from runner.execution.lifecycle import ErrorType, Outcome
from runner.ports import Context


class Insulin:
    """Fails at once, with a message that says what to do, as this version brings no model."""

    async def run(self, context: Context) -> Outcome:
        """The outcome is always a failure of type `provider`."""
        job = context.attempt.job
        return Outcome.failed(
            ErrorType.PROVIDER,
            f"no model is set: the built-in agent insulin can't use one in this version; name a command agent"
            f" with 'agent:' in {job.origin.path}",
        )
