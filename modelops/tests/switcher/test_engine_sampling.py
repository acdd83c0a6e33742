"""The load of engines: how often it is read, and what of it is kept."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from modelops.models import EngineLoad, Gate, Slot
from modelops.simulator.metrics import Gauges, Metrics, render_metrics
from modelops.switcher import engine_sampling
from modelops.switcher.effects import Effects
from modelops.switcher.engine_sampling import EngineSampler, SampledEngine, find_sampled
from modelops.tests.serving.slot_rows import flip, make_engine, make_slot

pytestmark = pytest.mark.django_db


class FakeEngines:
    """Answers for the metrics of every engine; `text` of None is one that does not answer."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.running = 0
        self.is_away = False

    def read(self, base_url: str) -> str:
        if self.is_away:
            raise OSError("refused")
        gauges = Gauges(running=self.running, waiting=0, kv_cache_usage=0.0, sleep_level=0)
        return render_metrics(self.metrics, gauges, model_name="m", cache_config={})


@pytest.fixture
def engines() -> FakeEngines:
    return FakeEngines()


@pytest.fixture
def sampler(engines: FakeEngines, monkeypatch: pytest.MonkeyPatch) -> EngineSampler:
    monkeypatch.setattr(engine_sampling, "READ_PERIOD_S", 0.0)
    return EngineSampler(Effects(), engines.read)


def look(sampler: EngineSampler, slot: Slot, times: int = 1) -> None:
    """Until so many answers were taken: each look waits for a moment only."""
    engine = SampledEngine(slot.pk, "e-1", "pretend", "http://engine")
    for _ in range(times):
        sampler.refresh([engine])
        while sampler._effects.is_known(("metrics", "e-1")):
            sampler.refresh([engine])


def test_a_changed_load_is_stored_with_its_rates(sampler: EngineSampler, engines: FakeEngines) -> None:
    slot = make_slot()
    look(sampler, slot)
    engines.metrics.generation_tokens = 40
    engines.running = 3

    look(sampler, slot)

    newest = EngineLoad.objects.order_by("-pk")[0]
    assert (newest.slot, newest.profile, newest.running) == (slot, "pretend", 3)
    assert newest.generation_tokens_per_s is not None and newest.generation_tokens_per_s > 0


def test_a_load_that_stays_the_same_is_written_down_once(sampler: EngineSampler) -> None:
    slot = make_slot()

    look(sampler, slot, times=6)

    # The first has no rates, as there was nothing to compare with.
    assert EngineLoad.objects.count() == 2


def test_an_engine_that_does_not_answer_has_no_load(sampler: EngineSampler, engines: FakeEngines) -> None:
    engines.is_away = True

    look(sampler, make_slot(), times=2)

    assert not EngineLoad.objects.exists()


def test_only_the_last_hour_is_kept(sampler: EngineSampler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_sampling, "PRUNE_PERIOD_S", 0.0)
    slot, now = make_slot(), timezone.now()
    for minutes in (59, 80):
        EngineLoad.objects.create(slot=slot, at=now - timedelta(minutes=minutes), running=minutes, waiting=0)

    sampler.refresh([])

    assert [load.running for load in EngineLoad.objects.all()] == [59]


def test_the_engine_of_a_url_is_sampled_only_while_the_slot_has_none_of_its_own() -> None:
    slot = make_slot()
    engine = make_engine(slot, "own", "http://own:1")

    assert find_sampled(slot, "") is None
    external = find_sampled(slot, "http://theirs:1/")
    assert external is not None and external.base_url == "http://theirs:1"
    slot.gate = Gate.CLOSED
    assert find_sampled(slot, "http://theirs:1") is None
    flip(slot, engine)
    slot.refresh_from_db()
    own = find_sampled(slot, "http://theirs:1")
    assert own == SampledEngine(slot.pk, engine.name, "own", "http://own:1")
