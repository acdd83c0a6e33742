"""Chat completions over HTTP, against shapes recorded from vLLM 0.32."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import aiohttp
import pytest

from modelops.simulator.process import RunningSimulator, start_simulator
from modelops.tests.simulator.wire_helpers import (
    CHAT,
    ask,
    chat_body,
    joined_content,
    read_metric,
    stream_events,
    stream_raw,
    wait_for_metric,
)


async def test_a_completion_has_vllms_fields_in_order(client: aiohttp.ClientSession) -> None:
    _, body = await ask(client, chat_body(max_tokens=5))

    fields = "id object created model choices service_tier system_fingerprint usage prompt_logprobs"
    fields += " prompt_token_ids prompt_text kv_transfer_params ec_transfer_params metrics"
    assert list(body) == fields.split()
    choice = body["choices"][0]
    fields = "index message logprobs finish_reason stop_reason token_ids routed_experts"
    assert list(choice) == fields.split()
    message_fields = "role content refusal annotations audio function_call reasoning"
    assert list(choice["message"]) == message_fields.split()
    assert choice["finish_reason"] == "length"
    assert body["usage"] == {
        "prompt_tokens": 9,
        "total_tokens": 14,
        "completion_tokens": 5,
        "prompt_tokens_details": None,
        "completion_tokens_details": None,
    }


async def test_a_reply_says_that_it_is_simulated(client: aiohttp.ClientSession) -> None:
    _, body = await ask(client, chat_body())

    assert body["choices"][0]["message"]["content"].startswith("This is a simulated reply")
    assert "simulated" in body["system_fingerprint"]


async def test_a_natural_end_counts_the_end_token(client: aiohttp.ClientSession) -> None:
    _, body = await ask(client, chat_body())
    content = body["choices"][0]["message"]["content"]
    _, tokens = await ask(client, {"prompt": content}, "/tokenize")

    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"]["completion_tokens"] == tokens["count"] + 1


async def test_prompt_tokens_are_those_of_tokenize(client: aiohttp.ClientSession) -> None:
    body = chat_body("안녕 there", max_tokens=1)
    _, tokens = await ask(client, {"messages": body["messages"]}, "/tokenize")

    _, completion = await ask(client, body)

    assert completion["usage"]["prompt_tokens"] == tokens["count"] == len(tokens["tokens"])
    assert tokens["max_model_len"] == 4096
    assert tokens["token_strs"] is None


async def test_a_stream_is_byte_for_byte_vllms(client: aiohttp.ClientSession) -> None:
    events = await stream_raw(client, chat_body(max_tokens=2, request_id="r1"))

    created = json.loads(events[0])["created"]
    head = f'{{"id":"chatcmpl-r1","object":"chat.completion.chunk","created":{created},"model":"chat-a",'
    null = '"logprobs":null,"finish_reason":null'
    assert events == [
        f'{head}"choices":[{{"index":0,"delta":{{"role":"assistant","content":""}},{null}}}],'
        '"prompt_token_ids":null,"prompt_text":null}',
        f'{head}"choices":[{{"index":0,"delta":{{"content":"This"}},{null},"token_ids":null}}]}}',
        f'{head}"choices":[{{"index":0,"delta":{{"content":" is"}},"logprobs":null,'
        '"finish_reason":"length","stop_reason":null,"token_ids":null}],'
        '"system_fingerprint":"vllm-0.33.0+simulated-00000000"}',
        "[DONE]",
    ]


async def test_a_stream_joins_to_the_whole_answer(client: aiohttp.ClientSession) -> None:
    body = chat_body("스트림을 보여줘", seed=3)
    _, whole = await ask(client, body)

    events = await stream_events(client, body)

    assert joined_content(events) == whole["choices"][0]["message"]["content"]


async def test_usage_comes_last_and_without_choices(client: aiohttp.ClientSession) -> None:
    events = await stream_events(client, chat_body(max_tokens=3, stream_options={"include_usage": True}))

    assert [event for event in events[:-1] if "usage" in event] == []
    assert events[-1]["choices"] == []
    assert events[-1]["usage"] == {"prompt_tokens": 9, "total_tokens": 12, "completion_tokens": 3}


async def test_continuous_usage_is_on_every_chunk(client: aiohttp.ClientSession) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}

    events = await stream_events(client, chat_body(max_tokens=3, stream_options=options))

    assert [event["usage"]["completion_tokens"] for event in events] == [0, 1, 2, 3, 3]


async def test_continuous_usage_alone_reports_nothing(client: aiohttp.ClientSession) -> None:
    body = chat_body(max_tokens=3, stream_options={"continuous_usage_stats": True})

    events = await stream_events(client, body)

    assert not any("usage" in event for event in events)


@pytest.mark.parametrize("tokens", [1, 37, 500])
async def test_exactly_as_many_tokens_as_asked_for(client: aiohttp.ClientSession, tokens: int) -> None:
    for field in ({"ignore_eos": True}, {"min_tokens": tokens}):
        events = await stream_events(
            client, chat_body(max_tokens=tokens, stream_options={"include_usage": True}, **field)
        )

        assert events[-1]["usage"]["completion_tokens"] == tokens
        assert events[-2]["choices"][0]["finish_reason"] == "length"


async def test_a_stop_string_ends_the_answer_before_it(client: aiohttp.ClientSession) -> None:
    _, body = await ask(client, chat_body(stop=["never", "reply"]))

    choice = body["choices"][0]
    assert choice["message"]["content"] == "This is a simulated "
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", "reply")


async def test_choices_are_interleaved_and_differ(client: aiohttp.ClientSession) -> None:
    events = await stream_events(client, chat_body(n=3, stream_options={"include_usage": True}))

    order = [event["choices"][0]["index"] for event in events[:-1]]
    assert order[:6] == [0, 1, 2, 0, 1, 2]
    assert len({joined_content(events, index) for index in range(3)}) == 3
    assert events[-1]["usage"]["completion_tokens"] == len(order) - 3


async def test_the_seed_decides_the_text_unless_temperature_is_zero(client: aiohttp.ClientSession) -> None:
    async def texts(**fields: Any) -> set[str]:
        answers = [await ask(client, chat_body(seed=seed, **fields)) for seed in range(6)]
        return {body["choices"][0]["message"]["content"] for _, body in answers}

    assert len(await texts()) > 1
    assert len(await texts(temperature=0)) == 1


async def test_any_served_name_works_and_the_first_is_reported(client: aiohttp.ClientSession) -> None:
    for name in ("chat-a", "chat-b"):
        status, body = await ask(client, chat_body(model=name, max_tokens=1))

        assert (status, body["model"]) == (200, "chat-a")


async def test_the_request_id_header_is_the_answers_id(client: aiohttp.ClientSession) -> None:
    async with client.post(
        CHAT, json=chat_body(max_tokens=1), headers={"X-Request-Id": "my-req-1"}
    ) as response:
        assert (await response.json())["id"] == "chatcmpl-my-req-1"


async def test_a_required_tool_call_is_streamed_in_pieces(client: aiohttp.ClientSession) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = {"type": "function", "function": {"name": "weather", "parameters": parameters}}

    events = await stream_events(client, chat_body(tools=[tool], tool_choice="required"))

    calls = [c for e in events for c in e["choices"][0]["delta"].get("tool_calls", [])]
    assert calls[0]["function"] == {"name": "weather", "arguments": ""}
    assert calls[0]["id"].startswith("chatcmpl-tool-")
    arguments = "".join(call["function"]["arguments"] for call in calls)
    assert json.loads(arguments) == {"city": "simulated"}
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"


async def test_a_named_tool_call_ends_with_stop(client: aiohttp.ClientSession) -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("a", "b")]
    choice = {"type": "function", "function": {"name": "b"}}

    _, body = await ask(client, chat_body(tools=tools, tool_choice=choice))

    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["choices"][0]["message"]["tool_calls"][0]["function"] == {"name": "b", "arguments": "{}"}


async def test_a_json_response_format_is_answered_with_json(client: aiohttp.ClientSession) -> None:
    _, body = await ask(client, chat_body(response_format={"type": "json_object"}))

    assert json.loads(body["choices"][0]["message"]["content"]) == {"simulated": True}


async def test_a_client_that_leaves_frees_the_engine_at_once(
    client: aiohttp.ClientSession, simulator: RunningSimulator
) -> None:
    slow = chat_body(stream=True, vllm_xargs={"sim_tokens_per_second": 5})
    for body in (slow, slow | {"stream": False}):
        request = asyncio.create_task(ask_forever(simulator, body))
        await wait_for_metric(client, "vllm:num_requests_running", 1)

        request.cancel()

        await wait_for_metric(client, "vllm:num_requests_running", 0)


async def test_clients_that_leave_mid_stream_leave_no_traceback() -> None:
    flags = ("--sim-tokens-per-second", "200", "--sim-first-token-seconds", "0")
    with start_simulator(*flags) as simulator:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(simulator.base_url, connector=connector) as session:
            await asyncio.gather(*(_read_some(session, parts=n % 20) for n in range(100)))
            await wait_for_metric(session, "vllm:num_requests_running", 0)

        assert "Traceback" not in simulator.read_log()


async def _read_some(session: aiohttp.ClientSession, *, parts: int) -> None:
    async with session.post(CHAT, json=chat_body(ignore_eos=True, stream=True)) as response:
        for _ in range(parts):
            await response.content.readany()


async def ask_forever(simulator: RunningSimulator, body: dict[str, Any]) -> None:
    async with (
        aiohttp.ClientSession(simulator.base_url) as session,
        session.post(CHAT, json=body) as response,
    ):
        await response.read()


async def test_requests_beyond_max_num_seqs_wait(
    client: aiohttp.ClientSession, simulator: RunningSimulator
) -> None:
    body = chat_body(stream=True, vllm_xargs={"sim_tokens_per_second": 0.1})
    requests = [asyncio.create_task(ask_forever(simulator, body)) for _ in range(66)]

    await wait_for_metric(client, "vllm:num_requests_running", 64)
    await wait_for_metric(client, "vllm:num_requests_waiting", 2)
    usage = await read_metric(client, "vllm:kv_cache_usage_perc")

    assert 0 < usage < 1
    for request in requests:
        request.cancel()
    await wait_for_metric(client, "vllm:num_requests_running", 0)
    await wait_for_metric(client, "vllm:num_requests_waiting", 0)


async def test_pace_follows_an_absolute_schedule(client: aiohttp.ClientSession) -> None:
    xargs = {"sim_tokens_per_second": 100, "sim_first_token_seconds": 0.1}
    body = chat_body(max_tokens=41, ignore_eos=True, vllm_xargs=xargs)
    started = time.monotonic()

    await stream_events(client, body)

    assert time.monotonic() - started >= 0.5


async def test_without_a_pace_every_token_is_an_event_of_its_own(client: aiohttp.ClientSession) -> None:
    body = chat_body(max_tokens=4000, ignore_eos=True, stream=True)

    async with client.post(CHAT, json=body) as response:
        chunks = (await response.read()).count(b"\n\n")

    assert chunks == 4002


CONTINUED = {"continue_final_message": True, "add_generation_prompt": False}


@pytest.mark.parametrize("text", ["Hello there", "안녕하세요"])
async def test_continued_answer_ends_as_if_it_had_never_been_cut(
    client: aiohttp.ClientSession, text: str
) -> None:
    _, whole = await ask(client, chat_body(text, seed=3))
    _, cut = await ask(client, chat_body(text, seed=3, max_tokens=7))
    said = cut["choices"][0]["message"]["content"]
    asked = chat_body(text, seed=3)
    messages = [*asked["messages"], {"role": "assistant", "content": said}]

    _, rest = await ask(client, asked | CONTINUED | {"messages": messages})
    _, counted = await ask(client, {"messages": messages} | CONTINUED, "/tokenize")

    assert said + rest["choices"][0]["message"]["content"] == whole["choices"][0]["message"]["content"]
    assert counted["count"] == rest["usage"]["prompt_tokens"]


async def test_answer_cannot_be_continued_and_begun_at_once(client: aiohttp.ClientSession) -> None:
    status, body = await ask(client, chat_body(continue_final_message=True, add_generation_prompt=True))

    assert status == 400
    assert body["error"]["message"].startswith("Cannot set both")
