"""Every way in which the engine can fail, as a client sees it and as the conversation keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from chat.tests.streams import error_of, read_stream
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from modelops.simulator.process import RunningSimulator, find_free_port, start_simulator

FIRST_BYTE_TIMEOUT_S = "0.6"
IDLE_TIMEOUT_S = "0.6"


@dataclass
class Bench:
    """A gateway whose engine's port is fixed, so that engines with different faults can take turns."""

    gateway: GatewayProcess
    port: int

    def engine(self, *flags: str) -> AbstractContextManager[RunningSimulator]:
        pace = ("--sim-tokens-per-second", "500")
        return start_simulator("--served-model-name", "simulated", *pace, *flags, port=self.port)

    def await_state(self, state: str) -> None:
        def has_state() -> bool:
            health = httpx.get(f"{self.gateway.url}/health").json()
            return bool(health["services"]["vllm"]["status"] == state)

        wait_until(has_state, what=f"the engine to be {state}")

    def newest_answer(self, client: httpx.Client) -> dict[str, Any]:
        conversation = client.get("/api/conversations", params={"limit": 1}).json()["first_id"]
        answer: dict[str, Any] = client.get(f"/api/conversations/{conversation}").json()["messages"][-1]
        return answer


@pytest.fixture(scope="module")
def bench(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    port = find_free_port()
    with start_gateway(
        stores,
        tmp_path_factory.mktemp("faults"),
        f"http://127.0.0.1:{port}/v1",
        UPSTREAM_FIRST_BYTE_TIMEOUT=FIRST_BYTE_TIMEOUT_S,
        UPSTREAM_IDLE_TIMEOUT=IDLE_TIMEOUT_S,
    ) as gateway:
        yield Bench(gateway, port)


@pytest.fixture
def client(bench: Bench) -> Iterator[httpx.Client]:
    with bench.gateway.client() as session:
        yield session


def test_before_any_engine_answered_the_model_counts_as_loading(bench: Bench, client: httpx.Client) -> None:
    answer = client.post("/api/chat", json={"content": "x"})

    assert answer.status_code == 503
    assert error_of(answer)["code"] == "model_loading"
    assert 1 <= int(answer.headers["retry-after"]) <= 60


BEFORE_THE_FIRST_BYTE = [
    pytest.param(["--sim-fault", "refuse"], 502, "upstream_unavailable", id="refuse"),
    pytest.param(["--sim-fault", "hang_first_token"], 504, "upstream_timeout", id="hang"),
    pytest.param(["--sim-fault", "crash_after_requests"], 502, "upstream_unavailable", id="crash"),
    pytest.param(["--sim-fault", "engine_dead"], 502, "upstream_unavailable", id="dead"),
    pytest.param(
        ["--sim-fault", "error_status", "--sim-status", "503"], 502, "upstream_unavailable", id="503"
    ),
    pytest.param(
        ["--sim-fault", "error_status", "--sim-status", "429"], 429, "rate_limit_exceeded", id="429"
    ),
    pytest.param(["--api-key", "another-key"], 502, "upstream_unavailable", id="wrong key"),
    pytest.param(["--sim-fault", "garbage", "--sim-after", "0"], 502, "upstream_unavailable", id="garbage"),
]


@pytest.mark.parametrize(("flags", "status", "code"), BEFORE_THE_FIRST_BYTE)
@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_before_the_first_byte_keeps_its_status(
    bench: Bench, client: httpx.Client, flags: list[str], status: int, code: str, stream: bool
) -> None:
    with bench.engine(*flags):
        bench.await_state("unreachable" if "--api-key" in flags else "ready")

        answer = client.post("/api/chat", json={"content": "x", "stream": stream})

    assert answer.status_code == status
    assert error_of(answer)["code"] == code
    stored = bench.newest_answer(client)
    assert (stored["status"], stored["error_code"]) == ("error", code)


AFTER_THE_FIRST_BYTE = [
    pytest.param("cut_mid_stream", "upstream_unavailable", id="cut"),
    pytest.param("end_without_done", "upstream_unavailable", id="end without [DONE]"),
    pytest.param("stall_mid_stream", "upstream_timeout", id="stall"),
    pytest.param("in_band_error", "upstream_unavailable", id="in-band error"),
    pytest.param("garbage", "upstream_unavailable", id="garbage"),
    pytest.param("crash_mid_stream", "upstream_unavailable", id="crash"),
]


@pytest.mark.parametrize(("fault", "code"), AFTER_THE_FIRST_BYTE)
def test_a_failure_after_the_first_byte_is_one_error_event_and_done(
    bench: Bench, client: httpx.Client, fault: str, code: str
) -> None:
    with bench.engine("--sim-fault", fault, "--sim-after", "6"):
        bench.await_state("ready")

        stored_reply = read_stream(client, "/api/chat", {"content": "Tell me more"})
        openai_reply = (
            None
            if fault == "crash_mid_stream"  # the engine is gone by now
            else read_stream(
                client,
                "/v1/chat/completions",
                {"model": "current", "messages": [{"role": "user", "content": "x"}]},
            )
        )

    for reply in filter(None, (stored_reply, openai_reply)):
        assert reply.status == 200
        assert [e["code"] for e in reply.errors] == [code]
        assert reply.is_done
        assert "error" in reply.events[-1]
    row = bench.newest_answer(client)
    assert (row["status"], row["error_code"]) == ("error", code)
    assert row["content"] == stored_reply.text != ""
    assert row["usage_source"] == "estimated"


@pytest.mark.parametrize("fault", ["cut_mid_stream", "stall_mid_stream", "in_band_error"])
def test_a_plain_answer_that_is_cut_short_keeps_its_text(
    bench: Bench, client: httpx.Client, fault: str
) -> None:
    with bench.engine("--sim-fault", fault, "--sim-after", "6"):
        bench.await_state("ready")

        answer = client.post("/api/chat", json={"content": "Tell me more"})

    assert answer.status_code in {502, 504}
    row = bench.newest_answer(client)
    assert row["status"] == "error"
    assert row["content"] != ""


def test_plain_answer_of_an_engine_that_falls_silent_does_not_wait_as_for_a_first_byte(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stall = ("--sim-fault", "stall_mid_stream", "--sim-after", "6")
    with (
        start_simulator("--served-model-name", "simulated", *stall) as engine,
        start_gateway(
            stores,
            tmp_path_factory.mktemp("patient"),
            engine.base_url,
            UPSTREAM_FIRST_BYTE_TIMEOUT="3600",
            UPSTREAM_IDLE_TIMEOUT=IDLE_TIMEOUT_S,
        ) as gateway,
        gateway.client() as client,
    ):
        answer = client.post("/api/chat", json={"content": "Tell me more"})

    assert (answer.status_code, error_of(answer)["code"]) == (504, "upstream_timeout")


def test_an_engine_that_went_away_is_unavailable_and_then_back(bench: Bench, client: httpx.Client) -> None:
    with bench.engine():
        bench.await_state("ready")
        assert client.post("/api/chat", json={"content": "x", "max_tokens": 1}).status_code == 200

    gone = client.post("/api/chat", json={"content": "x"})
    bench.await_state("unreachable")
    models_meanwhile = client.get("/v1/models")
    with bench.engine():
        bench.await_state("ready")
        back = client.post("/api/chat", json={"content": "x", "max_tokens": 1})

    assert (gone.status_code, error_of(gone)["code"]) == (502, "upstream_unavailable")
    assert models_meanwhile.status_code == 200
    assert back.status_code == 200


def test_silence_is_filled_with_pings(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        start_simulator("--served-model-name", "simulated", "--sim-first-token-seconds", "1.2") as engine,
        start_gateway(
            stores, tmp_path_factory.mktemp("pings"), engine.base_url, PING_INTERVAL="0.25"
        ) as gateway,
        gateway.client() as client,
    ):
        reply = read_stream(client, "/api/chat", {"content": "x", "max_tokens": 3})

    assert reply.comments >= 2
    assert reply.is_done
    assert reply.errors == []
    assert reply.text != ""
