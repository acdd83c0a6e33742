"""The language of a page or an answer: what the account chose, else what its browser asks for."""

from __future__ import annotations

from django.http import HttpRequest
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

from accounts.models import User


class LanguageMiddleware(LocaleMiddleware):
    """Django's; the choice of the account that the cookie is logged in with comes before all that."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        language = language_of(request)
        if language is not None:
            translation.activate(language)
            request.LANGUAGE_CODE = translation.get_language()


def language_of(request: HttpRequest) -> str | None:
    """What the account chose, if there is a catalogue for it. Asks the database where there is a cookie."""
    if not request.COOKIES or not isinstance(request.user, User) or not request.user.locale:
        return None
    try:
        return translation.get_supported_language_variant(request.user.locale)
    except LookupError:
        return None
