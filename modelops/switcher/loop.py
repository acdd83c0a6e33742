"""The switcher's process: one reconciler per slot, the GPUs' history, and its presence row."""

from __future__ import annotations

import contextlib
import os
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections

from gateway.conf import GatewayConfig
from gateway.database.changes import ChangeListener
from gateway.health_check import HEARTBEAT
from gateway.ids import new_id
from gateway.stop_signal import StopSignal
from gateway.wording import join_texts
from modelops.alerting.watch import AlarmWatch
from modelops.domain.runtimes import RuntimeKind
from modelops.models import DEFAULT_SLOT, ModelProfile, Slot, SwitcherPresence
from modelops.models.presence import HOST_MEMORY, NOTICE
from modelops.runtimes.registry import build_runtimes
from modelops.serving.process_starts import SWITCHER, count_start, read_starts
from modelops.switcher.boxes import Box, claim_slot, describe_foreign, find_box, find_unreachable
from modelops.switcher.dependencies import SwitcherDependencies
from modelops.switcher.effects import Effects
from modelops.switcher.engine_control import EngineControl
from modelops.switcher.engine_sampling import EngineSampler
from modelops.switcher.engine_scrape import scrape_engines
from modelops.switcher.gpu_sampling import GpuSampler
from modelops.switcher.metrics import SwitcherFigures
from modelops.switcher.metrics_endpoint import MetricsEndpoint
from modelops.switcher.poll_urgency import PollUrgency
from modelops.switcher.reconciler import SlotReconciler
from modelops.switcher.sleep_planning import read_host_memory
from modelops.switching.switchers import record_presence

log = structlog.get_logger()

POLL_PERIOD_S = 1.0
"""How often the rows are read while nothing happens: announcements of changes may get lost."""
PERIODS_S = {PollUrgency.WAITING: 0.03, PollUrgency.MOVING: 0.0}
PRESENCE_PERIOD_S = 3.0
DESCRIBE_PERIOD_S = 10.0
STARTS_PERIOD_S = 10.0
SLOTS_PERIOD_S = 2.0
TROUBLE_PERIOD_S = 1.0
CLOSE_PERIOD_S = 0.5
NO_PROFILE = "none"


