"""The admin site, with its password page replaced. Apart from `accounts.admin`, which registers with it."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminPasswordChangeForm
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse

from accounts.change_origin import origin_of
from accounts.limits.throttle import admit_login
from accounts.models import AuditEvent, User, Via
from accounts.services import set_new_password


class OwnPasswordView(PasswordChangeView):
    """Django's page, but attempts count as log-ins, and every other session ends."""

    form_class = AdminPasswordChangeForm

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if isinstance(request.user, User):
            admit_login(request, username=request.user.username, account=request.user)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        user: User = form.user
        set_new_password(
            user=user,
            password=form.cleaned_data["new_password1"],
            origin=origin_of(self.request, via=Via.ADMIN, actor=user),
            action=AuditEvent.Action.PASSWORD_CHANGED,
        )
        update_session_auth_hash(self.request, user)
        return HttpResponseRedirect(self.get_success_url())


class GatewayAdminSite(AdminSite):
    def password_change(  # type: ignore[override]  # django-stubs forget that it redirects
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        request.current_app = self.name
        view = OwnPasswordView.as_view(
            success_url=reverse("admin:password_change_done", current_app=self.name),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        return view(request)
