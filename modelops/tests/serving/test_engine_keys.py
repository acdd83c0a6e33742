"""A key per engine: who only reaches its port cannot use it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from gateway.conf import GatewayConfig
from modelops.models import Engine, Slot
from modelops.serving.board import read_board
from modelops.serving.engine_keys import find_engine_key
from modelops.serving.routes import RouteTable
from modelops.simulator.process import start_simulator
from modelops.switcher.engine_control import EngineControl, EngineMismatch
from modelops.tests.serving.slot_rows import flip, make_engine, make_slot

CONFIG = GatewayConfig(secret_key="s" * 40, vllm_api_key="of-the-external-engine")


def build_engine(**values: object) -> Engine:
    return Engine(slot=Slot(), model_name="m", **{"has_own_key": True, **values})


@pytest.fixture
def control() -> Iterator[EngineControl]:
    control = EngineControl(CONFIG)
    yield control
    control.close()


def test_each_engine_has_its_own_key_which_everybody_with_the_secret_agrees_on() -> None:
    one, another = build_engine(), build_engine()
    keys = {find_engine_key(engine, CONFIG) for engine in (one, another)}

    assert len(keys) == 2
    assert find_engine_key(Engine(pk=one.pk, has_own_key=True), CONFIG) in keys
    assert find_engine_key(one, replace(CONFIG, secret_key="t" * 40)) not in keys
    assert all(len(key) == 64 and "s" * 40 not in key for key in keys)


def test_engine_of_somebody_else_or_of_an_older_version_gets_the_key_of_the_settings() -> None:
    assert find_engine_key(build_engine(has_own_key=False), CONFIG) == "of-the-external-engine"


def test_engine_is_used_with_its_key_and_with_no_other(control: EngineControl) -> None:
    engine, stranger = build_engine(), build_engine()
    with start_simulator(model="m", env={"VLLM_API_KEY": find_engine_key(engine, CONFIG)}) as simulator:
        engine.base_url = stranger.base_url = simulator.base_url

        cards = control.verify(engine, least_context=None, is_pooling=False)
        with pytest.raises(EngineMismatch):
            control.verify(stranger, least_context=None, is_pooling=False)
        without = httpx.get(f"{simulator.base_url}/v1/models").status_code

    assert [card["id"] for card in cards] == ["m"]
    assert without == 401


def test_engine_that_refuses_its_key_is_not_healthy(control: EngineControl) -> None:
    """As after a change of SECRET_KEY: the switcher starts it anew, since nobody could use it."""
    engine = build_engine()
    with start_simulator(model="m", env={"VLLM_API_KEY": "made-from-another-secret"}) as simulator:
        engine.base_url = simulator.base_url
        of_older_version = build_engine(has_own_key=False, base_url=simulator.base_url)

        assert not control.is_healthy(engine)
        assert control.is_healthy(of_older_version)


@pytest.mark.usefixtures("db")
def test_route_carries_the_key_of_its_engine_and_shows_it_nowhere() -> None:
    from gateway.conf import get_config

    slot = make_slot()
    engine = make_engine(slot, "a", has_own_key=True)
    flip(slot, engine)

    (snapshot,) = read_board([None])
    route = RouteTable(snapshot).resolve("a")

    assert route.api_key == find_engine_key(engine, get_config())
    assert not any(route.api_key in repr(each) for each in (route, snapshot, engine))
