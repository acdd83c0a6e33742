"""The page that shows a change of a profile before it is saved, with the verdict that would result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from gateway.errors import GatewayError, InvalidRequest
from gateway.wording import fill_in, say
from modelops.admin.fit_pages import describe_fit, draw_bars, link_fit
from modelops.fit.gpu_choice import GpuChoice
from modelops.fit.profile_fits import find_gpu_choice
from modelops.models import ModelProfile
from modelops.profiles.changing import (
    ACCEPTED,
    ChangePreview,
    SettingChange,
    apply_change,
    preview_change,
)
from modelops.switching.plan_text import write_value

AUTOMATIC = ("max_model_len", "tensor_parallel_size")
"""Settings of which none stands for `auto`; for others it is the engine's default."""
ENGINE_DEFAULT = gettext_lazy("the engine's default")


@dataclass(frozen=True)
class ChangeLine:
    """One line of the diff, in words."""

    name: str
    before: str
    after: str


def show_change(request: HttpRequest, admin: ModelAdmin[ModelProfile], profile: ModelProfile) -> HttpResponse:
    """The diff of what `?setting=value` asks for, and on POST its saving, as it was shown or not at all."""
    if not admin.has_change_permission(request, profile):
        raise PermissionDenied
    hardware = request.GET.get("hardware", "")
    choice = find_gpu_choice(hardware)
    context = {
        **admin.admin_site.each_context(request),
        "title": gettext("Change %(profile)s") % {"profile": profile.slug},
        "opts": ModelProfile._meta,
        "profile": profile,
        "hardware": choice,
        "fit_link": link_fit(profile, hardware),
    }
    status = 200
    try:
        wanted = dict(_read_wanted(request.GET))
        if request.method == "POST":
            return _apply(request, admin, profile, wanted)
        context |= _describe(preview_change(profile, wanted, choice), choice)
    except GatewayError as exc:
        context["problem"], status = say(exc.wording, gettext), exc.status
    template = "admin/modelops/modelprofile/change_preview.html"
    return TemplateResponse(request, template, context, status=status)


def _read_wanted(query: QueryDict) -> Iterator[tuple[str, Any]]:
    """Settings with their values, which are JSON. Raises InvalidRequest."""
    for name in ACCEPTED:
        if name in query:
            try:
                yield name, json.loads(str(query[name]))
            except ValueError as exc:
                raise InvalidRequest(fill_in("{field}: is no value.", field=name), param=name) from exc


def _apply(
    request: HttpRequest, admin: ModelAdmin[ModelProfile], profile: ModelProfile, wanted: dict[str, Any]
) -> HttpResponse:
    changes = apply_change(profile.pk, wanted, version=request.POST.get("version", ""), request=request)
    if changes:
        said = "; ".join(
            f"{line.name}: {line.before} → {line.after}" for line in map(describe_change, changes)
        )
        admin.log_change(request, profile, said)
        messages.success(
            request, gettext("Saved %(profile)s: %(changes)s.") % {"profile": profile.slug, "changes": said}
        )
    if "switch" in request.POST:
        return HttpResponseRedirect(reverse("admin:modelops_modelprofile_switch", args=[profile.pk]))
    return HttpResponseRedirect(link_fit(profile, request.GET.get("hardware", "")))


def _describe(preview: ChangePreview, choice: GpuChoice) -> dict[str, Any]:
    return {
        "lines": [describe_change(each) for each in preview.changes],
        "version": preview.version,
        "after": preview.after,
        "verdict_before": describe_fit(preview.before),
        "verdict_after": describe_fit(preview.after),
        "bars": draw_bars(preview.after, choice),
    }


def describe_change(change: SettingChange) -> ChangeLine:
    return ChangeLine(
        change.name, describe_value(change.name, change.before), describe_value(change.name, change.after)
    )


def describe_value(name: str, value: Any) -> str:
    if value is None:
        return "auto" if name in AUTOMATIC else str(ENGINE_DEFAULT)
    return write_value(value)
