"""Everything but chat: text completions, embeddings, cards, metrics, sleep."""

from __future__ import annotations

import asyncio
import base64
import math
import struct

import aiohttp
import pytest

from modelops.simulator.process import start_simulator
from modelops.tests.simulator.conftest import FAST
from modelops.tests.simulator.wire_helpers import (
    CHAT,
    ask,
    chat_body,
    read_metric,
    stream_events,
    wait_for_metric,
)


async def test_the_model_cards_name_every_alias_and_say_simulated(client: aiohttp.ClientSession) -> None:
    async with client.get("/v1/models") as response:
        cards = (await response.json())["data"]

    assert [card["id"] for card in cards] == ["chat-a", "chat-b"]
    card = cards[0]
    assert (card["owned_by"], card["max_model_len"], card["parent"]) == ("vllm", 4096, None)
    assert (card["root"], card["simulated"]) == ("simulated/org/model", True)
    assert card["permission"][0]["object"] == "model_permission"


async def test_the_small_endpoints_answer(client: aiohttp.ClientSession) -> None:
    async with client.get("/version") as response:
        assert await response.json() == {"version": "0.33.0+simulated"}
    async with client.get("/load") as response:
        assert await response.json() == {"server_load": 0}
    async with client.get("/health") as response:
        assert (response.status, await response.read()) == (200, b"")


async def test_detokenize_reverses_tokenize(client: aiohttp.ClientSession) -> None:
    text = "Round trip, 왕복 🙂"
    _, tokens = await ask(client, {"prompt": text, "return_token_strs": True}, "/tokenize")

    _, back = await ask(client, {"tokens": tokens["tokens"]}, "/detokenize")

    assert back == {"prompt": text}
    assert "".join(tokens["token_strs"]) == text


async def test_a_text_completion_defaults_to_sixteen_tokens(client: aiohttp.ClientSession) -> None:
    _, body = await ask(client, {"prompt": "Hello"}, "/v1/completions")

    assert body["object"] == "text_completion"
    assert body["usage"]["completion_tokens"] == 16
    fields = "index text logprobs finish_reason stop_reason token_ids prompt_logprobs prompt_token_ids"
    assert list(body["choices"][0]) == [*fields.split(), "routed_experts"]


async def test_several_prompts_give_their_choices_in_order(client: aiohttp.ClientSession) -> None:
    request = {"prompt": ["One", "Two"], "max_tokens": 3, "n": 2, "echo": True}

    _, body = await ask(client, request, "/v1/completions")

    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2, 3]
    assert [choice["text"][:3] for choice in body["choices"]] == ["One", "One", "Two", "Two"]
    assert body["usage"]["completion_tokens"] == 12


async def test_a_text_stream_has_no_role_event(client: aiohttp.ClientSession) -> None:
    request = {"prompt": "Hello", "max_tokens": 3, "stream_options": {"include_usage": True}}

    events = await stream_events(client, request, "/v1/completions")

    fields = "index text logprobs finish_reason stop_reason prompt_token_ids token_ids"
    assert list(events[0]["choices"][0]) == fields.split()
    assert "".join(event["choices"][0]["text"] for event in events[:-1]) == "This is a"
    assert events[-1]["usage"]["completion_tokens"] == 3


async def test_embeddings_are_unit_vectors_that_depend_on_the_text(client: aiohttp.ClientSession) -> None:
    request = {"input": ["a cat sat", "a cat sat", "Züge fahren spät"], "dimensions": 64}

    _, body = await ask(client, request, "/v1/embeddings")

    first, again, other = (item["embedding"] for item in body["data"])
    assert first == again != other
    assert len(first) == 64
    assert math.hypot(*first) == pytest.approx(1)
    assert body["usage"]["prompt_tokens"] == body["usage"]["total_tokens"] > 0


async def test_base64_embeddings_are_the_same_numbers(client: aiohttp.ClientSession) -> None:
    _, plain = await ask(client, {"input": "hello"}, "/v1/embeddings")
    _, packed = await ask(client, {"input": "hello", "encoding_format": "base64"}, "/v1/embeddings")

    raw = base64.b64decode(packed["data"][0]["embedding"])

    numbers = struct.unpack(f"<{len(raw) // 4}f", raw)
    assert numbers == pytest.approx(plain["data"][0]["embedding"])


async def test_metrics_count_requests_and_tokens(client: aiohttp.ClientSession) -> None:
    names = ("vllm:generation_tokens_total", "vllm:prompt_tokens_total")
    counts = ("vllm:time_to_first_token_seconds_count", "vllm:inter_token_latency_seconds_count")
    before = [await read_metric(client, name) for name in names + counts]

    await ask(client, chat_body(max_tokens=10))

    after = [await read_metric(client, name) for name in names + counts]
    assert [b - a for a, b in zip(before, after, strict=True)] == [10, 9, 1, 9]


async def test_metrics_carry_vllms_names_and_labels(client: aiohttp.ClientSession) -> None:
    async with client.get("/metrics") as response:
        text = await response.text()

    assert 'vllm:num_requests_running{engine="0",model_name="chat-a"} 0.0' in text
    assert 'vllm:num_preemptions_total{engine="0",model_name="chat-a"} 0.0' in text
    assert 'vllm:request_success_total{engine="0",finished_reason="abort",model_name="chat-a"} 0.0' in text
    assert 'vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf",model_name="chat-a"}' in text
    assert "vllm:cache_config_info{" in text


async def test_sleep_holds_requests_until_wake_up() -> None:
    flags = ("--enable-sleep-mode", "--reasoning-parser", "qwen3", "--enable-server-load-tracking")
    with start_simulator(*flags, *FAST, env={"VLLM_SERVER_DEV_MODE": "1"}) as simulator:
        async with aiohttp.ClientSession(simulator.base_url) as session:
            async with session.post("/sleep?level=1") as response:
                assert await response.json() == {"status": "sleeping", "level": 1}
            async with session.get("/is_sleeping") as response:
                assert await response.json() == {"is_sleeping": True}
            request = asyncio.create_task(ask(session, chat_body()))
            await wait_for_metric(session, "vllm:num_requests_waiting", 1)
            async with session.get("/load") as response:
                assert await response.json() == {"server_load": 1}

            async with session.post("/wake_up") as response:
                assert await response.json() == {"status": "awake", "tags": None}

            status, body = await request
            message = body["choices"][0]["message"]
            assert (status, message["content"][:9]) == (200, "This is a")
            assert message["reasoning"].startswith("This is simulated reasoning")
            reasoning = body["usage"]["completion_tokens_details"]["reasoning_tokens"]
            assert 0 < reasoning < body["usage"]["completion_tokens"]
            await _assert_reasoning_comes_first(session)


async def _assert_reasoning_comes_first(session: aiohttp.ClientSession) -> None:
    events = await stream_events(session, chat_body())
    kinds = [next(iter(event["choices"][0]["delta"])) for event in events[1:]]
    assert kinds == sorted(kinds, reverse=True)
    assert set(kinds) == {"reasoning", "content"}


async def test_sleep_is_not_served_without_the_flag(client: aiohttp.ClientSession) -> None:
    async with client.post("/sleep") as response:
        assert response.status == 404
    async with client.post(CHAT, json=chat_body(max_tokens=1)) as response:
        assert response.status == 200
