"""How many of a slot's replicas run, and what is wrong where some are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from gateway.wording import FilledText, Translatable, fill_in, fill_text
from modelops.domain.engine_log.causes import RootCause
from modelops.domain.runtimes import count_engines
from modelops.models import Engine, EngineState, Slot

LEAVING = "leaving"
"""In place of the state of a replica that gets no new requests."""
REPLICA_STATES: Mapping[str, Translatable] = {
    EngineState.STARTING.value: "starting",
    EngineState.SERVING.value: "serving",
    LEAVING: "leaving",
}


@dataclass(frozen=True)
class ReplicasStatus:
    """The engines of one profile in one slot. `engines` begins with the leader."""

    wanted: int
    engines: Sequence[Engine]
    cause: RootCause | None = None
    """Why one is missing."""
    retry_at: datetime | None = None

    @property
    def serving(self) -> int:
        return sum(name_replica_state(each) == EngineState.SERVING for each in self.engines)

    @property
    def is_whole(self) -> bool:
        return self.serving >= self.wanted

    @property
    def summary(self) -> FilledText:
        return fill_in("{serving} of {wanted} replicas answer", serving=self.serving, wanted=self.wanted)


def name_replica_state(engine: Engine) -> str:
    """`starting`, `serving` or `leaving`."""
    return LEAVING if engine.leaving_since is not None else str(engine.state)


def say_replica_state(state: str) -> FilledText:
    """The state as people read it."""
    words: Translatable = REPLICA_STATES.get(state, state)
    return fill_text(words, {})


def find_replicas(slots: Sequence[Slot]) -> dict[UUID, ReplicasStatus]:
    """By slot id, of the slots that serve a profile with several engines: one query, or none without any."""
    leaders = {slot.pk: slot.active_engine for slot in slots if slot.active_engine is not None}
    wanted = {key: count_engines(leader.runtime, leader.spec) for key, leader in leaders.items()}
    several = [key for key, count in wanted.items() if count > 1]
    if not several:
        return {}
    engines: dict[UUID, list[Engine]] = {key: [leaders[key]] for key in several}
    open_rows = Engine.objects.filter(slot__in=several, replica__gt=0, ended_at=None)
    for row in open_rows.order_by("replica", "generation"):
        engines[row.slot_id].append(row)
    by_id = {slot.pk: slot for slot in slots}
    return {key: _judge(by_id[key], wanted[key], engines[key]) for key in several}


def _judge(slot: Slot, wanted: int, engines: Sequence[Engine]) -> ReplicasStatus:
    cause = RootCause.parse(slot.replica_problem) if slot.replica_problem else None
    return ReplicasStatus(wanted, engines, cause, slot.replica_retry_at if cause else None)


def serialise_replicas(found: ReplicasStatus | None, *, for_admin: bool) -> dict[str, Any] | None:
    """What everybody may know; the names of engines are for admins."""
    if found is None:
        return None
    return {
        "wanted": found.wanted,
        "serving": found.serving,
        "problem": found.cause.message if found.cause and not found.is_whole else None,
        "engines": [
            {
                "replica": each.replica,
                "name": each.name if for_admin else None,
                "state": name_replica_state(each),
                "since": each.ready_at,
            }
            for each in found.engines
        ],
    }
