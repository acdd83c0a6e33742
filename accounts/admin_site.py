"""The admin site, with its password page replaced. Apart from `accounts.admin`, which registers with it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminAuthenticationForm, AdminPasswordChangeForm
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy

from accounts.change_origin import origin_of
from accounts.cookie_logins import end_cookie_login, record_cookie_login, record_failed_cookie_login
from accounts.cookie_sessions import open_cookie_session
from accounts.limits.throttle import admit_login
from accounts.login_trail import record_failed_login
from accounts.models import AuditEvent, User, Via
from accounts.pages.forms import bound_credentials
from accounts.pages.identity_provider import describe_provider
from accounts.services import set_new_password
from gateway.conf import get_config


class OwnPasswordView(PasswordChangeView):
    """Django's page, but attempts count as log-ins, and every other session ends."""

    form_class = AdminPasswordChangeForm

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if isinstance(request.user, User):
            admit_login(request, username=request.user.username, account=request.user)
        return super().post(request, *args, **kwargs)

    def form_invalid(self, form: Any) -> HttpResponse:
        if form.has_error("old_password", "password_incorrect"):
            origin = origin_of(self.request, via=Via.ADMIN, actor=form.user)
            record_failed_login(account=form.user, origin=origin)
        return super().form_invalid(form)

    def form_valid(self, form: Any) -> HttpResponse:
        user: User = form.user
        set_new_password(
            user=user,
            password=form.cleaned_data["new_password1"],
            origin=origin_of(self.request, via=Via.ADMIN, actor=user),
            action=AuditEvent.Action.PASSWORD_CHANGED,
        )
        update_session_auth_hash(self.request, user)
        open_cookie_session(self.request, user)
        return HttpResponseRedirect(self.get_success_url())


class BoundedLoginForm(AdminAuthenticationForm):
    """Django's, with the bounds of log-ins by REST: folding and hashing megabytes takes a while."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        bound_credentials(self)


class GatewayAdminSite(AdminSite):
    """Django's site, with log-ins and log-outs on record and their cookies among the sessions."""

    login_form = BoundedLoginForm
    # The desk has a navigation of its own, by subjects (gateway.templatetags.desk).
    enable_nav_sidebar = False
    index_template = "admin/desk/index.html"
    index_title = gettext_lazy("Desk")

    def login(  # type: ignore[override]  # django-stubs forget that it redirects
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        context = {"provider": describe_provider(get_config()), **(extra_context or {})}
        response = super().login(request, context)
        if request.method == "POST":
            _record_attempt(request, response)
        return response

    def logout(  # type: ignore[override]  # as above
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        if request.method == "POST":
            end_cookie_login(request, via=Via.ADMIN)
        return super().logout(request, extra_context)

    def password_change(  # type: ignore[override]  # django-stubs forget that it redirects
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        request.current_app = self.name
        view = OwnPasswordView.as_view(
            success_url=reverse("admin:password_change_done", current_app=self.name),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        return view(request)


def _record_attempt(request: HttpRequest, response: HttpResponseBase) -> None:
    if response.status_code == HTTPStatus.FOUND and isinstance(request.user, User):
        record_cookie_login(request, request.user, via=Via.ADMIN)
        return
    context = (response.context_data if isinstance(response, TemplateResponse) else None) or {}
    typed = context["form"].cleaned_data if "form" in context else {}
    record_failed_cookie_login(request, typed, via=Via.ADMIN)
