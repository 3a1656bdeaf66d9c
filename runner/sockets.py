"""The only place where sockets are made: listening on one, and naming one by a path of any length."""

import contextlib
import os
import socket
from collections.abc import Iterator
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
