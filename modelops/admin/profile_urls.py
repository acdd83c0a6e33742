"""The addresses of the pages of profiles beside Django's own, each for administrators alone."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path

from modelops.admin.add_pages import show_add_model
from modelops.admin.demand_pages import show_demand
from modelops.admin.duplicating import duplicate_one
from modelops.admin.fit_changes import show_change
from modelops.admin.fit_pages import show_fit
from modelops.admin.form_check import check_form
from modelops.admin.preload_pages import end_preload, send_preload, show_preload
from modelops.admin.reload_pages import show_reload
from modelops.admin.switch_pages import show_switch_request
from modelops.models import ModelProfile

Page = Callable[[HttpRequest, Any], HttpResponse]
"""Takes the request and the admin class."""
ProfilePage = Callable[[HttpRequest, Any, ModelProfile], HttpResponse]

PAGES: tuple[tuple[str, str, Page], ...] = (
    ("fit/", "fit", lambda request, admin: show_fit(request, admin.admin_site)),
    ("recommend/", "recommend", lambda request, admin: show_demand(request, admin.admin_site)),
    ("reload/", "reload", show_reload),
    ("find/", "find", show_add_model),
    ("check/", "check_new", lambda request, admin: check_form(request, admin, None)),
)
PAGES_OF_ONE: tuple[tuple[str, str, ProfilePage], ...] = (
    ("switch/", "switch", lambda request, admin, row: show_switch_request(request, admin.admin_site, row)),
    ("duplicate/", "duplicate", duplicate_one),
    ("check/", "check", check_form),
    ("apply/", "change_preview", show_change),
    ("preload/", "preload", lambda request, admin, row: show_preload(request, admin.admin_site, row)),
    ("preload/progress/", "preload_progress", lambda request, _admin, row: send_preload(request, row)),
    ("preload/cancel/", "preload_cancel", lambda request, _admin, row: end_preload(request, row)),
)
"""Below the id of a profile."""


def list_profile_urls(admin: Any) -> list[URLPattern]:
    """Named `modelops_modelprofile_…`, as Django's own are."""
    return [
        *(path(route, _wrap(admin, show), name=_name(name)) for route, name, show in PAGES),
        *(
            path(f"<uuid:profile_id>/{route}", _wrap_one(admin, show), name=_name(name))
            for route, name, show in PAGES_OF_ONE
        ),
    ]


def _name(name: str) -> str:
    return f"modelops_modelprofile_{name}"


def _wrap(admin: Any, show: Page) -> Any:
    return admin.admin_site.admin_view(lambda request: show(request, admin))


def _wrap_one(admin: Any, show: ProfilePage) -> Any:
    def view(request: HttpRequest, profile_id: uuid.UUID) -> HttpResponse:
        return show(request, admin, get_object_or_404(ModelProfile, pk=profile_id))

    return admin.admin_site.admin_view(view)
