"""Every write of a switcher about one slot: conditional on its lease, and on the state it decided from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from gateway.database.changes import announce_change
from gateway.wording import fill_in
from modelops.domain.engine_log.causes import RootCause
from modelops.domain.runtimes import get_traits
from modelops.domain.switching.maintenance import shorten_backoff
from modelops.domain.switching.recipe import Recipe
from modelops.domain.switching.resting import RestState
from modelops.domain.switching.states import FINAL_STATES, DrainPolicy, SwitchState
from modelops.models import Engine, EngineState, Gate, Slot, Switch, SwitchEvent
from modelops.switcher.lease import LeaseLost, SlotLease
from modelops.switcher.workloads import name_engine

LOG_TAIL_LINES = 60
LONGEST_DETAIL = 300
AWAKE: Mapping[str, Any] = {"rest": RestState.AWAKE, "wake_asked_at": None}
"""Of a slot that does not rest."""
OnEnd = Callable[[Switch, SwitchState, Mapping[str, float]], None]
NO_PROGRESS = {"phase": "", "percent": None, "detail": "", "ready_expected_at": None}


class StateMoved(Exception):
    """The switch's row changed since the step was decided: observe again."""


@dataclass(frozen=True)
class SlotRows:
    """A slot and the switch that acts on it, as they are now."""

    slot: Slot
    switch: Switch | None
    waiting: Switch | None


