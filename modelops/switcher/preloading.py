"""Fetches image and weights ahead, one profile at a time, while nothing is being switched in the slot.

A switch goes first: a fetch that is under way is ended for it, keeps what it has, and goes on afterwards.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog
from django.utils import timezone

from gateway.errors import GatewayError
from modelops.domain.engine_log.causes import RootCause
from modelops.domain.switching.recipe import Recipe, build_recipe
from modelops.fit.profile_fits import get_profile
from modelops.models import Preload, PreloadState, Slot
from modelops.runtimes.base import FetchProgress
from modelops.switcher.dependencies import SwitcherDependencies
from modelops.switcher.preparing import explain, name_preload
from modelops.switcher.workloads import to_workload
from modelops.switching.planning import build_planned_spec, plan_switch

log = structlog.get_logger()

LOOK_PERIOD_S = 1.0


class Preloader:
    """Carries out the preloads of one slot. Every call takes a moment; only the lease's holder makes any."""

    def __init__(self, dependencies: SwitcherDependencies) -> None:
        self._dependencies = dependencies
        self._stop = threading.Event()
        self._progress: FetchProgress | None = None
        self._shown: Mapping[str, Any] | None = None
        self._preload_id: uuid.UUID | None = None
        self._work: Callable[[], None] = _do_nothing
        """That of the preload with this id."""
        self._look_at = 0.0

    def pause(self) -> None:
        """End the fetch that is under way, if there is one; its row stays unfinished."""
        self._stop.set()
        self._look_at = 0.0

    def tick(self, slot: Slot, *, is_idle: bool) -> None:
        """Begin the oldest preload of the slot, or see how far it is; pause while it is not idle."""
        if not is_idle:
            self.pause()
            return
        now = time.monotonic()
        if now < self._look_at and not self._dependencies.effects.is_known(name_preload(slot)):
            return
        self._look_at = now + LOOK_PERIOD_S
        if self._is_ending(slot):
            return
        preload = Preload.objects.unfinished().filter(slot=slot).first()
        if preload is None:
            return
        if preload.cancel_requested_at is not None:
            self._cancel(slot, preload)
        else:
            self._fetch(slot, preload)

    def _is_ending(self, slot: Slot) -> bool:
        """Whether a fetch that was ended has still something to clear up."""
        if not self._stop.is_set():
            return False
        key = name_preload(slot)
        if self._dependencies.effects.is_running(key):
            return True
        if self._dependencies.effects.is_known(key):
            self._dependencies.effects.attempt(key, _do_nothing)  # its outcome, which means nothing
        self._stop = threading.Event()
        self._preload_id, self._progress, self._shown = None, None, None
        return False

    def _cancel(self, slot: Slot, preload: Preload) -> None:
        if self._dependencies.effects.is_known(name_preload(slot)):
            self._stop.set()
            return
        self._end(preload, PreloadState.CANCELLED)

    def _fetch(self, slot: Slot, preload: Preload) -> None:
        if self._preload_id != preload.pk:
            try:
                self._work = self._plan(slot, preload)
            except GatewayError as exc:
                self._end(preload, PreloadState.FAILED, RootCause("plan_refused", exc.wording).serialise())
                return
            self._preload_id, self._progress, self._shown = preload.pk, None, None
            Preload.objects.filter(pk=preload.pk).update(state=PreloadState.FETCHING)
        outcome = self._dependencies.effects.attempt(name_preload(slot), self._work)
        if outcome is None:
            self._show(preload)
        elif not self._stop.is_set():
            self._preload_id = None
            if outcome.error is not None:
                self._end(preload, PreloadState.FAILED, explain(outcome.error).serialise())
            else:
                self._end(preload, PreloadState.DONE)

    def _plan(self, slot: Slot, preload: Preload) -> Callable[[], None]:
        """The work: what a switch to the profile would fetch, whether it fits or not. Raises GatewayError."""
        profile = get_profile(preload.profile)
        plan = plan_switch(slot, profile, choice=self._dependencies.gpus.choose())
        recipe = build_recipe(plan, build_planned_spec(profile, None))
        return partial(self._run, recipe, slot, f"preload-{preload.pk.hex[-12:]}", self._stop)

    def _run(self, recipe: Recipe, slot: Slot, name: str, stop: threading.Event) -> None:
        workload = to_workload(recipe, self._dependencies.config, name=name, slot=slot, generation=0)
        self._dependencies.runtime_of(recipe.runtime).prefetch(workload, self._note, stop)

    def _note(self, progress: FetchProgress) -> None:
        self._progress = progress

    def _show(self, preload: Preload) -> None:
        progress = self._progress
        if progress is None:
            return
        shown = {
            "what": progress.what,
            "done_bytes": progress.done_bytes,
            "total_bytes": progress.total_bytes,
        }
        if shown != self._shown:
            self._shown = shown
            Preload.objects.filter(pk=preload.pk).update(progress=shown)

    def _end(self, preload: Preload, state: PreloadState, cause: Mapping[str, Any] | None = None) -> None:
        self._show(preload)
        rows = Preload.objects.unfinished().filter(pk=preload.pk)
        rows.update(state=state, cause=cause, ended_at=timezone.now())
        log.info("preload_ended", profile=preload.profile, state=str(state))


def _do_nothing() -> None:
    pass
