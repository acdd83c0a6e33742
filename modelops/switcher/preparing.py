"""What happens while the old engine still serves: the plan, then image and weights."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from functools import partial

import structlog
from django.utils import timezone

from gateway.errors import GatewayError
from gateway.wording import fill_in, join_texts
from modelops.domain.engine_log.causes import Cause, RootCause
from modelops.domain.engine_log.failures import describe_cause
from modelops.domain.profiles.spec import EngineKind, ProfileSpec
from modelops.domain.runtimes import get_traits
from modelops.domain.switching.plan import Plan
from modelops.domain.switching.plan_problems import CLUSTER_FULL
from modelops.domain.switching.recipe import Recipe, build_recipe
from modelops.domain.switching.states import Check
from modelops.fit.profile_fits import get_profile
from modelops.models import Slot, Switch
from modelops.runtimes.base import FetchProgress, ImageRefused, RuntimeFailure, RuntimeUnavailable
from modelops.switcher.dependencies import SwitcherDependencies
from modelops.switcher.engine_control import EngineMismatch
from modelops.switcher.gpu_sampling import FIRST_READING_S
from modelops.switcher.ledger import Ledger
from modelops.switcher.sleep_planning import plan_sleep
from modelops.switcher.working_state import WorkingState
from modelops.switcher.workloads import get_recipe, to_workload
from modelops.switching.planning import build_planned_spec, plan_switch

log = structlog.get_logger()

ROOM_PATIENCE_S = 15.0
ROOM_PERIOD_S = 1.0


class Prefetch:
    """The prefetch that is under way, which may outlive a lease that was lost and taken again."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.progress: FetchProgress | None = None

    def begin_anew(self) -> None:
        """Whatever was under way was for another switch."""
        self.stop.set()
        self.stop = threading.Event()
        self.progress = None

    def note(self, progress: FetchProgress) -> None:
        self.progress = progress


