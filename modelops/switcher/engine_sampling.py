"""How busy the engines are, read from their metrics beside the loop, and kept for the last hour."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import timedelta

import httpx
import structlog
from django.db import Error as DatabaseError
from django.db.models.functions import Now

from modelops.domain.engine_metrics import EngineCounters, LoadFigures, measure_load, parse_metrics
from modelops.models import DEFAULT_SLOT, EngineLoad, Gate, Slot
from modelops.switcher.effects import Effects

log = structlog.get_logger()

READ_PERIOD_S = 2.0
UNCHANGED_PERIOD_S = 30.0
"""How often a load that stays the same is written down, as that of an idle engine."""
PRUNE_PERIOD_S = 300.0
KEPT_FOR = timedelta(minutes=65)
"""The last hour is shown, and none of it may be missing before the next pruning."""


@dataclass(frozen=True)
class SampledEngine:
    """An engine that serves a slot. `key` is another one for each start: its counters begin anew."""

    slot_id: uuid.UUID
    key: str
    profile: str
    base_url: str


def find_sampled(slot: Slot, external_url: str) -> SampledEngine | None:
    """The engine that answers the slot's requests, which of the default slot may be VLLM_BASE_URL's."""
    engine = slot.active_engine
    if engine is not None:
        return SampledEngine(slot.pk, engine.name, engine.profile, engine.base_url)
    if slot.slug == DEFAULT_SLOT and slot.gate == Gate.OPEN and external_url:
        return SampledEngine(slot.pk, external_url, "", external_url.rstrip("/"))
    return None


@dataclass
class _Follow:
    """What is remembered of one engine."""

    counters: EngineCounters | None = None
    answers: bool | None = None
    """Whether it answered when it was asked last, with metrics or not; None until it was asked."""
    read_at: float = 0.0
    recorded: LoadFigures | None = None
    recorded_at: float = field(default=-UNCHANGED_PERIOD_S)


class EngineSampler:
    """Asks each engine for its metrics, and stores what they tell. An engine without metrics has no load."""

    def __init__(self, effects: Effects, read: Callable[[str], str]) -> None:
        self._effects = effects
        self._read = read
        """The text of /metrics at a base URL; raises OSError or a subclass of the client's errors."""
        self._follows: dict[str, _Follow] = {}
        self._pruned_at = time.monotonic()

    def refresh(self, engines: Iterable[SampledEngine]) -> None:
        """Read and record as often as is due; waits for a moment only."""
        listed = {engine.key: engine for engine in engines}
        self._follows = {key: self._follows.get(key, _Follow()) for key in listed}
        for engine in listed.values():
            self._look(engine, self._follows[engine.key])
        if time.monotonic() - self._pruned_at >= PRUNE_PERIOD_S:
            self._pruned_at = time.monotonic()
            _store(_prune)

    def find_kv_cache_usage(self, engine: SampledEngine | None) -> float | None:
        """As the engine told it last; None where it did not."""
        follow = self._follows.get(engine.key) if engine is not None else None
        return follow.counters.kv_cache_usage if follow is not None and follow.counters is not None else None

    def find_answering(self, engine: SampledEngine) -> bool | None:
        """Whether the engine answered when it was asked last; None until it was asked."""
        follow = self._follows.get(engine.key)
        return follow.answers if follow is not None else None

    def _look(self, engine: SampledEngine, follow: _Follow) -> None:
        now = time.monotonic()
        key = ("metrics", engine.key)
        if now - follow.read_at < READ_PERIOD_S and not self._effects.is_known(key):
            return
        outcome = self._effects.attempt(key, lambda: self._read(engine.base_url))
        if outcome is None:
            return
        elapsed_s, follow.read_at = now - follow.read_at, now
        follow.answers = outcome.error is None or isinstance(outcome.error, httpx.HTTPStatusError)
        counters = None if outcome.error is not None else parse_metrics(outcome.value)
        if counters is None:
            # Not heard of, so the next rates would be over a time nobody knows.
            follow.counters = None
            return
        load = measure_load(follow.counters, counters, elapsed_s)
        follow.counters = counters
        if load != follow.recorded or now - follow.recorded_at >= UNCHANGED_PERIOD_S:
            follow.recorded, follow.recorded_at = load, now
            _store(lambda: _record(engine, load))


def _record(engine: SampledEngine, load: LoadFigures) -> None:
    EngineLoad.objects.create(slot_id=engine.slot_id, profile=engine.profile, **asdict(load))


def _prune() -> None:
    EngineLoad.objects.filter(at__lt=Now() - KEPT_FOR).delete()


def _store(write: Callable[[], None]) -> None:
    """A sample that is not stored is one point less in a chart, and no reason to stop."""
    try:
        write()
    except DatabaseError as exc:
        log.warning("engine_load_not_stored", error=str(exc))
