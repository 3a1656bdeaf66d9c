"""What every test may ask for: long runs with `--soak`, and the mistakes that people make most in filters."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog


def pytest_configure() -> None:
    # looptime asks for the current event loop before tests that have none, too. Without this, asyncio would
    # make one for it, which nobody closes: a ResourceWarning in whatever test comes later.
    asyncio.set_event_loop(None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the long tests in full instead of a seeded sample")


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """A command that runs within a test sets up the log for its process: the next test has its own."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def soak(request: pytest.FixtureRequest) -> bool:
    """Whether the long tests run in full."""
    return bool(request.config.getoption("--soak"))


@dataclass(frozen=True)
class Slip:
    """A filter with a frequent mistake: the part that is wrong, what is said of it, and what was meant."""

    name: str
    expression: str
    wrong: str
    message: str
    help: str
    better: str

    @property
    def start(self) -> int:
        return self.expression.index(self.wrong)

    @property
    def end(self) -> int:
        return self.start + len(self.wrong)


SLIPS = [Slip(**row) for row in json.loads(Path(__file__).with_name("filter_slips.json").read_text("utf-8"))]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for a `slip` runs once for each."""
    if "slip" in metafunc.fixturenames:
        metafunc.parametrize("slip", SLIPS, ids=lambda slip: slip.name)


@pytest.fixture(scope="session")
def slips() -> list[Slip]:
    """All of them."""
    return SLIPS
