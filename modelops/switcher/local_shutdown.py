"""Ends the engines that run as child processes of a gateway on one machine, when that gateway ends."""

from __future__ import annotations

from pathlib import Path

import structlog
from django.db import transaction

from gateway.conf import GatewayConfig
from modelops.domain.runtimes import RUNTIMES
from modelops.models import Engine, Gate, Slot
from modelops.runtimes.base import Runtime, RuntimeFailure
from modelops.runtimes.registry import DRIVERS
from modelops.switcher.boxes import identify_machine
from modelops.switcher.ledger import ended

log = structlog.get_logger()


def end_local_engines(config: GatewayConfig, *, reason: str) -> None:
    """End every engine of this machine whose runtime ends with the gateway. Only for when no switcher runs
    here any more.

    Switches stay as they are: the next switcher goes on with them.
    """
    machine = identify_machine(Path(config.data_dir))
    here = Engine.objects.filter(ended_at=None, slot__box_machine__in=("", machine))
    for kind, traits in RUNTIMES.items():
        if not traits.ends_with_gateway:
            continue
        runtime = DRIVERS[kind](config)
        try:
            for engine in here.filter(runtime=kind.value):
                _end(runtime, engine, reason)
        finally:
            runtime.close()


def _end(runtime: Runtime, engine: Engine, reason: str) -> None:
    try:
        runtime.remove(engine.name)
    except RuntimeFailure as exc:
        log.warning("engine_not_removed", engine=engine.name, error=str(exc))
        return
    with transaction.atomic():
        Slot.objects.filter(active_engine=engine).update(active_engine=None, gate=Gate.CLOSED)
        Engine.objects.filter(pk=engine.pk).update(**ended(reason))
