"""Reads everything that the desk shows, in a dozen queries, into one snapshot."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.urls import set_script_prefix
from django.utils import timezone
from django.utils.module_loading import import_string

from modelops.desk.alarm_reading import find_sample, list_restarts
from modelops.desk.alarms import AlarmFacts, find_alarms
from modelops.desk.box_parts import describe_boxes, find_slot_reading, read_boxes
from modelops.desk.gpu_cards import describe_card
from modelops.desk.profile_cards import ProfileCards
from modelops.desk.serving_parts import (
    describe_live,
    describe_loads,
    describe_recent,
    describe_serving,
    write_time,
)
from modelops.desk.snapshot import DeskSnapshot, PartEncoder
from modelops.hardware.sampling import SampledReading
from modelops.models import Engine, EngineLoad, Switch
from modelops.serving.external_engine import ExternalView
from modelops.switching.scheduling import find_next_changes, find_problems
from modelops.switching.selectors import find_switcher
from modelops.switching.slot_status import SlotStatus, list_slot_statuses
from modelops.switching.switchers import list_present

SHOWN_SWITCHES = 6
LOAD_AGE = timedelta(seconds=75)
"""An idle engine's load is written down twice a minute."""
REMEMBERED_FOR_S = 8.0


T = TypeVar("T")


class Remembered(Generic[T]):
    """A value that is read anew only when it is REMEMBERED_FOR_S old: what changes seldom, or by the day."""

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._read_at = -REMEMBERED_FOR_S
        self._value: T | None = None

    def read(self) -> T:
        now = time.monotonic()
        if self._value is None or now - self._read_at >= REMEMBERED_FOR_S:
            self._value, self._read_at = self._read(), now
        return self._value


class DeskReader:
    """One per process. Safe to use from several threads: one reads at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._profiles = ProfileCards()
        self._encoder = PartEncoder()
        self._restarts: Remembered[list[Switch]] = Remembered(list_restarts)
        self._presences = Remembered(list_present)
        self._usage = Remembered(_read_usage)
        self._boxes = Remembered(read_boxes)

    def read(self, seen: ExternalView | None = None) -> DeskSnapshot:
        """Everything, as it is now. `seen` is the engine of VLLM_BASE_URL where it was probed before;
        otherwise it is asked, which takes a second at most. Raises the database's errors."""
        with self._lock:
            return self._read(seen, timezone.now())

    def _read(self, seen: ExternalView | None, now: datetime) -> DeskSnapshot:
        statuses = list_slot_statuses(seen)
        slots = [each.slot for each in statuses]
        switcher = find_switcher(statuses[0].slot)
        sample = find_sample(now)
        reading = sample.reading if sample else None
        engines = _list_serving(statuses)
        boxes = self._boxes.read()
        # A button of these switches the default slot, unless another one is chosen on the next page.
        cards = self._profiles.read(find_slot_reading(statuses[0].slot, boxes, reading), engines)
        alarms = find_alarms(
            AlarmFacts(
                statuses=statuses,
                restarts=self._restarts.read(),
                reading=reading,
                switcher=switcher,
                presences=self._presences.read() if switcher.is_alive else (),
                needs_gpus=any(each.slot.desired_profile in self._profiles.on_gpus for each in statuses),
            )
        )
        parts = {
            "serving": describe_serving(
                statuses, switcher, find_next_changes(slots, now), find_problems(slots)
            ),
            "live": describe_live(statuses, now),
            "load": describe_loads(_find_loads(now)),
            "gpus": _describe_gpus(sample, engines),
            "boxes": describe_boxes(boxes, statuses),
            "profiles": cards,
            "recent": describe_recent(_list_recent()),
            "usage": self._usage.read(),
            "alarms": [alarm.serialise() for alarm in alarms],
        }
        return DeskSnapshot(self._encoder.encode(parts), is_settled=not parts["live"])


@cache
def get_desk_reader() -> DeskReader:
    return DeskReader()


def read_desk(items: Sequence[ExternalView | None]) -> list[DeskSnapshot]:
    """One snapshot for all items. A handler of `gateway.batching`."""
    # Links begin with what Django otherwise learns from a request, on the thread that has one.
    set_script_prefix(f"{settings.BASE_PATH}/")
    return [get_desk_reader().read(items[0])] * len(items)


def _list_recent() -> list[Switch]:
    ended = Switch.objects.filter(ended_at__isnull=False).select_related("slot")
    return list(ended.defer("recipe", "log_tail", "plan").order_by("-pk")[:SHOWN_SWITCHES])


def _find_loads(now: datetime) -> dict[str, EngineLoad]:
    """By slot, the newest sample that is not too old to be the present."""
    rows = EngineLoad.objects.filter(at__gte=now - LOAD_AGE).select_related("slot").order_by("at", "pk")
    return {row.slot.slug: row for row in rows.only(*LOAD_COLUMNS, "slot__slug")}


LOAD_COLUMNS = (
    *("at", "running", "waiting", "kv_cache_usage"),
    *("prompt_tokens_per_s", "generation_tokens_per_s", "first_token_s"),
)


def _list_serving(statuses: Sequence[SlotStatus]) -> list[Engine]:
    leaders = [each.slot.active_engine for each in statuses if each.slot.active_engine is not None]
    replicas = (each.replicas.engines[1:] for each in statuses if each.replicas is not None)
    return [*leaders, *(engine for engines in replicas for engine in engines)]


def _describe_gpus(sample: SampledReading | None, engines: Sequence[Engine]) -> dict[str, Any] | None:
    """None while nobody reads them."""
    if sample is None:
        return None
    return {
        "host": sample.host,
        "taken_at": write_time(sample.reading.taken_at),
        "cards": [describe_card(gpu, engines) for gpu in sample.reading.gpus],
    }


def _read_usage() -> dict[str, Any]:
    read: Callable[[], dict[str, Any]] = import_string(settings.DESK_USAGE)
    return read()
