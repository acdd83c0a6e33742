"""The admin's pages of a switch: what it would do, and how it goes. They only insert and read rows."""

from __future__ import annotations

import shlex
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from gateway.conf import get_config
from gateway.errors import GatewayError, NotFound
from gateway.wording import say
from modelops.domain.engine_log.causes import RootCause
from modelops.domain.switching.plan import Plan, PlanKind
from modelops.domain.switching.request import SwitchRequest
from modelops.domain.switching.states import DrainPolicy, SwitchState
from modelops.models import ModelProfile, Switch
from modelops.switching.actor import Actor
from modelops.switching.cancelling import cancel_switch
from modelops.switching.draining import find_draining
from modelops.switching.plan_text import describe_joining, describe_kind, write_value
from modelops.switching.requests import RequestOutcome, leads_to, preview_switch, request_switch
from modelops.switching.selectors import (
    count_state_seconds,
    find_switcher,
    get_switch,
    list_events,
    list_live_switches,
    read_log_tail,
)
from modelops.switching.status import count_remaining_s, describe_detail, find_default_status

SHOWN_LOG_LINES = 200
USUAL_PATH = (
    SwitchState.REQUESTED,
    SwitchState.PLANNED,
    SwitchState.DRAINING,
    SwitchState.STOPPING,
    SwitchState.CLEARING,
    SwitchState.STARTING,
    SwitchState.LOADING,
    SwitchState.VERIFYING,
    SwitchState.ACTIVE,
)


class SwitchForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        required=False,
        widget=forms.TextInput(attrs={"size": 60}),
        help_text="Kept in the history.",
    )
    drain_timeout_s = forms.IntegerField(
        label="Running answers get", min_value=0, max_value=86400, required=False, help_text="seconds"
    )
    drain_policy = forms.ChoiceField(
        label="Then",
        required=False,
        choices=[
            ("", "as the settings say"),
            (str(DrainPolicy.WAIT), "go on waiting for them"),
            (str(DrainPolicy.CUT), "end them with an error event"),
            (str(DrainPolicy.ABANDON), "give the switch up"),
        ],
    )
    force = forms.BooleanField(label="Go on in spite of that", required=False)
    max_model_len = forms.IntegerField(
        min_value=16, max_value=20_000_000, required=False, widget=forms.HiddenInput
    )


@dataclass(frozen=True)
class StateStep:
    """A state of the timeline. `progress` is done, current or ahead."""

    name: str
    progress: str
    seconds: float | None


def show_switch_request(request: HttpRequest, site: AdminSite, profile: ModelProfile) -> HttpResponse:
    """The plan with its confirmation; on POST the switch is asked for."""
    form = SwitchForm(request.POST if request.method == "POST" else None, initial=_read_initial(request))
    problem = ""
    if request.method == "POST" and form.is_valid():
        try:
            return _request(request, profile, form.cleaned_data)
        except GatewayError as exc:
            problem = exc.message
    try:
        plan = preview_switch(SwitchRequest(profile.slug, max_model_len=_read_context(form)))
    except GatewayError as exc:
        plan, problem = None, problem or exc.message
    status = find_default_status()
    context = {
        **site.each_context(request),
        "title": f"Switch to {profile.slug}",
        "opts": ModelProfile._meta,
        "profile": profile,
        "form": form,
        "problem": problem,
        "plan": plan,
        "status": status,
        "joins": bool(status.live) and leads_to(status.live[-1], profile.slug),
        "is_switcher_alive": find_switcher(status.slot).is_alive,
        "default_drain_timeout_s": get_config().drain_timeout_s,
        **(_describe_plan(plan) if plan else {}),
    }
    status_code = 409 if problem and request.method == "POST" else 200
    return TemplateResponse(request, "admin/modelops/switch/request.html", context, status=status_code)


def _read_initial(request: HttpRequest) -> dict[str, Any]:
    return {"max_model_len": request.GET.get("max_model_len") or None}


def _read_context(form: SwitchForm) -> int | None:
    """The context to plan with; what is no such number is as good as none."""
    try:
        value: int | None = form.fields["max_model_len"].clean(form["max_model_len"].value())
    except forms.ValidationError:
        return None
    return value


def _describe_plan(plan: Plan) -> dict[str, Any]:
    standing = [problem for problem in plan.problems if not problem.may_be_forced]
    return {
        "kind": describe_kind(plan),
        "command": shlex.join(plan.arguments),
        "changes": [
            (each["setting"], write_value(each["from"]), write_value(each["to"])) for each in plan.diff
        ],
        "fit": {**plan.fit, "verdict_words": str(plan.fit["verdict"]).replace("_", " ")},
        "can_force": any(problem.may_be_forced for problem in plan.problems),
        "can_switch": not standing,
        "is_nothing": plan.kind is PlanKind.NOTHING,
    }


