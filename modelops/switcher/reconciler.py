"""Reconciles one slot: carries its switches through, and between them restarts what should serve."""

from __future__ import annotations

import time
from datetime import timedelta

import structlog
from django.utils import timezone

from gateway.request_id import current_request_id
from gateway.wording import fill_in, fill_text
from modelops.domain.runtimes import get_traits
from modelops.domain.switching.maintenance import (
    STABLE_S,
    UNHEALTHY_S,
    HealthRecord,
    Maintenance,
    SlotObservation,
    backoff_s,
    next_maintenance,
)
from modelops.domain.switching.resting import RestState
from modelops.domain.switching.rules import next_step
from modelops.domain.switching.states import DEAD, Action, SwitchState, WorkloadStatus
from modelops.models import Engine, Slot, Switch
from modelops.models.switches import STARTED_AGAIN
from modelops.switcher.dependencies import SwitcherDependencies
from modelops.switcher.draining import forget_dead_web_processes, knows_pointer
from modelops.switcher.engine_sampling import SampledEngine, find_sampled
from modelops.switcher.executor import StepExecutor, remove_orphans
from modelops.switcher.lease import LeaseLost, SlotLease
from modelops.switcher.ledger import Ledger, SlotRows, StateMoved, ended
from modelops.switcher.metrics import SlotFigures
from modelops.switcher.observing import Observer
from modelops.switcher.poll_urgency import PollUrgency
from modelops.switcher.preloading import Preloader
from modelops.switcher.preparing import Prefetch
from modelops.switcher.progress_display import show_progress
from modelops.switcher.replica_keeper import ReplicaKeeper
from modelops.switcher.resting import Rester
from modelops.switcher.retirement import Retirement
from modelops.switcher.scheduling import Scheduler
from modelops.switcher.sleepers import SleeperKeeper
from modelops.switcher.slot_figures import describe_slot, is_engine_well
from modelops.switcher.step_log import log_step
from modelops.switcher.watching import explain_death, prune_logs
from modelops.switcher.working_state import WorkingState
from modelops.switcher.workloads import is_roll

log = structlog.get_logger()

INSPECT_PERIOD_S = 1.0
HEALTH_PERIOD_S, WELL_PERIOD_S = 2.0, 5.0
"""The second one after a check that found it well."""
ORPHAN_PERIOD_S, LOG_PERIOD_S = 10.0, 60.0
WEB_PERIOD_S = 2.0
SUCCESSION_S = 2.0
"""For a request that was on its way to an engine when its successor took over."""


