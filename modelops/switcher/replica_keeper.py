"""Keeps the followers of a slot as its leader is: starts, admits, replaces and ends them, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import structlog
from django.utils import timezone

from gateway.wording import fill_in
from modelops.domain.engine_log.causes import Cause, RootCause
from modelops.domain.engine_log.failures import describe_cause
from modelops.domain.runtimes import count_engines, get_traits
from modelops.domain.switching.maintenance import STABLE_S
from modelops.domain.switching.replicas import (
    FollowerObservation,
    FollowersObservation,
    ReplicaAction,
    choose_heir,
    next_replica_step,
)
from modelops.domain.switching.states import Check
from modelops.models import Engine, Slot
from modelops.runtimes.base import Instance, RuntimeUnavailable
from modelops.switcher.dependencies import SwitcherDependencies
from modelops.switcher.engine_scrape import FollowerUrl
from modelops.switcher.executor import start_engine
from modelops.switcher.ledger import Ledger, ended
from modelops.switcher.observing import Observer
from modelops.switcher.poll_urgency import PollUrgency
from modelops.switcher.preparing import explain
from modelops.switcher.replica_ledger import ReplicaFailure, ReplicaLedger
from modelops.switcher.replica_observing import FollowerObserver
from modelops.switcher.transitions import measure
from modelops.switcher.watching import explain_death
from modelops.switcher.working_state import WorkingState
from modelops.switcher.workloads import read_engine_recipe

log = structlog.get_logger()


def count_followers(leader: Engine) -> int:
    """How many replicas its profile asks for beside it."""
    if not get_traits(leader.runtime).is_managed:
        return 0
    return count_engines(leader.runtime, leader.spec) - 1


class ReplicaKeeper:
    """One for each slot. What it does is decided by `modelops.domain.switching.replicas`."""

    def __init__(
        self,
        dependencies: SwitcherDependencies,
        ledger: Ledger,
        observer: Observer,
        working_state: WorkingState,
        *,
        on_leftover: Callable[[], None],
    ) -> None:
        """`on_leftover` is called when a workload may be left that belongs to no open row."""
        self._dependencies = dependencies
        self._ledger = ledger
        self._rows_ledger = ReplicaLedger(ledger)
        self._observer = observer
        self._working_state = working_state
        self._followers = FollowerObserver(dependencies, observer, working_state)
        self._on_leftover = on_leftover
        self.serving: tuple[FollowerUrl, ...] = ()
        """Those that requests went to at the last look."""
        self._empty_epoch: int | None = None
        """The slot's epoch when there was no follower, and none was wanted."""

    def tick(self, slot: Slot, *, only_guards: bool = False) -> PollUrgency:
        """Take at most one step. With `only_guards`, as while a switch works on them, only note the dead."""
        leader = slot.active_engine
        if leader is None:
            self.serving = ()
            return PollUrgency.IDLE
        wanted = count_followers(leader)
        if wanted == 0 and self._empty_epoch == slot.epoch:
            self.serving = ()
            return PollUrgency.IDLE
        rows = list_followers(slot)
        self._empty_epoch = slot.epoch if wanted == 0 and not rows else None
        seen = self._followers.view(slot, leader, rows)
        self.serving = tuple(
            FollowerUrl(slot.slug, row.replica, row.base_url)
            for row, each in zip(rows, seen, strict=True)
            if each.is_serving and not each.is_leaving
        )
        self._working_state.starting_replicas = {row.name for row in rows if not row.reference}
        gpus: tuple[str, ...] | None = None
        if sum(each.is_serving for each in seen) == len(rows) < wanted:
            gpus = self._followers.choose_cards(slot, leader, rows)
        step = next_replica_step(
            FollowersObservation(
                wanted=wanted,
                followers=seen,
                retry_in_s=_seconds_to_retry(slot),
                has_room=gpus is not None,
            ),
            only_guards=only_guards,
        )
        if step.action is ReplicaAction.PREPARE:
            number = min(set(range(1, len(rows) + 2)) - {row.replica for row in rows})
            self._rows_ledger.prepare(slot, leader, number=number, gpus=gpus or ())
            return PollUrgency.MOVING
        if step.action is ReplicaAction.NOTHING:
            self._note_stable(slot, rows, wanted)
            is_busy = any(not each.is_serving or each.is_leaving for each in seen)
            return PollUrgency.WAITING if is_busy and not only_guards else PollUrgency.IDLE
        return self._act(step.action, slot, next(row for row in rows if row.replica == step.number))

    def promote(self, slot: Slot, leader: Engine, cause: RootCause, exit_code: int | None) -> bool:
        """Have a follower that is well lead in place of a leader that is dead; False where there is none."""
        rows = list_followers(slot)
        if not rows:
            return False
        seen = self._followers.view(slot, leader, rows)
        number = choose_heir(seen)
        if number is None:
            return False
        heir = next(row for row in rows if row.replica == number)
        self._rows_ledger.promote(
            slot,
            leader,
            heir,
            ended(cause.message, exit_code),
            ReplicaFailure.after(slot, cause),
            is_like_leader=_find(seen, number).is_like_leader,
        )
        log.info("replica_promoted", engine=heir.name, instead_of=leader.name)
        return True

    def _act(self, action: ReplicaAction, slot: Slot, row: Engine) -> PollUrgency:
        has_moved = {
            ReplicaAction.START: self._start,
            ReplicaAction.VERIFY: self._verify,
            ReplicaAction.ADMIT: self._admit,
            ReplicaAction.GIVE_UP: self._give_up,
            ReplicaAction.DROP: self._drop,
            ReplicaAction.RETIRE: self._retire,
            ReplicaAction.STOP: self._stop,
            ReplicaAction.REMOVE: self._remove,
        }[action](slot, row)
        return PollUrgency.MOVING if has_moved else PollUrgency.WAITING

    def _start(self, slot: Slot, row: Engine) -> bool:
        work = partial(start_engine, self._dependencies, slot, row)
        outcome = self._dependencies.effects.attempt(("start", row.name), work)
        if outcome is None or isinstance(outcome.error, RuntimeUnavailable):
            return False
        if outcome.error is not None:
            self._followers.failures[row.name] = explain(outcome.error)
        elif isinstance(outcome.value, Instance):
            found = outcome.value
            self._ledger.update_engine(
                row,
                reference=found.reference or found.name,
                base_url=found.base_url,
                image_digest=found.image_digest,
            )
        return True

    def _verify(self, slot: Slot, row: Engine) -> bool:
        recipe = read_engine_recipe(row)
        work = partial(
            self._dependencies.control.verify,
            row,
            least_context=recipe.least_context,
            is_pooling=recipe.is_pooling,
        )
        outcome = self._dependencies.effects.attempt(("verify", row.name), work)
        if outcome is None:
            return False
        if outcome.error is not None:
            self._followers.failures[row.name] = explain(outcome.error)
        else:
            self._working_state.cards[row.name] = outcome.value
            self._working_state.verified[row.name] = Check.PASSED
        return True

    def _admit(self, slot: Slot, row: Engine) -> bool:
        cards = self._working_state.cards.get(row.name, [])
        lengths = (card.get("max_model_len") for card in cards if card.get("max_model_len"))
        values = {
            **measure(self._observer.watch(row)),
            "cards": cards,
            "max_model_len": next(lengths, None),
        }
        self._rows_ledger.admit(slot, row, values)
        log.info("replica_serves", engine=row.name, replica=row.replica)
        return True

    def _give_up(self, slot: Slot, row: Engine) -> bool:
        cause = self._followers.failures.get(row.name) or self._explain_death(row)
        log.error("replica_failed", engine=row.name, cause=cause.code, message=cause.message)
        self._write_off(slot, row, cause)
        return True

    def _drop(self, slot: Slot, row: Engine) -> bool:
        cause = self._explain_death(row)
        log.error("engine_died", engine=row.name, cause=cause.code, message=cause.message)
        self._dependencies.metrics.count_restart(slot.slug)
        self._write_off(slot, row, cause)
        return True

    def _explain_death(self, row: Engine) -> RootCause:
        instance = self._observer.inspect(row)
        if instance is None:
            return describe_cause(Cause.ENGINE_DIED, error=fill_in("its runtime does not answer"))
        return explain_death(self._observer.watch(row).classify(instance), instance)

    def _write_off(self, slot: Slot, row: Engine, cause: RootCause) -> None:
        instance = self._observer.inspect(row)
        end = ended(cause.message, instance.exit_code if instance else None)
        self._rows_ledger.drop(slot, row, end, ReplicaFailure.after(slot, cause))
        self._working_state.forget_engine(row.name)
        self._on_leftover()

    def _retire(self, slot: Slot, row: Engine) -> bool:
        self._rows_ledger.retire(slot, row)
        return True

    def _stop(self, slot: Slot, row: Engine) -> bool:
        runtime = self._dependencies.runtime_of(row.runtime)
        outcome = self._dependencies.effects.attempt(
            ("stop", row.name), partial(runtime.ask_to_stop, row.name)
        )
        if outcome is not None and outcome.error is None:
            self._ledger.update_engine(row, asked_to_stop_at=timezone.now())
            return True
        return False

    def _remove(self, slot: Slot, row: Engine) -> bool:
        if (watch := self._working_state.read_log(row.name)) is not None:
            watch.save()
        runtime = self._dependencies.runtime_of(row.runtime)
        outcome = self._dependencies.effects.attempt(("remove", row.name), partial(runtime.remove, row.name))
        if outcome is None or outcome.error is not None:
            if outcome is not None:
                log.warning("engine_not_removed", engine=row.name, error=str(outcome.error))
            return False
        self._working_state.forget_engine(row.name)
        self._rows_ledger.end(slot, row, ended(fill_in("no longer needed")))
        return True

    def _note_stable(self, slot: Slot, rows: Sequence[Engine], wanted: int) -> None:
        """Replicas that have all served for a while end a row of failures."""
        if not slot.failed_replicas or len(rows) < wanted:
            return
        served = [(timezone.now() - row.ready_at).total_seconds() for row in rows if row.ready_at]
        if len(served) == len(rows) and min(served, default=STABLE_S + 1) > STABLE_S:
            self._ledger.update_slot(failed_replicas=0)


def list_followers(slot: Slot) -> list[Engine]:
    """Every follower whose row is open."""
    return list(slot.engines.filter(replica__gt=0, ended_at=None).order_by("replica", "generation"))


def _find(seen: Sequence[FollowerObservation], number: int) -> FollowerObservation:
    return next(each for each in seen if each.number == number)


def _seconds_to_retry(slot: Slot) -> float:
    if slot.replica_retry_at is None:
        return 0.0
    return (slot.replica_retry_at - timezone.now()).total_seconds()
