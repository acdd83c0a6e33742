"""How far the start of a switch's engine is, written down for whoever waits for it."""

from __future__ import annotations

import time
from datetime import timedelta

from django.utils import timezone

from gateway.wording import fill_in
from modelops.domain.engine_log.progress import estimate
from modelops.domain.switching.names import name_phase
from modelops.domain.switching.states import SwitchState
from modelops.models import Switch
from modelops.switcher.ledger import Ledger
from modelops.switcher.observing import STARTING_STATES, Observer


def show_progress(switch: Switch, observer: Observer, ledger: Ledger) -> None:
    """Phase, percent and expected end of the start that is under way."""
    engine = switch.new_engine if SwitchState(switch.state) in STARTING_STATES else switch.restored_engine
    if engine is None or not engine.reference or engine.ended_at is not None:
        return
    watch = observer.watch(engine)
    watch.read()
    now = time.monotonic()
    read = watch.log
    progress = estimate(read.phase, read.phase_percent, now - read.phase_started_at, watch.phase_history)
    expected_at = None
    if progress.remaining_s is not None:
        expected_at = timezone.now() + timedelta(seconds=progress.remaining_s)
    ledger.record_progress(
        switch,
        phase=str(read.phase),
        percent=progress.percent,
        detail=fill_in("{profile}: {phase}", profile=engine.profile, phase=name_phase(read.phase)),
        expected_at=expected_at,
    )
