"""The language in which a caller of the API reads messages: what its Accept-Language prefers, else English.

Looked at only when there is something to say: answers that go well pay nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header


def translator_for(accept_language: str | None) -> Callable[[str], str] | None:
    """What translates messages for a request with this header; None where they stay English."""
    language = preferred_language(accept_language or "")
    if language == settings.LANGUAGE_CODE:
        return None

    def translate(text: str) -> str:
        with translation.override(language):
            return translation.gettext(text)

    return translate


def preferred_language(accept_language: str) -> str:
    """The first of settings.LANGUAGES that the header names, by its weights."""
    for wanted, _weight in parse_accept_lang_header(accept_language):
        try:
            return translation.get_supported_language_variant(wanted)
        except LookupError:
            continue
    return settings.LANGUAGE_CODE
