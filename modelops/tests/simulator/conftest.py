"""One fast simulator for all tests that only ask it questions, and a client for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from modelops.simulator.process import RunningSimulator, start_simulator

FAST = ("--sim-tokens-per-second", "0", "--sim-first-token-seconds", "0")


@pytest.fixture(scope="session")
def simulator() -> Iterator[RunningSimulator]:
    flags = ("--served-model-name", "chat-a", "chat-b", "--max-model-len", "4096", "--max-num-seqs", "64")
    with start_simulator(*flags, *FAST, model="org/model") as running:
        yield running


@pytest.fixture
async def client(simulator: RunningSimulator) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=15)
    async with aiohttp.ClientSession(simulator.base_url, timeout=timeout) as session:
        yield session