def _request(request: HttpRequest, profile: ModelProfile, values: dict[str, Any]) -> HttpResponse:
    wanted = SwitchRequest(
        profile.slug,
        reason=values["reason"],
        force=values["force"],
        drain_timeout_s=values["drain_timeout_s"],
        drain_policy=values["drain_policy"] or None,
        max_model_len=values["max_model_len"],
    )
    requested = request_switch(wanted, find_actor(request))
    if requested.switch is None:
        messages.info(request, gettext("{profile} is active already.").format(profile=profile.slug))
        return HttpResponseRedirect(reverse("admin:modelops_modelprofile_changelist"))
    if requested.outcome is RequestOutcome.JOINED:
        messages.info(request, say(describe_joining(requested.taken_over), gettext))
    return HttpResponseRedirect(reverse("admin:modelops_switch_change", args=[requested.switch.pk]))


def find_actor(request: HttpRequest) -> Actor:
    """The admin who asks."""
    user = request.user
    return Actor(Switch.Via.ADMIN, uuid.UUID(str(user.pk)), user.get_username(), request=request)


def show_switch(request: HttpRequest, site: AdminSite, switch_id: str) -> HttpResponse:
    """How it goes while it is under way; afterwards its history."""
    switch = _get(switch_id)
    context = {
        **site.each_context(request),
        "title": f"Switch: {switch}",
        "opts": Switch._meta,
        "switch": switch,
        "plan": switch.plan,
        "parts": _render_parts(switch, timezone.now()),
        "can_cancel": _can_cancel(switch),
    }
    return TemplateResponse(request, "admin/modelops/switch/page.html", context)


def send_progress(request: HttpRequest, switch_id: uuid.UUID) -> HttpResponse:
    """What of the page changes, for the page's script."""
    switch = _get(switch_id)
    content = {
        "is_final": not switch.is_live,
        "can_cancel": _can_cancel(switch),
        "parts": _render_parts(switch, timezone.now()),
    }
    return JsonResponse(content, headers={"Cache-Control": "no-store"})


@require_POST
def cancel(request: HttpRequest, switch_id: uuid.UUID) -> HttpResponse:
    try:
        cancel_switch(switch_id, find_actor(request))
    except NotFound as exc:
        raise Http404 from exc
    except GatewayError as exc:
        messages.error(request, say(exc.wording, gettext))
    return HttpResponseRedirect(reverse("admin:modelops_switch_change", args=[switch_id]))


def _get(switch_id: str | uuid.UUID) -> Switch:
    try:
        return get_switch(uuid.UUID(str(switch_id)))
    except (NotFound, ValueError) as exc:
        raise Http404("There is no such switch.") from exc


def _can_cancel(switch: Switch) -> bool:
    return switch.is_live and switch.cancel_requested_at is None


def _render_parts(switch: Switch, now: datetime) -> dict[str, str]:
    context = {
        "switch": switch,
        "detail": describe_detail(switch, find_draining(switch), now),
        "rival": _find_rival(switch),
        "remaining_s": count_remaining_s(switch, now),
        "steps": list_steps(switch, now),
        "is_switcher_alive": find_switcher(switch.slot).is_alive,
        "cause": RootCause.parse(switch.root_cause) if switch.root_cause else None,
        "restore_cause": RootCause.parse(switch.restore_cause) if switch.restore_cause else None,
        "retry_link": _find_retry_link(switch),
        "events": list_events(switch),
        "log": _read_log(switch),
    }
    names = ("now", "steps", "cause", "events", "log")
    return {name: render_to_string(f"admin/modelops/switch/{name}.html", context) for name in names}


def _find_rival(switch: Switch) -> Switch | None:
    """The other live switch of its slot: what it waits for, or what waits for it."""
    others = [each for each in list_live_switches(switch.slot) if each != switch] if switch.is_live else []
    return others[0] if others else None


def list_steps(switch: Switch, now: datetime) -> list[StateStep]:
    """The states it went through, with their seconds, and the usual ones that are still ahead."""
    seconds = count_state_seconds(switch, now)
    current = SwitchState(switch.state)
    is_on_path = switch.is_live and current in USUAL_PATH
    ahead = USUAL_PATH[USUAL_PATH.index(current) + 1 :] if is_on_path else ()
    steps = []
    for state in SwitchState:
        if state == current:
            progress = "current" if switch.is_live else "done"
        elif state in seconds:
            progress = "done"
        elif state in ahead:
            progress = "ahead"
        else:
            continue
        steps.append(StateStep(state.value.replace("_", " "), progress, seconds.get(state)))
    return steps


def _find_retry_link(switch: Switch) -> str:
    """To the confirmation of another try, with the context that the cause offers."""
    profile = ModelProfile.objects.filter(slug=switch.to_profile).first()
    if switch.is_live or profile is None or switch.state in (SwitchState.ACTIVE, SwitchState.CANCELLED):
        return ""
    link = reverse("admin:modelops_modelprofile_switch", args=[profile.pk])
    length = (switch.root_cause or {}).get("retry_max_model_len")
    return f"{link}?max_model_len={int(length)}" if length else link


def _read_log(switch: Switch) -> str:
    """What was kept of the failed engine, else the newest lines of the engine that it started."""
    if switch.log_tail or switch.new_engine is None:
        return switch.log_tail
    return "\n".join(read_log_tail(switch.new_engine, SHOWN_LOG_LINES)[0])
