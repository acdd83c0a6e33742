"""A gateway to attack, in front of an engine that remembers what reached it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from chat.tests.scripted_engine import ScriptedEngine, delta_event, start_scripted_engine
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until

DONE = b"data: [DONE]\n\n"
MAX_BODY_BYTES = 200_000
MAX_ENGINE_BODY_BYTES = 500_000
BODY_TIMEOUT_S = 0.5


@pytest.fixture(scope="session")
def recording_engine() -> Iterator[ScriptedEngine]:
    """An engine that answers `hi` to everything; `received` tells what it was asked."""
    with start_scripted_engine() as engine:
        engine.body = delta_event("hi", finish_reason="stop") + DONE
        yield engine


@pytest.fixture(scope="session")
def fort(
    embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory, recording_engine: ScriptedEngine
) -> Iterator[GatewayProcess]:
    """A gateway in production mode with small bounds."""
    with open_fort(embedded_stores, tmp_path_factory.mktemp("fort"), recording_engine) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def fort_on_stores(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory, recording_engine: ScriptedEngine
) -> Iterator[GatewayProcess]:
    """The same on the stores that this run is on, for tests about what is in them."""
    with open_fort(stores, tmp_path_factory.mktemp("fort-on-stores"), recording_engine) as gateway:
        yield gateway


@contextmanager
def open_fort(stores: Stores, folder: Path, recording_engine: ScriptedEngine) -> Iterator[GatewayProcess]:
    with start_gateway(
        stores,
        folder,
        recording_engine.url,
        MAX_BODY_BYTES=str(MAX_BODY_BYTES),
        MAX_ENGINE_BODY_BYTES=str(MAX_ENGINE_BODY_BYTES),
        MAX_LARGE_BODIES="2",
        BODY_TIMEOUT=str(BODY_TIMEOUT_S),
        MAX_OUTPUT_TOKENS="1000",
        MAX_SEQUENCES="4",
        MAX_STOP_SEQUENCES="4",
        MAX_TOOLS="4",
        MAX_TOOLS_BYTES="20000",
        MAX_SCHEMA_BYTES="10000",
        MAX_LOGPROBS="5",
        MAX_ANSWER_BYTES="600000",
        HSTS_SECONDS="31536000",
        ADDRESS_RATE="0/m",
        REST_RATE="0/m",
        SHARED_LINKS="true",
    ) as gateway:
        wait_until(
            lambda: httpx.get(f"{gateway.url}/health").json()["services"]["vllm"]["status"] == "ready",
            what="the engine to be seen",
        )
        yield gateway


@pytest.fixture
def web(fort: GatewayProcess) -> Iterator[httpx.Client]:
    """The demo user's client."""
    with fort.client() as client:
        yield client


@pytest.fixture
def reached(recording_engine: ScriptedEngine) -> list[object]:
    """What reaches the engine from now on."""
    recording_engine.received.clear()
    return recording_engine.received  # type: ignore[return-value]
