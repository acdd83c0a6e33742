"""What is written about the followers of a slot, each in one transaction under the slot's lease."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from modelops.domain.engine_log.causes import RootCause
from modelops.domain.switching.maintenance import backoff_s
from modelops.models import Engine, EngineState, Slot
from modelops.switcher.ledger import Ledger
from modelops.switcher.workloads import read_engine_recipe

LEADER_FIELDS = ("profile", "spec", "names")
"""What may change of a leader that goes on running, and is then its followers' as well."""


@dataclass(frozen=True)
class ReplicaFailure:
    """Why a replica is missing, and when its next try is due."""

    problem: Mapping[str, Any]
    failures: int
    retry_at: datetime

    @classmethod
    def after(cls, slot: Slot, cause: RootCause) -> ReplicaFailure:
        """One more failure in a row."""
        wait_s = backoff_s(slot.failed_replicas)
        retry_at = timezone.now() + timedelta(seconds=wait_s)
        return cls(cause.serialise(), slot.failed_replicas + 1, retry_at)

    @property
    def slot_values(self) -> dict[str, Any]:
        return {
            "replica_problem": self.problem,
            "failed_replicas": self.failures,
            "replica_retry_at": self.retry_at,
        }


NO_FAILURE: Mapping[str, Any] = {"replica_problem": None, "replica_retry_at": None}


class ReplicaLedger:
    """Each method raises LeaseLost instead of half a change."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def prepare(self, slot: Slot, leader: Engine, *, number: int, gpus: tuple[str, ...]) -> None:
        """The row of one more follower; its start follows."""
        recipe = replace(read_engine_recipe(leader), gpus=gpus)
        with transaction.atomic():
            # The fence first: nothing is made by one who no longer acts.
            self._ledger.update_slot(generation=F("generation"))
            engine = self._ledger.create_engine(slot, recipe, replica=number)
            self._ledger.update_slot(generation=engine.generation)

    def admit(self, slot: Slot, engine: Engine, values: Mapping[str, Any]) -> None:
        """Requests go to it from now on."""
        self._write(slot, engine, {"state": EngineState.SERVING, **values}, NO_FAILURE)

    def retire(self, slot: Slot, engine: Engine) -> None:
        """It gets no new requests."""
        self._write(slot, engine, {"leaving_since": timezone.now()})

    def end(self, slot: Slot, engine: Engine, end: Mapping[str, Any]) -> None:
        """It is no more, as was wanted."""
        self._write(slot, engine, end)

    def drop(self, slot: Slot, engine: Engine, end: Mapping[str, Any], failure: ReplicaFailure) -> None:
        """It failed."""
        self._write(slot, engine, end, failure.slot_values)

    def promote(
        self,
        slot: Slot,
        leader: Engine,
        heir: Engine,
        end: Mapping[str, Any],
        failure: ReplicaFailure,
        *,
        is_like_leader: bool,
    ) -> None:
        """The leader is dead: the heir leads, and its own place is what is missing."""
        values: dict[str, Any] = {"replica": 0}
        if is_like_leader:
            values |= {name: getattr(leader, name) for name in LEADER_FIELDS}
        with transaction.atomic():
            self._ledger.update_slot(
                gate=slot.gate, active_engine=heir, last_good_engine=heir, **failure.slot_values
            )
            Engine.objects.filter(pk=leader.pk).update(**end)
            Engine.objects.filter(pk=heir.pk).update(**values)

    def _write(
        self,
        slot: Slot,
        engine: Engine,
        values: Mapping[str, Any],
        of_slot: Mapping[str, Any] | None = None,
    ) -> None:
        """The engine's row with the slot's. Naming the gate gives it a new epoch: web processes look."""
        with transaction.atomic():
            self._ledger.update_slot(gate=slot.gate, **(of_slot or {}))
            Engine.objects.filter(pk=engine.pk).update(**values)
