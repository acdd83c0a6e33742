"""kill -9 of the web process in the middle of answers, and what is there after a restart."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from modelops.simulator.process import start_simulator

STREAMS = 6
CHATS = 30


def stream_until_it_breaks(client: httpx.Client) -> dict[str, Any]:
    """What one client was told before its connection broke: the ids and the text."""
    told: dict[str, Any] = {"text": ""}
    try:
        with client.stream("POST", "/api/chat", json={"content": "Long story", "stream": True}) as response:
            told["conversation_id"] = response.headers["x-conversation-id"]
            for line in response.iter_lines():
                if line.startswith("data: {"):
                    for choice in json.loads(line[6:])["choices"]:
                        told["text"] += choice["delta"].get("content") or ""
    except httpx.HTTPError:
        told["is_broken"] = True
    return told


def test_after_kill_9_nothing_acknowledged_is_missing_and_nothing_stays_streaming(
    stores: Stores,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    flags = ["--served-model-name", "simulated", "--sim-tokens-per-second", "8"]
    with (
        start_simulator(*flags) as engine,
        start_gateway(
            stores,
            tmp_path_factory.mktemp("crash"),
            engine.base_url,
            CHECKPOINT_INTERVAL="0.2",
            MESSAGE_LEASE="1.5",
        ) as gateway,
        gateway.client() as client,
        ThreadPoolExecutor(STREAMS) as pool,
    ):
        finished = client.post("/api/chat", json={"content": "before", "max_tokens": 3}).json()
        streams = [pool.submit(stream_until_it_breaks, client) for _ in range(STREAMS)]
        wait_until(lambda: checkpointed(client) == STREAMS, what="every answer to be saved on its way")

        gateway.kill()
        told = [stream.result(10) for stream in streams]
        gateway.start()

        assert all(t.get("is_broken") for t in told)
        wait_until(lambda: not streaming(client), what="the orphans to be closed")
        for one in told:
            asked, answered = branch(client, one["conversation_id"])
            assert asked["content"] == "Long story"
            assert (answered["status"], answered["error_code"]) == ("error", "interrupted")
            # What was saved last is a beginning of what the client had seen, or a little ahead of it.
            saved = answered["content"]
            assert saved
            assert saved.startswith(one["text"]) or one["text"].startswith(saved)
        assert branch(client, finished["conversation_id"])[1]["content"] == finished["message"]["content"]
        body = {"conversation_id": told[0]["conversation_id"], "content": "go on", "max_tokens": 2}
        assert client.post("/api/chat", json=body).status_code == 200


def answer_whole(client: httpx.Client) -> dict[str, Any] | None:
    """The JSON answer of one chat; None where the connection broke before."""
    try:
        response = client.post("/api/chat", json={"content": "Short story", "max_tokens": 12})
        return dict(response.raise_for_status().json())
    except httpx.TransportError:
        return None


def answer_until_it_breaks(client: httpx.Client, answered: list[dict[str, Any]]) -> None:
    """Chat after chat as JSON, each answer kept, until the connection breaks."""
    while (answer := answer_whole(client)) is not None:
        answered.append(answer)


def test_json_answers_given_before_kill_9_are_stored_byte_for_byte_and_once(
    stores: Stores,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    flags = ["--served-model-name", "simulated", "--sim-tokens-per-second", "60"]
    with (
        start_simulator(*flags) as engine,
        start_gateway(
            stores, tmp_path_factory.mktemp("answers"), engine.base_url, MESSAGE_LEASE="1.5"
        ) as gateway,
        gateway.client() as client,
        ThreadPoolExecutor(CHATS) as pool,
    ):
        answered: list[dict[str, Any]] = []
        chats = [pool.submit(answer_until_it_breaks, client, answered) for _ in range(CHATS)]
        wait_until(lambda: len(answered) >= CHATS, timeout_s=60, what="as many answers as chats")

        gateway.kill()
        for chat in chats:
            chat.result(30)
        gateway.start()

        for told in answered:
            asked, kept = branch(client, told["conversation_id"])
            assert (asked["content"], kept["id"]) == ("Short story", told["message_id"])
            assert (kept["status"], kept["finish_reason"]) == ("complete", told["finish_reason"])
            assert kept["content"] == told["message"]["content"]
            assert kept["usage"] == told["usage"]
        assert len({told["message_id"] for told in answered}) == len(answered)
        wait_until(lambda: not streaming(client), timeout_s=20, what="the orphans to be closed")
        assert answer_whole(client) is not None


def test_a_graceful_stop_ends_streams_with_an_error_event_and_keeps_them(
    stores: Stores,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    flags = ["--served-model-name", "simulated", "--sim-tokens-per-second", "5"]
    with (
        start_simulator(*flags) as engine,
        start_gateway(stores, tmp_path_factory.mktemp("graceful"), engine.base_url) as gateway,
        gateway.client() as client,
        client.stream("POST", "/api/chat", json={"content": "Long story", "stream": True}) as response,
    ):
        lines = response.iter_lines()
        next(lines)

        code = gateway.stop()
        rest = [line for line in lines if line]
        gateway.start()

        assert rest[-1] == "data: [DONE]"
        assert json.loads(rest[-2][6:])["error"]["code"] == "shutting_down"
        answered = branch(client, response.headers["x-conversation-id"])[1]
        assert (answered["status"], answered["error_code"]) == ("error", "shutting_down")
        assert answered["content"]
        assert code in {0, -15}


def branch(client: httpx.Client, conversation_id: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = client.get(f"/api/conversations/{conversation_id}").json()["messages"]
    return messages


def answers(client: httpx.Client) -> list[dict[str, Any]]:
    listed = client.get("/api/conversations").json()["data"]
    return [m for c in listed for m in branch(client, c["id"]) if m["role"] == "assistant"]


def checkpointed(client: httpx.Client) -> int:
    return sum(1 for m in answers(client) if m["status"] == "streaming" and m["content"])


def streaming(client: httpx.Client) -> list[dict[str, Any]]:
    return [m for m in answers(client) if m["status"] == "streaming"]


@pytest.mark.services
def test_a_replica_closes_the_orphans_of_another(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory, gateway: GatewayProcess
) -> None:
    """With several replicas only the lease tells a dead process's answer from a live one's."""
    flags = ["--served-model-name", "simulated", "--sim-tokens-per-second", "8"]
    with (
        start_simulator(*flags) as engine,
        start_gateway(
            stores,
            tmp_path_factory.mktemp("replicas"),
            engine.base_url,
            MESSAGE_LEASE="2",
            CHECKPOINT_INTERVAL="0.2",
        ) as first,
    ):
        second = GatewayProcess(first.environment, log_path=first.log_path.with_name("second.log"))
        second.start()
        try:
            with (
                ThreadPoolExecutor(2) as pool,
                first.client() as client,
                second.client() as other,
            ):
                dying = pool.submit(stream_until_it_breaks, client)
                living = pool.submit(stream_until_it_breaks, other)
                wait_until(lambda: checkpointed(other) == 2, what="both answers to be saved on their way")

                first.kill()
                orphan = dying.result(10)["conversation_id"]

                wait_until(
                    lambda: branch(other, orphan)[1]["error_code"] == "interrupted",
                    timeout_s=15,
                    what="the orphan to be closed",
                )
                survivor = living.result(30)
                assert "is_broken" not in survivor
                assert branch(other, survivor["conversation_id"])[1]["status"] == "complete"
        finally:
            second.stop()
