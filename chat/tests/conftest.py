from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from chat.tests.scripted_engine import ScriptedEngine, start_scripted_engine
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway
from modelops.simulator.process import start_simulator


@pytest.fixture(scope="module")
def engines() -> Iterator[tuple[str, str]]:
    """The URLs of A, which is slow enough to be caught in the middle of an answer, and of B."""
    slow = ("--served-model-name", "a", "--sim-tokens-per-second", "10")
    fast = ("--served-model-name", "b", "--sim-tokens-per-second", "500")
    with start_simulator(*slow) as a, start_simulator(*fast) as b:
        yield a.base_url, b.base_url


@pytest.fixture(scope="module")
def scripted_engine() -> Iterator[ScriptedEngine]:
    with start_scripted_engine() as running:
        yield running


@pytest.fixture(scope="module")
def odd_gateway(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory, scripted_engine: ScriptedEngine
) -> Iterator[GatewayProcess]:
    """A gateway whose engine answers what a test has it answer."""
    with start_gateway(stores, tmp_path_factory.mktemp("odd"), scripted_engine.url) as process:
        yield process


@pytest.fixture
def odd_client(odd_gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with odd_gateway.client() as session:
        yield session
