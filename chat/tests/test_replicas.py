"""Several engines that serve one model: who answers, and what happens when one of them does not."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from chat.generation import Generation, Timeouts
from chat.prefix_keys import find_prefix_key
from chat.replica_choice import REST_S, EngineLoads
from chat.slot_queues import RouteRequest
from chat.tests.admission_bench import Bench
from chat.tests.test_engine_connections import CALL, RawEngine, listening
from chat.upstream import EngineGateway
from gateway.errors import GatewayError, UpstreamCause, UpstreamUnavailable
from modelops.models import Gate
from modelops.serving.board import ServingEngine, SlotView
from modelops.serving.routes import Route, RouteTable
from modelops.tests.serving.board_views import board, engine, slot, switch

CHOICE = {"index": 0, "text": "Hi", "finish_reason": "stop"}
WHOLE = msgspec.json.encode({"object": "text_completion", "choices": [CHOICE], "usage": None})
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(WHOLE),
    WHOLE,
)
NOT_READY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
NOWHERE = "http://127.0.0.1:9"


def replicas(*names: str, **values: Any) -> SlotView:
    """A slot whose replicas, all of the model `m`, are called so."""
    engines = [replica(name) for name in names]
    return slot(engines[0], followers=tuple(engines[1:]), **values)


def replica(name: str, base_url: str = "", **values: Any) -> ServingEngine:
    at = base_url or f"http://{name}:8000"
    return engine("m", id=uuid.uuid5(uuid.NAMESPACE_URL, name), base_url=at, **values)


def ways(*names: str, **values: Any) -> list[Route]:
    return [
        Route(slot="default", model="m", engine=name, base_url=f"http://{name}", **values) for name in names
    ]


def test_every_replica_and_every_slot_of_the_same_model_is_a_way_to_it() -> None:
    other = slot(engine("m", "alias", base_url="http://other:8000"), slug="second")
    table = RouteTable(board(other, replicas("a", "b")))

    for name in ("m", "current", ""):
        reached = [way.base_url for way in table.ready[name].choices]
        assert reached == ["http://a:8000", "http://b:8000", "http://other:8000"]
    assert [way.slot for way in table.ready["m"].choices] == ["default", "default", "second"]
    assert table.ready["alias"].base_url == "http://other:8000"


def test_one_engine_and_a_name_that_two_models_share_leave_nothing_to_choose() -> None:
    second = slot(engine("b", "shared"), slug="second")
    table = RouteTable(board(slot(engine("a", "shared")), second))

    assert [table.ready[name].choices for name in ("a", "b", "shared")] == [(), (), ()]
    assert table.ready["shared"].model == "a"


def test_without_a_prefix_the_engine_with_the_fewest_outstanding_tokens_answers() -> None:
    loads = EngineLoads()
    all_ways = ways("a", "b", "c")
    for name, prompt_bytes in (("a", 4000), ("b", 40), ("c", 400)):
        loads.carry(loads.enter(name), prompt_bytes, 1, 0)

    chosen = loads.choose(all_ways)

    assert chosen is not None
    assert chosen.engine == "b"


def test_engines_that_are_equally_busy_take_turns() -> None:
    loads = EngineLoads()

    chosen = Counter(way.engine for _ in range(30) if (way := loads.choose(ways("a", "b", "c"))))

    assert chosen == {"a": 10, "b": 10, "c": 10}


def test_conversations_return_to_their_engine_and_are_spread_over_all() -> None:
    loads = EngineLoads()
    conversations = [uuid.UUID(int=number) for number in range(600)]

    def engine_of(conversation: uuid.UUID, *names: str) -> str:
        way = loads.choose(ways(*names), conversation)
        assert way is not None
        return way.engine

    first = [engine_of(each, "a", "b", "c") for each in conversations]
    again = [engine_of(each, "c", "a", "b") for each in conversations]
    without_c = [engine_of(each, "a", "b") for each in conversations]

    assert first == again
    assert min(Counter(first).values()) > 150
    # Who was not at the engine that left stays where it was.
    assert all(before == after for before, after in zip(first, without_c, strict=True) if before != "c")


def test_a_conversation_goes_elsewhere_only_when_its_engine_is_clearly_busier() -> None:
    loads, conversation = EngineLoads(), uuid.UUID(int=1)
    home = loads.choose(ways("a", "b"), conversation)
    assert home is not None
    found = []

    for _ in range(12):
        way = loads.choose(ways("a", "b"), conversation)
        assert way is not None
        found.append(way.engine == home.engine)
        loads.carry(loads.enter(way.engine), 4000, 1, 100)

    assert found[:5] == [True] * 5
    assert 0 < found.count(False) <= 6


def test_an_engine_that_failed_rests_and_serves_again_only_then_or_where_all_rest() -> None:
    now = [100.0]
    loads = EngineLoads(lambda: now[0])
    loads.note_failure("a")

    resting = {way.engine for _ in range(4) if (way := loads.choose(ways("a", "b")))}
    loads.note_failure("b")
    both = {way.engine for _ in range(4) if (way := loads.choose(ways("a", "b")))}
    now[0] += REST_S
    rested = {way.engine for _ in range(4) if (way := loads.choose(ways("a", "b")))}

    assert (resting, both, rested) == ({"b"}, {"a", "b"}, {"a", "b"})


def test_requests_that_begin_alike_share_a_key() -> None:
    system = {"role": "system", "content": "You are kind."}
    question = {"role": "user", "content": [{"type": "text", "text": "Hi"}]}
    longer = [system, question, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "Bye"}]

    keys = [
        find_prefix_key({"messages": [system, question]}),
        find_prefix_key({"messages": longer, "user": "kim"}),
        find_prefix_key({"messages": [system, {"role": "user", "content": "Hi there"}]}),
        find_prefix_key({"messages": longer, "prompt_cache_key": "k"}),
        find_prefix_key({"prompt": "Hi"}),
        find_prefix_key({"input": "Hi", "user": 7}),
    ]

    assert keys[0] == keys[1]
    assert len(set(keys)) == 4  # a prompt and an input that are the same text begin alike
    assert find_prefix_key({"user": "kim"}) == find_prefix_key({"user": "kim", "messages": []})
    assert find_prefix_key({"messages": [7, None], "prompt": [1, 2]}) is None


@pytest.mark.parametrize("odd", [{"messages": "x"}, {"messages": [[]]}, {"input": {"a": 1}}, [], "text", 7])
def test_no_body_is_too_odd_for_a_key(odd: object) -> None:
    key = find_prefix_key(odd)

    assert key is None or len(key) == 16


async def test_the_profiles_limit_is_each_engines_and_who_waits_goes_wherever_one_is_done() -> None:
    a, b = (replica(name, max_concurrent_requests=1) for name in ("a", "b"))
    bench = Bench(slot(a), slot(b, slug="second"))

    first, second = bench.admit("m"), bench.admit("m")
    _ticket, waiting = bench.wait("m")
    await asyncio.sleep(0)
    assert {first.route.engine, second.route.engine} == {str(a.id), str(b.id)}
    assert not waiting.done()
    later = next(each for each in (first, second) if each.route.slot == "second")
    later.leave()

    admitted = await waiting
    assert admitted.route.engine == str(b.id)


async def test_presence_counts_by_engine_until_the_one_that_gets_no_more_is_left() -> None:
    bench = Bench(replicas("a", "b"))
    held = [bench.admit("m"), bench.admit("m")]
    by_engine = {each.route.engine: each for each in held}
    counts = bench.admission.presence()[str(bench.board.snapshot.slots[0].id)]
    leaving = by_engine[str(replica("b").id)]

    bench.board.show(replicas("a", epoch=2))
    after = bench.admission.presence()[str(bench.board.snapshot.slots[0].id)]
    before = bench.news
    leaving.leave()

    assert counts["engines"] == dict.fromkeys(by_engine, 1)
    assert (after["epoch"], after["engines"][leaving.route.engine]) == (2, 1)
    assert bench.news == before + 1
    assert "engines" not in bench.admission.presence()[str(bench.board.snapshot.slots[0].id)]


def make_generation(bench: Bench, gateway: EngineGateway, model: str = "m") -> Generation:
    return Generation(
        admission=bench.admission,
        request=RouteRequest(model, is_stream=False),
        engine=gateway,
        make_call=lambda _route: CALL,
        timeouts=Timeouts(first_byte_s=60, idle_s=60, total_s=60, send_s=60, ping_s=60),
        model=model,
        max_bytes=10_000,
    )


@asynccontextmanager
async def two_engines(first: bytes, second: bytes) -> AsyncIterator[tuple[RawEngine, RawEngine]]:
    async with listening() as one, listening() as other:
        one.answer, other.answer = first, second
        yield one, other


@pytest.mark.parametrize("failing", ["refused", "reset", "not_ready"])
async def test_clients_do_not_notice_a_replica_that_takes_nothing(failing: str) -> None:
    gateway = EngineGateway(connect_timeout_s=5)
    async with two_engines(NOT_READY, ANSWER) as (bad, good):
        if failing == "reset":
            bad.answer = b"\0"
        url = NOWHERE if failing == "refused" else bad.url
        bench = Bench(slot(replica("bad", url), followers=(replica("good", good.url),)))

        bodies = [await make_generation(bench, gateway).read() for _ in range(8)]

        assert bodies == [WHOLE] * 8
        assert len(good.heads) == 8
        # It is left alone for a while after its first failure.
        assert len(bad.heads) == (0 if failing == "refused" else 1)
        assert bench.counts == (1, 0, 0)
        await gateway.close()


async def test_what_an_engine_answered_is_never_asked_of_another_one() -> None:
    gateway = EngineGateway(connect_timeout_s=5)
    async with two_engines(FAILED, FAILED) as (one, other):
        bench = Bench(slot(replica("one", one.url), followers=(replica("other", other.url),)))

        with pytest.raises(UpstreamUnavailable) as caught:
            await make_generation(bench, gateway).read()

        assert caught.value.upstream_cause == UpstreamCause.SERVER_ERROR
        assert len(one.heads) + len(other.heads) == 1
        await gateway.close()


async def test_each_replica_is_asked_once_and_then_the_client_is_told() -> None:
    gateway = EngineGateway(connect_timeout_s=5)
    async with two_engines(NOT_READY, NOT_READY) as (one, other):
        bench = Bench(slot(replica("one", one.url), followers=(replica("other", other.url),)))

        with pytest.raises(GatewayError):
            await make_generation(bench, gateway).read()

        assert (len(one.heads), len(other.heads)) == (1, 1)
        assert bench.counts == (1, 0, 0)
        await gateway.close()


async def test_a_switch_of_one_slot_leaves_the_same_model_to_the_other_one() -> None:
    away = slot(engine("m"), switch("m", "n"), gate=Gate.CLOSED, epoch=2)
    bench = Bench(away, slot(replica("b"), slug="second"))

    admitted = bench.admit("m")

    assert admitted.route.slot == "second"
