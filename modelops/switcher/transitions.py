"""What belongs to each transition: the rows that change with the switch's state, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from gateway.wording import fill_in
from modelops.domain.engine_log.causes import RootCause
from modelops.domain.engine_log.sizes import serialise_sizes
from modelops.domain.switching.maintenance import backoff_s
from modelops.domain.switching.plan import PlanKind
from modelops.domain.switching.resting import RestState
from modelops.domain.switching.states import SwitchState
from modelops.models import Engine, EngineState, Gate, Slot, Switch
from modelops.switcher.ledger import AWAKE, Ledger, StateMoved, ended
from modelops.switcher.watching import EngineLogWatch
from modelops.switcher.workloads import get_recipe, is_roll, read_engine_recipe

NO_REPLICA_FAILURES = {"replica_problem": None, "failed_replicas": 0, "replica_retry_at": None}
"""Another engine leads: what its followers did before says nothing of those to come."""
CANCELLED = RootCause("cancelled", fill_in("The switch was cancelled."))


class Transitions:
    """Each method is one arrow of the diagram. All raise LeaseLost or StateMoved instead of half a change."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def move(self, slot: Slot, switch: Switch, to: SwitchState) -> None:
        """The arrow to `to` from wherever the switch is."""
        special = {
            SwitchState.PLANNED: self._claim,
            SwitchState.DRAINING: self._close_gate,
            SwitchState.STOPPING: self._turn_away,
            SwitchState.CLEARING: self._leave_old,
            SwitchState.STARTING: self._prepare_new,
            SwitchState.ROLLING_BACK: self._begin_rollback,
            SwitchState.ROLLED_BACK: self._finish_rollback,
            SwitchState.CANCELLED: self._reopen,
            SwitchState.REJECTED: self._reject,
            SwitchState.DEGRADED: self._give_up,
        }.get(to)
        if special is not None:
            special(slot, switch)
        else:
            self._ledger.move(switch, to)

    def activate(
        self,
        slot: Slot,
        switch: Switch,
        engine: Engine,
        found: Mapping[str, Any],
        watch: EngineLogWatch | None,
    ) -> None:
        """Point the slot to the engine and open its gate at once. `found` is what verification read."""
        values: dict[str, Any] = {"state": EngineState.SERVING, **found}
        if engine == switch.old_engine:
            recipe = get_recipe(switch)
            values |= {"profile": recipe.profile, "spec": recipe.spec, "names": list(recipe.names)}
        else:
            values |= measure(watch)
        engines: list[tuple[Engine, Mapping[str, Any]]] = [(engine, values)]
        old = switch.old_engine
        if (
            not is_roll(switch)
            and old is not None
            and old != engine
            and old.ended_at is None
            and old.state != EngineState.ASLEEP
        ):
            # It served beside its successor until now; what it still answers it finishes.
            engines.insert(0, (old, ended(fill_in("made room for {profile}", profile=switch.to_profile))))
        with transaction.atomic():
            if is_roll(switch) and slot.active_engine is not None:
                # It follows from now on, until it is replaced as well.
                self._ledger.update_engine(slot.active_engine, replica=find_free_number(slot))
            self._ledger.move(
                switch,
                SwitchState.ACTIVE,
                message=fill_in("{profile} serves", profile=switch.to_profile),
                slot={
                    "active_engine": engine,
                    "last_good_engine": engine,
                    "gate": Gate.OPEN,
                    "desired_profile": switch.to_profile,
                    "problem": None,
                    "retry_at": None,
                    **NO_REPLICA_FAILURES,
                    **AWAKE,
                },
                fields={"percent": 100, "detail": "", "root_cause": None},
                engines=engines,
            )

    def restore(
        self,
        slot: Slot,
        switch: Switch,
        engine: Engine,
        found: Mapping[str, Any],
        watch: EngineLogWatch | None,
    ) -> None:
        """Rolled back onto a new start of what served before."""
        values = {"state": EngineState.SERVING, **found, **measure(watch)}
        failed = switch.new_engine
        engines: list[tuple[Engine, Mapping[str, Any]]] = [(engine, values)]
        if failed is not None and failed.ended_at is None:
            # Also one that was to be woken, and was gone.
            engines.append((failed, ended(fill_in("failed"))))
        self._ledger.move(
            switch,
            SwitchState.ROLLED_BACK,
            message=fill_in("{profile} serves again", profile=engine.profile),
            slot={
                "active_engine": engine,
                "last_good_engine": engine,
                "gate": Gate.OPEN,
                "desired_profile": engine.profile,
                "problem": None,
                "retry_at": None,
                **NO_REPLICA_FAILURES,
                **AWAKE,
            },
            engines=engines,
        )

    def retry(self, slot: Slot, switch: Switch, arguments: list[str], max_model_len: int) -> None:
        """Once more from empty cards, with the context that the engine computed."""
        recipe = get_recipe(switch).with_context(max_model_len, arguments)
        engines = (
            [(switch.new_engine, ended(fill_in("its context did not fit")))] if switch.new_engine else []
        )
        self._ledger.move(
            switch,
            SwitchState.CLEARING,
            message=fill_in("one more try with a context of {tokens} tokens", tokens=f"{max_model_len:,}"),
            data={"max_model_len": max_model_len, "cause": switch.root_cause},
            fields={
                "new_engine": None,
                "root_cause": None,
                "max_model_len": max_model_len,
                "recipe": recipe.to_json(),
            },
            engines=engines,
        )

    def prepare_restored(self, slot: Slot, switch: Switch) -> None:
        """The row of the engine that will be what served before; its start follows."""
        good = slot.last_good_engine
        if good is None:
            raise StateMoved
        with transaction.atomic():
            # The fence first: nothing is made by one who no longer acts.
            self._ledger.update_slot(generation=F("generation"))
            # A sleeper may have been found lost just now.
            good.refresh_from_db(fields=["state"])
            if good.state == EngineState.ASLEEP:
                engine = good
            else:
                engine = self._ledger.create_engine(slot, read_engine_recipe(good))
                self._ledger.update_slot(generation=engine.generation)
            self._ledger.update_switch(switch, restored_engine=engine)

    def _claim(self, slot: Slot, switch: Switch) -> None:
        from_profile = slot.active_engine.profile if slot.active_engine else ""
        self._ledger.move(
            switch,
            SwitchState.PLANNED,
            fields={"old_engine": slot.active_engine, "from_profile": from_profile},
        )

    def _close_gate(self, slot: Slot, switch: Switch) -> None:
        if is_roll(switch):
            self._choose_replica(slot, switch)
            return
        self._ledger.move(
            switch,
            SwitchState.DRAINING,
            message=fill_in("new requests wait; running ones finish"),
            slot={"gate": Gate.CLOSED},
        )

    def _choose_replica(self, slot: Slot, switch: Switch) -> None:
        """The newest follower makes room for the new engine; the gate stays open, as the others serve."""
        serving = slot.engines.filter(replica__gt=0, state=EngineState.SERVING, leaving_since=None)
        chosen = serving.order_by("-replica").first()
        if chosen is None:
            # They are gone meanwhile: what is left is a switch like any other.
            self._ledger.update_switch(switch, plan={**(switch.plan or {}), "kind": PlanKind.START})
            raise StateMoved
        recipe = replace(get_recipe(switch), gpus=tuple(chosen.gpus))
        self._ledger.move(
            switch,
            SwitchState.DRAINING,
            message=fill_in("{engine} makes room; the other replicas answer", engine=chosen.name),
            slot={"gate": slot.gate},
            fields={"old_engine": chosen, "recipe": recipe.to_json()},
            engines=[(chosen, {"leaving_since": timezone.now()})],
        )

    def _turn_away(self, slot: Slot, switch: Switch) -> None:
        """From here on nothing points to the old engine, nor to its followers."""
        if is_roll(switch):
            self._ledger.move(switch, SwitchState.STOPPING)
            return
        with transaction.atomic():
            self._ledger.move(switch, SwitchState.STOPPING, slot={"active_engine": None, "gate": Gate.CLOSED})
            self._ledger.end_followers(fill_in("made room for {profile}", profile=switch.to_profile))

    def _leave_old(self, slot: Slot, switch: Switch) -> None:
        old = switch.old_engine
        engines = []
        if old is not None and old.state != EngineState.ASLEEP:
            engines = [(old, ended(fill_in("made room for {profile}", profile=switch.to_profile)))]
        self._ledger.move(switch, SwitchState.CLEARING, engines=engines)

    def _prepare_new(self, slot: Slot, switch: Switch) -> None:
        recipe = get_recipe(switch)
        with transaction.atomic():
            sleeper = slot.engines.filter(name=recipe.wakes).first()
            if sleeper is not None:
                engine = sleeper
                changes: dict[str, Any] = {}
            else:
                self._ledger.update_slot(generation=F("generation"))
                engine = self._ledger.create_engine(slot, recipe)
                changes = {"generation": engine.generation}
            self._ledger.move(
                switch,
                SwitchState.STARTING,
                message=fill_in("starting {engine}", engine=engine.name),
                data={"engine": engine.name},
                slot=changes,
                fields={"new_engine": engine, "attempts": switch.attempts + 1},
            )

    def _begin_rollback(self, slot: Slot, switch: Switch) -> None:
        fields: dict[str, Any] = {}
        if switch.root_cause is None and switch.cancel_requested_at is not None:
            fields["root_cause"] = CANCELLED.serialise()
        cause = fields.get("root_cause") or switch.root_cause or {}
        self._ledger.move(switch, SwitchState.ROLLING_BACK, message=cause.get("message") or "", fields=fields)

    def _finish_rollback(self, slot: Slot, switch: Switch) -> None:
        """The old engine never stopped: only the gate opens again."""
        self._ledger.move(
            switch,
            SwitchState.ROLLED_BACK,
            message=fill_in("the engine of {profile} was left as it is", profile=switch.from_profile),
            slot={"gate": Gate.OPEN},
        )

    def _reopen(self, slot: Slot, switch: Switch) -> None:
        is_asked = switch.cancel_requested_at is not None
        old = switch.old_engine
        engines = [(old, {"leaving_since": None})] if old is not None and is_roll(switch) else []
        by = switch.get_text("cancelled_by") if is_asked else fill_in("its drain policy")
        self._ledger.move(
            switch,
            SwitchState.CANCELLED,
            message=fill_in("cancelled by {by}", by=by),
            # A slot that rested goes on resting; whoever still waits for it asks again.
            slot={"wake_asked_at": None} if slot.rest == RestState.RESTING else {"gate": Gate.OPEN},
            engines=engines,
        )

    def _reject(self, slot: Slot, switch: Switch) -> None:
        """What serves goes on. Where nothing does, and this was to change that, the next try comes later."""
        if switch.via != Switch.Via.SYSTEM or slot.active_engine is not None:
            self._ledger.move(switch, SwitchState.REJECTED)
            return
        wait_s = backoff_s(slot.failed_restarts)
        retry_at = timezone.now() + timedelta(seconds=wait_s)
        self._ledger.move(
            switch,
            SwitchState.REJECTED,
            message=_promise_retry(wait_s),
            data={"retry_at": retry_at.isoformat()},
            slot={
                "problem": switch.root_cause,
                "failed_restarts": slot.failed_restarts + 1,
                "retry_at": retry_at,
                **AWAKE,
            },
        )

    def _give_up(self, slot: Slot, switch: Switch) -> None:
        """Nothing serves. What should serve is tried again, ever later."""
        wait_s = backoff_s(slot.failed_restarts)
        retry_at = timezone.now() + timedelta(seconds=wait_s)
        engines = [
            (engine, ended(fill_in("failed")))
            for engine in (switch.new_engine, switch.restored_engine, switch.old_engine)
            if engine is not None and engine.ended_at is None
        ]
        self._ledger.move(
            switch,
            SwitchState.DEGRADED,
            message=_promise_retry(wait_s) if slot.desired_profile else fill_in("nothing serves"),
            data={"retry_at": retry_at.isoformat()} if slot.desired_profile else {},
            slot={
                "active_engine": None,
                "gate": Gate.CLOSED,
                "problem": switch.restore_cause or switch.root_cause,
                "failed_restarts": slot.failed_restarts + 1,
                "retry_at": retry_at,
                **AWAKE,
            },
            engines=engines,
        )


def find_free_number(slot: Slot) -> int:
    """The lowest number that no follower has."""
    taken = set(slot.engines.filter(replica__gt=0, ended_at=None).values_list("replica", flat=True))
    return min(set(range(1, len(taken) + 2)) - taken)


def _promise_retry(wait_s: float) -> str:
    return fill_in("nothing serves; next try in {seconds} s", seconds=f"{wait_s:g}")


def measure(watch: EngineLogWatch | None) -> dict[str, Any]:
    """What the start took and needed, as read from its log."""
    values: dict[str, Any] = {"ready_at": timezone.now()}
    if watch is not None:
        watch.read()
        values |= {
            "phase_seconds": watch.log.phase_seconds(),
            "actual": serialise_sizes(watch.log.sizes) or None,
        }
    return values
