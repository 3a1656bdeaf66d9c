"""What every test may ask for: long runs with `--soak`."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--soak", action="store_true", help="run the long tests in full instead of a seeded sample"
    )


@pytest.fixture(scope="session")
def soak(request: pytest.FixtureRequest) -> bool:
    """Whether the long tests run in full."""
    return bool(request.config.getoption("--soak"))
