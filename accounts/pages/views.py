"""Pages on which people sign in, up and out. What they change about their account goes by REST."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse

from accounts.cookie_logins import end_cookie_login, record_cookie_login, record_failed_cookie_login
from accounts.models import Via
from accounts.pages.forms import SignInForm
from gateway.conf import get_config
from gateway.errors import RateLimitExceeded


class SignInView(LoginView):
    """Django's, with attempts on record and counted as those by REST are."""

    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(may_register=get_config().registration, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = self.get_form()
        try:
            is_valid = form.is_valid()
        except RateLimitExceeded as refusal:
            return self._refuse(refusal)
        return self.form_valid(form) if is_valid else self.form_invalid(form)

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        record_cookie_login(self.request, form.get_user(), via=Via.PAGE)
        return response

    def form_invalid(self, form: Any) -> HttpResponse:
        record_failed_cookie_login(self.request, form.cleaned_data, via=Via.PAGE)
        return self.render_to_response(self.get_context_data(form=form))

    def _refuse(self, refusal: RateLimitExceeded) -> HttpResponse:
        context = self.get_context_data(form=SignInForm(self.request), refusal=refusal.message)
        return self.render_to_response(context, status=refusal.status, headers=refusal.headers)


class SignOutView(LogoutView):
    next_page = settings.LOGIN_URL

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        end_cookie_login(request, via=Via.PAGE)
        return super().post(request, *args, **kwargs)