class Preparer:
    """Plans and prefetches for one slot."""

    def __init__(
        self,
        dependencies: SwitcherDependencies,
        ledger: Ledger,
        working_state: WorkingState,
        prefetch: Prefetch,
    ) -> None:
        self._dependencies = dependencies
        self._ledger = ledger
        self._working_state = working_state
        self._prefetch = prefetch
        self._plans_at = 0.0

    def stop(self) -> None:
        """End a prefetch that is under way; what it has fetched stays."""
        self._prefetch.stop.set()

    def make_plan(self, slot: Slot, switch: Switch) -> None:
        """Once more, with fresh facts: what was true at the request may have changed."""
        self._working_state.forget_switch()
        self._prefetch.begin_anew()
        try:
            profile = get_profile(switch.to_profile)
            needs_cards = (
                profile.engine != EngineKind.SIMULATOR and not get_traits(profile.runtime).places_engines
            )
            if (needs_cards and not self._knows_gpus(switch)) or time.monotonic() < self._plans_at:
                return
            outcome = self._dependencies.effects.attempt(
                ("describe", profile.runtime), partial(self._dependencies.describe, profile.runtime)
            )
            if outcome is None:
                return
            facts = {profile.runtime: outcome.value or {"problem": str(outcome.error)}}
            plan = plan_switch(
                slot,
                profile,
                force=switch.force,
                max_model_len=switch.max_model_len,
                runtime_facts=facts,
                choice=self._dependencies.gpus.choose(),
            )
            spec = build_planned_spec(profile, switch.max_model_len)
        except GatewayError as exc:
            self._ledger.record_failure(switch, RootCause("plan_refused", exc.wording))
            return
        if _waits_for_room(switch, plan):
            self._plans_at = time.monotonic() + ROOM_PERIOD_S
            return
        self._accept_or_refuse(slot, switch, plan, spec)

    def _knows_gpus(self, switch: Switch) -> bool:
        """No plan is made from no reading: it would give the engine no card. Where there is no driver the
        reading says so; where the driver hangs the plan is refused."""
        gpus = self._dependencies.gpus
        if gpus.is_late:
            cause = describe_cause(
                Cause.GPUS_UNKNOWN, seconds=FIRST_READING_S, error=fill_in("the driver hangs")
            )
            self._ledger.record_failure(switch, cause)
        return gpus.reading is not None

    def _accept_or_refuse(self, slot: Slot, switch: Switch, plan: Plan, spec: ProfileSpec) -> None:
        if not plan.is_accepted:
            first, *_ = plan.refusals
            message = join_texts(" ", [problem.message for problem in plan.refusals])
            self._ledger.update_switch(switch, plan=plan.serialise())
            self._ledger.record_failure(switch, RootCause(first.code, message, first.advice))
            return
        recipe = plan_sleep(slot, plan, build_recipe(plan, spec), self._dependencies.config)
        if plan.overridden:
            names = ", ".join(problem.code for problem in plan.overridden)
            self._ledger.note(
                switch, fill_in("forced over: {names}", names=names), forced=[p.code for p in plan.overridden]
            )
        self._ledger.update_switch(switch, plan=plan.serialise(), recipe=recipe.to_json())

    def prefetch(self, slot: Slot, switch: Switch) -> None:
        recipe = get_recipe(switch)
        if recipe.wakes:
            self._working_state.prefetched = Check.PASSED
            return
        if self._dependencies.effects.is_running(name_preload(slot)):
            return  # it is ending, and clears up what downloads for this slot leave behind
        work = partial(self._fetch, recipe, slot, f"prefetch-{switch.pk.hex[-12:]}", self._prefetch.stop)
        outcome = self._dependencies.effects.attempt(("prefetch", switch.pk), work)
        if outcome is None:
            self._show_fetched(switch)
        elif outcome.error is not None:
            self._ledger.record_failure(switch, explain(outcome.error))
            self._working_state.prefetched = Check.FAILED
        else:
            recipe = replace(recipe, image_digest=outcome.value or "")
            self._ledger.update_switch(switch, recipe=recipe.to_json())
            self._working_state.prefetched = Check.PASSED

    def _fetch(self, recipe: Recipe, slot: Slot, name: str, stop: threading.Event) -> str:
        workload = to_workload(recipe, self._dependencies.config, name=name, slot=slot, generation=0)
        runtime = self._dependencies.runtime_of(recipe.runtime)
        return runtime.prefetch(workload, self._prefetch.note, stop)

    def _show_fetched(self, switch: Switch) -> None:
        fetched = self._prefetch.progress
        if fetched is None:
            return
        percent = None
        if fetched.done_bytes is not None and fetched.total_bytes:
            percent = min(99, 100 * fetched.done_bytes // fetched.total_bytes)
        detail = describe_fetched(fetched)
        self._ledger.record_progress(
            switch, phase="prefetch", percent=percent, detail=detail, expected_at=None
        )


def _waits_for_room(switch: Switch, plan: Plan) -> bool:
    """A cluster says late what has become free: Ray's report of what is used is five seconds old."""
    waited_s = (timezone.now() - switch.state_since).total_seconds()
    is_full = bool(plan.refusals) and all(each.code == CLUSTER_FULL for each in plan.refusals)
    return is_full and waited_s < ROOM_PATIENCE_S


def describe_fetched(fetched: FetchProgress) -> str:
    """What is fetched, and how much of it is here."""
    if fetched.done_bytes is None:
        return fetched.what
    done = f"{fetched.done_bytes / 2**30:.1f}"
    if not fetched.total_bytes:
        return fill_in("{what}, {done} GiB", what=fetched.what, done=done)
    total = f"{fetched.total_bytes / 2**30:.1f}"
    return fill_in("{what}, {done} GiB of {total}", what=fetched.what, done=done, total=total)


def name_preload(slot: Slot) -> tuple[str, str]:
    """The key of the slot's preload among the effects."""
    return ("preload", str(slot.pk))


def explain(error: Exception) -> RootCause:
    """The cause that an effect's exception stands for."""
    if isinstance(error, EngineMismatch):
        return error.cause
    if isinstance(error, RuntimeFailure):
        image = error.image if isinstance(error, ImageRefused) else None
        cause = describe_cause(error.code, error=error.wording, image=image, evidence=str(error)[:600])
        advice = error.advice if isinstance(error, RuntimeUnavailable) else ""
        return replace(cause, advice=advice) if advice else cause
    log.error("effect_failed", exc_info=error)
    return describe_cause(Cause.RUNTIME_ERROR, error=f"{type(error).__name__}: {error}")
