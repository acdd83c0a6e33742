"""The followers of a slot as the domain decides by them, from rows, runtimes and engines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from modelops.domain.engine_log.causes import RootCause
from modelops.domain.switching.maintenance import UNHEALTHY_S, HealthRecord
from modelops.domain.switching.plan import without_names
from modelops.domain.switching.recipe import Recipe
from modelops.domain.switching.replicas import FollowerObservation
from modelops.domain.switching.states import DrainPolicy, EngineObservation, WorkloadStatus
from modelops.models import Engine, EngineState, Slot
from modelops.switcher.dependencies import SwitcherDependencies
from modelops.switcher.draining import is_engine_left
from modelops.switcher.observing import Observer, is_grace_over
from modelops.switcher.working_state import WorkingState
from modelops.switcher.workloads import read_engine_recipe
from modelops.switching.card_claims import find_foreign_cards
from modelops.switching.planning import list_cards

INSPECT_PERIOD_S = 1.0
HEALTH_PERIOD_S, WELL_PERIOD_S = 2.0, 5.0
"""The second one after a check that found it well."""


class FollowerObserver:
    """Looks at followers as often as each needs it."""

    def __init__(
        self, dependencies: SwitcherDependencies, observer: Observer, working_state: WorkingState
    ) -> None:
        self._dependencies = dependencies
        self._observer = observer
        self._working_state = working_state
        self._health: dict[str, HealthRecord] = {}
        self._statuses: dict[str, WorkloadStatus] = {}
        self._due: dict[tuple[str, str], float] = {}
        self.failures: dict[str, RootCause] = {}
        """Why the start of one failed, by its name."""

    def view(self, slot: Slot, leader: Engine, rows: Sequence[Engine]) -> list[FollowerObservation]:
        self._forget_all_but({row.name for row in rows})
        return [self._view(slot, leader, row) for row in rows]

    def _view(self, slot: Slot, leader: Engine, row: Engine) -> FollowerObservation:
        is_serving = row.state == EngineState.SERVING
        is_hung = False
        if is_serving:
            status = self._find_status(row)
            engine = EngineObservation(status=status, was_asked_to_stop=row.asked_to_stop_at is not None)
            self._check_health(row)
            is_hung = self._health_of(row.name).unhealthy_for_s(row.name) > UNHEALTHY_S
        else:
            failure = self.failures.get(row.name) or self._observer.find_failure(row, None)
            if failure is not None:
                self.failures[row.name] = failure
            engine = self._observer.view(row, failure, is_live=True)
        now = timezone.now()
        return FollowerObservation(
            number=row.replica,
            engine=engine,
            is_serving=is_serving,
            is_like_leader=runs_as(row, leader),
            is_hung=is_hung,
            is_leaving=row.leaving_since is not None,
            is_left=row.leaving_since is not None and self._is_left(slot, row, now),
            is_grace_over=is_grace_over(row, now),
        )

    def choose_cards(self, slot: Slot, leader: Engine, rows: Sequence[Engine]) -> tuple[str, ...] | None:
        """Cards for one more follower: as many as the leader has, free of other engines of the slot and of
        what is left of them, and no other slot's; None where there are none, or nobody knows."""
        recipe = read_engine_recipe(leader)
        count = len(recipe.gpus)
        if not count:
            return ()
        choice = self._dependencies.gpus.choose()
        cards, _names = list_cards(choice, recipe.spec.get("gpu_selection") or slot.gpus)
        taken = {*leader.gpus, *(uuid for row in rows for uuid in row.gpus)}
        sets = [tuple(cards[at : at + count]) for at in range(0, len(cards) - count + 1, count)]
        free = tuple(uuid for uuid in cards if uuid not in taken)[:count]
        sets.append(free)
        whole = (each for each in sets if len(each) == count and taken.isdisjoint(each))
        return next((each for each in whole if self._may_use(slot, recipe, each)), None)

    def _may_use(self, slot: Slot, recipe: Recipe, cards: tuple[str, ...]) -> bool:
        """Whether the cards are free as far as is known, and no other slot's."""
        held = self._dependencies.gpus.find_held(cards, recipe.gpu_memory_utilization)
        return held == [] and not find_foreign_cards(slot, cards)

    def _find_status(self, row: Engine) -> WorkloadStatus:
        if row.name not in self._statuses or self._is_due("inspect", row.name, INSPECT_PERIOD_S):
            self._statuses[row.name] = self._observer.read_status(row)
            self._observer.watch(row).read()
        return self._statuses[row.name]

    def _check_health(self, row: Engine) -> None:
        if not self._is_due("health", row.name, HEALTH_PERIOD_S):
            return
        outcome = self._dependencies.effects.attempt(
            ("health", row.name), lambda: self._dependencies.control.is_healthy(row)
        )
        if outcome is None:
            self._due["health", row.name] = 0.0
            return
        self._health_of(row.name).note(row.name, is_healthy=bool(outcome.value), at=time.monotonic())
        if outcome.value:
            self._due["health", row.name] = time.monotonic() + WELL_PERIOD_S

    def _health_of(self, name: str) -> HealthRecord:
        return self._health.setdefault(name, HealthRecord())

    def _is_left(self, slot: Slot, row: Engine, now: datetime) -> bool:
        config = self._dependencies.config
        since = row.leaving_since
        is_bounded = since is not None and config.drain_policy == DrainPolicy.CUT
        if since is not None and is_bounded and (now - since).total_seconds() > config.drain_timeout_s:
            return True
        return is_engine_left(slot, row, self._working_state.web_processes, time.monotonic())

    def _is_due(self, what: str, name: str, period_s: float) -> bool:
        now = time.monotonic()
        if now < self._due.get((what, name), 0.0):
            return False
        self._due[what, name] = now + period_s
        return True

    def _forget_all_but(self, names: set[str]) -> None:
        self._health = {name: each for name, each in self._health.items() if name in names}
        self._statuses = {name: each for name, each in self._statuses.items() if name in names}
        self.failures = {name: each for name, each in self.failures.items() if name in names}
        self._due = {key: due for key, due in self._due.items() if key[1] in names}


def runs_as(row: Engine, leader: Engine) -> bool:
    """Whether the row was started with just what the leader was, their cards aside."""
    return _identity(read_engine_recipe(row)) == _identity(read_engine_recipe(leader))


def _identity(recipe: Recipe) -> tuple[object, ...]:
    return (
        recipe.runtime,
        recipe.image,
        recipe.image_digest,
        recipe.model_name,
        without_names(recipe.arguments),
        dict(recipe.environment),
        len(recipe.gpus),
    )
