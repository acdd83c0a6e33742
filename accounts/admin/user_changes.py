"""What administrators do on an account's page: set limits, revoke keys, end sessions. Each goes on record."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST

from accounts.admin.base import admin_origin
from accounts.admin.limit_words import say_allowance, say_kind, say_source
from accounts.admin.user_panels import AccountLimitForm
from accounts.api_keys import revoke_api_key
from accounts.limits.in_force import LimitInForce, list_limits_in_force
from accounts.limits.rows import remove_account_limit, set_account_limit
from accounts.limits.rules import Allowance
from accounts.models import ApiKey, Role, Session, User
from accounts.sessions import end_session, end_sessions

UserPages: TypeAlias = "ModelAdmin[User]"
"""The admin of accounts, whose pages these are."""


def paths_of_account(pages: UserPages) -> list[URLPattern]:
    """Below the path of the list of accounts. Only the form of a limit is also read."""

    def changing(route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
        answer = require_POST(partial(view, pages))
        return path(f"<uuid:user_id>/{route}/", pages.admin_site.admin_view(answer), name=name)

    form = pages.admin_site.admin_view(partial(change_limit, pages))
    return [
        path("<uuid:user_id>/limits/<str:kind>/", form, name="accounts_user_limit"),
        changing("limits/<str:kind>/remove", remove_limit, "accounts_user_limit_remove"),
        changing("keys/<uuid:key_id>/revoke", revoke_key, "accounts_user_key_revoke"),
        changing("sessions/<uuid:session_id>/end", end_one_session, "accounts_user_session_end"),
        changing("sessions/end", log_out_everywhere, "accounts_user_log_out"),
    ]


def change_limit(pages: UserPages, request: HttpRequest, user_id: uuid.UUID, kind: str) -> HttpResponse:
    """A limit for this account alone: the form, filled with what is in force; sent, it is validated."""
    user = _find_user(pages, request, user_id)
    limit = _find_limit(user, kind)
    form = AccountLimitForm(limit, request.POST if request.method == "POST" else None)
    if form.is_valid() and _is_stored(form, limit, user, request):
        amount = say_allowance(Allowance(form.cleaned_data["value"], form.cleaned_data.get("window_s") or 0))
        text = gettext("The limit of this account is set. {kind}: {amount}.")
        pages.message_user(request, text.format(kind=say_kind(limit.kind), amount=amount), messages.SUCCESS)
        return _back_to(user, "limits")
    context = {
        **pages.admin_site.each_context(request),
        "title": gettext("A limit for {name}").format(name=user),
        "opts": pages.opts,
        "account": user,
        "limit": limit,
        "name": say_kind(limit.kind),
        "amount": say_allowance(limit.allowance),
        "source": say_source(limit, Role(user.role)),
        "form": form,
    }
    return TemplateResponse(request, "admin/accounts/user/limit.html", context)


def remove_limit(pages: UserPages, request: HttpRequest, user_id: uuid.UUID, kind: str) -> HttpResponse:
    user = _find_user(pages, request, user_id)
    limit = _find_limit(user, kind)
    if remove_account_limit(user=user, kind=limit.kind, origin=admin_origin(request)):
        text = gettext("The account has no limit of its own any more: {kind}.")
        pages.message_user(request, text.format(kind=say_kind(limit.kind)), messages.SUCCESS)
    return _back_to(user, "limits")


def revoke_key(pages: UserPages, request: HttpRequest, user_id: uuid.UUID, key_id: uuid.UUID) -> HttpResponse:
    user = _find_user(pages, request, user_id)
    key = get_object_or_404(ApiKey, pk=key_id, user=user)
    if revoke_api_key(key=key, origin=admin_origin(request)):
        text = gettext("The key {key} is revoked. It stopped working.")
        pages.message_user(request, text.format(key=key), messages.SUCCESS)
    else:
        pages.message_user(request, gettext("This key was revoked before."), messages.INFO)
    if request.POST.get("back") == "list":
        return HttpResponseRedirect(reverse("admin:accounts_apikey_changelist"))
    return _back_to(user, "keys")


def end_one_session(
    pages: UserPages, request: HttpRequest, user_id: uuid.UUID, session_id: uuid.UUID
) -> HttpResponse:
    user = _find_user(pages, request, user_id)
    session = get_object_or_404(Session.objects.select_related("user"), pk=session_id, user=user)
    if end_session(session=session, origin=admin_origin(request)):
        pages.message_user(request, gettext("The session has ended."), messages.SUCCESS)
    else:
        pages.message_user(request, gettext("This session had ended before."), messages.INFO)
    return _back_to(user, "sessions")


def log_out_everywhere(pages: UserPages, request: HttpRequest, user_id: uuid.UUID) -> HttpResponse:
    user = _find_user(pages, request, user_id)
    ended = end_sessions([user], reason=Session.EndReason.ADMIN, origin=admin_origin(request))
    text = ngettext(
        "Logged out everywhere: {count} session of {name} ended. API keys go on working.",
        "Logged out everywhere: {count} sessions of {name} ended. API keys go on working.",
        ended,
    )
    pages.message_user(request, text.format(name=user, count=ended), messages.SUCCESS)
    return _back_to(user, "sessions")


def _find_user(pages: UserPages, request: HttpRequest, user_id: uuid.UUID) -> User:
    user: User = get_object_or_404(User, pk=user_id)
    if not pages.has_change_permission(request, user):
        raise PermissionDenied
    return user


def _find_limit(user: User, kind: str) -> LimitInForce:
    for limit in list_limits_in_force(user):
        if limit.kind == kind:
            return limit
    raise Http404


def _is_stored(form: AccountLimitForm, limit: LimitInForce, user: User, request: HttpRequest) -> bool:
    """Store what was entered; False, with the problem in the form, where the rules of limits refuse it."""
    value, window_s = form.cleaned_data["value"], form.cleaned_data.get("window_s")
    try:
        set_account_limit(
            user=user, kind=limit.kind, value=value, window_s=window_s, origin=admin_origin(request)
        )
    except ValidationError as exc:
        form.add_error(None, exc.messages)
        return False
    return True


def _back_to(user: User, part: str) -> HttpResponseRedirect:
    return HttpResponseRedirect(f"{reverse('admin:accounts_user_change', args=[user.pk])}#{part}")
