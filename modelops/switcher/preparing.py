"""What happens while the old engine still serves: the plan, then image and weights."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial

import structlog
from django.core.exceptions import ValidationError

from gateway.errors import GatewayError
from modelops.domain.causes import Cause, RootCause
from modelops.domain.failures import describe_cause
from modelops.domain.plan import Plan
from modelops.domain.profile_spec import ProfileSpec
from modelops.domain.switching import Check
from modelops.engine_control import NotAsAsked
from modelops.models import Slot, Switch
from modelops.planning import plan_switch
from modelops.runtimes.base import FetchProgress, RuntimeFailure
from modelops.selectors import get_profile
from modelops.switcher.ledger import Ledger
from modelops.switcher.observing import Memory
from modelops.switcher.parking import plan_parking
from modelops.switcher.recipes import build_recipe, to_workload
from modelops.switcher.tools import Tools

log = structlog.get_logger()


class Preparer:
    """Plans and prefetches for one slot."""

    def __init__(self, tools: Tools, ledger: Ledger, memory: Memory) -> None:
        self._tools = tools
        self._ledger = ledger
        self._memory = memory
        self._stop_fetching = threading.Event()
        self._fetched: FetchProgress | None = None

    def stop(self) -> None:
        """End a prefetch that is under way; what it has fetched stays."""
        self._stop_fetching.set()

    def make_plan(self, slot: Slot, switch: Switch) -> None:
        """Once more, with fresh facts: what was true at the request may have changed."""
        self._memory.forget_switch()
        self._stop_fetching = threading.Event()
        self._fetched = None
        try:
            profile = get_profile(switch.to_profile)
            outcome = self._tools.effects.attempt(
                ("describe", profile.runtime), self._tools.runtime_of(profile.runtime).describe
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
                choice=self._tools.gpus.choose(),
            )
            spec = profile.to_spec()
        except (GatewayError, ValidationError) as exc:
            self._ledger.record_failure(switch, RootCause("plan_refused", str(exc)))
            return
        self._accept_or_refuse(slot, switch, plan, spec)

    def _accept_or_refuse(self, slot: Slot, switch: Switch, plan: Plan, spec: ProfileSpec) -> None:
        if not plan.is_accepted:
            first, *_ = plan.refusals
            message = " ".join(problem.message for problem in plan.refusals)
            self._ledger.update_switch(switch, plan=plan.serialise())
            self._ledger.record_failure(switch, RootCause(first.code, message, first.advice))
            return
        recipe = build_recipe(plan, spec) | plan_parking(slot, spec, plan)
        if plan.overridden:
            names = ", ".join(problem.code for problem in plan.overridden)
            self._ledger.note(switch, f"forced over: {names}", forced=[p.code for p in plan.overridden])
        self._ledger.update_switch(switch, plan=plan.serialise(), recipe=recipe)

    def prefetch(self, slot: Slot, switch: Switch) -> None:
        recipe = switch.recipe or {}
        if recipe.get("wakes"):
            self._memory.prefetched = Check.PASSED
            return
        workload = to_workload(
            recipe, self._tools.config, name=f"prefetch-{switch.pk.hex[-12:]}", slot=slot, generation=0
        )
        runtime = self._tools.runtime_of(recipe["runtime"])
        fetch = partial(runtime.prefetch, workload, self._note_fetched, self._stop_fetching)
        outcome = self._tools.effects.attempt(("prefetch", switch.pk), fetch)
        if outcome is None:
            self._show_fetched(switch)
        elif outcome.error is not None:
            self._memory.prefetched = Check.FAILED
            self._ledger.record_failure(switch, explain(outcome.error))
        else:
            self._memory.prefetched = Check.PASSED
            self._ledger.update_switch(switch, recipe={**recipe, "image_digest": outcome.value or ""})

    def _note_fetched(self, progress: FetchProgress) -> None:
        self._fetched = progress

    def _show_fetched(self, switch: Switch) -> None:
        fetched = self._fetched
        if fetched is None:
            return
        percent, size = None, ""
        if fetched.done_bytes is not None:
            size = f", {fetched.done_bytes / 2**30:.1f} GiB"
            if fetched.total_bytes:
                size += f" of {fetched.total_bytes / 2**30:.1f}"
                percent = min(99, 100 * fetched.done_bytes // fetched.total_bytes)
        self._ledger.record_progress(
            switch, phase="prefetch", percent=percent, detail=fetched.what + size, expected_at=None
        )


def explain(error: Exception) -> RootCause:
    """The cause that an effect's exception stands for."""
    if isinstance(error, NotAsAsked):
        return error.cause
    if isinstance(error, RuntimeFailure):
        return replace(describe_cause(error.code, error=str(error)), evidence=str(error)[:600])
    log.error("effect_failed", exc_info=error)
    return describe_cause(Cause.RUNTIME_ERROR, error=f"{type(error).__name__}: {error}")
