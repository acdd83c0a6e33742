"""Warm alternatives: profiles whose engines share cards by sleep, and the end of one that sleeps."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from gateway.audit import record_change
from gateway.database.changes import announce_change
from gateway.errors import NotFound
from modelops.domain.switching.sleepers import need_bytes
from modelops.models import Engine, EngineState, ModelProfile, Slot
from modelops.models.presence import HOST_MEMORY
from modelops.serving.start_history import (
    find_typical_seconds,
    find_typical_wake_seconds,
    find_weights_bytes,
)
from modelops.switching.actor import Actor
from modelops.switching.switchers import find_present


@dataclass(frozen=True)
class Alternative:
    """A profile that can sleep, in one slot. `engine` is its engine there, if it has one."""

    profile: str
    engine: Engine | None
    needs_bytes: int | None
    """Host memory that it takes, or would take, while it sleeps."""
    is_measured: bool
    wake_s: float | None
    start_s: float | None
    used_at: datetime | None

    @property
    def is_asleep(self) -> bool:
        return self.engine is not None and self.engine.state == EngineState.ASLEEP

    @property
    def serves(self) -> bool:
        return self.engine is not None and self.engine.state == EngineState.SERVING


def list_alternatives(slot: Slot) -> list[Alternative]:
    """What serves first, then what sleeps, the most recently used first, then the other profiles."""
    open_engines = Engine.objects.filter(slot=slot, ended_at=None)
    engines = {each.profile: each for each in open_engines if each.spec.get("enable_sleep_mode")}
    profiles = ModelProfile.objects.enabled().filter(enable_sleep_mode=True)
    sizes: dict[str, int | None] = dict(profiles.values_list("slug", "weights_bytes"))
    used = _find_last_uses(slot)
    found = [
        _describe(slug, engines.get(slug), sizes.get(slug), used.get(slug))
        for slug in sorted({*sizes, *engines})
    ]
    return sorted(found, key=_rank)


def _rank(alternative: Alternative) -> tuple[int, float, str]:
    used_at = alternative.used_at.timestamp() if alternative.used_at else 0.0
    group = 0 if alternative.serves else 1 if alternative.is_asleep else 2
    return group, -used_at, alternative.profile


def _describe(profile: str, engine: Engine | None, size: int | None, used_at: datetime | None) -> Alternative:
    last = engine or Engine.objects.filter(profile=profile, actual__isnull=False).first()
    weights = find_weights_bytes(last) if last is not None else None
    weights = weights or size
    return Alternative(
        profile=profile,
        engine=engine,
        needs_bytes=need_bytes(weights) if weights else None,
        is_measured=bool(last is not None and (last.actual or {}).get("weights_bytes")),
        wake_s=find_typical_wake_seconds(profile),
        start_s=find_typical_seconds(profile),
        used_at=used_at,
    )


def _find_last_uses(slot: Slot) -> dict[str, datetime]:
    """By profile, when an engine of it had a request last, or began to serve."""
    rows = Engine.objects.filter(slot=slot).order_by().values("profile")
    found: dict[str, datetime] = {}
    for row in rows.annotate(used=Max("last_used_at"), ready=Max("ready_at")):
        moment = row["used"] or row["ready"]
        if moment is not None:
            found[row["profile"]] = moment
    return found


def read_host_memory(slot: Slot) -> Mapping[str, Any]:
    """`available_bytes` and `reserve_bytes` as the switcher of the slot's box told; empty where none did."""
    switcher = find_present(slot)
    return (switcher.facts.get(HOST_MEMORY) or {}) if switcher is not None else {}


def end_sleeper(engine_id: uuid.UUID, actor: Actor) -> Engine:
    """Have an engine that sleeps ended by the switcher. Idempotent. Raises NotFound for any that does not."""
    with transaction.atomic():
        engine = Engine.objects.select_for_update(of=("self",)).filter(pk=engine_id).first()
        if engine is None or engine.state != EngineState.ASLEEP:
            raise NotFound("There is no such engine, or it does not sleep.")
        if engine.end_asked_at is None:
            Engine.objects.filter(pk=engine.pk).update(end_asked_at=timezone.now())
            record_change("sleeper_ended", engine, request=actor.request, changes={"profile": engine.profile})
            announce_change()
    return engine
