"""Ends sleeping engines: those that somebody asked to end, and those that host memory has no room for."""

from __future__ import annotations

import time
from functools import partial

import structlog

from gateway.wording import fill_in
from modelops.domain.switching.sleepers import choose_to_end
from modelops.models import Engine, EngineState, Slot
from modelops.switcher.dependencies import SwitcherDependencies
from modelops.switcher.ledger import Ledger, ended
from modelops.switcher.sleep_planning import find_room, list_sleepers, read_host_memory
from modelops.switcher.working_state import WorkingState

log = structlog.get_logger()

LOOK_PERIOD_S = 2.0
SETTLE_S = 5.0
"""How long memory gets to be given back before the next one ends."""


class SleeperKeeper:
    """Acts for one slot; only the lease's holder makes any call. Never ends an engine that does not sleep."""

    def __init__(
        self, dependencies: SwitcherDependencies, ledger: Ledger, working_state: WorkingState
    ) -> None:
        self._dependencies = dependencies
        self._ledger = ledger
        self._working_state = working_state
        self._look_at = self._settled_at = 0.0

    def tick(self, slot: Slot) -> None:
        """While no switch acts: end one at most."""
        now = time.monotonic()
        if now < max(self._look_at, self._settled_at):
            return
        self._look_at = now + LOOK_PERIOD_S
        sleepers = slot.engines.filter(state=EngineState.ASLEEP)
        asked = sleepers.filter(end_asked_at__isnull=False).first()
        if asked is not None:
            self._end(asked, fill_in("it was ended while it slept"))
            return
        real = [each for each in list_sleepers(slot.pk) if each.size_bytes]
        chosen = choose_to_end(real, read_host_memory(self._dependencies.config)) if real else ()
        # Also where all of them would not be enough, one is given back: memory is short.
        names = chosen if chosen is not None else tuple(each.name for each in real[:1])
        if names:
            self._end(sleepers.get(name=names[0]), fill_in("host memory was short"))

    def make_room(self, slot: Slot, engine: Engine, *, keep: str = "") -> bool:
        """True once the engine can be put to sleep, or nothing more can be done for it.

        Until then each call ends one sleeper at most, and memory gets time to be given back.
        """
        if time.monotonic() < self._settled_at:
            return False
        names = find_room(engine, self._dependencies.config, keep=keep)
        sleeper = slot.engines.filter(state=EngineState.ASLEEP, name=names[0]).first() if names else None
        return sleeper is None or self._end(sleeper, fill_in("host memory was short")) is False

    def _end(self, engine: Engine, reason: str) -> bool | None:
        """True when it is gone, False when it cannot be ended, None while that is under way."""
        work = partial(self._dependencies.runtime_of(engine.runtime).remove, engine.name)
        outcome = self._dependencies.effects.attempt(("remove", engine.name), work)
        if outcome is None:
            self._look_at = 0.0
            return None
        if outcome.error is not None:
            log.warning("engine_not_removed", engine=engine.name, error=str(outcome.error))
            return False
        self._settled_at = time.monotonic() + SETTLE_S
        self._working_state.forget_engine(engine.name)
        self._ledger.update_engine(engine, **ended(reason))
        log.info("sleeper_ended", engine=engine.name, reason=str(reason))
        return True
