"""The page of a profile's preload: asked for, followed, cancelled. It only inserts and reads rows."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from gateway.errors import GatewayError
from gateway.wording import say
from modelops.admin.switch_pages import find_actor
from modelops.domain.engine_log.causes import RootCause
from modelops.domain.fit.report_text import format_bytes
from modelops.models import ModelProfile, Preload
from modelops.switching.preloading import can_preload, cancel_preload, find_preload, request_preload
from modelops.switching.selectors import find_switcher, list_live_switches


def show_preload(request: HttpRequest, site: AdminSite, profile: ModelProfile) -> HttpResponse:
    """How the newest preload of the profile goes; on POST one is asked for."""
    if request.method == "POST":
        try:
            request_preload(profile.slug, find_actor(request))
        except GatewayError as exc:
            messages.error(request, say(exc.wording, gettext))
        return HttpResponseRedirect(link_preload(profile))
    preload = find_preload(profile.slug)
    context = {
        **site.each_context(request),
        "title": gettext("Preload %(profile)s") % {"profile": profile.slug},
        "opts": ModelProfile._meta,
        "profile": profile,
        "preload": preload,
        "can_preload": can_preload(profile),
        "part": render_part(preload) if preload else "",
    }
    return TemplateResponse(request, "admin/modelops/modelprofile/preload.html", context)


def send_preload(request: HttpRequest, profile: ModelProfile) -> HttpResponse:
    """What of the page changes, for its script."""
    preload = find_preload(profile.slug)
    content = {
        "part": render_part(preload) if preload else "",
        "is_finished": preload is None or preload.is_finished,
    }
    return JsonResponse(content, headers={"Cache-Control": "no-store"})


@require_POST
def end_preload(request: HttpRequest, profile: ModelProfile) -> HttpResponse:
    preload = find_preload(profile.slug)
    if preload is not None:
        cancel_preload(preload.pk, find_actor(request))
    return HttpResponseRedirect(link_preload(profile))


def link_preload(profile: ModelProfile) -> str:
    return reverse("admin:modelops_modelprofile_preload", args=[profile.pk])


def render_part(preload: Preload) -> str:
    progress: dict[str, Any] = preload.progress or {}
    done, total = progress.get("done_bytes"), progress.get("total_bytes")
    context = {
        "preload": preload,
        "what": progress.get("what", ""),
        "done_bytes": done,
        "total_bytes": total,
        "done": "" if done is None else format_bytes(done),
        "total": format_bytes(total) if total else "",
        "percent": min(100, 100 * done // total) if total and done is not None else None,
        "cause": RootCause.parse(preload.cause) if preload.cause else None,
        "is_switcher_alive": find_switcher(preload.slot).is_alive,
        "is_switching": bool(list_live_switches(preload.slot)),
    }
    return render_to_string("admin/modelops/modelprofile/preload_part.html", context)
