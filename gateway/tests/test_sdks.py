"""The official OpenAI SDKs, unchanged but for their base URL."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from gateway.tests.live import GatewayProcess, wait_until
from gateway.tests.needs import NODE_PROJECT, NeedMissing, find_node, skip_loudly

HELLO: Any = {"model": "current", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 12}


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.token(), max_retries=0) as session:
        yield session


def is_engine_idle(engine_url: str) -> bool:
    metrics = httpx.get(f"{engine_url}/metrics").text.splitlines()
    return all(line.endswith(" 0.0") for line in metrics if line.startswith("vllm:num_requests_running"))


def test_python_lists_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["simulated", "current"]
    assert client.models.retrieve("current").id == "current"


def test_python_gets_the_same_text_plain_and_streamed(client: openai.OpenAI) -> None:
    plain = client.chat.completions.create(**HELLO)
    chunks = list(client.chat.completions.create(**HELLO, stream=True))

    streamed = "".join(c.choices[0].delta.content or "" for c in chunks)
    assert streamed == plain.choices[0].message.content
    assert all(chunk.usage is None for chunk in chunks)
    assert plain.usage is not None
    assert plain.usage.completion_tokens == 12


def test_python_gets_usage_at_the_end_of_a_stream_when_asked(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(**HELLO, stream=True, stream_options={"include_usage": True})
    )

    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 12


def test_python_goes_on_with_a_stored_response(client: openai.OpenAI) -> None:
    first = client.responses.create(model="current", input="Hello", max_output_tokens=8)
    with client.responses.stream(
        model="current", input="Go on", previous_response_id=first.id, max_output_tokens=8
    ) as stream:
        kinds = [event.type for event in stream]
        second = stream.get_final_response()

    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert second.previous_response_id == first.id
    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.input_tokens > first.usage.input_tokens
    assert client.responses.retrieve(second.id).output_text == second.output_text
    assert [item.type for item in client.responses.input_items.list(second.id)] == ["message"]
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="current", input="Go on", previous_response_id=first.id)


def test_python_sees_typed_errors(client: openai.OpenAI, gateway: GatewayProcess) -> None:
    with pytest.raises(openai.NotFoundError) as unknown_model:
        client.chat.completions.create(**HELLO | {"model": "gpt-9"})
    with pytest.raises(openai.BadRequestError) as bad_temperature:
        client.chat.completions.create(**HELLO, temperature=9)
    stranger = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="wrong", max_retries=0)
    with stranger, pytest.raises(openai.AuthenticationError) as bad_key:
        stranger.models.list()
    with pytest.raises(openai.APIError) as cut:
        fault = {"vllm_xargs": {"sim_fault": "cut_mid_stream", "sim_after": 3}}
        list(client.chat.completions.create(**HELLO, stream=True, extra_body=fault))

    assert unknown_model.value.code == "model_not_found"
    assert (bad_temperature.value.code, bad_temperature.value.param) == ("invalid_request", "temperature")
    assert bad_key.value.code == "invalid_api_key"
    assert cut.value.code == "upstream_unavailable"


def test_python_frees_the_engine_by_closing_the_stream_early(client: openai.OpenAI, simulator: str) -> None:
    endless = HELLO | {"max_tokens": 2000, "extra_body": {"min_tokens": 2000}}
    with client.chat.completions.create(**endless, stream=True) as stream:
        next(iter(stream))
        assert not is_engine_idle(simulator)

    wait_until(lambda: is_engine_idle(simulator), timeout_s=2, what="the engine to be free")


def test_python_async_works_alike(gateway: GatewayProcess) -> None:
    import asyncio

    async def ask() -> str:
        async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.token()) as session:
            stream = await session.chat.completions.create(**HELLO, stream=True)
            return "".join([c.choices[0].delta.content or "" async for c in stream])

    assert asyncio.run(ask()).startswith("This is a simulated reply")


@pytest.fixture(scope="session")
def node_sdk() -> str:
    try:
        return find_node()
    except NeedMissing as exc:
        skip_loudly("with openai-node", exc)


def test_node_sees_what_python_sees(node_sdk: str, embedded_gateway: GatewayProcess, simulator: str) -> None:
    gateway = embedded_gateway
    done = subprocess.run(
        [node_sdk, "scenario.mjs", f"{gateway.url}/v1", gateway.token()],
        cwd=NODE_PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)

    assert seen["models"] == ["simulated", "current"]
    assert seen["stream"]["text"] == seen["plain"]["text"] == seen["stream_with_usage"]["text"]
    assert seen["stream"]["usage"] is None
    assert seen["stream_with_usage"]["usage"]["completion_tokens"] == 12
    assert seen["seen_before_closing"] == 3
    errors = {name: (e["type"], e["status"], e["code"]) for name, e in seen["errors"].items()}
    assert errors == {
        "unknown_model": ("NotFoundError", 404, "model_not_found"),
        "bad_temperature": ("BadRequestError", 400, "invalid_request"),
        "bad_key": ("AuthenticationError", 401, "invalid_api_key"),
        "cut_in_the_middle": ("APIError", None, "upstream_unavailable"),
    }
    wait_until(lambda: is_engine_idle(simulator), timeout_s=2, what="the engine to be free")
