"""The runner's own log: structured lines on standard error, for people or for machines."""

import logging
import sys
from typing import Literal

import structlog

_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)
"""Tracebacks as data, without the values of local variables: secrets are among them."""


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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
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
