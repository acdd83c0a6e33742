"""Where a request for a model goes, for every state of its slot."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from gateway.errors import GatewayError, ModelLoading, ModelNotFound, ModelSwitching, NoModel
from modelops.domain.switching.states import SwitchState
from modelops.domain.tasks import ModelTask
from modelops.models import Gate
from modelops.serving.board import BoardSnapshot, Price
from modelops.serving.engine_client import ServedModel
from modelops.serving.routes import ExternalRoute, RouteTable, cut_error
from modelops.serving.start_history import Restart
from modelops.tests.serving.board_views import board, engine, slot, switch

URL = "http://127.0.0.1:9000"


def external(*names: str, serves_nothing: bool = False) -> ExternalRoute:
    models = [ServedModel(name, 4096, {"id": name}) for name in names]
    return ExternalRoute(base_url=URL, models=models, serves_nothing=serves_nothing)


@pytest.mark.parametrize("name", ["", "current", "a", "alias"])
def test_a_name_of_the_active_engine_goes_to_it_under_its_own_name(name: str) -> None:
    limits: dict[str, Any] = {"max_output_tokens": 7, "max_concurrent_requests": 3, "price": Price(0.5, 2.0)}
    table = RouteTable(board(slot(engine("a", "alias", **limits))))

    route = table.resolve(name)

    assert (route.must_wait, route.base_url, route.model) == (False, "http://a:8000", "a")
    assert (route.max_output_tokens, route.max_concurrent_requests) == (7, 3)
    assert route.price.of(10, 100) == 205.0


def test_current_is_the_default_slots_model_and_names_reach_every_slot() -> None:
    second = slot(engine("b", "shared"), slug="second")
    table = RouteTable(board(second, slot(engine("a", "shared"))))

    assert [table.resolve(name).model for name in ("current", "a", "b", "shared")] == ["a", "a", "b", "a"]
    assert table.resolve("b").slot == "second"


def test_another_slots_model_is_not_current() -> None:
    table = RouteTable(board(slot(None), slot(engine("b"), slug="second")))

    with pytest.raises(NoModel):
        table.resolve("current")
    assert table.resolve("b").model == "b"


SWITCHING = [
    pytest.param(slot(engine("a"), switch("a", "b"), gate=Gate.CLOSED), id="draining"),
    pytest.param(slot(engine("a"), switch("a", "b"), gate=Gate.CUT), id="cut"),
    pytest.param(slot(None, switch("a", "b"), gate=Gate.CLOSED), id="loading"),
    pytest.param(slot(None, switch("a", "b")), id="no engine"),
]


@pytest.mark.parametrize("state", SWITCHING)
def test_during_a_switch_current_and_the_new_name_wait(state: object) -> None:
    table = RouteTable(board(state, profiles=("a", "b", "c")))  # type: ignore[arg-type]

    for name in ("", "current", "b"):
        route = table.resolve(name)
        assert (route.must_wait, route.slot) == (True, "default")
    assert table.resolve("current").model == "b"


@pytest.mark.parametrize("state", SWITCHING)
def test_during_a_switch_the_old_name_is_refused_at_once(state: object) -> None:
    table = RouteTable(board(state, profiles=("a", "b", "c")))  # type: ignore[arg-type]

    with pytest.raises(ModelSwitching, match=r"`a` is being replaced\..*`b`"):
        table.resolve("a")
    with pytest.raises(ModelNotFound):
        table.resolve("c")


@pytest.mark.parametrize(("seconds", "expected"), [(25, range(24, 26)), (600, [60]), (-5, [1])])
def test_retry_after_follows_the_expected_end(seconds: int, expected: list[int]) -> None:
    at = timezone.now() + timedelta(seconds=seconds)
    loading = slot(None, switch("a", "b", ready_expected_at=at), gate=Gate.CLOSED)

    with pytest.raises(ModelSwitching) as caught:
        RouteTable(board(loading)).resolve("a")

    assert int(caught.value.headers["Retry-After"]) in expected


@pytest.mark.parametrize(
    "state", [SwitchState.DRAINING, SwitchState.STOPPING, SwitchState.CLEARING, SwitchState.STARTING]
)
def test_before_the_engine_tells_retry_after_follows_what_its_starts_usually_take(state: SwitchState) -> None:
    begun = timezone.now() - timedelta(seconds=10)
    away = switch("a", "b", state, typical_seconds=40.0, state_since=begun)

    with pytest.raises(ModelSwitching) as caught:
        RouteTable(board(slot(None, away, gate=Gate.CLOSED))).resolve("a")

    left = 30 if state is SwitchState.STARTING else 40
    assert int(caught.value.headers["Retry-After"]) in (left - 1, left)


def test_what_could_not_be_started_is_not_said_to_be_replaced() -> None:
    undone = slot(None, switch("a", "b", SwitchState.ROLLING_BACK), gate=Gate.CLOSED)

    with pytest.raises(ModelSwitching) as caught:
        RouteTable(board(undone)).resolve("b")

    assert caught.value.message == "`b` could not be started; `a` is coming back."


def test_a_name_that_both_models_answer_to_waits() -> None:
    same = switch("a", "a")

    assert RouteTable(board(slot(None, same, gate=Gate.CLOSED))).resolve("a").must_wait


def test_before_the_gate_closes_the_old_model_serves_and_the_new_name_waits() -> None:
    planned = switch("a", "b", SwitchState.PLANNED)
    table = RouteTable(board(slot(engine("a"), planned), profiles=("a", "b")))

    assert [table.resolve(name).base_url for name in ("current", "a")] == ["http://a:8000"] * 2
    assert table.resolve("b").must_wait


def test_while_rolling_back_the_old_names_wait_and_the_new_ones_are_refused() -> None:
    back = switch("a", "b", SwitchState.ROLLING_BACK)
    table = RouteTable(board(slot(None, back, gate=Gate.CLOSED), profiles=("a", "b")))

    assert [table.resolve(name).must_wait for name in ("current", "a")] == [True, True]
    with pytest.raises(ModelSwitching, match="`a` is coming back"):
        table.resolve("b")


def test_the_name_of_a_switch_that_waits_for_its_turn_waits_too() -> None:
    queued = switch("b", "c", SwitchState.REQUESTED)
    table = RouteTable(board(slot(None, switch("a", "b"), queued, gate=Gate.CLOSED)))

    assert table.resolve("c").must_wait


def test_a_closed_gate_without_a_switch_is_waited_for() -> None:
    table = RouteTable(board(slot(engine("a"), gate=Gate.CLOSED)))

    assert [table.resolve(name).must_wait for name in ("current", "a")] == [True, True]


def test_a_profile_that_is_not_active_is_refused_with_what_is() -> None:
    table = RouteTable(board(slot(engine("a")), profiles=("a", "b")))

    with pytest.raises(ModelNotFound, match=r"Served now: a\. An admin can switch to it\.") as caught:
        table.resolve("b")
    assert caught.value.param == "model"


def test_a_profile_that_is_not_active_can_be_switched_to_by_who_may() -> None:
    table = RouteTable(board(slot(engine("a")), profiles=("a", "b")))

    route = table.resolve("b", may_switch=True)

    assert (route.switch_to, route.must_wait) == ("b", True)
    with pytest.raises(ModelNotFound):
        table.resolve("nonsense", may_switch=True)


@pytest.mark.parametrize("name", ["c", "A", "a/../b", "current ", "a\x00"])
def test_an_unknown_name_is_not_found_and_the_served_ones_are_named(name: str) -> None:
    table = RouteTable(board(slot(engine("a", "alias")), profiles=("a",)))

    with pytest.raises(ModelNotFound) as caught:
        table.resolve(name)

    assert caught.value.message.endswith("Served now: a, alias.")


def test_a_failed_slot_says_why() -> None:
    failed = slot(None, desired_profile="a", problem={"code": "no_disk", "message": "The disk is full."})
    table = RouteTable(board(failed, profiles=("a", "b")))

    for name in ("current", "a"):
        with pytest.raises(NoModel, match=r"^No model is being served: The disk is full\.$"):
            table.resolve(name)
    with pytest.raises(ModelNotFound, match="Served now: nothing"):
        table.resolve("b")


@pytest.mark.parametrize(
    ("retry_in_s", "typical_s", "expected"),
    [(5, 20.0, (24, 25)), (-3, 20.0, (20, 20)), (5, None, (4, 5)), (300, 20.0, (60, 60)), (-3, None, (5, 5))],
)
def test_engine_that_ended_is_model_loading_with_the_wait_that_its_starts_took(
    retry_in_s: float, typical_s: float | None, expected: tuple[int, int]
) -> None:
    retry_at = timezone.now() + timedelta(seconds=retry_in_s)
    problem = {"code": "killed", "message": "It was killed."}
    dead = slot(None, desired_profile="a", problem=problem, retry_at=retry_at, restart=Restart(typical_s))
    table = RouteTable(board(dead, profiles=("a",)))

    for name in ("current", "a"):
        with pytest.raises(
            ModelLoading, match=r"^`a` is about to be started again: It was killed\.$"
        ) as caught:
            table.resolve(name)
        assert int(caught.value.headers["Retry-After"]) in expected


@pytest.mark.parametrize(
    ("snapshot", "kind"),
    [
        (None, ModelLoading),
        (board(), ModelLoading),
        (board(slot(None)), NoModel),
        (board(slot(None, desired_profile="a")), ModelLoading),
    ],
)
def test_an_empty_board_says_what_to_expect(snapshot: BoardSnapshot | None, kind: type[GatewayError]) -> None:
    with pytest.raises(kind):
        RouteTable(snapshot).resolve("current")


@pytest.mark.parametrize("state", [board(), board(slot(None))])
def test_the_external_engine_serves_while_the_slot_has_none(state: BoardSnapshot) -> None:
    table = RouteTable(state, external("x", "y"))

    assert [table.resolve(name).model for name in ("", "current", "x", "y")] == ["x", "x", "x", "y"]
    assert table.resolve("y").base_url == URL
    with pytest.raises(ModelNotFound, match=r"Served now: x, y\.$"):
        table.resolve("z")


def test_an_engine_of_its_own_takes_the_external_ones_place() -> None:
    table = RouteTable(board(slot(engine("a"))), external("x"))

    assert table.resolve("current").model == "a"
    with pytest.raises(ModelNotFound):
        table.resolve("x")


def test_a_closed_gate_holds_for_the_external_engine_too() -> None:
    table = RouteTable(board(slot(None, switch("", "b"), gate=Gate.CLOSED)), external("x"))

    assert table.resolve("current").must_wait


@pytest.mark.parametrize(
    ("engine_outside", "kind"), [(external(), ModelLoading), (external(serves_nothing=True), NoModel)]
)
def test_an_external_engine_without_models_says_so(
    engine_outside: ExternalRoute, kind: type[GatewayError]
) -> None:
    for name in ("current", "x"):
        with pytest.raises(kind):
            RouteTable(board(), engine_outside).resolve(name)


def test_an_answer_that_is_cut_learns_what_the_operator_switched_to() -> None:
    error = cut_error(slot(engine("a"), switch("", "b"), gate=Gate.CUT))

    assert error.code == "model_switching"
    assert "the operator switched to `b`" in error.message


def test_adapter_goes_to_the_engine_of_its_model_by_its_own_name() -> None:
    adapted = engine("base", "alias", "lora", adapters=frozenset({"lora"}), tasks=(ModelTask.GENERATE,))
    table = RouteTable(board(slot(adapted)))

    route = table.resolve("lora")

    assert (route.model, route.base_url, route.tasks) == ("lora", "http://base:8000", (ModelTask.GENERATE,))
    assert table.resolve("alias").model == table.resolve("current").model == "base"
    assert table.list_models_for([ModelTask.GENERATE]) == ["base", "lora"]
