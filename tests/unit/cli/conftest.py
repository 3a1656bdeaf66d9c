"""What tests of commands run them with: in this process, to their end."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from runner.cli.main import main


class Done(NamedTuple):
    """How a command ended."""

    code: Any
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run one command to its end, and say how it ended and what it and its own commands printed."""

    def run(*arguments: str) -> Done:
        code: Any = 0
        try:
            main([*arguments])
        except SystemExit as leaving:
            code = leaving.code
        return Done(code, *capfd.readouterr())

    return run
