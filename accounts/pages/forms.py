"""Forms of the pages for signing in and up."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.core.validators import MaxLengthValidator

from accounts.serializers import MAX_LOGIN_NAME, MAX_PASSWORD


def bound_credentials(form: AuthenticationForm) -> None:
    """The bounds of log-ins by REST: folding and hashing megabytes takes a while."""
    for name, most in (("username", MAX_LOGIN_NAME), ("password", MAX_PASSWORD)):
        form.fields[name].validators.append(MaxLengthValidator(most))


class SignInForm(AuthenticationForm):
    """Django's, with bounds."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        bound_credentials(self)