class Switcher:
    """Runs until its stop signal. The next switcher continues whatever is unfinished."""

    def __init__(self, config: GatewayConfig) -> None:
        effects = Effects()
        control = EngineControl(config)
        self._config = config
        self._dependencies = SwitcherDependencies(
            config=config,
            runtimes=build_runtimes(config),
            control=control,
            effects=effects,
            gpus=GpuSampler(effects),
            loads=EngineSampler(effects, control.read_metrics),
        )
        self._alarms = AlarmWatch(config) if config.alert_webhook_url else None
        self._id = new_id()
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{self._id.hex[-8:]}"
        self._reconcilers: dict[uuid.UUID, SlotReconciler] = {}
        self._paused_until: dict[uuid.UUID, float] = {}
        self._starts = 0
        metrics = self._dependencies.metrics
        self._endpoint = MetricsEndpoint(
            {
                "/metrics": lambda: metrics.write(config),
                "/engines": lambda: scrape_engines(
                    metrics.figures.engines, control.read_metrics, metrics.figures.followers
                ),
            },
            host=config.switcher_metrics_host,
            port=config.switcher_metrics_port,
            networks=config.metrics_networks,
        )
        self._facts: dict[str, Any] = {}
        self._box: Box | None = None
        self._notice = ""
        self._unreachable: tuple[str, ...] = ()
        self._done_at: dict[str, float] = {}

    def run(self, stop: StopSignal) -> None:
        log.info("switcher_started", holder=self._holder)
        self._dependencies.effects.on_done = stop.wake
        listener = ChangeListener(stop.wake)
        try:
            while not stop.is_set:
                stop.wait(self._tick())
        finally:
            listener.stop()
            self._close()
        log.info("switcher_stopped")

    def _tick(self) -> float:
        """Seconds until the next one."""
        try:
            self._describe()
            self._find_slots()
            pace = max((self._tick_slot(slot_id) for slot_id in self._reconcilers), default=PollUrgency.IDLE)
            own_pids = {pid for reconciler in self._reconcilers.values() for pid in reconciler.own_pids}
            if self._reconcilers:
                # The cards of a box without a slot are nobody's to plan with.
                self._dependencies.gpus.refresh(own_pids, is_urgent=pace > PollUrgency.IDLE)
            self._dependencies.loads.refresh(
                sampled
                for reconciler in self._reconcilers.values()
                if (sampled := reconciler.sampled_engine) is not None
            )
            self._show_presence()
            self._show_metrics()
        except DatabaseError as exc:
            # Nothing is decided without the rows; engines serve on meanwhile.
            log.warning("switcher_waits_for_database", error=str(exc))
            close_old_connections()
            return TROUBLE_PERIOD_S
        except Exception:
            log.exception("switcher_tick_failed")
            return TROUBLE_PERIOD_S
        return PERIODS_S[pace] if pace > PollUrgency.IDLE else self._find_idle_period()

    def _find_idle_period(self) -> float:
        known = [reconciler.wait_s for reconciler in self._reconcilers.values()]
        return min([POLL_PERIOD_S, *(wait_s for wait_s in known if wait_s is not None)])

    def _tick_slot(self, slot_id: uuid.UUID) -> PollUrgency:
        """One slot's trouble is not another's, nor the switcher's own."""
        if time.monotonic() < self._paused_until.get(slot_id, 0.0):
            return PollUrgency.IDLE
        try:
            return self._reconcilers[slot_id].tick()
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("slot_tick_failed", slot=str(slot_id))
            self._paused_until[slot_id] = time.monotonic() + TROUBLE_PERIOD_S
            return PollUrgency.IDLE

    def _find_slots(self) -> None:
        if not self._is_described or not self._is_due("slots", SLOTS_PERIOD_S):
            return
        self._box = self._find_box()
        Slot.objects.get_or_create(slug=DEFAULT_SLOT)
        claimed: list[Slot] = []
        foreign: list[Slot] = []
        for slot in Slot.objects.in_use().select_related("active_engine"):
            (claimed if self._claim(slot, self._box) else foreign).append(slot)
        self._leave_all_but({slot.pk: slot.box for slot in claimed})
        for slot in claimed:
            if slot.pk not in self._reconcilers:
                self._reconcilers[slot.pk] = SlotReconciler(
                    slot, self._dependencies, holder=self._holder, boot=self._box.boot
                )
            if not slot.desired_profile and slot.slug == DEFAULT_SLOT:
                self._choose_first(slot)
        self._note_foreign(foreign)

    def _claim(self, slot: Slot, box: Box) -> bool:
        """Whether the slot is ours; not where its rows make no sense, which is no other slot's trouble."""
        try:
            return claim_slot(slot, box, self._dependencies.runtimes)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("slot_tick_failed", slot=str(slot.pk))
            return False

    def _find_box(self) -> Box:
        """A Docker engine that stopped answering is still this box's; another one is another box."""
        docker = self._facts[RuntimeKind.DOCKER]
        if self._box is not None and not docker.get("id"):
            return self._box
        return find_box(docker, Path(self._config.data_dir))

    def _leave_all_but(self, ours: dict[uuid.UUID, str]) -> None:
        """Stop acting for slots that were moved to another box, or are gone."""
        gone = [key for key, each in self._reconcilers.items() if ours.get(key) != each.box]
        for slot_id in gone:
            reconciler = self._reconcilers.pop(slot_id)
            reconciler.wind_down()
            reconciler.release()

    def _note_foreign(self, slots: list[Slot]) -> None:
        """Say which slots are left alone, here and in the presence row."""
        notice = join_texts("\n", [describe_foreign(slot) for slot in slots])
        if notice != self._notice and notice:
            log.warning("slots_of_other_boxes", notice=notice, box=self._box and self._box.name)
        self._notice = notice
        self._unreachable = find_unreachable(slots)

    def _choose_first(self, slot: Slot) -> None:
        """Start AUTOSTART_PROFILE, or else the default profile, in a slot that never served one."""
        wanted = self._config.autostart_profile
        has_been_chosen = slot.switches.exists()
        if wanted == NO_PROFILE or has_been_chosen or (self._config.vllm_base_url and not wanted):
            return
        profiles = ModelProfile.objects.enabled()
        profile = profiles.filter(slug=wanted).first() if wanted else profiles.find_default()
        if profile is not None:
            Slot.objects.filter(pk=slot.pk, desired_profile="").update(desired_profile=profile.slug)
        elif wanted:
            log.error("autostart_profile_missing", profile=wanted)

    def _describe(self) -> None:
        """Ask each runtime what it can do, beside the loop."""
        if not self._is_due("describe", DESCRIBE_PERIOD_S):
            return
        for name in self._dependencies.runtimes:
            describe = partial(self._dependencies.describe, name)
            outcome = self._dependencies.effects.attempt(("facts", name), describe)
            if outcome is None:
                # Begun; its outcome comes soon.
                self._done_at["describe"] = 0.0
            elif outcome.error is not None:
                self._facts[name] = {"problem": getattr(outcome.error, "wording", str(outcome.error))}
            else:
                self._facts[name] = outcome.value

    @property
    def _is_described(self) -> bool:
        """Whether every runtime has said what it is: before that nothing is known of this box."""
        return len(self._facts) == len(self._dependencies.runtimes)

    def _show_presence(self) -> None:
        if self._box is None or not self._is_due("presence", PRESENCE_PERIOD_S):
            return
        values: dict[str, Any] = {
            "is_acting": any(reconciler.is_acting for reconciler in self._reconcilers.values()),
            "box": self._box.name,
            "machine": self._box.machine,
            "box_host": self._box.host,
            "slots": [str(slot_id) for slot_id in self._reconcilers],
            "notice": self._notice,
            "facts": {
                **self._facts,
                NOTICE: self._notice,
                HOST_MEMORY: asdict(read_host_memory(self._config)),
            },
        }
        record_presence(self._id, values)
        with contextlib.suppress(OSError):  # the health check says so
            Path(self._config.data_dir, HEARTBEAT).touch()
        if self._alarms is not None:
            # Not before: until now this switcher would have been missed itself.
            self._alarms.start()

    def _show_metrics(self) -> None:
        self._endpoint.open()
        if self._is_due("starts", STARTS_PERIOD_S):
            if not self._starts:
                count_start(SWITCHER)
            [self._starts] = read_starts([SWITCHER])
        figures = (reconciler.figures for reconciler in self._reconcilers.values())
        self._dependencies.metrics.figures = SwitcherFigures(
            slots=tuple(each for each in figures if each is not None),
            stepped_at=time.time(),
            reading=self._dependencies.gpus.reading,
            starts=self._starts,
            unreachable=self._unreachable,
        )

    def _is_due(self, what: str, period_s: float) -> bool:
        now = time.monotonic()
        if now - self._done_at.get(what, -period_s) < period_s:
            return False
        self._done_at[what] = now
        return True

    def _close(self) -> None:
        """Leases go as soon as nothing is under way, so that another switcher can begin; engines stay."""
        reconcilers = self._reconcilers.values()
        if self._alarms is not None:
            self._alarms.stop()
        close_old_connections()
        self._despite_database(*(reconciler.wind_down for reconciler in reconcilers))
        while not self._dependencies.effects.finish(CLOSE_PERIOD_S):
            self._despite_database(*(reconciler.keep_lease for reconciler in reconcilers))
        self._endpoint.close()
        presence = SwitcherPresence.objects.filter(pk=self._id)
        self._despite_database(*(reconciler.release for reconciler in reconcilers), presence.delete)
        self._dependencies.control.close()
        for runtime in self._dependencies.runtimes.values():
            runtime.close()

    def _despite_database(self, *steps: Callable[[], object]) -> None:
        """Leases that cannot be given back end by themselves."""
        for step in steps:
            try:
                step()
            except DatabaseError as exc:
                log.warning("switcher_left_its_lease", error=str(exc))
