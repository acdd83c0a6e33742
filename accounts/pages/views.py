"""Pages on which people sign in, up and out. What they change about their account goes by REST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.views import LoginView, LogoutView, RedirectURLMixin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext
from django.views.generic import FormView, View
from django.views.i18n import set_language

from accounts.backends import LOGIN_BACKEND
from accounts.change_origin import origin_of
from accounts.cookie_logins import end_cookie_login, record_cookie_login, record_failed_cookie_login
from accounts.limits.throttle import admit_login
from accounts.models import User, Via
from accounts.oidc.refusals import say_refusal
from accounts.pages.forms import SignInForm, SignUpForm
from accounts.pages.identity_provider import describe_provider
from accounts.pages.waiting import describe_wait
from accounts.services import change_profile, register_account
from gateway.conf import get_config
from gateway.errors import InvalidRequest, PermissionDenied, RateLimitExceeded
from gateway.wording import say

if TYPE_CHECKING:
    SignUpFormView = FormView[SignUpForm]
else:
    SignUpFormView = FormView


class SignInView(LoginView):
    """Django's, with attempts on record and counted as those by REST are."""

    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        asked, config = self.request.GET, get_config()
        context = {
            "may_register": config.is_registration_open,
            "is_deleted": "deleted" in asked,
            "refused": say_refusal(asked.get("refused", "")),
            "provider": describe_provider(config),
        }
        return super().get_context_data(**context | kwargs)

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
        context = self.get_context_data(form=SignInForm(self.request), refusal=describe_wait(refusal))
        context["typed_name"] = self.request.POST.get("username", "")
        return self.render_to_response(context, status=refusal.status, headers=refusal.headers)


class SignUpView(RedirectURLMixin, SignUpFormView):
    """Makes an account where REGISTRATION is on, as POST /api/auth/register does, and signs it in."""

    template_name = "accounts/sign_up.html"
    form_class = SignUpForm
    next_page = settings.LOGIN_REDIRECT_URL

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not get_config().is_registration_open:
            raise PermissionDenied("Registration is switched off. Ask an administrator for an account.")
        if request.user.is_authenticated:
            return HttpResponseRedirect(self.get_success_url())
        response: HttpResponse = super().dispatch(request, *args, **kwargs)  # type: ignore[assignment]
        response.headers["Cache-Control"] = "no-store"
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(next=self.get_redirect_url(), **kwargs)

    def form_valid(self, form: SignUpForm) -> HttpResponse:
        typed = form.cleaned_data
        try:
            admit_login(self.request, username=typed["username"])
            user = register_account(
                username=typed["username"],
                password=typed["password"],
                email=typed["email"] or None,
                origin=origin_of(self.request, via=Via.PAGE),
            )
        except RateLimitExceeded as refusal:
            context = self.get_context_data(form=form, refusal=describe_wait(refusal))
            return self.render_to_response(context, status=refusal.status, headers=refusal.headers)
        except InvalidRequest as problem:
            form.add_error(
                problem.param if problem.param in form.fields else None, say(problem.wording, gettext)
            )
            return self.form_invalid(form)
        login(self.request, user, backend=LOGIN_BACKEND)
        record_cookie_login(self.request, user, via=Via.PAGE)
        return super().form_valid(form)


class SignOutView(LogoutView):
    next_page = settings.LOGIN_URL

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        end_cookie_login(request, via=Via.PAGE)
        return super().post(request, *args, **kwargs)


class LanguageView(View):
    """Remembers the language in a cookie, and with the account of whoever is signed in."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        chosen = request.POST.get("language")
        if chosen not in dict(settings.LANGUAGES):
            raise InvalidRequest("There is no such language.", param="language")
        if isinstance(request.user, User):
            change_profile(user=request.user, changes={"locale": chosen})
        return set_language(request)
