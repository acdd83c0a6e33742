"""Environment and fixtures of the whole test run; pytest.ini loads it before Django's settings."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ["gateway.tests.docker_engine.fixtures"]

# Before anything reads the settings: nothing of this machine's own configuration leaks into a test.
_data = tempfile.TemporaryDirectory(prefix="gw-test-")
os.environ.update(
    {
        "GATEWAY_ENV_FILE": os.devnull,
        "GATEWAY_DATA_DIR": _data.name,
        "SECRET_KEY": "s" * 40,
        "JWT_SECRET": "j" * 40,
        "LOG_LEVEL": "WARNING",
        # Every test comes from one address; those about limits set their own.
        "ADDRESS_RATE": "1000000/m",
        "MAX_CONCURRENT_STREAMS": "100000",
        "ALLOWED_HOSTS": "testserver,127.0.0.1,localhost",
    }
)


WITHOUT_STORES = ("modelops/tests/domain/", "modelops/tests/simulator/")
"""Folders whose tests touch no database."""


def is_on_services() -> bool:
    """True when this run is on PostgreSQL + Redis, False on the embedded defaults."""
    return bool(os.environ.get("DATABASE_URL"))


@pytest.hookimpl(tryfirst=True)  # before `-m` asks for the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(WITHOUT_STORES):
            item.add_marker(pytest.mark.stores_do_not_matter)
    reason = "needs PostgreSQL + Redis: this is the run on the embedded defaults"
    for item in items:
        if item.get_closest_marker("services") and not is_on_services():
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def simulator() -> Iterator[str]:
    """The URL of a simulated engine that serves `simulated` and fails only where a request asks it to."""
    from modelops.simulator.process import start_simulator

    with start_simulator(
        "--served-model-name",
        "simulated",
        "--max-model-len",
        "4096",
        "--sim-tokens-per-second",
        "200",
    ) as engine:
        yield engine.base_url


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory, simulator: str) -> Iterator[object]:
    """A gateway process in front of `simulator`, shared by the whole run: leave no trace that others see."""
    from gateway.tests.live import start_gateway

    folder: Path = tmp_path_factory.mktemp("shared")
    with start_gateway(folder, simulator) as process:
        yield process
