"""Whether any web process still has answers running on a slot's engine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import BooleanField, Case, Value, When
from django.db.models.functions import Now

from modelops.models import Engine, Slot, WebPresence
from modelops.serving.web_presence import SILENT_FOR

WATCHED_FOR_S = 5.0
"""A web process is dead if it writes nothing for this long while the switcher reads without a gap. After an
outage of the database every process seems silent, and writes again within two seconds."""
LONGEST_PAUSE_S = 4.0
"""The longest gap between two reads that still counts as reading without a gap."""


@dataclass(frozen=True)
class WebProcess:
    """A web process as its row last described it."""

    id: Any
    """The row's key as the driver gives it, as is `seen_at`: good for comparing, and for queries."""
    seen_at: Any
    is_silent: bool
    slots: Mapping[str, Mapping[str, Any]]


class WebProcessWatch:
    """Distinguishes dead web processes from those that are silent for another reason."""

    def __init__(self) -> None:
        self._looked_at = 0.0
        self._since: dict[tuple[Any, Any], float] = {}

    def find_dead(self, web_processes: list[WebProcess], now: float) -> set[Any]:
        """At seconds of a clock that never goes back."""
        if now - self._looked_at > LONGEST_PAUSE_S:
            self._since = {}
        self._looked_at = now
        self._since = {
            (web.id, web.seen_at): self._since.get((web.id, web.seen_at), now) for web in web_processes
        }
        return {
            web.id
            for web in web_processes
            if web.is_silent and now - self._since[web.id, web.seen_at] >= WATCHED_FOR_S
        }


def is_drained(slot: Slot, watch: WebProcessWatch, now: float) -> bool:
    """Every web process that lives knows of the closed gate and has no request left on the engine."""
    return have_drained(slot, list_alive(watch, now))


def have_drained(slot: Slot, alive: Sequence[WebProcess]) -> bool:
    """The same of these processes."""
    return all(_has_drained(web.slots.get(str(slot.pk)), slot.epoch) for web in alive)


def list_alive(watch: WebProcessWatch, now: float) -> list[WebProcess]:
    """Every web process that is not known to be dead."""
    web_processes = list_webs()
    dead = watch.find_dead(web_processes, now)
    return [web for web in web_processes if web.id not in dead]


def knows_pointer(slot: Slot, watch: WebProcessWatch, now: float) -> bool:
    """Every web process that lives knows which engine the slot points to now."""
    known = (web.slots.get(str(slot.pk), {}) for web in list_alive(watch, now))
    return all(entry.get("epoch", -1) >= slot.epoch for entry in known)


def forget_dead_web_processes(watch: WebProcessWatch, now: float) -> list[WebProcess]:
    """Those that live. The next switch need not watch the dead first; one that lives after all writes itself
    down anew."""
    web_processes = list_webs()
    dead = watch.find_dead(web_processes, now)
    if dead:
        WebPresence.objects.filter(pk__in=dead).delete()
    return [web for web in web_processes if web.id not in dead]


def list_webs() -> list[WebProcess]:
    """Every web process with a row: each writes one while it runs and deletes it when it stops.

    By prepared SQL: it is asked at each look while a slot drains.
    """
    with connection.cursor() as cursor:
        cursor.execute(*_prepare_sql(connection.vendor))
        rows = cursor.fetchall()
    return [
        WebProcess(key, seen_at, bool(is_silent), json.loads(slots))
        for key, seen_at, is_silent, slots in rows
    ]


@cache
def _prepare_sql(vendor: str) -> tuple[str, Sequence[Any]]:
    """The query in this vendor's SQL."""
    is_silent = Case(
        When(seen_at__lt=Now() - SILENT_FOR, then=Value(True)),
        default=Value(False),
        output_field=BooleanField(),
    )
    rows = WebPresence.objects.annotate(is_silent=is_silent).values_list(
        "id", "seen_at", "is_silent", "slots"
    )
    prepared: tuple[str, Sequence[Any]] = rows.query.sql_with_params()
    return prepared


def is_engine_left(slot: Slot, engine: Engine, watch: WebProcessWatch, now: float) -> bool:
    """Every web process that lives knows that the engine gets no more, and has no request left on it."""
    web_processes = list_webs()
    dead = watch.find_dead(web_processes, now)
    alive = (web for web in web_processes if web.id not in dead)
    return all(_has_left(web.slots.get(str(slot.pk)), slot.epoch, str(engine.pk)) for web in alive)


def _has_drained(entry: Mapping[str, Any] | None, epoch: int) -> bool:
    return entry is not None and entry.get("epoch", -1) >= epoch and entry.get("open", 1) == 0


def _has_left(entry: Mapping[str, Any] | None, epoch: int, engine: str) -> bool:
    """A web process that counts by engine only where there are several says nothing of one it has left."""
    if entry is None or entry.get("epoch", -1) < epoch:
        return False
    open_there: int = entry.get("engines", {}).get(engine, 0)
    return open_there == 0
