"""Forms of the pages for signing in and up."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.password_validation import password_validators_help_texts
from django.core.validators import MaxLengthValidator
from django.utils.translation import gettext_lazy

from accounts.models import User
from accounts.serializers import MAX_LOGIN_NAME, MAX_PASSWORD


def bound_credentials(form: AuthenticationForm) -> None:
    """The bounds of log-ins by REST: folding and hashing megabytes takes a while."""
    for name, most in (("username", MAX_LOGIN_NAME), ("password", MAX_PASSWORD)):
        form.fields[name].validators.append(MaxLengthValidator(most))


class SignInForm(AuthenticationForm):
    """Django's, with bounds."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": gettext_lazy("No active account matches this user name and password."),
    }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        bound_credentials(self)


class SignUpForm(forms.Form):
    """What a newcomer gives. The rules of names and passwords are `accounts.services`' to check."""

    username = forms.CharField(max_length=User._meta.get_field("username").max_length)
    email = forms.EmailField(required=False, max_length=MAX_LOGIN_NAME)
    password = forms.CharField(max_length=MAX_PASSWORD, strip=False)

    @staticmethod
    def password_rules() -> list[str]:
        return password_validators_help_texts()
