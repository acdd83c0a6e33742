"""The language of a page or an answer: the choice of the account, a cookie, or what the browser asks for."""

from __future__ import annotations

from django.db import DatabaseError
from django.http import HttpRequest
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

from accounts.models import User
from gateway.caller_language import preferred_language


class LanguageMiddleware(LocaleMiddleware):
    """Django's; the choice of the account that the cookie is logged in with comes before all that.

    A call with a token is answered in the language that it asks for, as on the chat plane: pages send theirs.
    """

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        if "HTTP_AUTHORIZATION" in request.META:
            language: str | None = preferred_language(request.META.get("HTTP_ACCEPT_LANGUAGE", ""))
        else:
            language = language_of(request)
        if language is not None:
            translation.activate(language)
            request.LANGUAGE_CODE = translation.get_language()


def language_of(request: HttpRequest) -> str | None:
    """What the account chose, if there is a catalogue for it. Asks the database where there is a cookie."""
    if not request.COOKIES:
        return None
    try:
        locale = request.user.locale if isinstance(request.user, User) else ""
    except DatabaseError:  # for the view to meet, whose errors are answered in full
        return None
    try:
        return translation.get_supported_language_variant(locale) if locale else None
    except LookupError:
        return None
