"""Titles are asked for when the engine is not busy, in the background, and stored where they are good."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import httpx
import pytest

from accounts.usage.log import UsageLog
from accounts.usage.spent import Spent
from chat import titles
from chat.tests.admission_bench import Bench
from chat.tests.streams import read_stream
from chat.titles import TitleRequest, TitleWriter
from chat.upstream import EngineCall, EngineGateway
from conversations.titles import FoundTitle
from gateway.batching import BatchWorker
from gateway.conf import get_config
from gateway.errors import GatewayError, UpstreamRejected, UpstreamUnavailable
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from modelops.models import Gate
from modelops.serving.board import Price
from modelops.tests.serving.board_views import engine, slot, switch

REQUEST = TitleRequest(uuid.uuid4(), uuid.uuid4(), uuid.uuid4(), "a", "the exchange")
ON_A = slot(engine("a", price=Price(1.0, 2.0)))


def completion(content: str | None, finish_reason: str = "stop") -> bytes:
    choice = {"message": {"role": "assistant", "content": content}, "finish_reason": finish_reason}
    return json.dumps({"choices": [choice], "usage": {"prompt_tokens": 30, "completion_tokens": 4}}).encode()


class FakeEngine:
    """Gives `answers` one after the other, the last one again, once `is_free` is set."""

    def __init__(self, *answers: bytes | GatewayError) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []
        self.was_asked = asyncio.Event()
        self.is_free = asyncio.Event()
        self.is_free.set()

    @asynccontextmanager
    async def open(self, _url: str, call: EngineCall, *, api_key: str) -> AsyncIterator[FakeEngine]:
        assert isinstance(call.body, bytes)
        self.asked.append(json.loads(call.body))
        self.was_asked.set()
        await self.is_free.wait()
        yield self

    async def relay(self, take: Any) -> None:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, GatewayError):
            raise answer
        take(answer)


class Notes(UsageLog):
    def __init__(self) -> None:
        self.noted: list[tuple[uuid.UUID, uuid.UUID | None, Spent]] = []

    def note(self, user_id: uuid.UUID, key_id: uuid.UUID | None, spent: Spent) -> None:
        self.noted.append((user_id, key_id, spent))


class Desk:
    """A TitleWriter, the engine that it asks, and what it stored."""

    def __init__(self, *answers: bytes | GatewayError, on: Any = ON_A, **settings: Any) -> None:
        self.bench = Bench(on)
        self.engine = FakeEngine(*(answers or [completion("Baking bread")]))
        self.stored: list[FoundTitle] = []
        self.is_untitled = True
        self.usage = Notes()
        self.writer = TitleWriter(
            replace(get_config(), **settings),
            self.bench.board,
            self.bench.admission,
            cast(EngineGateway, self.engine),
            worker=cast(BatchWorker, self),
            usage=self.usage,
        )

    async def submit(self, _handler: object, item: FoundTitle | uuid.UUID) -> bool:
        if isinstance(item, FoundTitle):
            self.stored.append(item)
            return True
        return self.is_untitled

    async def offer(self, request: TitleRequest = REQUEST) -> list[str]:
        """The titles that are stored once nothing is left to do."""
        self.writer.offer(request)
        while self.writer._tasks:
            await asyncio.wait(set(self.writer._tasks), timeout=10)
        return [found.title for found in self.stored]


async def test_title_is_asked_for_and_charged_to_the_owner() -> None:
    desk = Desk(secret_key="s" * 40)

    assert await desk.offer() == ["Baking bread"]

    assert desk.stored == [FoundTitle(REQUEST.conversation_id, REQUEST.owner_id, "Baking bread")]
    (asked,) = desk.engine.asked
    assert asked.pop("cache_salt")
    assert asked == {
        "model": "a",
        "messages": [{"role": "user", "content": "the exchange"}],
        "max_tokens": 32,
        "temperature": 0.2,
        "chat_template_kwargs": {"enable_thinking": False},
    }
    ((user_id, key_id, spent),) = desk.usage.noted
    assert (user_id, key_id) == (REQUEST.owner_id, REQUEST.key_id)
    assert (spent.model, spent.endpoint, spent.tokens, spent.cost_micros) == ("a", "title", 34, 38.0)
    assert desk.bench.counts == (1, 0, 0)


@pytest.mark.parametrize(
    "on",
    [
        slot(None, switch("b", "a"), gate=Gate.CLOSED, epoch=2),
        slot(engine("a"), switch("a", "b")),
        slot(engine("a"), gate=Gate.CLOSED),
        slot(engine("b")),
        slot(engine("a", max_concurrent_requests=1)),
    ],
    ids=["loading", "a switch begins", "draining", "another model", "one place"],
)
async def test_engine_that_is_not_there_for_it_is_not_asked(on: Any) -> None:
    desk = Desk(on=on)

    assert await desk.offer() == []

    assert desk.engine.asked == []


async def test_conversation_that_was_there_is_looked_at_first() -> None:
    desk = Desk()
    desk.is_untitled = False
    assert await desk.offer(replace(REQUEST, is_new=False)) == []
    assert desk.engine.asked == []

    desk.is_untitled = True

    assert await desk.offer(replace(REQUEST, is_new=False)) == ["Baking bread"]


async def test_busy_engine_is_not_asked() -> None:
    desk = Desk()
    running = [desk.bench.admit("a") for _ in range(titles.MOST_RUNNING)]
    assert await desk.offer() == []

    running.pop().leave()

    assert await desk.offer() == ["Baking bread"]


async def test_title_takes_no_place_that_somebody_waits_for() -> None:
    desk = Desk(on=slot(engine("a", max_concurrent_requests=2)))
    first, second = desk.bench.admit("a"), desk.bench.admit("a")
    _ticket, waiting = desk.bench.wait("a")
    assert await desk.offer() == []

    first.leave()
    (await waiting).leave()
    second.leave()

    assert await desk.offer() == ["Baking bread"]


async def test_title_ends_at_once_when_its_slot_closes() -> None:
    desk = Desk()
    desk.engine.is_free.clear()
    desk.writer.offer(REQUEST)
    await desk.engine.was_asked.wait()

    desk.bench.board.show(slot(engine("a"), switch("a", "b"), gate=Gate.CLOSED, epoch=2))
    await asyncio.wait(set(desk.writer._tasks), timeout=10)

    assert (desk.bench.counts, desk.stored) == ((2, 0, 0), [])


async def test_so_many_are_asked_for_at_a_time_and_so_many_wait() -> None:
    desk = Desk()
    desk.engine.is_free.clear()
    for _ in range(titles.MOST_WAITING + 10):
        desk.writer.offer(REQUEST)
    await desk.engine.was_asked.wait()
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(desk.engine.asked) == titles.TITLES_AT_A_TIME

    desk.engine.is_free.set()

    assert len(await desk.offer()) == titles.MOST_WAITING


@pytest.mark.parametrize(
    "answer",
    [
        completion("Baking bread at home and then", "length"),
        completion(None),
        completion("<think>hm"),
        b'{"choices": []}',
        b"no json",
        b" " * (titles.MAX_ANSWER_BYTES + 1),
        UpstreamUnavailable("down"),
        UpstreamRejected("no such parameter", status=400),
    ],
)
async def test_odd_answer_leaves_the_title(answer: Any) -> None:
    desk = Desk(answer)

    assert await desk.offer() == []

    assert desk.bench.counts == (1, 0, 0)


async def test_engine_that_refuses_arguments_for_its_template_is_asked_without() -> None:
    desk = Desk(UpstreamRejected("unsupported kwargs", status=400), completion("Baking bread"))

    assert await desk.offer() == ["Baking bread"]

    assert ["chat_template_kwargs" in asked for asked in desk.engine.asked] == [True, False]


async def test_titles_are_dropped_when_the_process_stops() -> None:
    desk = Desk()
    desk.engine.is_free.clear()
    desk.writer.offer(REQUEST)
    await desk.engine.was_asked.wait()

    await desk.writer.stop()

    assert await desk.offer() == []
    assert len(desk.engine.asked) == 1


@pytest.fixture(scope="module")
def titled(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory, simulator: str
) -> Iterator[GatewayProcess]:
    with start_gateway(stores, tmp_path_factory.mktemp("titles"), simulator, AUTO_TITLES="true") as gateway:
        yield gateway


def title_of(client: httpx.Client, conversation_id: str, *, other_than: str) -> str:
    def read() -> str:
        title: str = client.get(f"/api/conversations/{conversation_id}").json()["title"]
        return title if title != other_than else ""

    return str(wait_until(read, what="the title"))


def test_new_conversations_get_titles_and_those_that_go_on_keep_them(titled: GatewayProcess) -> None:
    question = "vLLM 서버가 느릴 때 무엇을 먼저 확인해야 하는지 알려 주세요"
    with titled.client() as client:
        started = client.post("/api/chat", json={"content": question, "max_tokens": 3}).json()
        empty = client.post("/api/conversations", json={}).json()
        named = client.post("/api/conversations", json={"title": "mine"}).json()
        for conversation in (empty, named):
            body = {"content": "how are you", "max_tokens": 3, "conversation_id": conversation["id"]}
            assert read_stream(client, "/api/chat", body).is_done

        title = title_of(client, started["conversation_id"], other_than=question)
        assert title == "VLLM 서버가 느릴 때 무엇을 먼저"
        assert title_of(client, empty["id"], other_than="") == "How are you"
        after = client.get(f"/api/conversations/{started['conversation_id']}").json()
        assert after["version"] == 1
        rows = wait_until(
            lambda: [
                row
                for row in client.get("/api/usage", params={"group_by": "endpoint"}).json()["data"]
                if row["endpoint"] == "title" and row["requests"] >= 2
            ],
            what="the use of the titles",
        )
        assert rows[0]["prompt_tokens"] > 0
        assert client.get(f"/api/conversations/{named['id']}").json()["title"] == "mine"
