"""The runner's own log: structured lines on standard error, for people or for machines."""

import contextlib
import logging
import sys
from typing import Literal, TextIO, cast

import structlog

_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)
"""Tracebacks as data, without the values of local variables: secrets are among them."""


class _Patient:
    """Standard error that may be full or closed: a line that can't be written is lost, and nothing else is."""

    def write(self, text: str) -> int:
        """Write what can be written."""
        with contextlib.suppress(OSError, ValueError):
            return sys.stderr.write(text)
        return 0

    def flush(self) -> None:
        """Flush what can be flushed."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


def configure(form: Literal["console", "json"], *, color: bool, level: int = logging.INFO) -> None:
    """Send the log of jobsd from a level on, and warnings of its libraries, to standard error."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=color,
            pad_event_to=28,
            exception_formatter=structlog.dev.plain_traceback,  # the default one shows local variables
        )
    )
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if form == "json":
        shared.append(_TRACEBACKS)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Patient())),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(_Patient())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def quiet() -> None:
    """Let only warnings through, as a command has its own words for what it does."""
    configure("console", color=False, level=logging.WARNING)
