"""The routes of the HTTP API. Each says what it takes, asks the service, and answers with a view."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import orjson
from fastapi import APIRouter, FastAPI, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException

from runner import __version__
from runner.errors import ExpressionError, InvalidRequestError, PayloadTooLargeError, RunnerError
from runner.execution.lifecycle import Status
from runner.filters import FilterSyntaxError
from runner.schedule.durations import DurationError, parse_duration
from runner.service.commands import Service
from runner.service.trial import MistakeData, TriedData, ValidData, mistakes_data, try_filter
from runner.service.views import HistoryQuery, View, to_json
from runner.spec.models import Payload

LARGEST_BODY = 25 * 1024 * 1024
"""Bytes that a request may have."""

Wish = TypeVar("Wish", bound=BaseModel)
Actor = Annotated[str | None, Header(alias="Jobsd-Actor", max_length=100)]


class DisableRequest(BaseModel):
    """How to pause a job."""

    model_config = ConfigDict(extra="forbid")

    reason: str | None = Field(None, max_length=500)
    duration: str | None = Field(None, alias="for", description="Such as 2h; without it until it is ended.")


class FilterRequest(BaseModel):
    """A filter to check, and an event to try it on; null is an event as well."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(alias="filter")
    event: Any = None


class FilterProblem(BaseModel):
    """A filter that does not compile: RFC 9457, with everything that is wrong with it."""

    type: str
    title: str
    status: int
    detail: str
    exit_code: int
    diagnostics: list[MistakeData] = Field([], description="Every mistake in the filter.")


def _json(content: Any, status: int = 200, media_type: str = "application/json") -> Response:
    return Response(orjson.dumps(content), status, media_type=media_type)


def _views(views: Sequence[View]) -> Response:
    return _json([to_json(view) for view in views])


def _view(view: View, status: int = 200) -> Response:
    return _json(to_json(view), status)


def _actor(given: str | None) -> str:
    """Who asks: the socket's file mode is the permission, the name is what the caller says."""
    name = "".join(character for character in given or "" if character.isprintable())
    return name or "socket"


async def _body(request: Request) -> bytes:
    """The body, up to the limit."""
    parts, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            raise PayloadTooLargeError(f"the request has more than {LARGEST_BODY} bytes")
        parts.append(chunk)
    return b"".join(parts)


def _parse(raw: bytes, what: str) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(f"{what} is not JSON: {error}") from None


def _read(model: type[Wish], data: Any) -> Wish:
    """A request's body as what it must be."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InvalidRequestError(_first(error.errors())) from None


def _first(errors: Sequence[Any]) -> str:
    """The first thing that is wrong with a request, and where."""
    where = ".".join(str(part) for part in errors[0]["loc"])
    return f"{where}: {errors[0]['msg']}" if where else str(errors[0]["msg"])


def _described(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a model for OpenAPI; what it refers to is there already."""
    schema = model.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return schema


_FILTER: Final[dict[str, Any]] = {
    "responses": {
        200: {"model": ValidData | TriedData},
        422: {
            "description": "The filter does not compile, or the request is none.",
            "content": {"application/problem+json": {"schema": _described(FilterProblem)}},
        },
    },
    # The route reads its body itself, up to the limit.
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _described(FilterRequest)}},
        }
    },
}
"""What OpenAPI says of trying a filter."""


