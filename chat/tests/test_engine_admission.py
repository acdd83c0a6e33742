"""Admission to engines: which requests are admitted, which wait, in which order, and what is counted."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import replace
from functools import partial
from typing import cast

import pytest

from chat.generation import Generation, Timeouts
from chat.slot_queues import AdmittedRequest, RouteRequest
from chat.tests.admission_bench import Bench
from chat.upstream import EngineCall, EngineGateway
from gateway.errors import (
    GatewayError,
    ModelLoading,
    ModelNotFound,
    ModelSwitching,
    NoModel,
    RateLimitExceeded,
)
from modelops.domain.switching.resting import RestState
from modelops.models import Gate
from modelops.serving.board import SlotView
from modelops.serving.routes import Route
from modelops.tests.serving.board_views import SLOT_IDS, engine, slot, switch

DRAINING = slot(engine("a"), switch("a", "b"), gate=Gate.CLOSED, epoch=2)
LOADING = slot(None, switch("a", "b"), gate=Gate.CLOSED, epoch=3)
ON_B = slot(engine("b"), epoch=4)
RESTING = slot(None, resting=engine("a", "alias"), gate=Gate.CLOSED, rest=RestState.RESTING, epoch=3)


def note(order: list[int], number: int, _task: asyncio.Task[AdmittedRequest]) -> None:
    order.append(number)


async def test_an_open_gate_lets_in_and_counts_until_the_place_is_left() -> None:
    bench = Bench(slot(engine("a")))
    with bench.admit() as route, bench.admit("a"):
        assert (route.base_url, bench.counts) == ("http://a:8000", (1, 2, 0))

    assert bench.counts == (1, 0, 0)


async def test_places_that_come_and_go_are_no_news_while_the_gate_is_open() -> None:
    bench = Bench(slot(engine("a")))
    before = bench.news

    with bench.admit():
        pass

    assert bench.news == before


async def test_those_who_wait_are_let_in_in_order_on_the_new_engine() -> None:
    bench = Bench(LOADING)
    order: list[int] = []
    waiting = []
    for number in range(5):
        _ticket, task = bench.wait()
        task.add_done_callback(partial(note, order, number))
        waiting.append(task)
    assert bench.counts == (3, 0, 5)

    bench.board.show(ON_B)
    admitted = await asyncio.gather(*waiting)

    assert order == [0, 1, 2, 3, 4]
    assert {request.route.base_url for request in admitted} == {"http://b:8000"}
    assert bench.counts == (4, 5, 0)


async def test_who_is_let_in_counts_before_it_runs_again() -> None:
    bench = Bench(LOADING)
    _ticket, task = bench.wait()

    bench.board.show(ON_B)

    assert not task.done()
    assert bench.counts == (4, 1, 0)
    await task


async def test_a_request_let_in_before_the_gate_closed_is_in_the_count_of_the_new_epoch() -> None:
    bench = Bench(slot(engine("a")))
    acknowledged: list[tuple[int, int, int]] = []

    admitted = bench.admit()
    bench.board.show(DRAINING)
    acknowledged.append(bench.counts)
    bench.wait()
    admitted.leave()
    acknowledged.append(bench.counts)

    assert acknowledged == [(2, 1, 0), (2, 0, 1)]


async def test_every_change_is_news_while_the_gate_is_closed() -> None:
    bench = Bench(slot(engine("a")))
    admitted = bench.admit()
    news = [bench.news]

    bench.board.show(DRAINING)
    news.append(bench.news)
    admitted.leave()
    news.append(bench.news)
    bench.wait()
    news.append(bench.news)

    assert news == sorted(set(news))


async def test_the_room_is_bounded() -> None:
    bench = Bench(LOADING, queue_size=2)
    bench.wait()
    bench.wait()

    with pytest.raises(ModelSwitching, match="Too many requests wait"):
        bench.admission.enqueue(RouteRequest("current", is_stream=False), bench.stopped.append)
    with pytest.raises(ModelSwitching):
        bench.admission.check_queue_space(bench.board.routes.resolve("current"))

    assert bench.counts == (3, 0, 2)


async def test_a_room_of_no_size_refuses_at_once() -> None:
    bench = Bench(LOADING, queue_size=0)

    with pytest.raises(ModelSwitching):
        bench.admission.enqueue(RouteRequest("current", is_stream=True), bench.stopped.append)


async def test_who_leaves_the_room_frees_its_place_in_it() -> None:
    bench = Bench(LOADING, queue_size=1)
    _ticket, task = bench.wait()
    await asyncio.sleep(0)

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert bench.counts == (3, 0, 0)
    bench.wait()


async def test_who_is_let_in_and_stopped_at_once_leaves_no_count_behind() -> None:
    bench = Bench(LOADING)
    _ticket, task = bench.wait()
    await asyncio.sleep(0)

    bench.board.show(ON_B)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert task.cancelled()
    assert bench.counts == (4, 0, 0)


async def test_streams_may_wait_for_longer_than_plain_requests() -> None:
    bench = Bench(LOADING)
    before = time.monotonic()

    plain, _task = bench.wait()
    stream, _task = bench.wait(is_stream=True)

    assert plain.deadline - before >= 30
    assert stream.deadline - before >= 900 > plain.deadline - before


@pytest.mark.parametrize(
    ("state", "kind"),
    [(LOADING, ModelSwitching), (slot(None, switch("", "b"), gate=Gate.CLOSED), ModelLoading)],
)
async def test_who_waited_too_long_learns_what_is_going_on(state: SlotView, kind: type[GatewayError]) -> None:
    bench = Bench(state)
    ticket, _task = bench.wait()

    assert type(bench.admission.overdue_error(ticket)) is kind


async def test_after_a_roll_back_current_is_answered_by_the_old_engine_and_the_new_name_not_found() -> None:
    bench = Bench(LOADING)
    _ticket, current = bench.wait()
    _ticket, by_name = bench.wait("b")

    bench.board.show(slot(engine("a"), epoch=5))

    assert (await current).route.model == "a"
    with pytest.raises(ModelNotFound, match=r"Served now: a\."):
        await by_name


async def test_when_the_switch_ends_with_nothing_everybody_is_told_why() -> None:
    bench = Bench(LOADING)
    _ticket, task = bench.wait()

    bench.board.show(slot(None, epoch=5, desired_profile="b", problem={"message": "Out of memory."}))

    with pytest.raises(NoModel, match="Out of memory"):
        await task
    assert bench.counts == (5, 0, 0)


async def test_cut_ends_the_running_answers_of_that_slot_only() -> None:
    second = slot(engine("x"), slug="second")
    bench = Bench(slot(engine("a")), second)
    ended: list[Exception] = []
    mine = bench.admission.try_admit(RouteRequest("a", is_stream=True), ended.append)
    other = bench.admission.try_admit(RouteRequest("x", is_stream=True), bench.stopped.append)

    bench.board.show(slot(engine("a"), switch("a", "b"), gate=Gate.CUT, epoch=3), second)

    assert mine is not None
    assert other is not None
    assert [type(error) for error in ended] == [ModelSwitching]
    assert bench.stopped == []
    assert bench.counts == (3, 1, 0)


async def test_a_profiles_limit_has_further_requests_wait_in_order() -> None:
    bench = Bench(slot(engine("a", max_concurrent_requests=2)))
    first, second = bench.admit(), bench.admit()
    ticket, third = bench.wait()
    _ticket, fourth = bench.wait()
    assert isinstance(bench.admission.overdue_error(ticket), RateLimitExceeded)

    first.leave()
    on_third = await third
    assert not fourth.done()
    assert bench.counts == (1, 2, 1)

    second.leave()
    on_third.leave()
    await fourth
    assert bench.counts == (1, 1, 0)


async def test_who_waits_for_a_model_to_come_holds_up_nobody_else() -> None:
    planned = slot(engine("a"), switch("a", "b"))
    bench = Bench(planned)
    _ticket, for_b = bench.wait("b")
    assert bench.admission.try_admit(RouteRequest("a", is_stream=False), bench.stopped.append) is None

    queued = bench.admission.enqueue(RouteRequest("a", is_stream=False), bench.stopped.append)
    admitted = await bench.admission.wait_for_admission(queued)

    assert admitted.route.model == "a"
    assert not for_b.done()
    admitted.leave()
    for_b.cancel()


async def test_request_that_is_admitted_in_the_moment_of_its_deadline_goes_on() -> None:
    class AskedEngine(Exception):
        pass

    def ask(_route: Route) -> EngineCall:
        raise AskedEngine

    bench = Bench(LOADING)
    generation = Generation(
        admission=bench.admission,
        request=RouteRequest("current", is_stream=False),
        engine=cast("EngineGateway", None),
        make_call=ask,
        timeouts=Timeouts(first_byte_s=60, idle_s=60, total_s=60, send_s=60, ping_s=60),
        model="b",
        max_bytes=1,
    )
    reading = asyncio.create_task(generation.read())
    await asyncio.sleep(0)
    assert bench.counts[2] == 1

    bench.board.show(ON_B)
    generation.check_deadline(math.inf)

    with pytest.raises(AskedEngine):
        async with generation.stoppable():
            await reading


@pytest.mark.parametrize("name", ["current", "a", "alias"])
async def test_a_request_for_a_slot_that_rests_waits_and_has_it_woken(name: str) -> None:
    bench = Bench(RESTING)

    _ticket, waiting = bench.wait(name)
    asked = list(bench.woken)
    bench.board.show(replace(RESTING, is_wake_asked=True))
    bench.board.show(replace(RESTING, is_wake_asked=True, switches=(switch("", "a"),)))
    bench.board.show(slot(engine("a", "alias"), epoch=4))

    assert asked == [SLOT_IDS["default"]]
    assert bench.woken == asked
    assert (await waiting).route.base_url == "http://a:8000"


async def test_whoever_waits_when_the_gate_closes_for_a_rest_has_it_opened_again() -> None:
    closing = slot(engine("a"), gate=Gate.CLOSED, rest=RestState.CLOSING, epoch=2)
    bench = Bench(slot(engine("a")))
    bench.board.show(closing)
    unasked = list(bench.woken)

    _ticket, waiting = bench.wait()
    bench.board.show(slot(engine("a"), epoch=3))

    assert unasked == []
    assert bench.woken == [SLOT_IDS["default"]]
    assert (await waiting).route.base_url == "http://a:8000"


async def test_a_wake_that_was_called_off_is_asked_for_again_while_somebody_waits() -> None:
    bench = Bench(RESTING)
    _ticket, waiting = bench.wait()
    bench.board.show(replace(RESTING, is_wake_asked=True))

    bench.board.show(RESTING)
    bench.board.show(slot(engine("a"), epoch=4))

    assert len(bench.woken) == 2
    await waiting


async def test_a_request_whose_time_is_over_is_told_how_long_waking_takes() -> None:
    bench = Bench(replace(RESTING, wake_s=7.0))
    ticket, waiting = bench.wait()

    error = bench.admission.overdue_error(ticket)

    waiting.cancel()
    assert isinstance(error, ModelLoading)
    assert error.headers["Retry-After"] == "7"


async def test_a_model_that_rests_is_left_for_another_one_with_its_name_refused() -> None:
    bench = Bench(replace(RESTING, switches=(switch("", "b"),)))

    with pytest.raises(ModelLoading, match="`a` is being replaced"):
        bench.wait("a")


async def test_the_time_without_requests_is_told_once_there_was_one() -> None:
    bench = Bench(slot(engine("a")))
    before = bench.admission.presence()[str(SLOT_IDS["default"])]

    with bench.admit():
        during = bench.admission.presence()[str(SLOT_IDS["default"])]
    after = bench.admission.presence()[str(SLOT_IDS["default"])]

    assert "idle_s" not in before
    assert (during["idle_s"], after["idle_s"]) == (0, 0)
