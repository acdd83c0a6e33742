"""The SDKs of OpenAI and Anthropic through the gateway, in front of a real vLLM."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.tests.clients.cells import Cell, Target
from gateway.tests.clients.install import Interpreters, install_clients
from gateway.tests.clients.matrix import CLIENTS, Outcome, run_client
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway
from gateway.tests.needs import NeedMissing, skip_loudly

from .engine import VllmEngine, start_vllm
from .install import Installation

pytestmark = pytest.mark.vllm

PROGRAMS = ("openai_python", "openai.mjs", "anthropic_python")
TEXT_CELLS = (Cell.LIST, Cell.CHAT, Cell.STREAM_USAGE, Cell.RESPONSES, Cell.ERRORS, Cell.PARALLEL)
"""What does not depend on what the model says: this one's weights are random."""


@pytest.fixture(scope="module")
def interpreters() -> Interpreters:
    try:
        return install_clients()
    except NeedMissing as exc:
        skip_loudly("with clients", exc)


@pytest.fixture(scope="module")
def gateway(
    embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory, vllm_engine: VllmEngine
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("clients")
    with start_gateway(embedded_stores, folder, vllm_engine.base_url) as process:
        yield process


@pytest.fixture(scope="module")
def embedding_gateway(
    embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory, vllm_installation: Installation
) -> Iterator[GatewayProcess]:
    """One in front of the same weights as a model of embeddings."""
    folder = tmp_path_factory.mktemp("embeddings")
    as_embedding = ("--runner", "pooling", "--convert", "embed")
    with (
        start_vllm(installation=vllm_installation, max_model_len=512, extra=as_embedding) as engine,
        start_gateway(embedded_stores, folder, engine.base_url) as process,
    ):
        yield process


def run_program(
    program: str, gateway: GatewayProcess, interpreters: Interpreters, *cells: Cell
) -> dict[Cell, Outcome]:
    [client] = (client for client in CLIENTS if client.program == program)
    target = Target(
        url=gateway.url,
        key=gateway.token(),
        busy_key=gateway.token(),
        model="current",
        embedding_model="current",
        cells=tuple(cell for cell in cells if cell in client.cells),
    )
    return run_client(client, target, interpreters)


@pytest.mark.parametrize("program", PROGRAMS)
def test_client_gets_from_vllm_what_it_asks_for(
    gateway: GatewayProcess, interpreters: Interpreters, program: str
) -> None:
    outcomes = run_program(program, gateway, interpreters, *TEXT_CELLS)

    assert {cell: outcome.detail for cell, outcome in outcomes.items() if outcome.detail} == {}
    assert len(outcomes) >= len(TEXT_CELLS) - 1


@pytest.mark.parametrize("program", ["openai_python", "openai.mjs"])
def test_client_gets_embeddings_of_vllm(
    embedding_gateway: GatewayProcess, interpreters: Interpreters, program: str
) -> None:
    outcomes = run_program(program, embedding_gateway, interpreters, Cell.EMBEDDINGS)

    assert outcomes[Cell.EMBEDDINGS].detail == ""
