"""Names that clients make up become no labels: metrics stay as many as routes and models are."""

from __future__ import annotations

import secrets

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.tests.live import GatewayProcess

HELLO = [{"role": "user", "content": "hello"}]


def label_values(gateway: GatewayProcess) -> set[str]:
    text = httpx.get(f"{gateway.url}/metrics").text
    return {
        value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        for value in sample.labels.values()
    }


def count_series(gateway: GatewayProcess) -> int:
    text = httpx.get(f"{gateway.url}/metrics").text
    return sum(len(family.samples) for family in text_string_to_metric_families(text))


def ask_around(client: httpx.Client, word: str) -> None:
    """Put `word` wherever a request has room for a name."""
    client.post("/v1/chat/completions", json={"messages": HELLO, "model": word})
    client.post("/v1/completions", json={"prompt": "x", "model": word, "stream": True})
    client.post("/api/chat", json={"content": "x", "model": word})
    for path in (
        word,
        f"v1/{word}",
        f"v1/models/{word}",
        f"api/{word}",
        f"api/conversations/{word}",
        f"admin/{word}",
    ):
        client.get(f"/{path}")
    client.request(word.upper(), "/v1/models")
    client.request(word.upper(), "/api/auth/me")
    client.get("/api/auth/me", headers={"Host": f"{word}.example"})
    client.post(
        "/api/conversations", content=b"{}", headers={"Content-Type": f"application/json; charset={word}"}
    )
    client.post("/api/conversations", content=b"{}", headers={"Content-Type": f"{word}/{word}"})


def test_made_up_names_are_no_labels(fort: GatewayProcess, web: httpx.Client) -> None:
    word = f"x{secrets.token_hex(8)}"

    ask_around(web, word)

    assert [value for value in label_values(fort) if word in value.lower()] == []
    assert {"other", "model_not_found"} <= label_values(fort)


def test_metrics_do_not_grow_with_what_clients_make_up(fort: GatewayProcess, web: httpx.Client) -> None:
    ask_around(web, f"x{secrets.token_hex(8)}")
    before = count_series(fort)

    for _ in range(5):
        ask_around(web, f"x{secrets.token_hex(8)}")

    assert count_series(fort) == before


@pytest.mark.parametrize("stream", [False, True])
def test_served_model_is_a_label_by_the_engines_name(
    fort: GatewayProcess, web: httpx.Client, stream: bool
) -> None:
    web.post("/v1/chat/completions", json={"messages": HELLO, "model": "current", "stream": stream})

    values = label_values(fort)
    assert "scripted" in values
    assert "current" not in values
