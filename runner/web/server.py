"""Serves the HTTP application on sockets that are listening already."""

import contextlib
from collections.abc import Iterator
from types import FrameType

import uvicorn
from fastapi import FastAPI

BACKLOG = 16
"""Connections that are accepted in one turn: asyncio tries so many even where no descriptor is left for one."""


class Server(uvicorn.Server):
    """uvicorn without its own signal handling: the daemon decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature is uvicorn's
        """Stop serving."""
        self.should_exit = True


def server(app: FastAPI) -> Server:
    """A server for the application; `serve(sockets=[…])` runs it."""
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
        backlog=BACKLOG,
    )
    return Server(config)
