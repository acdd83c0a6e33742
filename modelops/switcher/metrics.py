"""The switcher's metrics: what it counted, and what its loop found out last."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway import metric_definitions as definitions
from gateway.conf import GatewayConfig
from gateway.metric_definitions import MetricDefinition
from gateway.scrape_values import read_common_values, write_families
from modelops.domain.switching.states import FINAL_STATES, SwitchState
from modelops.hardware import GpuReading, HardwareReading
from modelops.models import Switch
from modelops.serving.process_starts import SWITCHER
from modelops.switcher.engine_scrape import FollowerUrl
from modelops.switching.slot_status import ServiceState

READING_LIFE_S = 60.0
"""What the GPUs did longer ago is not told any more."""


@dataclass(frozen=True)
class SlotFigures:
    """A slot as its reconciler saw it last. `profile` is what serves, or else what should."""

    slot: str
    state: ServiceState
    profile: str
    active_since: datetime | None
    is_engine_up: bool | None
    """None while no engine is meant to serve."""
    engine_url: str | None
    """Of the engine that answers requests."""
    kv_cache_usage: float | None = None
    wanted_replicas: int | None = None
    """None while nothing serves."""
    followers: tuple[FollowerUrl, ...] = ()
    """The replicas beside the engine that requests go to as well."""


@dataclass(frozen=True)
class SwitcherFigures:
    """What one round of the loop found."""

    slots: tuple[SlotFigures, ...]
    """Those that this switcher acts for."""
    stepped_at: float
    """In seconds since 1970."""
    reading: HardwareReading | None = None
    starts: int = 0
    unreachable: tuple[str, ...] = ()
    """Slots of boxes that are gone, for which nobody else speaks."""

    @property
    def engines(self) -> Mapping[str, str]:
        """The addresses of the engines that serve, by slot."""
        return {each.slot: each.engine_url for each in self.slots if each.engine_url}

    @property
    def followers(self) -> list[FollowerUrl]:
        return [follower for each in self.slots for follower in each.followers]


class SwitcherMetrics(Collector):
    """Counts on the loop's thread, and is read on another one: figures are replaced as a whole."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._switches = definitions.SWITCHES.make_counter(self._registry)
        self._durations = definitions.SWITCH_DURATION.make_histogram(self._registry)
        self._phases = definitions.SWITCH_PHASE.make_histogram(self._registry)
        self._restarts = definitions.ENGINE_RESTARTS.make_counter(self._registry)
        self.figures = SwitcherFigures((), 0.0)
        self._registry.register(self)
        for state in FINAL_STATES:
            self._switches.labels(state)

    def count_switch(self, switch: Switch, outcome: SwitchState, phases: Mapping[str, float]) -> None:
        """Count one that has just ended, with the seconds that it spent in each of its states."""
        self._switches.labels(outcome).inc()
        self._durations.labels(outcome).observe((timezone.now() - switch.created_at).total_seconds())
        for phase, spent_s in phases.items():
            self._phases.labels(phase).observe(spent_s)

    def count_restart(self, slot: str) -> None:
        self._restarts.labels(slot).inc()

    def write(self, config: GatewayConfig) -> bytes:
        """All of it in Prometheus' text format."""
        for each in self.figures.slots:
            self._restarts.labels(each.slot)  # at 0, so that the first one is an increase
        starts = {str(SWITCHER): self.figures.starts} if self.figures.starts else {}
        own: bytes = generate_latest(self._registry)
        return own + write_families(read_common_values(config, starts))

    def collect(self) -> Iterable[Metric]:
        figures = self.figures
        if not figures.stepped_at:
            return
        yield _gauge(definitions.LAST_STEP, [((), figures.stepped_at)])
        yield _gauge(definitions.IS_LEADER, [((), bool(figures.slots))])
        yield from _describe_slots(figures.slots, figures.unreachable)
        if (
            figures.reading is not None
            and time.time() - figures.reading.taken_at.timestamp() < READING_LIFE_S
        ):
            yield from _describe_gpus(figures.reading.gpus)


Values = Iterable[tuple[tuple[str, ...], float | None]]


def _gauge(definition: MetricDefinition, values: Values) -> Metric:
    """A family with these values by their labels; what is None is left out."""
    family = definition.make_family()
    for labels, value in values:
        if value is not None:
            family.add_metric(labels, value)
    return family


def _describe_slots(slots: tuple[SlotFigures, ...], unreachable: tuple[str, ...]) -> Iterator[Metric]:
    states = [(each.slot, each.state) for each in slots]
    states += [(slot, ServiceState.UNREACHABLE) for slot in unreachable]
    yield _gauge(
        definitions.SLOT_STATE,
        (((slot, state), found is state) for slot, found in states for state in ServiceState),
    )
    yield _gauge(
        definitions.SLOT_ACTIVE_SINCE,
        (
            ((each.slot, each.profile), each.active_since.timestamp() if each.active_since else None)
            for each in slots
        ),
    )
    yield _gauge(definitions.ENGINE_UP, (((each.slot, each.profile), each.is_engine_up) for each in slots))
    yield _gauge(definitions.REPLICAS_WANTED, (((each.slot,), each.wanted_replicas) for each in slots))
    serving = (
        ((each.slot,), None if each.wanted_replicas is None else 1 + len(each.followers)) for each in slots
    )
    yield _gauge(definitions.REPLICAS_SERVING, serving)
    yield _gauge(definitions.KV_CACHE_USAGE, (((each.slot,), each.kv_cache_usage) for each in slots))


def _describe_gpus(gpus: tuple[GpuReading, ...]) -> Iterator[Metric]:
    def each(definition: MetricDefinition, *values: float | None) -> Metric:
        named = [(str(gpu.index), gpu.name or "") for gpu in gpus]
        return _gauge(definition, zip(named, values, strict=True))

    yield each(definitions.GPU_MEMORY_USED, *(gpu.used_bytes for gpu in gpus))
    yield each(definitions.GPU_MEMORY_TOTAL, *(gpu.total_bytes for gpu in gpus))
    yield each(
        definitions.GPU_UTILIZATION,
        *(None if gpu.utilization_percent is None else gpu.utilization_percent / 100 for gpu in gpus),
    )
    yield each(definitions.GPU_TEMPERATURE, *(gpu.temperature_c for gpu in gpus))
    yield each(definitions.GPU_POWER, *(gpu.power_w for gpu in gpus))