class Ledger:
    """Reads and writes one slot. Every write raises LeaseLost when another switcher acts for the slot."""

    def __init__(
        self, slot_id: Any, lease: SlotLease, *, on_end: OnEnd = lambda _switch, _to, _spent: None
    ) -> None:
        """`on_end` is told of each switch that has come to its end, with the seconds spent in its states."""
        self._slot_id = slot_id
        self._lease = lease
        self._on_end = on_end
        self._raw: object = None
        self._rows: SlotRows | None = None

    def begin(self, boot: str) -> None:
        """Begin to act for the slot, in this start of the machine, with what is left of its back-off."""
        slot = Slot.objects.get(pk=self._slot_id)
        now, is_rebooted = timezone.now(), bool(boot and slot.box_boot) and slot.box_boot != boot
        left = [
            shorten_backoff(
                failures,
                (retry_at - now).total_seconds() if retry_at else None,
                is_rebooted=is_rebooted,
            )
            for failures, retry_at in (
                (slot.failed_restarts, slot.retry_at),
                (slot.failed_replicas, slot.replica_retry_at),
            )
        ]
        (restarts, retry_at), (replicas, replica_retry_at) = (
            (failures, None if wait_s is None else now + timedelta(seconds=wait_s))
            for failures, wait_s in left
        )
        self.update_slot(
            box_boot=boot,
            failed_restarts=restarts,
            retry_at=retry_at,
            failed_replicas=replicas,
            replica_retry_at=replica_retry_at,
        )

    def load(self) -> SlotRows:
        """The rows now; the same objects as last time while nothing in the database has changed.

        Two prepared queries then: the ORM takes ten times their CPU to build queries and objects.
        """
        raw = self._read_raw()
        if self._rows is None or raw != self._raw:
            self._rows = self._read()
            self._raw = raw
        return self._rows

    @cached_property
    def _slots(self) -> QuerySet[Slot]:
        # A renewed lease is no change.
        lease = ("lease_holder", "lease_expires_at", "fence")
        slots = Slot.objects.select_related("active_engine", "last_good_engine").defer(*lease)
        return slots.filter(pk=self._slot_id)

    @cached_property
    def _switches(self) -> QuerySet[Switch]:
        engines = ("old_engine", "new_engine", "restored_engine")
        live = Switch.objects.filter(slot_id=self._slot_id).live()
        return live.select_related(*engines).order_by("created_at")

    @cached_property
    def _sql(self) -> list[tuple[str, Sequence[Any]]]:
        return [rows.query.sql_with_params() for rows in (self._slots, self._switches)]

    def _read_raw(self) -> list[Any]:
        """What `_read` would read, as the database driver gives it."""
        raw = []
        with connection.cursor() as cursor:
            for sql, parameters in self._sql:
                cursor.execute(sql, parameters)
                raw.append(cursor.fetchall())
        return raw

    def _read(self) -> SlotRows:
        slot = self._slots.all().get()
        live = list(self._switches.all())
        acting = next((switch for switch in live if switch.state != SwitchState.REQUESTED), None)
        waiting = next((switch for switch in live if switch.state == SwitchState.REQUESTED), None)
        return SlotRows(slot, acting, waiting)

    def move(
        self,
        switch: Switch,
        to: SwitchState,
        *,
        message: str = "",
        data: Mapping[str, Any] | None = None,
        slot: Mapping[str, Any] | None = None,
        fields: Mapping[str, Any] | None = None,
        engines: Sequence[tuple[Engine, Mapping[str, Any]]] = (),
    ) -> None:
        """One transition with all that belongs to it, in one transaction. Raises StateMoved."""
        now = timezone.now()
        spent = {**switch.state_seconds}
        spent[switch.state] = round(
            spent.get(switch.state, 0.0) + (now - switch.state_since).total_seconds(), 3
        )
        changes: dict[str, Any] = {"state": to, "state_since": now, "state_seconds": spent}
        if to not in (SwitchState.LOADING, SwitchState.VERIFYING):
            # Those go on with the start; every other state begins with no progress of its own.
            changes |= NO_PROGRESS
        changes |= fields or {}
        if to in FINAL_STATES:
            changes["ended_at"] = now
        with transaction.atomic():
            self._write_slot(slot or {})
            if not _as_read(switch).update(**changes):
                raise StateMoved
            if to in FINAL_STATES:
                # First: a crash may have left one that says that it serves, and only one may say so.
                self._end_the_rest()
            for engine, values in engines:
                Engine.objects.filter(pk=engine.pk).update(**values)
            self._log(switch, SwitchEvent.Kind.STATE, to, message, data)
        if to in FINAL_STATES:
            self._on_end(switch, to, spent)

    def create_engine(self, slot: Slot, recipe: Recipe, *, replica: int = 0) -> Engine:
        """A new row with the slot's next generation; part of the caller's transaction."""
        generation = slot.generation + 1
        engine = Engine(
            slot=slot,
            generation=generation,
            replica=replica,
            name=name_engine(slot, generation),
            has_own_key=get_traits(recipe.runtime).takes_key,
            **recipe.to_engine_values(),
        )
        engine.save(force_insert=True)
        return engine

    def update_switch(self, switch: Switch, **fields: Any) -> None:
        """Write down what was found out, without a transition."""
        with transaction.atomic():
            self._write_slot({})
            Switch.objects.filter(pk=switch.pk).update(**fields)
        for name, value in fields.items():
            setattr(switch, name, value)

    def update_slot(self, **fields: Any) -> None:
        with transaction.atomic():
            self._write_slot(fields)

    def settle_rest(self, engine: Engine, **values: Any) -> None:
        """The slot rests: its engine sleeps or is gone, as `values` say."""
        with transaction.atomic():
            self._write_slot({"rest": RestState.RESTING})
            Engine.objects.filter(pk=engine.pk).update(**values)

    def leave_active(self) -> None:
        """Nothing points to the engine any more, as the slot is to rest.

        Raises StateMoved if a request has asked for it meanwhile.
        """
        with transaction.atomic():
            # First: a request that asks from here on waits for this transaction, and finds a slot that rests.
            self._write_slot({"active_engine": None, "rest": RestState.LEAVING})
            if Slot.objects.filter(pk=self._slot_id, wake_asked_at__isnull=False).exists():
                raise StateMoved

    def update_engine(self, engine: Engine, **fields: Any) -> None:
        with transaction.atomic():
            self._write_slot({})
            Engine.objects.filter(pk=engine.pk).update(**fields)
        for name, value in fields.items():
            setattr(engine, name, value)

    def note(self, switch: Switch, message: str, **data: Any) -> None:
        self._log(switch, SwitchEvent.Kind.NOTE, SwitchState(switch.state), message, data)

    def record_progress(
        self,
        switch: Switch,
        *,
        phase: str,
        percent: int | None,
        detail: str,
        expected_at: datetime | None,
    ) -> None:
        """Write the progress, with an event for subscribers, when it differs from what is stored."""
        is_news = (switch.phase, switch.percent, switch.detail) != (phase, percent, detail)
        if not is_news:
            return
        self.update_switch(
            switch,
            phase=phase,
            percent=percent,
            detail=str(detail)[:LONGEST_DETAIL],
            detail_text={"detail": detail},
            ready_expected_at=expected_at,
        )
        data = {
            "phase": phase,
            "percent": percent,
            "ready_expected_at": expected_at and expected_at.isoformat(),
        }
        self._log(switch, SwitchEvent.Kind.PROGRESS, SwitchState(switch.state), detail, data)

    def record_failure(
        self, switch: Switch, cause: RootCause, *, log_tail: Sequence[str] = (), is_restore: bool = False
    ) -> None:
        """The first cause counts; a later one, of the same attempt, is only noted."""
        name = "restore_cause" if is_restore else "root_cause"
        if getattr(switch, name) is None:
            fields: dict[str, Any] = {name: cause.serialise()}
            if log_tail:
                fields["log_tail"] = "\n".join(log_tail[-LOG_TAIL_LINES:])
            self.update_switch(switch, **fields)
        failed = fill_in("failed: {cause}", cause=cause.message)
        self.note(switch, failed, code=cause.code, advice=cause.advice)

    def drop_active(
        self,
        slot: Slot,
        engine: Engine,
        end: Mapping[str, Any],
        *,
        problem: Mapping[str, Any],
        retry_at: datetime,
    ) -> None:
        """The engine that served is dead: nothing points to it any more, and its restart is due."""
        with transaction.atomic():
            self._write_slot(
                {
                    "active_engine": None,
                    "gate": Gate.CLOSED,
                    "problem": problem,
                    "retry_at": retry_at,
                    "failed_restarts": slot.failed_restarts + 1,
                }
            )
            Engine.objects.filter(pk=engine.pk).update(**end)
            self.end_followers(fill_in("its leader died"))

    def end_followers(self, reason: str) -> None:
        """Nothing points to them any more; part of the caller's transaction. What runs of them is removed."""
        followers = Engine.objects.filter(slot_id=self._slot_id, replica__gt=0, ended_at=None)
        followers.update(**ended(reason))

    def start_system_switch(self, slot: Slot, profile: str, *, reason: str) -> None:
        """Insert a switch that the switcher itself asks for, in the form of any other."""
        with transaction.atomic():
            self._write_slot({})
            switch = Switch.objects.create(
                slot=slot,
                to_profile=profile,
                via=Switch.Via.SYSTEM,
                actor_name="switcher",
                reason=str(reason)[:500],
                request_texts={"reason": reason},
                drain_timeout_s=0,
                drain_policy=DrainPolicy.CUT,
            )
            self._log(switch, SwitchEvent.Kind.STATE, SwitchState.REQUESTED, reason, {"profile": profile})

    def _end_the_rest(self) -> None:
        """No row of an engine stays open that neither serves nor sleeps: a crash may have left one so."""
        active = Slot.objects.filter(pk=self._slot_id).values("active_engine_id")
        rest = Engine.objects.filter(slot_id=self._slot_id, ended_at=None).exclude(state=EngineState.ASLEEP)
        leader = active.filter(active_engine__isnull=False)
        if leader.exists():
            rest = rest.filter(replica=0)  # its followers serve on
        rest.exclude(pk__in=leader).update(**ended(fill_in("removed")))

    def _write_slot(self, fields: Mapping[str, Any]) -> None:
        """The fence: an update of the slot's own row comes first in every transaction."""
        changes = {**fields}
        if "gate" in changes or "active_engine" in changes:
            changes |= {"epoch": F("epoch") + 1, "changed_at": timezone.now()}
        if not self._lease.held_slot().update(**(changes or {"lease_holder": F("lease_holder")})):
            raise LeaseLost
        announce_change()

    def _log(
        self,
        switch: Switch,
        kind: str,
        state: SwitchState,
        message: str,
        data: Mapping[str, Any] | None,
    ) -> None:
        SwitchEvent.objects.record(switch, kind=kind, state=state, message=message, data=data)


def _as_read(switch: Switch) -> QuerySet[Switch]:
    """Its row, if neither its state nor a request to cancel it has changed since the decision."""
    is_cancel_asked = switch.cancel_requested_at is not None
    return Switch.objects.filter(
        pk=switch.pk, state=switch.state, cancel_requested_at__isnull=not is_cancel_asked
    )


def ended(reason: str, exit_code: int | None = None) -> dict[str, Any]:
    """The fields of an engine that is no more."""
    return {
        "state": EngineState.ENDED,
        "ended_at": timezone.now(),
        "end_reason": reason,
        "end_texts": {"end_reason": reason},
        "exit_code": exit_code,
    }
