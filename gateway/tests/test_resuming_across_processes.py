"""Coming back to an answer at another web process than the one that generates it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import redis

from chat.tests.returning_client import Seen, asking, come_back, following, stream_path
from chat.tests.scripted_engine import delta_event
from chat.tests.stepping_engine import SteppingEngine, start_stepping_engine
from chat.tests.typed_events import EventReader, response_events
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until

END = (delta_event(finish_reason="stop"), b"data: [DONE]\n\n")
NEVER_SAVED = {"CHECKPOINT_INTERVAL": "3000", "MESSAGE_LEASE": "3600"}
OFTEN_SAVED = {"CHECKPOINT_INTERVAL": "0.1", "MESSAGE_LEASE": "1.5"}

pytestmark = pytest.mark.services


@pytest.fixture
def engine() -> Iterator[SteppingEngine]:
    with start_stepping_engine() as running:
        yield running


@contextmanager
def two_processes(
    stores: Stores, folder: Path, engine: SteppingEngine, **settings: str
) -> Iterator[tuple[GatewayProcess, GatewayProcess]]:
    """Two gateways on the same database and the same Redis."""
    with start_gateway(stores, folder, engine.url, **settings) as one:
        other = GatewayProcess(one.environment, log_path=folder / "other.log")
        other.start()
        try:
            yield one, other
        finally:
            other.stop()


def copies_of(process: GatewayProcess, headers: httpx.Headers) -> list[int]:
    """How many seconds each copy of the answer stays in Redis."""
    with redis.Redis.from_url(process.environment["REDIS_URL"]) as store:
        return [store.ttl(key) for key in store.scan_iter(f"gateway:answer:{headers['x-message-id']}:*")]


def test_answer_is_followed_as_it_is_said_and_copied_only_then(
    stores: Stores, tmp_path: Path, engine: SteppingEngine
) -> None:
    with (
        two_processes(stores, tmp_path, engine, **NEVER_SAVED) as (one, other),
        one.client() as here,
        other.client() as there,
    ):
        engine.say(reasoning="생각")
        engine.say(content="하나")
        with asking(here) as first:
            left = first.read_until_it_says("하나")
            assert copies_of(one, first.headers) == []
            engine.say(content=" 둘")
            with following(there, first.headers, left) as late, following(there, first.headers) as new:
                assert late.read_until_it_says("하나 둘").reasoning == "생각"
                assert new.read_until_it_says("하나 둘").reasoning == "생각"
                assert len(copies_of(one, first.headers)) == 1
                engine.say(content=" 셋")
                late.read_until_it_says("하나 둘 셋")
                new.read_until_it_says("하나 둘 셋")

                engine.end(*END)

                ends = [reader.read_to_the_end() for reader in (first, late, new)]
        assert {(seen.said[:2], seen.finish_reason, seen.is_done) for seen in ends} == {
            (("하나 둘 셋", "생각"), "stop", True)
        }
        [left_s] = copies_of(one, first.headers)
        assert 0 < left_s <= 60


def test_tool_calls_are_followed(stores: Stores, tmp_path: Path, engine: SteppingEngine) -> None:
    begun = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "["}}
    with (
        two_processes(stores, tmp_path, engine, **NEVER_SAVED) as (one, other),
        one.client() as here,
        other.client() as there,
    ):
        engine.say(tool_calls=[begun])
        with asking(here) as first:
            left = first.read_until(lambda seen: seen.calls == {0: ["a", "f", "["]})
            with following(there, first.headers, left) as back:
                engine.say(tool_calls=[{"index": 0, "function": {"arguments": "1]"}}])
                back.read_until(lambda seen: seen.calls == {0: ["a", "f", "[1]"]})
                engine.end(*END)

                assert back.read_to_the_end().calls == {0: ["a", "f", "[1]"]}


def test_stored_response_is_cancelled_and_read_at_the_other_process(
    stores: Stores, tmp_path: Path, engine: SteppingEngine
) -> None:
    asked = {"model": "scripted", "input": "Hello", "stream": True}
    with (
        two_processes(stores, tmp_path, engine, **NEVER_SAVED) as (one, other),
        one.client() as here,
        other.client() as there,
    ):
        for event in response_events("Hel", "lo")[:5]:
            engine.pieces.put(event)
        with here.stream("POST", "/v1/responses", json=asked) as stream:
            reader = EventReader(stream)
            path = f"/v1/responses/{reader.read_until('response.created')['response']['id']}"
            reader.read_until("response.output_text.delta")

            cancelled = there.post(f"{path}/cancel").json()

            last = reader.read_until("response.incomplete")["response"]
        engine.end()
        assert (cancelled["status"], last["status"]) == ("cancelled", "cancelled")
        assert there.get(path).json() == last


def test_answer_that_outgrows_its_copy_comes_as_it_is_saved(
    stores: Stores, tmp_path: Path, engine: SteppingEngine
) -> None:
    text = "가" * 1000
    with (
        two_processes(stores, tmp_path, engine, RESUME_BUFFER_BYTES="1024", **OFTEN_SAVED) as (one, other),
        one.client() as here,
        other.client() as there,
    ):
        engine.say(content="하나")
        with asking(here) as first, following(there, first.headers) as back:
            back.read_until_it_says("하나")
            engine.say(content=text)
            back.read_until_it_says("하나" + text)
            engine.say(content="!")
            engine.end(*END)

            assert back.read_to_the_end().content == "하나" + text + "!"
        assert wait_until(lambda: one.log_events("answer_outgrew_its_copy"), what="the bound to be met")


def test_copy_that_nobody_follows_any_more_goes_and_comes_again(
    stores: Stores, tmp_path: Path, engine: SteppingEngine
) -> None:
    with (
        two_processes(stores, tmp_path, engine, RESUME_TTL="3", **NEVER_SAVED) as (one, other),
        one.client() as here,
        other.client() as there,
    ):
        engine.say(content="하나")
        with asking(here) as first:
            with following(there, first.headers) as back:
                left = back.read_until_it_says("하나")
            wait_until(lambda: not copies_of(one, first.headers), timeout_s=30, what="the copy to go")
            engine.say(content=" 둘")

            with following(there, first.headers, left) as back:
                back.read_until_it_says("하나 둘")
                engine.end(*END)
                assert back.read_to_the_end().content == "하나 둘"


def test_followers_stay_when_redis_drops_every_connection(
    stores: Stores, tmp_path: Path, engine: SteppingEngine
) -> None:
    with (
        two_processes(stores, tmp_path, engine, **NEVER_SAVED) as (one, other),
        one.client() as here,
        other.client() as there,
    ):
        engine.say(content="하나")
        with asking(here) as first, following(there, first.headers) as back:
            back.read_until_it_says("하나")
            with redis.Redis.from_url(one.environment["REDIS_URL"]) as store:
                store.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
                store.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            engine.say(content=" 둘")
            back.read_until_it_says("하나 둘")
            engine.end(*END)

            assert back.read_to_the_end().content == "하나 둘"


def test_after_kill_9_what_was_saved_is_told_and_that_the_answer_broke_off(
    stores: Stores, tmp_path: Path, engine: SteppingEngine
) -> None:
    with (
        two_processes(stores, tmp_path, engine, **OFTEN_SAVED) as (one, other),
        one.client() as here,
        other.client() as there,
    ):
        engine.say(content="하나")
        with asking(here) as first, following(there, first.headers) as back:
            left = first.read_until_it_says("하나")
            back.read_until_it_says("하나")
            wait_until(lambda: saved(there, first.headers) == "하나", what="the text to be saved")

            one.kill()

            ends = [back.read_to_the_end(), come_back(there, stream_path(first.headers), left)]
            ends.append(come_back(there, stream_path(first.headers), Seen()))
        engine.end()
    assert [(seen.content, seen.errors, seen.is_done) for seen in ends] == [
        ("하나", ["interrupted"], True)
    ] * 3


def saved(client: httpx.Client, headers: httpx.Headers) -> str:
    detail = client.get(f"/api/conversations/{headers['x-conversation-id']}").json()
    content: str = detail["messages"][-1]["content"]
    return content
