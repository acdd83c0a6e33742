"""Switches between real vLLM engines in real containers, with clients at a web process and without a GPU.

An engine takes half a minute to start, so the switches are made once and each test looks at one thing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from chat.tests.streams import StreamedReply, read_stream
from gateway.tests.databases import Stores
from gateway.tests.docker_engine.daemon import DockerEngine
from gateway.tests.live import GatewayProcess, wait_until
from modelops.domain.engine_log.failures import SHORTEST_RETRY_TOKENS, Cause
from modelops.domain.switching.states import SwitchState
from modelops.tests.switcher.bench import SwitchBench, open_bench
from modelops.tests.switcher.test_docker_switch import count_open

from .docker_image import write_hub_cache
from .install import Installation

pytestmark = [pytest.mark.vllm, pytest.mark.docker]

CHAT = "/v1/chat/completions"
GIB = 1 << 30
SWITCH_TIMEOUT_S = 600.0
"""For two starts on a machine that is busy with something else."""
STREAMS = 3
LONG, SHORT = 1500, 24
"""Tokens of an answer; the long ones still run when the switch is asked for."""

REPOSITORY = "gateway-test/tiny"
CACHE_GIB = 1
CONTEXTS = {"tiny-a": 4096, "tiny-b": 2048}
TOO_LONG = 65_536
"""Within the model's positions, and more tokens than SMALL_CACHE_BYTES hold."""
SMALL_CACHE_BYTES = 1 << 24
BLOCK_TOKENS = 16
COMPLETE = "Application startup complete"
# Weights that are made up are not loaded, and nothing is compiled, profiled or captured without a GPU.
PHASES = ["boot", "distributed", "download", "kv_cache", "done"]


@dataclass(frozen=True)
class Clients:
    """What clients saw of the switch from `tiny-a` to `tiny-b`."""

    begun_before: list[StreamedReply]
    begun_meanwhile: list[StreamedReply]
    plain: httpx.Response


@dataclass(frozen=True)
class Deployment:
    """A switcher and a web process, and an administrator's client at the latter."""

    bench: SwitchBench
    gateway: GatewayProcess
    admin: httpx.Client

    def switch(self, profile: str) -> dict[str, Any]:
        """The switch after its end. Forced, as the fit check finds no GPU."""
        switch_id = self.bench.request(profile, force=True)
        self.bench.wait_until_settled(timeout_s=SWITCH_TIMEOUT_S)
        switch = self.get(f"switches/{switch_id}")
        assert switch["state"] == SwitchState.ACTIVE, (switch["root_cause"], switch["log_tail"])
        return switch

    def find_switch(self, profile: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"switches?profile={profile}")["data"][0]
        return self.get(f"switches/{found['id']}")

    def list_engines(self, profile: str) -> list[dict[str, Any]]:
        """The newest first."""
        return [each for each in self.get("engines")["engines"] if each["profile"] == profile]

    def get(self, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.admin.get(f"/api/models/{path}").raise_for_status().json()
        return answer

    def read_log(self, engine: dict[str, Any]) -> str:
        return self.gateway.manage("engine_logs", "--engine", engine["name"], "--tail", "100000")

    def read_history(self, switch_id: str) -> list[dict[str, Any]]:
        """The events of a switch that has ended well."""
        events = []
        with self.admin.stream(
            "GET", f"/api/models/events?switch={switch_id}", headers={"Last-Event-ID": "0"}
        ) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    events.append(json.loads(line[6:]))
                    if events[-1]["state"] == SwitchState.ACTIVE:
                        break
        return events


@pytest.fixture(scope="module")
def bench(
    stores: Stores,
    tmp_path_factory: pytest.TempPathFactory,
    vllm_docker_engine: DockerEngine,
    vllm_image: str,
    vllm_installation: Installation,
) -> Iterator[SwitchBench]:
    """A switcher whose profiles all serve the tiny model in containers."""
    hub_cache = tmp_path_factory.mktemp("hub")
    write_hub_cache(hub_cache, vllm_installation.model, REPOSITORY)
    config = json.loads((vllm_installation.model / "config.json").read_text())
    with open_bench(
        stores,
        tmp_path_factory.mktemp("vllm-switch"),
        DOCKER_HOST=vllm_docker_engine.host,
        ENGINE_HF_CACHE=str(hub_cache),
        ENGINE_SHM_GIB="1",
        SWITCHER_LEASE="10",
        SWITCH_DRAIN_TIMEOUT="300",
    ) as bench:
        for slug, context in CONTEXTS.items():
            cache = {"VLLM_CPU_KVCACHE_SPACE": str(CACHE_GIB)}
            save_profile(bench, slug, vllm_image, config, max_model_len=context, environment=cache)
        small = {"kv-cache-memory-bytes": SMALL_CACHE_BYTES}
        save_profile(bench, "tiny-long", vllm_image, config, max_model_len=TOO_LONG, extra_flags=small)
        bench.start_switcher()
        yield bench


def save_profile(bench: SwitchBench, slug: str, image: str, config: dict[str, Any], **values: Any) -> None:
    """Not the bench's own, whose profiles are simulated."""
    always = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "VLLM_NO_USAGE_STATS": "1"}
    values["environment"] = always | values.get("environment", {})
    values["extra_flags"] = {"load-format": "dummy"} | values.get("extra_flags", {})
    bench.order(
        "save_profile",
        **values,
        slug=slug,
        engine="vllm",
        runtime="docker",
        image=image,
        repository=REPOSITORY,
        config=config,
        # In bfloat16 a first prompt of one token, such as the canary's, kills vLLM's worker on a CPU with
        # AMX ("Illegal instruction"): only a longer one makes it ask the kernel for those registers.
        dtype="float32",
        enforce_eager=True,
    )


