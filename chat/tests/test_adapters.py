"""Adapters (LoRA) of an engine: listed with their model, asked for by their names."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from chat.tests.streams import error_of
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from modelops.simulator.process import start_simulator

HELLO = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2}


@pytest.fixture(scope="module")
def adapted(embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway whose engine serves a model and an adapter of it."""
    flags = ("--served-model-name", "base", "--enable-lora", "--lora-modules", "tuned=maker/tuned")
    with (
        start_simulator(*flags, "--sim-tokens-per-second", "500") as engine,
        start_gateway(embedded_stores, tmp_path_factory.mktemp("adapted"), engine.base_url) as gateway,
    ):
        with gateway.client() as client:
            wait_until(lambda: client.get("/v1/models").json()["data"], what="the engine to be seen")
        yield gateway


def test_adapter_is_listed_with_its_model_and_answers_by_its_name(adapted: GatewayProcess) -> None:
    with adapted.client() as client:
        cards = {card["id"]: card for card in client.get("/v1/models").json()["data"]}
        answers = {
            name: client.post("/v1/chat/completions", json={**HELLO, "model": name}).json()["model"]
            for name in ("base", "tuned", "current")
        }

    assert (cards["tuned"]["parent"], "root" in cards["tuned"]) == ("base", False)
    assert "parent" not in cards["base"]
    assert answers == {"base": "base", "tuned": "tuned", "current": "base"}


def test_key_for_the_model_alone_is_for_no_adapter(adapted: GatewayProcess) -> None:
    key = adapted.manage("create_api_key", "demo", "--quiet", "--scope", "chat", "--model", "base").strip()

    with httpx.Client(base_url=adapted.url, headers={"Authorization": f"Bearer {key}"}) as client:
        listed = [card["id"] for card in client.get("/v1/models").json()["data"]]
        refused = client.post("/v1/chat/completions", json={**HELLO, "model": "tuned"})

    assert listed == ["base", "current"]
    assert (refused.status_code, error_of(refused)["code"]) == (403, "permission_denied")
