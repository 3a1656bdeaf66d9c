"""The HTTP API as Python calls, over the runner's Unix socket."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import orjson

from runner.errors import NoRunnerError, RunnerError
from runner.service.views import (
    AgentView,
    Deleted,
    ExecutionView,
    ForeignAnswerError,
    HistoryQuery,
    JobDetail,
    JobView,
    NextRun,
    StatusView,
    View,
    read,
)
from runner.sockets import UnixConnection, reachable
from runner.spec.models import Payload

TIMEOUT = 30.0
"""Seconds to wait for an answer; a cancel may take the grace that a run is given."""

NOBODY = "no runner is up: nothing answers on the socket; 'jobsd up' starts one"

V = TypeVar("V", bound=View)


class StrangeAnswerError(RunnerError):
    """An answer that this version does not understand."""

    exit_code = 1
    status = 502
    title = "Strange answer"

    def __init__(self, problem: str) -> None:
        super().__init__(f"the runner's answer is strange, as of another version of jobsd: {problem}")


class RefusedError(RunnerError):
    """What the runner answered instead of doing what was asked."""

    def __init__(self, message: str, exit_code: int, status: int, title: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.status = status
        self.title = title


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: an HTTP status and a body."""

    status: int
    body: bytes

    @property
    def data(self) -> Any:
        """The body as JSON data.

        Raises:
            StrangeAnswerError: when it is not JSON.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise StrangeAnswerError(f"not JSON: {error}") from None


class Client:
    """Questions to and commands for a running runner, one after the other: a client serves one thread."""

    def __init__(self, http: UnixConnection, actor: str) -> None:
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
        with reachable(socket) as path, contextlib.closing(UnixConnection(path, TIMEOUT)) as http:
            client = cls(http, actor)
            with client._answering():
                http.connect()
            yield client

    def _call(self, method: str, path: str, body: Any = None, query: dict[str, Any] | None = None) -> Answer:
        with self._answering():
            self._http.freshen()
            response = self._send(method, path, body, query)
            answer = Answer(response.status, response.read())
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise _refusal(answer)
        return answer

    def _send(self, method: str, path: str, body: Any, query: dict[str, Any] | None) -> HTTPResponse:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        target = f"{path}?{urlencode(given, doseq=True)}" if given else path
        actor = self._actor.encode("latin-1", "replace").decode("latin-1")  # all that a header can hold
        headers = {"Jobsd-Actor": actor, "Content-Type": "application/json"}
        content = orjson.dumps(body) if body is not None else b"" if method == "POST" else None
        # A refusal may be there before all is sent.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._http.request(method, target, content, headers)
        return self._http.getresponse()

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        """What goes wrong on the way, in words for people."""
        try:
            yield
        except (HTTPException, OSError) as error:
            self._http.close()  # the next request must not get the answer to this one
            late = isinstance(error, TimeoutError)
            problem = f"the runner did not answer within {TIMEOUT:g} s" if late else NOBODY
            raise NoRunnerError(problem) from None

    def _get(self, view: type[V], path: str) -> V:
        return _read(view, self._call("GET", path).data)

    def _list(self, view: type[V], path: str, **query: Any) -> list[V]:
        return _read_all(view, self._call("GET", path, query=query).data)

    def _post(self, view: type[V], path: str, body: Any = None) -> V:
        return _read(view, self._call("POST", path, {} if body is None else body).data)

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
        return self._call("GET", f"/v1/executions/{_safe(execution)}/output", query={"start": start}).body

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
        return _read_all(ExecutionView, self._call("POST", f"/v1/jobs/{_safe(job)}/cancel").data)

    def pause(self, job: str, reason: str | None, duration: str | None) -> JobView:
        """Switch a job off at run time."""
        wish = {name: value for name, value in (("reason", reason), ("for", duration)) if value is not None}
        return self._post(JobView, f"/v1/jobs/{_safe(job)}/disable", wish)

    def resume(self, job: str) -> JobView:
        """End a pause."""
        return self._post(JobView, f"/v1/jobs/{_safe(job)}/enable")

    def delete(self, job: str) -> Deleted:
        """Delete a job and all that it left."""
        return _read(Deleted, self._call("DELETE", f"/v1/jobs/{_safe(job)}").data)

    def follow(self) -> Iterator[ExecutionView]:
        """Each transition of each execution as it becomes durable, until the runner stops."""
        with self._answering():
            self._http.freshen()
            response = self._send("GET", "/v1/executions/stream", None, None)
            self._http.sock.settimeout(None)
        try:
            for line in response:
                if line.startswith(b"data: "):
                    yield _read(ExecutionView, Answer(response.status, line.removeprefix(b"data: ")).data)
        except (HTTPException, OSError):
            return


def _read(view: type[V], data: Any) -> V:
    try:
        return read(view, data)
    except ForeignAnswerError as error:
        raise StrangeAnswerError(str(error)) from None


def _read_all(view: type[V], data: Any) -> list[V]:
    if not isinstance(data, list):
        raise StrangeAnswerError(f"no list of {view.__name__}")
    return [_read(view, item) for item in data]


def _safe(part: str) -> str:
    """One segment of a path, whatever a person typed."""
    return quote(part, safe="") or "-"


def _refusal(answer: Answer) -> RefusedError:
    try:
        problem = orjson.loads(answer.body)
        return RefusedError(
            str(problem["detail"]), int(problem["exit_code"]), answer.status, str(problem["title"])
        )
    except (ValueError, KeyError, TypeError):
        return RefusedError(f"HTTP {answer.status}", 1, answer.status, "Error")
