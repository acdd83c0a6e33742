"""The page that loads the file of profiles again: what would change is shown first, then that is done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext, ngettext

from gateway.errors import GatewayError
from gateway.shortening import shorten
from gateway.wording import say
from modelops.admin.fit_changes import describe_value
from modelops.models import ModelProfile
from modelops.profiles.changing import SettingChange
from modelops.profiles.reloading import PROFILES_PATH, RowDifference, apply_reload, preview_reload
from modelops.profiles.seed_result import Changes, SeedResult

LONGEST_VALUE = 200


@dataclass(frozen=True)
class DifferenceView:
    """One row that would change: a profile, or a hardware profile."""

    slug: str
    is_hardware: bool
    lines: tuple[tuple[str, str, str], ...]
    """Setting, now, then."""


def show_reload(request: HttpRequest, admin: ModelAdmin[ModelProfile]) -> HttpResponse:
    """The diff; on POST it is carried out as it was shown, or not at all."""
    if not admin.has_change_permission(request) or not admin.has_add_permission(request):
        raise PermissionDenied
    force = "force" in (request.POST if request.method == "POST" else request.GET)
    problem, status = "", 200
    if request.method == "POST":
        try:
            result = apply_reload(
                request.POST.get("fingerprint", ""), path=PROFILES_PATH, force=force, request=request
            )
        except GatewayError as exc:
            problem, status = say(exc.wording, gettext), exc.status
        else:
            messages.success(request, describe_result(result))
            return HttpResponseRedirect(reverse("admin:modelops_modelprofile_changelist"))
    preview = preview_reload(PROFILES_PATH, force=force)
    result = preview.result
    context: dict[str, Any] = {
        **admin.admin_site.each_context(request),
        "title": gettext("Load the file of profiles"),
        "opts": ModelProfile._meta,
        "file": PROFILES_PATH.name,
        "problem": problem,
        "invalid": result.invalid,
        "fingerprint": preview.fingerprint,
        "force": force,
        "created": view_differences(each for each in preview.differences if each.is_new),
        "changed": view_differences(each for each in preview.differences if not each.is_new),
        "drifted": _list_all(result, "drifted"),
        "unchanged": _list_all(result, "unchanged"),
        "missing": _list_all(result, "missing"),
    }
    template = "admin/modelops/modelprofile/reload.html"
    return TemplateResponse(request, template, context, status=status)


def view_differences(differences: Iterable[RowDifference]) -> list[DifferenceView]:
    return [
        DifferenceView(
            each.slug, each.kind == "hardware_profiles", tuple(_describe(change) for change in each.changes)
        )
        for each in differences
    ]


def _describe(change: SettingChange) -> tuple[str, str, str]:
    return (
        change.name,
        shorten(describe_value(change.name, change.before), LONGEST_VALUE),
        shorten(describe_value(change.name, change.after), LONGEST_VALUE),
    )


def _list_all(result: SeedResult, name: str) -> list[Any]:
    kinds: tuple[Changes, ...] = (result.profiles, result.hardware_profiles)
    return [each for changes in kinds for each in getattr(changes, name)]


def describe_result(result: SeedResult) -> str:
    created, updated = len(_list_all(result, "created")), len(_list_all(result, "updated"))
    parts = [
        ngettext("%(count)s was created", "%(count)s were created", created) % {"count": created},
        ngettext("%(count)s was changed", "%(count)s were changed", updated) % {"count": updated},
    ]
    return gettext("The file of profiles is loaded: %(what)s.") % {"what": ", ".join(parts)}
