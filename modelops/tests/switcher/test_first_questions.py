"""An engine that has just started is asked for what its model does, whatever that is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.conf import GatewayConfig
from modelops.models import Engine, Slot
from modelops.simulator.process import start_simulator
from modelops.switcher.engine_control import EngineControl, EngineMismatch
from modelops.tests.simulator.conftest import FAST

CLASSIFIES = ("--runner", "pooling", "--convert", "classify")
TRANSCRIBES = ("--task", "transcription")


@pytest.fixture
def control() -> Iterator[EngineControl]:
    control = EngineControl(GatewayConfig(secret_key="s" * 40))
    yield control
    control.close()


@pytest.mark.parametrize(
    ("flags", "is_pooling", "tasks"),
    [
        (CLASSIFIES, True, ["rerank", "classify", "pool"]),
        (TRANSCRIBES, False, ["transcribe"]),
        (("--runner", "pooling"), False, ["embed", "rerank", "pool"]),
    ],
)
def test_engine_that_generates_nothing_passes(
    control: EngineControl, flags: tuple[str, ...], is_pooling: bool, tasks: list[str]
) -> None:
    with start_simulator(*flags, *FAST, model="m") as simulator:
        engine = Engine(slot=Slot(), model_name="m", base_url=simulator.base_url)

        (card,) = control.verify(engine, least_context=None, is_pooling=is_pooling)

    assert [str(task) for task in card["tasks"]] == tasks


@pytest.mark.parametrize("flags", [(), TRANSCRIBES])
def test_engine_that_fails_at_its_task_does_not_pass(control: EngineControl, flags: tuple[str, ...]) -> None:
    with start_simulator("--sim-fault", "error_status", *flags, *FAST, model="m") as simulator:
        engine = Engine(slot=Slot(), model_name="m", base_url=simulator.base_url)

        with pytest.raises(EngineMismatch):
            control.verify(engine, least_context=None, is_pooling=False)
