"""The log lines of a switch's transitions."""

from __future__ import annotations

import structlog

from modelops.domain.switching.states import SwitchState
from modelops.models import Switch

log = structlog.get_logger()

FAILING_STATES = frozenset({SwitchState.REJECTED, SwitchState.ROLLING_BACK, SwitchState.DEGRADED})


def log_step(switch: Switch, to: SwitchState) -> None:
    """One line for each transition; with the cause where it is one that goes wrong."""
    fields = {"switch": str(switch.pk), "to": str(to), "profile": switch.to_profile}
    cause = (switch.restore_cause if to is SwitchState.DEGRADED else None) or switch.root_cause
    if to not in FAILING_STATES or not cause:
        log.info("switch_state", **fields)
        return
    log.warning("switch_state", **fields, cause=cause.get("code"), message=str(cause.get("message", "")))
