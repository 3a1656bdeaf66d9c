"""Says trouble in the log: the same one at most once a minute, however many records it strikes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

QUIET = timedelta(minutes=1)
"""For how long the same trouble is not said again."""

_MOST = 100
"""Kinds of trouble that are remembered."""

_log = structlog.get_logger()


@dataclass(slots=True)
class _Said:
    at: datetime
    unsaid: int = 0


class Trouble:
    """Remembers what was said last of each trouble. A full disk is one, whatever it keeps from being written."""

    def __init__(self) -> None:
        self._said: dict[str, _Said] = {}

    def say(self, what: str, error: Exception, now: datetime, **context: str) -> None:
        """Log what could not be done and why, unless the same reason was logged within the last minute."""
        reason = str(error)
        said = self._said.get(reason)
        if said is not None and abs(now - said.at) < QUIET:
            said.unsaid += 1
            return
        more = {"unsaid": said.unsaid} if said is not None and said.unsaid else {}
        if len(self._said) >= _MOST:
            self._said.clear()
        self._said[reason] = _Said(now)
        _log.error(what, error=reason, **context, **more)
