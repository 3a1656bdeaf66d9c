"""Runs attempts in this process's own event loop, each within its timeout."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from runner import leftovers
from runner.execution.lifecycle import Attempt, ErrorType, Outcome
from runner.ports import Agent, Context, OutputStore
from runner.schedule.durations import format_duration
from runner.secrets import SecretError, Secrets


class LocalExecutor:
    """Hands each attempt to the agent of its type and bounds its time."""

    def __init__(
        self, agents: Mapping[str, Agent], outputs: OutputStore, secrets: Secrets, job_dirs: Path
    ) -> None:
        self._agents = agents
        self._outputs = outputs
        self._secrets = secrets
        self._job_dirs = job_dirs

    async def run(self, attempt: Attempt) -> Outcome:
        """Run an attempt; every failure is an outcome."""
        agent = self._agents.get(attempt.job.agent.type)
        if agent is None:
            kind = attempt.job.agent.type
            return Outcome.failed(ErrorType.AGENT, f"this runner has no agents of type {kind!r}")
        limit = attempt.job.timeout
        try:
            job_dir = self._job_dir(attempt.job.id)
        except OSError as error:
            reason = (error.strerror or "failed").lower()
            return Outcome.failed(ErrorType.SPAWN, f"the job's own folder can't be made: {reason}")
        async with self._outputs.open(attempt.execution) as output:
            context = Context(attempt, output, self._secrets.fresh(), job_dir)
            try:
                async with asyncio.timeout(limit.total_seconds()) as timer:
                    return await agent.run(context)
            except TimeoutError:
                if not timer.expired():
                    raise
                message = f"stopped after its timeout of {format_duration(limit)}"
                return Outcome.failed(ErrorType.TIMEOUT, message, {"timeout": format_duration(limit)})
            except SecretError as error:
                return Outcome.failed(ErrorType.SECRET, str(error))

    def _job_dir(self, job: str) -> Path:
        folder = self._job_dirs / job
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    async def reap(self, executions: Sequence[str]) -> None:
        """Kill every process that still carries the mark of one of these executions."""
        if executions:
            await asyncio.to_thread(leftovers.kill_marked, frozenset(executions))
