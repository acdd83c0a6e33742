"""A chat request that asks for another profile, as somebody who asks for a switch to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog
from django.db.models import Max
from django.utils import timezone

from gateway.audit import ChatCaller
from gateway.conf import get_config
from gateway.errors import DoesNotFit, ModelNotFound, ModelSwitching, SwitchRefused
from modelops.models import Slot, Switch
from modelops.switch_audit import request_recorded_switch
from modelops.switching.requests import Actor
from modelops.switching.status import count_remaining_s

log = structlog.get_logger()


def request_switch_for_chat(profile_slug: str, caller: ChatCaller) -> None:
    """Switch because a chat request asked for this profile; whoever calls has checked that its role may.

    Raises ModelSwitching while another switch is under way or within SWITCH_MINIMUM_ACTIVE of the last one,
    ModelNotFound, DoesNotFit or SwitchRefused. Whoever chats is not told what is wrong: the plan is for
    admins.
    """
    actor = Actor(Switch.Via.CHAT, caller.user_id, caller.username)
    reason = "asked for by a chat request"
    try:
        request_recorded_switch(profile_slug, actor, request=caller, reason=reason, guard=_keep_the_peace)
    except (DoesNotFit, SwitchRefused) as exc:
        log.warning("switch_on_request_refused", profile=profile_slug, error=exc.code, problem=exc.message)
        raise type(exc)(param="model") from exc
    except ModelNotFound as exc:
        raise ModelNotFound(param="model") from exc


def _keep_the_peace(slot: Slot, live: Sequence[Switch]) -> None:
    """A chat ends nobody's switch, and begins none too soon after the last one."""
    now = timezone.now()
    if live:
        raise ModelSwitching(
            f"A switch to {live[-1].to_profile!r} is under way.",
            retry_after_s=count_remaining_s(live[-1], now),
        )
    # However the last one ended: a switch that fails or is given up again and again is thrash as well.
    moments = [slot.switches.aggregate(last=Max("ended_at"))["last"]]
    moments += [slot.active_engine.ready_at] if slot.active_engine else []
    known = [moment for moment in moments if moment is not None]
    if not known:
        return
    remaining = max(known) + timedelta(seconds=get_config().minimum_active_s) - now
    if remaining > timedelta(0):
        raise ModelSwitching(
            "It is too soon after the last switch for another one.", retry_after_s=remaining.total_seconds()
        )
