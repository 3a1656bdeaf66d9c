"""The runner's socket is private from the first moment, whatever its path and whatever was there before."""

import contextlib
import os
import socket
import stat
import threading
from pathlib import Path

import httpx
import pytest

from runner.clock import monotonic
from runner.errors import StartError
from runner.sockets import Supervisor, listening, reachable


@pytest.fixture
def far(tmp_path):
    """A folder whose path is longer than the address of a socket may be."""
    folder = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 6)
    folder.mkdir(parents=True)
    assert len(str(folder)) > 107
    return folder


def answer_once(listener):
    """Answer one request in the background, as a server would."""

    def serve():
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")

    listener.setblocking(True)
    listener.settimeout(10)
    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def ask(path):
    with reachable(path) as short, httpx.Client(transport=httpx.HTTPTransport(uds=short)) as client:
        return client.get("http://jobsd/").text


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_the_socket_is_its_owners_alone_whatever_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        with listening(tmp_path / "jobsd.sock"):
            status = (tmp_path / "jobsd.sock").stat()
            assert stat.S_ISSOCK(status.st_mode)
            assert stat.S_IMODE(status.st_mode) == 0o600
            seen = os.umask(umask)
            assert seen == umask
    finally:
        os.umask(before)


def test_a_path_of_any_length_can_be_listened_on_and_reached(far):
    with listening(far / "jobsd.sock") as listener:
        thread = answer_once(listener)
        assert ask(far / "jobsd.sock") == "hi"
        thread.join()


def test_a_relative_path_can_be_listened_on_and_reached(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = (tmp_path / "jobsd.sock").relative_to(tmp_path)
    with listening(path) as listener:
        thread = answer_once(listener)
        assert ask(path) == "hi"
        thread.join()


def test_a_socket_that_a_dead_runner_left_is_replaced(tmp_path):
    path = tmp_path / "jobsd.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with listening(path) as listener:
        thread = answer_once(listener)
        assert ask(path) == "hi"
        thread.join()


def test_the_socket_is_gone_afterwards_however_it_ends(tmp_path):
    path = tmp_path / "jobsd.sock"
    with contextlib.suppress(KeyboardInterrupt), listening(path):
        raise KeyboardInterrupt
    assert not path.exists()


def test_a_folder_that_is_missing_or_none_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    for folder, reason in (("missing", "no such file or directory"), ("file", "not a directory")):
        path = tmp_path / folder / "jobsd.sock"
        with pytest.raises(StartError) as refusal, listening(path):
            pass
        assert str(refusal.value) == f"can't listen on {path}: {reason}"


def test_what_is_in_the_way_and_no_socket_is_one_clear_error_and_stays(tmp_path):
    path = tmp_path / "jobsd.sock"
    path.mkdir()
    with pytest.raises(StartError) as refusal, listening(path):
        pass
    assert str(refusal.value) == f"can't listen on {path}: is a directory"
    assert path.is_dir()


def test_nothing_stays_open_afterwards(tmp_path):
    def open_files():
        return sorted(entry.name for entry in Path("/proc/self/fd").iterdir())

    before = open_files()
    with listening(tmp_path / "jobsd.sock"), reachable(tmp_path / "jobsd.sock"):
        assert open_files() != before
    with pytest.raises(StartError), listening(tmp_path / "missing" / "jobsd.sock"):
        pass
    assert open_files() == before


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """A service manager's socket, and the address by which it is told to a service."""
    address = str(tmp_path / "notify")
    if request.param == "abstract":
        address = f"@jobsd-test-{os.getpid()}-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0" + address[1:] if address.startswith("@") else address)
        receiver.settimeout(10)
        yield receiver, address


def test_a_service_manager_is_told_that_the_runner_is_ready_and_that_it_stops(manager):
    receiver, address = manager
    supervisor = Supervisor(address)
    supervisor.ready()
    supervisor.stopping()
    assert [receiver.recv(4096), receiver.recv(4096)] == [b"READY=1", b"STOPPING=1"]


def test_a_reload_is_told_with_the_monotonic_time_of_its_begin(manager):
    receiver, address = manager
    before = monotonic()
    Supervisor(address).reloading()
    first, second = receiver.recv(4096).decode().split("\n")
    name, _, microseconds = second.partition("=")
    assert (first, name) == ("RELOADING=1", "MONOTONIC_USEC")
    assert before * 1_000_000 - 1 <= int(microseconds) <= monotonic() * 1_000_000


def test_the_service_manager_is_the_one_of_the_environment_or_nobody(manager, monkeypatch):
    receiver, address = manager
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    Supervisor.of_process().ready()
    assert receiver.recv(4096) == b"READY=1"
    for nobody in (None, ""):
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
        if nobody is not None:
            monkeypatch.setenv("NOTIFY_SOCKET", nobody)
        Supervisor.of_process().ready()
    receiver.setblocking(False)
    with pytest.raises(BlockingIOError):
        receiver.recv(4096)


def test_a_service_manager_that_does_not_listen_is_an_error_that_blocks_nobody(tmp_path):
    with pytest.raises(FileNotFoundError):
        Supervisor(str(tmp_path / "nobody")).ready()
