"""Calls to a runner: what comes back, and what is said when nothing sensible does."""

import contextlib
import socket
import threading

import orjson
import pytest

from runner.client import Client, RefusedError, StrangeAnswerError
from runner.errors import NoRunnerError
from runner.execution.ledger import Execution
from runner.service.views import ExecutionView, to_json
from runner.sockets import listening
from runner.spec.models import Payload
from runner.testing import START, build_record

STATUS = {"live": True, "version": "1", "jobs_dir": "jobs.d", "state_dir": ".jobsd", "jobs": 7}


def answer(data, status="200 OK") -> bytes:
    body = data if isinstance(data, bytes) else orjson.dumps(data)
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def request_on(connection) -> bytes:
    """A whole request."""
    head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextlib.contextmanager
def serving(path, *connections):
    """A server with prepared answers, a list for each connection, which it then closes; what it was asked."""
    asked: list[bytes] = []

    def serve(listener):
        for answers in connections:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(10)
                for each in answers:
                    asked.append(request_on(connection))
                    connection.sendall(each)

    with listening(path) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield asked
        finally:
            thread.join()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "jobsd.sock"


def test_an_answer_is_a_view(path):
    with serving(path, [answer(STATUS)]) as asked, Client.connect(path, "me") as client:
        assert client.status().jobs == 7
    assert asked[0].startswith(b"GET /v1/status HTTP/1.1\r\n")
    assert b"\r\nJobsd-Actor: me\r\n" in asked[0]


def test_one_connection_serves_many_calls(path):
    with serving(path, [answer(STATUS)] * 3) as asked, Client.connect(path, "me") as client:
        for _ in range(3):
            client.status()
    assert len(asked) == 3


def test_a_connection_that_the_runner_closed_meanwhile_is_made_anew(path):
    with serving(path, [answer(STATUS)], [answer(STATUS)]) as asked, Client.connect(path, "me") as client:
        client.status()
        client._http.sock.recv(1)  # comes back when the other end has closed
        assert client.status().jobs == 7
    assert len(asked) == 2


def test_no_runner_is_said_where_there_is_no_socket_or_nobody_behind_it(path):
    with pytest.raises(NoRunnerError, match="there is no socket"), Client.connect(path, "me"):
        pass
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with pytest.raises(NoRunnerError, match="nothing answers on the socket"), Client.connect(path, "me"):
        pass


def test_a_runner_that_goes_without_an_answer_is_none(path):
    with serving(path, [b""], [answer(STATUS)]), Client.connect(path, "me") as client:
        with pytest.raises(NoRunnerError, match="nothing answers on the socket"):
            client.status()
        assert client.status().jobs == 7


def test_a_refusal_brings_its_message_and_its_exit_code(path):
    problem = {"title": "Job disabled", "status": 409, "detail": "job a is disabled", "exit_code": 4}
    with serving(path, [answer(problem, "409 Conflict")]), Client.connect(path, "me") as client:
        with pytest.raises(RefusedError, match="job a is disabled") as refused:
            client.run("a", None)
        assert (refused.value.exit_code, refused.value.status, refused.value.title) == (4, 409, "Job disabled")


def test_a_refusal_before_all_was_sent_is_heard(path):
    problem = {"title": "Payload too large", "status": 413, "detail": "too large", "exit_code": 2}

    def refuse(listener):
        connection, _ = listener.accept()
        with connection:
            connection.recv(100)
            connection.sendall(answer(problem, "413 Content Too Large"))
            connection.shutdown(socket.SHUT_RDWR)

    with listening(path) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=refuse, args=(listener,))
        thread.start()
        with Client.connect(path, "me") as client, pytest.raises(RefusedError, match="too large"):
            client.run("a", Payload("x" * 10_000_000))
        thread.join()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}"])
def test_an_error_without_a_problem_is_its_number(path, body):
    with (
        serving(path, [answer(body, "502 Bad Gateway")]),
        Client.connect(path, "me") as client,
        pytest.raises(RefusedError, match=r"^HTTP 502$"),
    ):
        client.status()


@pytest.mark.parametrize("body", [b"hi", b"[]", b'{"live": true}', b'{"live": 1, "jobs": []}'])
def test_an_answer_of_another_shape_is_one_clear_error(path, body):
    with (
        serving(path, [answer(body)]),
        Client.connect(path, "me") as client,
        pytest.raises(StrangeAnswerError, match="as of another version of jobsd: ") as strange,
    ):
        client.status()
    assert "\n" not in strange.value.message


@pytest.mark.parametrize("body", [b"null", b"{}", b"[1]"])
def test_an_answer_that_is_no_list_of_the_kind_is_one_clear_error(path, body):
    with (
        serving(path, [answer(body)]),
        Client.connect(path, "me") as client,
        pytest.raises(StrangeAnswerError, match="JobView"),
    ):
        client.jobs()


def test_what_a_person_typed_stays_one_segment_of_the_path(path):
    with (
        serving(path, [answer({}, "404 Not Found")]) as asked,
        Client.connect(path, "me") as client,
        pytest.raises(RefusedError),
    ):
        client.job("../a b?c=1#d")
    assert asked[0].startswith(b"GET /v1/jobs/..%2Fa%20b%3Fc%3D1%23d HTTP/1.1\r\n")


def test_a_name_that_a_header_cannot_hold_does_not_keep_a_person_out(path):
    with serving(path, [answer(STATUS)]) as asked, Client.connect(path, "zoë 井") as client:
        client.status()
    assert "\r\nJobsd-Actor: zoë ?\r\n".encode("latin-1") in asked[0]


def test_following_ends_with_the_runner(path):
    view = ExecutionView.of(Execution(build_record(), START))
    events = [b": following\n\n", *[b"data: " + orjson.dumps(to_json(view)) + b"\n\n"] * 2]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events)
    stream = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    for end in (b"0\r\n\r\n", b"", b"5\r\nda"):
        with serving(path, [stream + end]), Client.connect(path, "me") as client:
            assert list(client.follow()) == [view, view]
