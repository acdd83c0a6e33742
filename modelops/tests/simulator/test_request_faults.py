"""Faults within a request, chosen per request or on the command line."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from modelops.simulator.faults import PER_REQUEST_FAULTS
from modelops.simulator.process import RunningSimulator, start_simulator
from modelops.tests.simulator.conftest import FAST
from modelops.tests.simulator.wire_helpers import (
    CHAT,
    ask,
    chat_body,
    joined_content,
    read_metric,
    stream_events,
    stream_raw,
    wait_for_metric,
    with_fault,
)

DIED = "EngineCore encountered an issue. See stack trace (above) for the root cause."


async def _read_until_broken(client: aiohttp.ClientSession, body: dict[str, object]) -> bytes:
    received = b""
    async with client.post(CHAT, json=body) as response:
        with pytest.raises(aiohttp.ClientError):
            async for part in response.content.iter_any():
                received += part
    return received


async def test_a_cut_stream_breaks_off_after_so_many_tokens(client: aiohttp.ClientSession) -> None:
    received = await _read_until_broken(client, with_fault("cut_mid_stream", after=3, stream=True))

    assert received.count(b'"token_ids"') == 3
    assert b"[DONE]" not in received


async def test_a_cut_whole_answer_never_arrives(client: aiohttp.ClientSession) -> None:
    with pytest.raises(aiohttp.ClientError):
        await ask(client, with_fault("cut_mid_stream", after=3))


async def test_an_in_band_error_is_an_event_and_then_done_under_200(client: aiohttp.ClientSession) -> None:
    events = await stream_raw(client, with_fault("in_band_error", after=2))

    assert len(events) == 1 + 2 + 2
    error = json.loads(events[-2])["error"]
    assert (error["code"], error["type"]) == (500, "InternalServerError")
    assert events[-1] == "[DONE]"


async def test_an_in_band_error_before_the_first_token_has_no_role_event(
    client: aiohttp.ClientSession,
) -> None:
    events = await stream_raw(client, with_fault("in_band_error", after=0))

    assert list(json.loads(events[0])) == ["error"]
    assert events[1:] == ["[DONE]"]


async def test_an_in_band_error_without_a_stream_is_500(client: aiohttp.ClientSession) -> None:
    status, body = await ask(client, with_fault("in_band_error", after=2))

    assert (status, body["error"]["code"]) == (500, 500)


async def test_a_stream_can_end_cleanly_without_done(client: aiohttp.ClientSession) -> None:
    events = await stream_raw(client, with_fault("end_without_done", after=2))

    assert len(events) == 3
    assert "[DONE]" not in events


async def test_garbage_is_one_broken_event_within_a_good_stream(client: aiohttp.ClientSession) -> None:
    body = with_fault("garbage", after=2, max_tokens=5)
    async with client.post(CHAT, json=body | {"stream": True}) as response:
        events = (await response.read()).split(b"\n\n")

    broken = [event for event in events if event.startswith(b"data: {") and not event.endswith(b"}")]
    assert broken == [events[3]]
    assert events[-2] == b"data: [DONE]"
    assert len([event for event in events if b'"token_ids"' in event]) == 5


async def test_an_error_status_is_answered(client: aiohttp.ClientSession) -> None:
    status, body = await ask(client, with_fault("error_status", xargs={"sim_status": 503}))

    assert (status, body["error"]["code"], body["error"]["type"]) == (503, 503, "ServiceUnavailableError")


async def test_a_refused_request_gets_no_answer(client: aiohttp.ClientSession) -> None:
    with pytest.raises(aiohttp.ClientError):
        await ask(client, with_fault("refuse"))


@pytest.mark.parametrize(("name", "tokens"), [("hang_first_token", 0), ("stall_mid_stream", 3)])
async def test_a_hung_stream_sends_headers_and_then_falls_silent(
    client: aiohttp.ClientSession, name: str, tokens: int
) -> None:
    async with client.post(CHAT, json=with_fault(name, after=tokens, stream=True)) as response:
        assert response.status == 200
        received = b""
        while received.count(b'"token_ids"') < tokens:
            received += await response.content.readany()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(response.content.readany(), 0.1)
        assert await read_metric(client, "vllm:num_requests_running") == 1

    await wait_for_metric(client, "vllm:num_requests_running", 0)


@pytest.mark.parametrize("name", ["engine_dead", "crash_after_requests", "crash_mid_stream", "killed", "?"])
async def test_a_request_cannot_harm_the_engine(client: aiohttp.ClientSession, name: str) -> None:
    status, body = await ask(client, with_fault(name))

    assert name not in PER_REQUEST_FAULTS
    assert (status, body["error"]["param"]) == (400, "vllm_xargs")


async def test_faults_can_strike_late_and_only_so_often() -> None:
    flags = ("--sim-fault", "error_status", "--sim-status", "429", "--sim-after", "2", "--sim-times", "1")
    with start_simulator(*flags, *FAST) as simulator:
        async with aiohttp.ClientSession(simulator.base_url) as session:
            statuses = [(await ask(session, chat_body(max_tokens=1)))[0] for _ in range(4)]

    assert statuses == [200, 200, 429, 200]


async def test_a_dead_engine_fails_requests_and_health_and_then_exits() -> None:
    flags = ("--sim-fault", "engine_dead", "--sim-after", "1", "--sim-exit-seconds", "0.5")
    with start_simulator(*flags, "--sim-first-token-seconds", "0") as simulator:
        async with aiohttp.ClientSession(simulator.base_url) as session:
            stream = asyncio.create_task(stream_raw(session, chat_body(ignore_eos=True)))
            await wait_for_metric(session, "vllm:num_requests_running", 1)

            status, body = await ask(session, chat_body())

            assert (status, body["error"]["message"]) == (500, DIED)
            events = await stream
            assert json.loads(events[-2])["error"]["message"] == DIED
            assert events[-1] == "[DONE]"
            assert simulator.health_status() == 503
        # Recorded from vLLM 0.32: the server leaves with 0 after its engine core was killed.
        assert await asyncio.to_thread(simulator.process.wait, 5) == 0
        assert "EngineCore encountered a fatal error" in simulator.read_log()


async def test_a_crash_takes_the_process_and_its_streams_with_it() -> None:
    flags = ("--sim-fault", "crash_after_requests", "--sim-after", "1")
    with start_simulator(*flags) as simulator:
        async with aiohttp.ClientSession(simulator.base_url) as session:
            stream = asyncio.create_task(_read_until_broken(session, chat_body(ignore_eos=True, stream=True)))
            await wait_for_metric(session, "vllm:num_requests_running", 1)

            with pytest.raises(aiohttp.ClientError):
                await ask(session, chat_body())

            assert b"[DONE]" not in await stream
        assert await asyncio.to_thread(simulator.process.wait, 5) == 1


async def test_an_engine_that_is_never_healthy_says_so() -> None:
    with start_simulator("--sim-fault", "never_healthy", "--sim-fault", "wrong_served_name") as simulator:
        assert simulator.health_status() == 503
        async with aiohttp.ClientSession(simulator.base_url) as session:
            async with session.get("/v1/models") as response:
                cards = (await response.json())["data"]
            assert [card["id"] for card in cards] == ["not-simulated-model"]
            assert (await ask(session, chat_body()))[0] == 500


async def test_three_hundred_streams_run_side_by_side() -> None:
    flags = ("--sim-tokens-per-second", "100", "--sim-first-token-seconds", "0", "--max-num-seqs", "400")
    with start_simulator(*flags, "--disable-uvicorn-access-log") as simulator:
        events = await _stream_many(simulator, count=300)

    assert {len(own) for own in events} == {1 + 20}
    assert len({joined_content(own) for own in events}) == 1


async def _stream_many(simulator: RunningSimulator, *, count: int) -> list[list[dict[str, Any]]]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(simulator.base_url, connector=connector) as session:
        body = chat_body(max_tokens=20, ignore_eos=True)
        return await asyncio.gather(*(stream_events(session, body) for _ in range(count)))
