"""The admin's page that asks for a switch: what it would do, and its confirmation."""

from __future__ import annotations

import shlex
import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from gateway.conf import get_config
from gateway.errors import GatewayError
from gateway.wording import fill_in, say
from modelops.domain.fit.report import Verdict
from modelops.domain.fit.report_text import VERDICT_WORDS
from modelops.domain.switching.plan import Plan, PlanKind
from modelops.domain.switching.request import LONGEST_CONTEXT, SHORTEST_CONTEXT, SwitchRequest
from modelops.domain.switching.states import DrainPolicy
from modelops.models import DEFAULT_SLOT, ModelProfile, Slot, Switch
from modelops.switching.actor import Actor
from modelops.switching.plan_text import describe_joining, describe_kind, write_value
from modelops.switching.requests import RequestOutcome, leads_to, preview_switch, request_switch
from modelops.switching.selectors import (
    find_switcher,
    list_slots,
)
from modelops.switching.slot_status import find_slot_statuses
from modelops.switching.slots import find_default_slot


class SwitchForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        required=False,
        widget=forms.TextInput(attrs={"size": 60}),
        help_text=gettext_lazy("Kept in the history."),
    )
    drain_timeout_s = forms.IntegerField(
        label=gettext_lazy("Running answers get"), min_value=0, max_value=86400, required=False
    )
    drain_policy = forms.ChoiceField(
        label=gettext_lazy("After that"),
        required=False,
        choices=[
            ("", gettext_lazy("as the settings say")),
            (str(DrainPolicy.WAIT), gettext_lazy("go on waiting for them")),
            (str(DrainPolicy.CUT), gettext_lazy("end them with an error event")),
            (str(DrainPolicy.ABANDON), gettext_lazy("give the switch up")),
        ],
    )
    force = forms.BooleanField(label=gettext_lazy("Go on in spite of that"), required=False)
    keep_context = forms.BooleanField(required=False)
    max_model_len = forms.IntegerField(
        min_value=SHORTEST_CONTEXT, max_value=LONGEST_CONTEXT, required=False, widget=forms.HiddenInput
    )


def show_switch_request(request: HttpRequest, site: AdminSite, profile: ModelProfile) -> HttpResponse:
    """The plan with its confirmation; on POST the switch is asked for."""
    slot = _read_slot(request)
    form = SwitchForm(request.POST if request.method == "POST" else None, initial=_read_initial(request))
    problem = ""
    if request.method == "POST" and form.is_valid():
        try:
            return _request(request, profile, slot, form.cleaned_data)
        except GatewayError as exc:
            problem = say(exc.wording, gettext)
    try:
        wanted = SwitchRequest(profile.slug, slot=slot.slug, max_model_len=_read_context(form))
        plan = preview_switch(wanted)
    except GatewayError as exc:
        plan, problem = None, problem or say(exc.wording, gettext)
    [status] = find_slot_statuses([slot])
    context = {
        **site.each_context(request),
        "title": say(fill_in("Switch to {profile}", profile=profile.slug), gettext),
        "opts": ModelProfile._meta,
        "profile": profile,
        "form": form,
        "problem": problem,
        "plan": plan,
        "status": status,
        "slots": [each.slug for each in list_slots()],
        "joins": bool(status.live) and leads_to(status.live[-1], profile.slug),
        "is_switcher_alive": find_switcher(status.slot).is_alive,
        "default_drain_timeout_s": get_config().drain_timeout_s,
        **(_describe_plan(plan) if plan else {}),
    }
    status_code = 409 if problem and request.method == "POST" else 200
    return TemplateResponse(request, "admin/modelops/switch/request.html", context, status=status_code)


def _read_slot(request: HttpRequest) -> Slot:
    """The one that the page is about: as its form or its address says, else the default one."""
    asked = request.POST.get("slot") or request.GET.get("slot") or DEFAULT_SLOT
    slot = Slot.objects.in_use().select_related("active_engine").filter(slug=asked).first()
    if slot is None and asked != DEFAULT_SLOT:
        raise Http404
    return slot or find_default_slot()


def _read_initial(request: HttpRequest) -> dict[str, Any]:
    length = request.GET.get("max_model_len") or None
    return {"max_model_len": length, "keep_context": bool(length) and request.GET.get("keep") == "yes"}


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
        "kind": say(describe_kind(plan), gettext),
        "problems": [
            {"message": say(each.message, gettext), "advice": say(each.advice, gettext)}
            for each in plan.problems
        ],
        "warnings": [say(each, gettext) for each in plan.warnings],
        "fetches": [say(each, gettext) for each in plan.fetches],
        "command": shlex.join(plan.arguments),
        "changes": [
            (each["setting"], write_value(each["from"]), write_value(each["to"])) for each in plan.diff
        ],
        "fit": {**plan.fit, "verdict_words": say(VERDICT_WORDS[Verdict(plan.fit["verdict"])], gettext)},
        "can_force": any(problem.may_be_forced for problem in plan.problems),
        "can_switch": not standing,
        "is_nothing": plan.kind is PlanKind.NOTHING,
    }


def _request(request: HttpRequest, profile: ModelProfile, slot: Slot, values: dict[str, Any]) -> HttpResponse:
    wanted = SwitchRequest(
        profile.slug,
        slot=slot.slug,
        reason=values["reason"],
        force=values["force"],
        drain_timeout_s=values["drain_timeout_s"],
        drain_policy=values["drain_policy"] or None,
        max_model_len=values["max_model_len"],
        keep_context=values["keep_context"] and values["max_model_len"] is not None,
    )
    requested = request_switch(wanted, find_actor(request))
    if requested.switch is None:
        already = fill_in("{profile} is active already.", profile=profile.slug)
        messages.info(request, say(already, gettext))
        return HttpResponseRedirect(reverse("admin:modelops_modelprofile_changelist"))
    if requested.outcome is RequestOutcome.JOINED:
        messages.info(request, say(describe_joining(requested.taken_over), gettext))
    return HttpResponseRedirect(reverse("admin:modelops_switch_change", args=[requested.switch.pk]))


def find_actor(request: HttpRequest) -> Actor:
    """The admin who asks."""
    user = request.user
    return Actor(Switch.Via.ADMIN, uuid.UUID(str(user.pk)), user.get_username(), request=request)