@pytest.fixture(scope="module")
def deployment(bench: SwitchBench) -> Iterator[Deployment]:
    with (
        bench.web_process(SWITCH_WAIT=str(SWITCH_TIMEOUT_S)) as gateway,
        gateway.client("admin") as admin,
    ):
        yield Deployment(bench, gateway, admin)


@pytest.fixture(scope="module")
def clients(deployment: Deployment) -> Clients:
    """From nothing to `tiny-a`, and from there to `tiny-b` while clients are being answered."""
    bench, gateway = deployment.bench, deployment.gateway
    deployment.switch("tiny-a")
    with gateway.client() as client, ThreadPoolExecutor(2 * STREAMS + 1) as pool:
        client.timeout = httpx.Timeout(SWITCH_TIMEOUT_S)

        def open_streams(tokens: int) -> list[Future[StreamedReply]]:
            return [pool.submit(read_stream, client, CHAT, body_of(tokens)) for _ in range(STREAMS)]

        before = open_streams(LONG)
        wait_until(lambda: count_open(gateway) == STREAMS, timeout_s=60, what="the first answers")
        bench.request("tiny-b", force=True)
        assert not any(each.done() for each in before), "they ended too soon to meet the switch"
        bench.wait_for_state(SwitchState.LOADING, timeout_s=SWITCH_TIMEOUT_S)
        meanwhile = open_streams(SHORT)
        plain = pool.submit(client.post, CHAT, json=body_of(SHORT))
        bench.wait_until_settled(timeout_s=SWITCH_TIMEOUT_S)
        return Clients(
            [each.result(SWITCH_TIMEOUT_S) for each in before],
            [each.result(SWITCH_TIMEOUT_S) for each in meanwhile],
            plain.result(SWITCH_TIMEOUT_S),
        )


def body_of(tokens: int) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Tell me about licences"}]
    return {"model": "current", "messages": messages, "max_tokens": tokens, "ignore_eos": True}


def models_of(reply: StreamedReply) -> set[str]:
    return {event["model"] for event in reply.events}


def test_answers_that_run_when_a_switch_is_asked_for_run_to_their_end(clients: Clients) -> None:
    for reply in clients.begun_before:
        assert (reply.status, reply.errors, reply.is_done) == (200, [], True)
        assert models_of(reply) == {"tiny-a"}
        assert reply.events[-1]["choices"][0]["finish_reason"] == "length"


