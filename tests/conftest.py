"""What every test may ask for: long runs with `--soak`."""

import asyncio

import pytest


def pytest_configure() -> None:
    # looptime asks for the current event loop before tests that have none, too. Without this, asyncio would
    # make one for it, which nobody closes: a ResourceWarning in whatever test comes later.
    asyncio.set_event_loop(None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the long tests in full instead of a seeded sample")


@pytest.fixture(scope="session")
def soak(request: pytest.FixtureRequest) -> bool:
    """Whether the long tests run in full."""
    return bool(request.config.getoption("--soak"))
