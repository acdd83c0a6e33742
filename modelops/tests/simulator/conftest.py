"""One fast simulator for all tests that only ask it questions, and a client for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aiohttp
import openai
import pytest
from aiohttp.test_utils import TestServer

from modelops.simulator.engine import SimulatedEngine
from modelops.simulator.flags import parse_command_line
from modelops.simulator.process import RunningSimulator, start_simulator
from modelops.simulator.server import build_app

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


@asynccontextmanager
async def serve_here(*flags: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A simulated engine in this process, and a client for it."""
    settings = parse_command_line(["serve", "org/model", "--served-model-name", "chat-a", *FAST, *flags])
    engine = SimulatedEngine(settings, clock=asyncio.get_running_loop().time)
    async with (
        TestServer(build_app(engine)) as server,
        aiohttp.ClientSession(server.make_url("/"), timeout=aiohttp.ClientTimeout(total=15)) as session,
    ):
        yield session


@pytest.fixture
async def agent_engine() -> AsyncIterator[aiohttp.ClientSession]:
    """An engine that calls tools of its own accord, as the shipped profile starts it."""
    async with serve_here("--enable-auto-tool-choice", "--tool-call-parser", "hermes") as session:
        yield session


@pytest.fixture
async def sdk(agent_engine: aiohttp.ClientSession) -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's client for the engine of agents."""
    base_url = str(agent_engine._base_url).rstrip("/") + "/v1"
    async with openai.AsyncOpenAI(base_url=base_url, api_key="unused", max_retries=0) as client:
        yield client
