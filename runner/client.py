"""The HTTP API as Python calls, over the runner's Unix socket."""

import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import orjson
from pydantic import BaseModel

from runner.errors import NoRunnerError, RunnerError
from runner.service.views import (
    AgentView,
    Deleted,
    ExecutionView,
    HistoryQuery,
    JobDetail,
    JobView,
    NextRun,
    StatusView,
)
from runner.sockets import reachable
from runner.spec.models import Payload

TIMEOUT = 30.0
"""Seconds to wait for an answer; a cancel may take the grace that a run is given."""

V = TypeVar("V", bound=BaseModel)


class RefusedError(RunnerError):
    """What the runner answered instead of doing what was asked."""

    def __init__(self, message: str, exit_code: int, status: int, title: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.status = status
        self.title = title


class Client:
    """Questions to and commands for a running runner."""

    def __init__(self, http: httpx.Client, actor: str) -> None:
        self._http = http
        self._actor = actor

    @classmethod
    @contextlib.contextmanager
    def connect(cls, socket: Path, actor: str) -> Iterator["Client"]:
        """A client of the runner behind a socket.

        Raises:
            NoRunnerError: when none answers there.
        """
        if not socket.exists():
            raise NoRunnerError(f"no runner is up: there is no socket {socket}; 'jobsd up' starts one")
        with reachable(socket) as path:
            transport = httpx.HTTPTransport(uds=path)
            with httpx.Client(transport=transport, base_url="http://jobsd", timeout=TIMEOUT) as http:
                client = cls(http, actor)
                client._call("GET", "/healthz")
                yield client

    def _call(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            headers = {"Jobsd-Actor": self._actor, "Content-Type": "application/json"}
            response = self._http.request(method, path, headers=headers, **request)
        except (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError):
            raise NoRunnerError("no runner is up: nothing answers on the socket; 'jobsd up' starts one") from None
        except httpx.TimeoutException:
            raise NoRunnerError(f"the runner did not answer within {TIMEOUT:g} s") from None
        if response.is_error:
            raise _refusal(response)
        return response

    def _get(self, view: type[V], path: str, **query: Any) -> V:
        return view.model_validate(orjson.loads(self._call("GET", path, params=_given(query)).content))

    def _list(self, view: type[V], path: str, **query: Any) -> list[V]:
        items = orjson.loads(self._call("GET", path, params=_given(query)).content)
        return [view.model_validate(item) for item in items]

    def _post(self, view: type[V], path: str, body: Any = None) -> V:
        content = orjson.dumps(body if body is not None else {})
        response = self._call("POST", path, content=content)
        return view.model_validate(orjson.loads(response.content))

    def status(self) -> StatusView:
        """How the runner stands."""
        return self._get(StatusView, "/v1/status")

    def jobs(self) -> list[JobView]:
        """All jobs."""
        return self._list(JobView, "/v1/jobs")

    def job(self, job: str) -> JobDetail:
        """One job."""
        return self._get(JobDetail, f"/v1/jobs/{_safe(job)}")

    def agents(self) -> list[AgentView]:
        """All agents."""
        return self._list(AgentView, "/v1/agents")

    def next_runs(self, job: str | None, count: int, start: datetime | None = None) -> list[NextRun]:
        """Coming instants of one job, or of all."""
        after = start.isoformat() if start else None
        return self._list(NextRun, "/v1/next", job=job, count=count, start=after)

    def executions(self, query: HistoryQuery) -> list[ExecutionView]:
        """Executions, newest first."""
        return self._list(
            ExecutionView,
            "/v1/executions",
            job=query.job,
            status=[status.value for status in sorted(query.statuses)] or None,
            limit=query.limit,
            before=query.before,
        )

    def execution(self, prefix: str) -> ExecutionView:
        """One execution; the id may be shortened."""
        return self._get(ExecutionView, f"/v1/executions/{_safe(prefix)}")

    def output(self, execution: str, start: int = 0) -> bytes:
        """Captured output from byte `start` on."""
        return self._call("GET", f"/v1/executions/{_safe(execution)}/output", params={"start": start}).content

    def run(self, job: str, payload: Payload | None) -> ExecutionView:
        """Run a job by hand."""
        body = {} if payload is None else {"payload": payload.value}
        return self._post(ExecutionView, f"/v1/jobs/{_safe(job)}/run", body)

    def rerun(self, execution: str) -> ExecutionView:
        """Run an execution's job again with the same payload."""
        return self._post(ExecutionView, f"/v1/executions/{_safe(execution)}/rerun")

    def cancel(self, execution: str) -> ExecutionView:
        """Cancel an execution."""
        return self._post(ExecutionView, f"/v1/executions/{_safe(execution)}/cancel")

    def cancel_job(self, job: str) -> list[ExecutionView]:
        """Cancel all open executions of a job."""
        items = orjson.loads(self._call("POST", f"/v1/jobs/{_safe(job)}/cancel").content)
        return [ExecutionView.model_validate(item) for item in items]

    def pause(self, job: str, reason: str | None, duration: str | None) -> JobView:
        """Switch a job off at run time."""
        return self._post(JobView, f"/v1/jobs/{_safe(job)}/disable", _given({"reason": reason, "for": duration}))

    def resume(self, job: str) -> JobView:
        """End a pause."""
        return self._post(JobView, f"/v1/jobs/{_safe(job)}/enable")

    def delete(self, job: str) -> Deleted:
        """Delete a job and all that it left."""
        return Deleted.model_validate(orjson.loads(self._call("DELETE", f"/v1/jobs/{_safe(job)}").content))

    def follow(self) -> Iterator[ExecutionView]:
        """Each transition of each execution as it becomes durable, until the runner stops."""
        try:
            with self._http.stream("GET", "/v1/executions/stream", timeout=None) as response:
                for line in response.iter_lines():
                    if line.startswith("data: "):
                        yield ExecutionView.model_validate(orjson.loads(line.removeprefix("data: ")))
        except (httpx.ReadError, httpx.RemoteProtocolError):
            return


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _safe(part: str) -> str:
    """One segment of a path, whatever a person typed."""
    return quote(part, safe="") or "-"


def _refusal(response: httpx.Response) -> RefusedError:
    try:
        problem = orjson.loads(response.content)
        return RefusedError(
            str(problem["detail"]), int(problem["exit_code"]), response.status_code, str(problem["title"])
        )
    except (ValueError, KeyError, TypeError):
        return RefusedError(f"HTTP {response.status_code}", 1, response.status_code, "Error")
