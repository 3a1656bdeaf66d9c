"""The only place where sockets are made: to listen, to call, to tell systemd; paths may have any length."""

import contextlib
import os
import select
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

from runner.errors import StartError


@contextlib.contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A path to a socket that fits into its address, which holds 107 bytes: through the folder's descriptor."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A listening Unix socket, readable and writable for its owner alone from the first moment.

    The caller holds the lock of the state directory, so a socket file that is there was left by a dead runner.

    Raises:
        StartError: when the socket can't be made.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            with reachable(path) as short:
                listener.bind(short)
        finally:
            os.umask(before)
        listener.listen(1024)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise StartError(f"can't listen on {path}: {(error.strerror or str(error)).lower()}") from None
    try:
        yield listener
    finally:
        listener.close()
        path.unlink(missing_ok=True)


class UnixConnection(HTTPConnection):
    """HTTP to whoever listens on a Unix socket. It is kept from one request to the next while the other end is."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("jobsd", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Reach for the socket; a request does so by itself."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.connect(self._path)
        except OSError:
            self.close()
            raise

    def freshen(self) -> None:
        """Drop a connection that the other end has closed since the last answer; a request makes a new one.

        Nothing was asked, so whatever is there to read is the end.
        """
        if self.sock is not None:
            look = select.poll()
            look.register(self.sock, select.POLLIN)
            if look.poll(0):
                self.close()


class Supervisor:
    """The service manager that started the runner, told how it stands over `$NOTIFY_SOCKET`, as systemd wants it.

    Raises OSError from each message that can't be delivered. Without a service manager nothing is told.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address

    @classmethod
    def of_process(cls) -> "Supervisor":
        """The one that this process's environment names."""
        return cls(os.environ.get("NOTIFY_SOCKET") or None)

    def ready(self) -> None:
        """The runner has started, or has taken up what it was told to look at again."""
        self._tell("READY=1")

    def stopping(self) -> None:
        """The runner is about to end."""
        self._tell("STOPPING=1")

    def reloading(self) -> None:
        """The runner looks at its files again; `ready` follows."""
        from runner.clock import monotonic  # noqa: PLC0415 - it brings an event loop

        self._tell("RELOADING=1", f"MONOTONIC_USEC={int(monotonic() * 1_000_000)}")

    def _tell(self, *lines: str) -> None:
        if self._address is None:
            return
        # An address that begins with @ is a name in the abstract namespace, which begins with a null character.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), address)
