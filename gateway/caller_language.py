"""The language in which a caller of the API reads messages: what its Accept-Language prefers, else English.

Looked at only when there is something to say: answers that go well pay nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import translation
from django.utils.functional import lazy
from django.utils.translation.trans_real import parse_accept_lang_header

from gateway.wording import say, say_all


def translator_for(accept_language: str | None) -> Callable[[str], str] | None:
    """What translates messages for a request with this header; None where they stay English."""
    language = preferred_language(accept_language or "")
    if language == settings.LANGUAGE_CODE:
        return None

    def translate(text: str) -> str:
        with translation.override(language):
            return translation.gettext(text)

    return translate


def say_here(content: Any) -> Any:
    """Values of JSON with their texts in Django's active language: of a request, a page or a command."""
    is_english = translation.get_language() == settings.LANGUAGE_CODE
    return say_all(content, None if is_english else translation.gettext)


def say_lazily(text: str) -> str:
    """The text for Django's `ValidationError`: in the language that is active when it is shown.

    `wording` of what is returned is the text itself.
    """
    said = lazy(lambda: say(text, translation.gettext), str)()
    said.wording = text  # type: ignore[attr-defined]
    return said


def describe_error(error: ValidationError) -> str:
    """What a single error says, as the text that `say_lazily` was given."""
    text: str = getattr(error.message, "wording", None) or error.messages[0]
    return text


def preferred_language(accept_language: str) -> str:
    """The first of settings.LANGUAGES that the header names, by its weights."""
    for wanted, _weight in parse_accept_lang_header(accept_language):
        try:
            return translation.get_supported_language_variant(wanted)
        except LookupError:
            continue
    return settings.LANGUAGE_CODE
