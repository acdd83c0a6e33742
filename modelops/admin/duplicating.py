"""Copies of profiles, made from the list or from a profile's form."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from gateway.audit import AuditedAdmin
from gateway.errors import GatewayError
from gateway.wording import say
from modelops.models import ModelProfile
from modelops.profiles.adding import duplicate_profile


def duplicate_profiles(
    request: HttpRequest, admin: AuditedAdmin, profiles: Iterable[ModelProfile]
) -> list[ModelProfile]:
    """The copies of those that are valid, on record; messages tell of both."""
    if not admin.has_add_permission(request):
        raise PermissionDenied
    copies = []
    for row in profiles:
        try:
            with transaction.atomic():
                copy = duplicate_profile(row)
                admin.record("created", copy, request, {"copy_of": row.slug})
        except GatewayError as exc:
            messages.error(request, say(exc.wording, gettext))
            continue
        copies.append(copy)
        admin.log_addition(request, copy, "Duplicated.")
        text = gettext("{} is a copy of {}. It is disabled: nobody can switch to it until it is enabled.")
        link = format_html('<a href="{}">{}</a>', link_form(copy), copy.slug)
        messages.success(request, format_html(text, link, row.slug))
    return copies


@require_POST
def duplicate_one(request: HttpRequest, admin: AuditedAdmin, profile: ModelProfile) -> HttpResponse:
    """Leads to the form of the copy, or back to that of a profile that cannot be copied."""
    copies = duplicate_profiles(request, admin, [profile])
    return HttpResponseRedirect(link_form(copies[0] if copies else profile))


def link_form(profile: ModelProfile) -> str:
    return reverse("admin:modelops_modelprofile_change", args=[profile.pk])
