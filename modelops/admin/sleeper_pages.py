"""The page of warm alternatives: which engines sleep, what that takes, how fast they wake, an end for one."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from gateway.errors import GatewayError
from gateway.wording import fill_in, say
from modelops.admin.switch_pages import find_actor
from modelops.domain.fit.report_text import format_bytes
from modelops.models import Engine, ModelProfile, Slot
from modelops.switching.sleepers import Alternative, end_sleeper, list_alternatives, read_host_memory


def show_sleepers(request: HttpRequest, site: AdminSite) -> HttpResponse:
    slots = [_describe_slot(slot) for slot in Slot.objects.in_use().order_by("slug")]
    context = {
        **site.each_context(request),
        "title": gettext("Warm alternatives"),
        "opts": Engine._meta,
        "slots": slots,
    }
    return TemplateResponse(request, "admin/modelops/engine/asleep.html", context)


@require_POST
def end_asleep(request: HttpRequest, engine_id: uuid.UUID) -> HttpResponse:
    try:
        engine = end_sleeper(engine_id, find_actor(request))
    except GatewayError as exc:
        messages.error(request, say(exc.wording, gettext))
    else:
        text = fill_in("{engine} of {profile} is being ended.", engine=engine.name, profile=engine.profile)
        messages.success(request, say(text, gettext))
    return HttpResponseRedirect(reverse("admin:modelops_engine_asleep"))


def _describe_slot(slot: Slot) -> dict[str, Any]:
    memory = read_host_memory(slot)
    available, reserve = memory.get("available_bytes"), memory.get("reserve_bytes")
    alternatives = list_alternatives(slot)
    profiles = dict(ModelProfile.objects.values_list("slug", "pk"))
    return {
        "name": slot.slug,
        "available": format_bytes(available) if available is not None else "",
        "reserve": format_bytes(reserve) if reserve is not None else "",
        "rows": [_describe_row(each, profiles.get(each.profile)) for each in alternatives],
    }


def _describe_row(each: Alternative, profile_id: uuid.UUID | None) -> dict[str, Any]:
    return {
        "profile": each.profile,
        "engine": each.engine,
        "serves": each.serves,
        "is_asleep": each.is_asleep,
        "is_ending": each.engine is not None and each.engine.end_asked_at is not None,
        "needs": format_bytes(each.needs_bytes) if each.needs_bytes else "",
        "is_measured": each.is_measured,
        "wake_s": each.wake_s,
        "start_s": each.start_s,
        "used_at": each.used_at,
        "switch_url": reverse("admin:modelops_modelprofile_switch", args=[profile_id]) if profile_id else "",
    }