class Api:
    """The routes under `/v1`, bound to one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._reading = service.reading

    def router(self) -> APIRouter:
        """All routes."""
        router = APIRouter(prefix="/v1")
        for method, path, endpoint in (
            ("GET", "/status", self.status),
            ("GET", "/jobs", self.jobs),
            ("GET", "/jobs/{job}", self.job),
            ("DELETE", "/jobs/{job}", self.delete),
            ("POST", "/jobs/{job}/run", self.run),
            ("POST", "/jobs/{job}/events", self.deliver),
            ("POST", "/jobs/{job}/cancel", self.cancel_job),
            ("POST", "/jobs/{job}/disable", self.disable),
            ("POST", "/jobs/{job}/enable", self.enable),
            ("GET", "/executions", self.executions),
            ("GET", "/executions/stream", self.stream),
            ("GET", "/executions/{execution}", self.execution),
            ("POST", "/executions/{execution}/cancel", self.cancel),
            ("POST", "/executions/{execution}/rerun", self.rerun),
            ("GET", "/executions/{execution}/output", self.output),
            ("GET", "/agents", self.agents),
            ("GET", "/next", self.next_runs),
        ):
            router.add_api_route(path, endpoint, methods=[method], response_class=Response)
        router.add_api_route("/filter", self.filter, methods=["POST"], response_class=Response, **_FILTER)
        return router

    async def status(self) -> Response:
        """How the runner stands."""
        return _view(self._reading.status())

    async def jobs(self) -> Response:
        """All jobs."""
        return _views(self._reading.jobs())

    async def job(self, job: str) -> Response:
        """One job with its settings and where they come from."""
        return _view(self._reading.job(job))

    async def delete(self, job: str, actor: Actor = None) -> Response:
        """Delete a job, its document, its history and its outputs."""
        return _view(await self._service.delete(job, _actor(actor)))

    async def run(self, job: str, request: Request, actor: Actor = None) -> Response:
        """Run a job by hand; the body may be `{"payload": …}`. 202 once the first line is durable."""
        raw = await _body(request)
        body = _parse(raw, "the request") if raw.strip() else {}
        if not isinstance(body, dict) or body.keys() - {"payload"}:
            raise InvalidRequestError('the request must be an object with at most the key "payload"')
        payload = Payload(body["payload"]) if "payload" in body else None
        return _view(await self._service.run(job, payload, _actor(actor)), 202)

    async def deliver(self, job: str, request: Request, actor: Actor = None) -> Response:
        """Offer an event to a push job; the body is the payload, as JSON. 202 once the record is durable."""
        kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise HTTPException(415, f"events are taken as application/json, not as {kind}")
        payload = Payload(_parse(await _body(request), "the event"))
        view = await self._service.deliver(job, payload, _actor(actor))
        return _json({"executions": [to_json(view)]}, 202)

    async def cancel_job(self, job: str, actor: Actor = None) -> Response:
        """Cancel all executions of a job that have not ended."""
        return _views(await self._service.cancel_job(job, _actor(actor)))

    async def disable(self, job: str, wish: DisableRequest, actor: Actor = None) -> Response:
        """Pause a job at run time."""
        try:
            duration = parse_duration(wish.duration) if wish.duration else None
        except DurationError as error:
            raise InvalidRequestError(f"for: {error}") from None
        return _view(self._service.pause(job, _actor(actor), wish.reason, duration))

    async def enable(self, job: str) -> Response:
        """End the pause of a job."""
        return _view(self._service.resume(job))

    async def executions(
        self,
        job: str | None = None,
        status: Annotated[list[Status] | None, Query()] = None,
        limit: int = 50,
        before: str | None = None,
    ) -> Response:
        """Executions, newest first."""
        query = HistoryQuery(job, frozenset(status or ()), limit, before)
        return _views(await asyncio.to_thread(self._reading.executions, query))

    async def execution(self, execution: str) -> Response:
        """One execution; its id may be shortened while unique."""
        return _view(await asyncio.to_thread(self._reading.execution, execution))

    async def cancel(self, execution: str, actor: Actor = None) -> Response:
        """Cancel a pending or running execution."""
        return _view(await self._service.cancel(execution, _actor(actor)))

    async def rerun(self, execution: str, actor: Actor = None) -> Response:
        """Run an execution's job again with the same payload. 202 once the first line is durable."""
        return _view(await self._service.rerun(execution, _actor(actor)), 202)

    async def output(self, execution: str, start: Annotated[int, Query(ge=0)] = 0) -> Response:
        """Captured output from byte `start` on."""
        found = await asyncio.to_thread(self._reading.find_execution, execution)
        raw = await asyncio.to_thread(self._reading.output, found.id, start)
        return Response(raw, media_type="application/octet-stream")

    async def stream(self) -> Response:
        """Each transition as it becomes durable, as server-sent events."""
        return StreamingResponse(self._events(), media_type="text/event-stream")

    async def _events(self) -> AsyncIterator[bytes]:
        with self._service.follow() as subscription:
            yield b": following\n\n"
            async for record in subscription:
                view = self._reading.transition(record)
                yield b"data: " + orjson.dumps(to_json(view)) + b"\n\n"
            if subscription.lagged:
                yield b"event: lagged\ndata: {}\n\n"

    async def agents(self) -> Response:
        """All agents."""
        return _views(self._reading.agents())

    async def next_runs(self, job: str | None = None, count: int = 20, start: datetime | None = None) -> Response:
        """Coming instants of one job, or of all."""
        if start is not None and start.tzinfo is None:
            raise InvalidRequestError("start: an offset is missing, such as Z")
        return _views(await asyncio.to_thread(self._reading.next_runs, job, count, start))

    async def filter(self, request: Request) -> Response:
        """Check a filter; with an event, the verdict and the value of every part. 422 with all mistakes."""
        wish = _read(FilterRequest, _parse(await _body(request), "the request"))
        event = Payload(wish.event) if "event" in wish.model_fields_set else None
        # What may take a while has a thread of its own, so that nobody else waits.
        return _json(await asyncio.to_thread(try_filter, wish.text, event))


async def _healthz() -> Response:
    """Whether the process answers."""
    return _json({"status": "ok"})


def _problem(status: int, title: str, detail: str, exit_code: int, **more: Any) -> Response:
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "exit_code": exit_code}
    return _json(body | more, status, "application/problem+json")


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RunnerError)  # noqa: S101 - registered for this type
    detail = error.message
    if isinstance(error, ExpressionError) and error.mistakes[0].help:
        detail += f"; {error.mistakes[0].help}"
    if isinstance(error, FilterSyntaxError):
        return _problem(error.status, error.title, detail, error.exit_code, diagnostics=mistakes_data(error))
    return _problem(error.status, error.title, detail, error.exit_code)


async def _malformed(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
    return _problem(422, "Invalid request", _first(error.errors()), 2)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
    return _problem(error.status_code, "Error", str(error.detail), 2)


def application(service: Service) -> FastAPI:
    """The whole HTTP application around a service."""
    app = FastAPI(title="jobsd", version=__version__, docs_url=None, redoc_url=None)
    app.add_api_route("/healthz", _healthz, methods=["GET"], response_class=Response)
    app.include_router(Api(service).router())
    app.add_exception_handler(RunnerError, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http_error)
    return app
