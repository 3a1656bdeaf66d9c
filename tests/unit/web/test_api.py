"""`POST /v1/filter`: what a filter says of an event, and everything that is wrong with one that is none."""

from typing import Any

import httpx
import pytest

from runner.service.commands import Service
from runner.web.api import LARGEST_BODY, application


class NoService:
    """Trying a filter asks the service nothing."""

    reading = None


@pytest.fixture
def app() -> Any:
    service: Any = NoService()
    made: Service = service
    return application(made)


@pytest.fixture
def post(app):
    """Send a body as it is, or as JSON."""

    async def send(content: bytes | None = None, **body: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://jobsd") as client:
            if content is not None:
                return await client.post("/v1/filter", content=content)
            return await client.post("/v1/filter", json=body)

    return send


async def test_a_frequent_mistake_is_answered_with_its_place_and_what_to_write(post, slip):
    answer = await post(filter=slip.expression, event={})
    problem = answer.json()
    (mistake,) = problem.pop("diagnostics")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem == {
        "type": "about:blank",
        "title": "Invalid filter",
        "status": 422,
        "detail": f"{mistake['message']}; {mistake['help']}",
        "exit_code": 1,
    }
    assert mistake["rule"].startswith("filter-")
    assert mistake["severity"] == "error"
    assert slip.message in mistake["message"]
    assert slip.help in mistake["help"]
    assert (mistake["start"], mistake["end"]) == (slip.start, slip.end)
    place = tuple(mistake[side] for side in ("line", "column", "end_line", "end_column"))
    assert place == (1, slip.start + 1, 1, slip.end + 1)
    _, _, source, carets, *_ = mistake["text"].splitlines()
    start = carets.index("^")
    assert source[start : start + carets.count("^")] == slip.wrong


async def test_what_was_meant_by_a_frequent_mistake_is_valid(post, slip):
    answer = await post(filter=slip.better)
    assert (answer.status_code, answer.json()["valid"], answer.json()["warnings"]) == (200, True, [])


async def test_all_mistakes_of_a_filter_are_told_in_the_order_of_the_text(post):
    problem = (await post(filter='"a" < "b" and\nevent.a = 1')).json()
    assert [(each["line"], each["column"]) for each in problem["diagnostics"]] == [(1, 1), (1, 7), (2, 9)]


async def test_without_an_event_a_valid_filter_is_answered_with_the_fields_that_it_reads(post):
    answer = await post(filter='event.a.b > 1 and includes(event.tags, "x") and event.a.b < 9')
    assert answer.status_code == 200
    assert answer.json() == {"valid": True, "reads": ["event.a.b", "event.tags"], "warnings": []}
    (warning,) = (await post(filter="event.tags == (1, 2)")).json()["warnings"]
    assert (warning["severity"], warning["rule"]) == ("warning", "filter-never-equal")


@pytest.mark.parametrize(
    ("text", "event", "verdict"),
    [
        ("event.a > 1", {"a": 2}, "pass"),
        ("event.a > 1", {"a": 1}, "reject"),
        ("event.a > 1", {}, "error"),
        ("event.a", {"a": 1}, "error"),
        ("event == null", None, "pass"),
    ],
)
async def test_with_an_event_the_answer_has_the_verdict_and_every_part(post, text, event, verdict):
    answer = await post(filter=text, event=event)
    assert answer.status_code == 200
    assert answer.json()["verdict"] == verdict
    assert answer.json()["parts"][0]["text"] == text
    assert ("error" in answer.json()) is (verdict == "error")


async def test_a_request_that_is_none_is_refused_with_one_line(post):
    for content, detail in (
        (b"{", "the request is not JSON"),
        (b"[]", "Input should be"),
        (b"{}", "filter: Field required"),
        (b'{"filter": 1}', "filter: Input should be a valid string"),
        (b'{"filter": "event.a", "payload": 1}', "payload: Extra inputs are not permitted"),
        (b'{"filter": "event == 1", "event": NaN}', "the request is not JSON"),
    ):
        answer = await post(content)
        assert answer.status_code == 422, content
        assert answer.json()["detail"].startswith(detail)
        assert "\n" not in answer.json()["detail"]
        assert "diagnostics" not in answer.json()
    assert (await post(b" " * (LARGEST_BODY + 1))).status_code == 413


async def test_an_answer_stays_small_however_often_a_filter_names_a_large_event(post):
    event = ["x" * 1000] * 1000
    answer = await post(filter=" and ".join(["event == event"] * 500), event=event)
    assert answer.status_code == 200
    assert len(answer.content) < 1_000_000


async def test_openapi_describes_the_request_and_both_answers(app):
    described = app.openapi()
    operation = described["paths"]["/v1/filter"]["post"]
    request = operation["requestBody"]["content"]["application/json"]["schema"]
    valid, tried = operation["responses"]["200"]["content"]["application/json"]["schema"]["anyOf"]
    problem = operation["responses"]["422"]["content"]["application/problem+json"]["schema"]
    schemas = described["components"]["schemas"]
    assert (set(request["properties"]), request["required"]) == ({"filter", "event"}, ["filter"])
    assert set(schemas[valid["$ref"].rpartition("/")[2]]["properties"]) == {"valid", "reads", "warnings"}
    assert set(schemas[tried["$ref"].rpartition("/")[2]]["properties"]) == {"verdict", "value", "error", "parts"}
    mistake = schemas[problem["properties"]["diagnostics"]["items"]["$ref"].rpartition("/")[2]]
    assert {"rule", "message", "help", "line", "column", "text"} < set(mistake["properties"])
