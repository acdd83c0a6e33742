"""Requests the switch to the profile that a chat request names (SWITCH_ON_REQUEST)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

import structlog
from django.db.models import Max
from django.utils import timezone

from gateway.audit import ChatCaller
from gateway.conf import get_config
from gateway.errors import DoesNotFit, ModelNotFound, ModelSwitching, SwitchRefused, TaskNotSupported
from gateway.wording import fill_in
from modelops.domain.switching.request import SwitchRequest
from modelops.domain.tasks import ModelTask, expect_tasks
from modelops.models import ModelProfile, Slot, Switch
from modelops.switching.actor import Actor
from modelops.switching.requests import request_switch
from modelops.switching.status import count_remaining_s

log = structlog.get_logger()


def request_switch_for_chat(profile_slug: str, caller: ChatCaller, tasks: Collection[ModelTask]) -> None:
    """Request a switch to the profile on behalf of a chat; the caller has checked that its role may.

    `tasks` are those of which the request needs one. Raises TaskNotSupported for a model that has none,
    ModelSwitching while another switch is under way or within SWITCH_MINIMUM_ACTIVE of the last one,
    ModelNotFound, DoesNotFit or SwitchRefused. These carry no details: the plan is for admins.
    """
    _require_task(profile_slug, tasks)
    actor = Actor(Switch.Via.CHAT, caller.user_id, caller.username, request=caller)
    request = SwitchRequest(profile_slug, reason=fill_in("asked for by a chat request"))
    try:
        request_switch(request, actor, guard=_refuse_thrashing)
    except (DoesNotFit, SwitchRefused) as exc:
        log.warning("switch_on_request_refused", profile=profile_slug, error=exc.code, problem=exc.message)
        raise type(exc)(param="model") from exc
    except ModelNotFound as exc:
        raise ModelNotFound(param="model") from exc


def _require_task(profile_slug: str, tasks: Collection[ModelTask]) -> None:
    """What serves is not stopped for a model that would refuse the request."""
    profile = ModelProfile.objects.enabled().filter(slug=profile_slug).first()
    expected = expect_tasks(profile.get_values()) if profile is not None else None
    if expected is None or not tasks or not set(expected).isdisjoint(tasks):
        return
    raise TaskNotSupported(
        fill_in(
            "`{profile}` is not loaded for this request: its model is for {tasks}.",
            profile=profile_slug,
            tasks=", ".join(expected),
        ),
        param="model",
    )


def _refuse_thrashing(slot: Slot, live: Sequence[Switch]) -> None:
    """Raise ModelSwitching while a switch is live, and within SWITCH_MINIMUM_ACTIVE of the last one."""
    now = timezone.now()
    if live:
        raise ModelSwitching(
            fill_in("A switch to {to_profile} is under way.", to_profile=repr(live[-1].to_profile)),
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