class SlotReconciler:
    """Holds a slot's lease and acts for it; does nothing while another switcher does."""

    def __init__(
        self, slot: Slot, dependencies: SwitcherDependencies, *, holder: str, boot: str = ""
    ) -> None:
        self._dependencies = dependencies
        self._slot_id = slot.pk
        self._boot = boot
        """As `Slot.box_boot`."""
        self.box = slot.box
        length_s = dependencies.config.switcher_lease_s
        self._lease = SlotLease(slot.pk, holder=holder, length_s=length_s, box=slot.box)
        self._ledger = Ledger(slot.pk, self._lease, on_end=dependencies.metrics.count_switch)
        self._working_state = WorkingState()
        self._prefetch = Prefetch()
        self._preloader = Preloader(dependencies)
        self._reset()

    def _reset(self) -> None:
        """Drop everything in memory: another switcher may have acted meanwhile."""
        self._working_state.close()
        self._working_state = WorkingState()
        self._observer = Observer(self._dependencies, self._working_state)
        self._executor = StepExecutor(
            self._dependencies, self._ledger, self._observer, self._working_state, self._prefetch
        )
        self._sleepers = SleeperKeeper(self._dependencies, self._ledger, self._working_state)
        self._rester = Rester(
            self._dependencies, self._ledger, self._observer, self._working_state, self._sleepers
        )
        self._scheduler = Scheduler(self._ledger)
        self._retirement = Retirement(self._dependencies, self._ledger, self._observer, self._working_state)
        self._keeper = ReplicaKeeper(
            self._dependencies,
            self._ledger,
            self._observer,
            self._working_state,
            on_leftover=self._look_for_orphans,
        )
        self._health = HealthRecord()
        self._due = dict.fromkeys(("inspect", "health", "orphans", "web_processes", "logs"), 0.0)
        self._active_status = WorkloadStatus.UNKNOWN
        self._retry_in_s: float | None = None
        self._rows: SlotRows | None = None
        self._orphans: list[tuple[str, str]] = []

    @property
    def is_acting(self) -> bool:
        return self._lease.is_held

    @property
    def sampled_engine(self) -> SampledEngine | None:
        """The engine whose load is to be sampled; None while nothing serves, or another switcher acts."""
        if self._rows is None or not self.is_acting:
            return None
        return find_sampled(self._rows.slot, self._dependencies.config.vllm_base_url)

    @property
    def figures(self) -> SlotFigures | None:
        """The slot for the metrics, as it was seen last; None while another switcher acts."""
        if self._rows is None or not self.is_acting:
            return None
        engine = self._rows.slot.active_engine
        unhealthy_for_s = self._health.unhealthy_for_s(engine.name) if engine else 0.0
        is_well = is_engine_well(self._active_status, unhealthy_for_s)
        return describe_slot(
            self._rows,
            self.sampled_engine,
            self._dependencies.loads,
            is_well=is_well,
            followers=self._keeper.serving,
        )

    @property
    def own_pids(self) -> set[int]:
        """Processes of this slot's engines, so that their GPU memory counts as ours."""
        return {pid for instance in self._working_state.instances.values() for pid in instance.pids}

    @property
    def wait_s(self) -> float | None:
        """Until something is due that a tick has to be in time for; None for nothing known."""
        known = [wait_s for wait_s in (self._lease.wait_s, self._retry_in_s) if wait_s is not None]
        return min(known, default=None)

    def tick(self) -> PollUrgency:
        """Observe once and take at most one step."""
        was_held = self._lease.is_held
        if not self._lease.hold():
            self._preloader.pause()
            return PollUrgency.IDLE
        try:
            if not was_held:
                self._reset()
                self._ledger.begin(self._boot)
            rows = self._rows = self._ledger.load()
            self._retry_in_s = None
            self._scheduler.tick(rows.slot)
            self._preloader.tick(rows.slot, is_idle=rows.switch is None)
            if rows.switch is None and rows.slot.retiring_at is not None:
                return PollUrgency.MOVING if self._retirement.take_step(rows.slot) else PollUrgency.WAITING
            if rows.switch is None:
                return self._maintain(rows)
            has_moved = self._advance(rows.slot, rows.switch)
            return PollUrgency.MOVING if has_moved else PollUrgency.WAITING
        except StateMoved:
            return PollUrgency.MOVING
        except LeaseLost:
            log.warning("lease_lost", slot=str(self._slot_id))
            return PollUrgency.IDLE

    def wind_down(self) -> None:
        """Begin nothing more. Work under way ends while the lease is still held."""
        self._executor.stop()
        self._preloader.pause()
        self._working_state.save()
        self._working_state.close()

    def keep_lease(self) -> None:
        """Renew the lease while work under way ends, so that no other switcher acts beside it."""
        if self._lease.is_held:
            self._lease.hold()

    def release(self) -> None:
        """Give the lease up. Engines and switches stay as they are; the next switcher may begin at once."""
        self._lease.release()

    def _advance(self, slot: Slot, switch: Switch) -> bool:
        """True when there is more to do at once. Its log lines have the id of the request that asked."""
        token = current_request_id.set(switch.request_id)
        try:
            return self._take_step(slot, switch)
        finally:
            current_request_id.reset(token)

    def _take_step(self, slot: Slot, switch: Switch) -> bool:
        is_hung = self._is_hung(slot)
        if switch.state == SwitchState.PLANNED:
            # Image and weights may take hours to come: meanwhile replicas are kept as ever.
            self._lease.check_age()
            self._keeper.tick(slot)
        elif is_roll(switch):
            if self._has_lost_leader(slot, is_hung=is_hung):
                return True
            self._keeper.tick(slot, only_guards=True)
            is_hung = False  # that was asked of the leader, and another one makes room
        look = self._observer.look(slot, switch, is_old_hung=is_hung)
        for failure, engine, is_restore in (
            (look.new_failure, switch.new_engine, False),
            (look.restore_failure, switch.restored_engine, True),
        ):
            if failure is not None:
                tail = self._observer.watch(engine).log.tail(60) if engine else []
                self._ledger.record_failure(switch, failure, log_tail=tail, is_restore=is_restore)
        step = next_step(SwitchState(switch.state), look.seen)
        if step.to is not None:
            log_step(switch, step.to)
        self._lease.check_age()
        self._executor.carry_out(slot, switch, step)
        is_waiting = switch.new_engine is not None and self._working_state.web_reach.is_waiting(
            switch.new_engine.name
        )
        if step.to is not None or (step.action in (Action.VERIFY_NEW, Action.MAKE_PLAN) and not is_waiting):
            return True
        show_progress(switch, self._observer, self._ledger)
        return False

    def _has_lost_leader(self, slot: Slot, *, is_hung: bool) -> bool:
        """Whether the engine that serves while one replica is replaced was found dead just now."""
        leader = slot.active_engine
        if leader is None:
            return False
        if self._is_due("inspect", INSPECT_PERIOD_S):
            self._active_status = self._observer.read_status(leader)
        return (is_hung or self._active_status in DEAD) and self._declare_dead(slot, leader)

    def _is_hung(self, slot: Slot) -> bool:
        """The engine that serves while its successor is prepared."""
        engine = slot.active_engine
        if engine is None or not get_traits(engine.runtime).is_managed:
            return False
        if self._is_due("health", HEALTH_PERIOD_S):
            self._check_health(slot, engine)
        return self._health.unhealthy_for_s(engine.name) > UNHEALTHY_S

    def _maintain(self, rows: SlotRows) -> PollUrgency:
        self._observe_idle(rows.slot)
        urgency = self._rester.take_step(rows, self._active_status)
        if urgency is not None:
            return urgency
        self._sleepers.tick(rows.slot)
        return self._keep_up(rows)

    def _keep_up(self, rows: SlotRows) -> PollUrgency:
        slot = rows.slot
        seen = SlotObservation(
            active=self._active_status if slot.active_engine else WorkloadStatus.NONE,
            is_external=slot.active_engine is not None
            and not get_traits(slot.active_engine.runtime).is_managed,
            unhealthy_for_s=self._health.unhealthy_for_s(slot.active_engine.name)
            if slot.active_engine
            else 0.0,
            has_waiting=rows.waiting is not None,
            desires=bool(slot.desired_profile),
            retry_in_s=(slot.retry_at - timezone.now()).total_seconds() if slot.retry_at else 0.0,
            has_orphans=bool(self._orphans),
            rests=slot.rest != RestState.AWAKE,
        )
        self._retry_in_s = seen.retry_in_s if seen.retry_in_s > 0 else None
        maintenance = next_maintenance(seen)
        match maintenance:
            case Maintenance.CLAIM if rows.waiting is not None:
                self._executor.claim(slot, rows.waiting)
            case Maintenance.DECLARE_DEAD if slot.active_engine is not None:
                is_seen = self._declare_dead(slot, slot.active_engine)
                return PollUrgency.MOVING if is_seen else PollUrgency.IDLE
            case Maintenance.START_DESIRED:
                reason = fill_in("nothing serves")
                if slot.problem is not None:
                    reason = fill_text(STARTED_AGAIN, {"problem": slot.problem.get("message") or ""})
                self._ledger.start_system_switch(slot, slot.desired_profile, reason=reason)
            case Maintenance.REMOVE_ORPHANS:
                self._lease.check_age()
                remove_orphans(self._dependencies, self._orphans)
                self._look_for_orphans()
            case Maintenance.NOTHING:
                self._lease.check_age()
                return self._keeper.tick(slot)
        has_begun = maintenance in (Maintenance.CLAIM, Maintenance.START_DESIRED)
        return PollUrgency.MOVING if has_begun else PollUrgency.IDLE

    def _look_for_orphans(self) -> None:
        self._due["orphans"] = 0.0

    def _observe_idle(self, slot: Slot) -> None:
        """The active engine, its health, and what should not be here; each as often as it needs."""
        engine = slot.active_engine
        if engine is not None and self._is_due("inspect", INSPECT_PERIOD_S):
            self._active_status = self._observer.read_status(engine)
            self._observer.watch(engine).read()
        if engine is not None and self._is_due("health", HEALTH_PERIOD_S):
            self._check_health(slot, engine)
        if self._is_due("web_processes", WEB_PERIOD_S):
            alive = forget_dead_web_processes(self._working_state.web_processes, time.monotonic())
            self._rester.note(slot, alive)
        if self._is_due("orphans", ORPHAN_PERIOD_S):
            self._executor.end_lost_sleepers(slot)
            self._orphans = self._list_orphans(slot)
            self._forget_ended(slot)
        if self._is_due("logs", LOG_PERIOD_S):
            prune_logs(slot.pk)

    def _list_orphans(self, slot: Slot) -> list[tuple[str, str]]:
        """What may go now. On a cluster that is also what served until a moment ago: requests are sent to it
        until every web process knows of its successor, and have reached it a moment later."""
        orphans = self._observer.list_orphans(slot, None) or []
        on_cluster = [each for each in orphans if get_traits(each[0]).places_engines]
        if not on_cluster:
            return orphans
        since_s = (timezone.now() - slot.changed_at).total_seconds()
        if since_s > SUCCESSION_S and knows_pointer(
            slot, self._working_state.web_processes, time.monotonic()
        ):
            return orphans
        self._due["orphans"] = time.monotonic() + SUCCESSION_S
        return [each for each in orphans if each not in on_cluster]

    def _forget_ended(self, slot: Slot) -> None:
        """Save the rest of the logs of engines whose removal ended after their switch had moved on."""
        names = set(self._working_state.watches) - {slot.active_engine.name if slot.active_engine else ""}
        ended_engines = slot.engines.filter(name__in=names, ended_at__isnull=False)
        for name in ended_engines.values_list("name", flat=True):
            self._working_state.forget_engine(name)

    def _is_due(self, what: str, period_s: float) -> bool:
        now = time.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + period_s
        return True

    def _check_health(self, slot: Slot, engine: Engine) -> None:
        outcome = self._dependencies.effects.attempt(
            ("health", engine.name), lambda: self._dependencies.control.is_healthy(engine)
        )
        if outcome is None:
            self._due["health"] = 0.0
            return
        self._health.note(engine.name, is_healthy=bool(outcome.value), at=time.monotonic())
        if outcome.value:
            self._due["health"] = time.monotonic() + WELL_PERIOD_S
            served_s = (timezone.now() - engine.ready_at).total_seconds() if engine.ready_at else 0.0
            if slot.failed_restarts and served_s > STABLE_S:
                self._ledger.update_slot(failed_restarts=0)

    def _declare_dead(self, slot: Slot, engine: Engine) -> bool:
        """Nothing points to it any more; its restart is a switch. False while its runtime does not answer."""
        instance = self._observer.inspect(engine)
        if instance is None:
            return False
        watch = self._observer.watch(engine)
        cause = explain_death(watch.classify(instance), instance)
        log.error("engine_died", engine=engine.name, cause=cause.code, message=cause.message)
        if not self._keeper.promote(slot, engine, cause, instance.exit_code):
            wait_s = backoff_s(slot.failed_restarts)
            self._ledger.drop_active(
                slot,
                engine,
                ended(cause.message, instance.exit_code),
                problem=cause.serialise(),
                retry_at=timezone.now() + timedelta(seconds=wait_s),
            )
        self._dependencies.metrics.count_restart(slot.slug)
        self._working_state.forget_engine(engine.name)
        self._due = dict.fromkeys(self._due, 0.0)
        return True