def test_requests_that_come_meanwhile_wait_and_are_answered_by_the_next_model(clients: Clients) -> None:
    for reply in clients.begun_meanwhile:
        assert (reply.status, reply.errors, reply.is_done) == (200, [], True)
        assert models_of(reply) == {"tiny-b"}
    assert clients.plain.status_code == 200
    assert clients.plain.json()["model"] == "tiny-b"
    assert clients.plain.json()["usage"]["completion_tokens"] == SHORT


@pytest.mark.parametrize("profile", CONTEXTS)
@pytest.mark.usefixtures("clients")
def test_a_forced_switch_says_what_it_was_forced_over(deployment: Deployment, profile: str) -> None:
    switch = deployment.find_switch(profile)

    assert (switch["state"], switch["force"]) == (SwitchState.ACTIVE, True)
    assert switch["plan"]["forced"]
    overridden = [each["code"] for each in switch["plan"]["problems"]]
    assert "too_few_gpus" in overridden
    notes = [each["message"] for each in switch["events"] if each["kind"] == "note"]
    assert notes == [f"forced over: {', '.join(overridden)}"]


@pytest.mark.parametrize("profile", CONTEXTS)
@pytest.mark.usefixtures("clients")
def test_phases_and_sizes_are_those_of_the_engines_own_log(deployment: Deployment, profile: str) -> None:
    [engine] = deployment.list_engines(profile)

    # What the engine said last is stored a moment after it serves.
    wait_until(lambda: COMPLETE in deployment.read_log(engine), what="the whole log of the start")
    log = deployment.read_log(engine)
    tokens, context, concurrency = re.findall(
        r"KV cache size: ([\d,]+) tokens, Maximum concurrency for ([\d,]+) tokens per request: ([\d.]+)x", log
    )[0]
    assert engine["max_model_len"] == to_number(context) == CONTEXTS[profile]
    assert engine["actual"]["kv_cache_tokens"] == to_number(tokens)
    assert engine["actual"]["max_concurrency"] == float(concurrency)
    assert engine["actual"]["kv_cache_bytes"] == CACHE_GIB * GIB
    assert list(engine["phase_seconds"]) == PHASES


@pytest.mark.usefixtures("clients")
def test_the_next_plan_for_a_profile_knows_what_its_last_start_measured(deployment: Deployment) -> None:
    [engine] = deployment.list_engines("tiny-a")

    body = {"profile_id": "tiny-a", "dry_run": True, "force": True}
    plan = deployment.admin.post("/api/models/switch", json=body).json()["plan"]

    assert plan["fit"]["last_start"]["engine"] == engine["name"]
    assert plan["fit"]["last_start"]["actual"] == engine["actual"]
    # What a start measured corrects a check on cards of the kind it ran on, and this one ran on none.
    assert plan["fit"]["calibrated_from"] is None
    assert plan["typical_seconds"] == pytest.approx(sum(engine["phase_seconds"].values()), abs=0.1)


@pytest.mark.usefixtures("clients")
def test_a_context_too_long_for_the_cache_is_tried_once_more_with_the_length_that_vllm_named(
    deployment: Deployment,
) -> None:
    switch = deployment.switch("tiny-long")

    served, failed = deployment.list_engines("tiny-long")
    named = to_number(re.findall(r"estimated maximum model length is (\d+)", deployment.read_log(failed))[0])
    retried = named // BLOCK_TOKENS * BLOCK_TOKENS
    assert SHORTEST_RETRY_TOKENS <= retried < TOO_LONG
    assert (switch["state"], switch["attempts"], switch["max_model_len"]) == (SwitchState.ACTIVE, 2, retried)
    assert (served["state"], served["max_model_len"]) == ("serving", retried)
    assert (failed["state"], failed["ready_at"]) == ("ended", None)
    again = [each for each in deployment.read_history(switch["id"]) if "cause" in each["data"]]
    [(retry, cause)] = [(each["data"]["max_model_len"], each["data"]["cause"]) for each in again]
    assert (cause["code"], cause["retry_max_model_len"], retry) == (Cause.CONTEXT_TOO_LONG, retried, retried)
    assert str(named) in cause["evidence"]


def to_number(text: str) -> int:
    return int(text.replace(",", ""))
