"""What becomes of an answer whose client leaves, or asks for it to stop."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from chat.tests.streams import error_of
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from modelops.simulator.process import start_simulator

LONG = {"content": "Tell me a long story", "stream": True}


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with gateway.client() as session:
        yield session


def running_on(engine_url: str) -> float:
    """The engine's own count of running requests."""
    for line in httpx.get(f"{engine_url}/metrics").text.splitlines():
        if line.startswith("vllm:num_requests_running"):
            return float(line.rpartition(" ")[2])
    raise AssertionError("the engine has no such metric")


def read_some(lines: Iterator[str], events: int = 4) -> dict[str, Any]:
    """Read a few events of a stream; answers the first. The caller holds `lines`: dropping it hangs up."""
    seen: list[dict[str, Any]] = []
    for line in lines:
        if line.startswith("data: "):
            seen.append(json.loads(line[6:]))
        if len(seen) == events:
            break
    return seen[0]


def stored_answer(client: httpx.Client, conversation_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.get(f"/api/conversations/{conversation_id}").json()["messages"][-1]
    return answer


def closed_answer(client: httpx.Client, conversation_id: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        answer = stored_answer(client, conversation_id)
        return None if answer["status"] == "streaming" else answer

    closed: dict[str, Any] = wait_until(look, what="the answer to be closed")
    return closed


def test_a_stored_answer_is_finished_when_its_client_leaves(client: httpx.Client, simulator: str) -> None:
    with client.stream("POST", "/api/chat", json=LONG) as response:
        first = read_some(response.iter_lines())

    answer = closed_answer(client, first["conversation_id"])

    assert answer["status"] == "complete"
    assert answer["usage_source"] == "engine"
    assert answer["usage"]["completion_tokens"] > 20


def test_a_stored_answer_is_cancelled_when_its_client_asked_for_that(
    client: httpx.Client, simulator: str
) -> None:
    with client.stream("POST", "/api/chat", json=LONG | {"on_disconnect": "cancel"}) as response:
        first = read_some(response.iter_lines())

    answer = closed_answer(client, first["conversation_id"])

    assert answer["status"] == "cancelled"
    assert answer["content"] != ""
    wait_until(lambda: running_on(simulator) == 0, timeout_s=2, what="the engine to be free")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_a_v1_stream_ends_at_once_when_its_client_leaves(
    client: httpx.Client, simulator: str, path: str
) -> None:
    slow = {"vllm_xargs": {"sim_tokens_per_second": 5}, "max_tokens": 500, "min_tokens": 500, "stream": True}
    prompt = {"prompt": "x", "messages": [{"role": "user", "content": "x"}]}
    with client.stream("POST", path, json={**slow, **prompt, "model": "current"}) as response:
        lines = response.iter_lines()
        read_some(lines)
        assert running_on(simulator) >= 1

    wait_until(lambda: running_on(simulator) == 0, timeout_s=2, what="the engine to be free")


def test_a_plain_v1_answer_ends_at_once_when_its_client_leaves(client: httpx.Client, simulator: str) -> None:
    body = {
        "messages": [{"role": "user", "content": "x"}],
        "max_tokens": 500,
        "min_tokens": 500,
        "vllm_xargs": {"sim_tokens_per_second": 5},
    }
    with pytest.raises(httpx.ReadTimeout):
        client.post("/v1/chat/completions", json=body, timeout=0.5)

    wait_until(lambda: running_on(simulator) == 0, timeout_s=2, what="the engine to be free")


def test_the_stop_button_ends_an_answer_and_keeps_its_text(client: httpx.Client, simulator: str) -> None:
    with client.stream("POST", "/api/chat", json=LONG) as response:
        lines = response.iter_lines()
        first = read_some(lines)
        path = f"/api/conversations/{first['conversation_id']}/messages/{first['message_id']}/cancel"

        stopped = client.post(path)
        rest = [line for line in lines if line]

    assert stopped.status_code == 202
    assert stopped.json() == {"id": first["message_id"], "status": "streaming"}
    assert rest[-1] == "data: [DONE]"
    assert not [line for line in rest if '"error"' in line]
    answer = closed_answer(client, first["conversation_id"])
    assert answer["status"] == "cancelled"
    assert answer["content"] != ""
    again = client.post(path)
    assert (again.status_code, again.json()["status"]) == (202, "cancelled")


def test_an_answer_ends_when_its_account_is_removed(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory
) -> None:
    account = {"username": "leaver", "password": "correct horse battery"}
    settings = {"REGISTRATION": "true", "CHECKPOINT_INTERVAL": "0.1"}
    flags = ["--served-model-name", "simulated", "--max-model-len", "8192", "--sim-tokens-per-second", "3"]
    with (
        start_simulator(*flags) as engine,
        start_gateway(stores, tmp_path_factory.mktemp("left"), engine.base_url, **settings) as gateway,
        httpx.Client(base_url=gateway.url, timeout=30) as leaver,
    ):
        token = leaver.post("/api/auth/register", json=account).json()["access_token"]
        leaver.headers["Authorization"] = f"Bearer {token}"
        with leaver.stream("POST", "/api/chat", json=LONG | {"max_tokens": 800}) as response:
            lines = response.iter_lines()
            read_some(lines)

            left = leaver.request("DELETE", "/api/auth/me", json={"password": account["password"]})
            rest = [line for line in lines if line]
        wait_until(lambda: running_on(engine.base_url) == 0, what="the engine to be free")

    assert left.status_code == 204
    assert rest[-1] == "data: [DONE]"
    assert not any('"finish_reason":"stop"' in line for line in rest)


def test_only_the_owner_can_stop_an_answer(client: httpx.Client, gateway: GatewayProcess) -> None:
    answered = client.post("/api/chat", json={"content": "x", "max_tokens": 1}).json()
    path = "/api/conversations/{}/messages/{}/cancel"

    with gateway.client("admin") as other:
        theirs = other.post(path.format(answered["conversation_id"], answered["message_id"]))
        missing = other.post(path.format(uuid.uuid4(), uuid.uuid4()))

    assert theirs.status_code == missing.status_code == 404
    assert error_of(theirs) == error_of(missing)


def test_a_conversation_whose_answer_was_left_goes_on_afterwards(client: httpx.Client) -> None:
    with client.stream("POST", "/api/chat", json=LONG | {"max_tokens": 30}) as response:
        first = read_some(response.iter_lines())
    closed_answer(client, first["conversation_id"])

    body = {"conversation_id": first["conversation_id"], "content": "and then?", "max_tokens": 2}
    assert client.post("/api/chat", json=body).status_code == 200


@pytest.mark.services
def test_the_stop_button_reaches_the_replica_that_generates(
    gateway: GatewayProcess, tmp_path_factory: pytest.TempPathFactory
) -> None:
    twin = GatewayProcess(gateway.environment, log_path=tmp_path_factory.mktemp("twin") / "gateway.log")
    twin.start()
    try:
        with gateway.client() as client, twin.client() as elsewhere:
            body = LONG | {"max_tokens": 800}
            with client.stream("POST", "/api/chat", json=body) as response:
                lines = response.iter_lines()
                first = read_some(lines)
                path = f"/api/conversations/{first['conversation_id']}/messages/{first['message_id']}/cancel"

                stopped = elsewhere.post(path)
                for _line in lines:
                    pass

            assert stopped.status_code == 202
            assert closed_answer(client, first["conversation_id"])["status"] == "cancelled"
    finally:
        twin.stop()


def test_a_reader_that_never_reads_counts_as_gone(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory
) -> None:
    flags = ["--served-model-name", "simulated", "--max-model-len", "100000", "--sim-tokens-per-second", "0"]
    body = json.dumps(
        {
            "messages": [{"role": "user", "content": "x"}],
            "stream": True,
            "min_tokens": 60_000,
            "max_tokens": 60_000,
        }
    ).encode()
    with (
        start_simulator(*flags) as engine,
        start_gateway(
            stores, tmp_path_factory.mktemp("stalled"), engine.base_url, SEND_TIMEOUT="0.5"
        ) as gateway,
        socket.socket() as reader,
    ):
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", gateway.port))
        reader.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
            + gateway.token().encode()
            + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
            + body
        )

        def ended_streams() -> list[dict[str, Any]]:
            return [line for line in gateway.log_events("request") if line["path"].startswith("/v1/")]

        ended = wait_until(ended_streams, timeout_s=20, what="the stream to end")
        wait_until(lambda: running_on(engine.base_url) == 0, what="the engine to be free")

    assert [line["outcome"] for line in ended] == ["cancelled"]
