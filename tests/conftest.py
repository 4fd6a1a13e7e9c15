"""Quiet logs: what a test wants to see of them it sets up itself."""

import pytest

from primefixd import logs


@pytest.fixture(scope="session", autouse=True)
def quiet() -> None:
    logs.set_up(level="critical")
