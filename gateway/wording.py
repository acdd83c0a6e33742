"""Messages for people: English, with their values kept apart, so that they can be said in another language.

No Django here: `gateway.errors`, `modelops.domain` and what raises or makes messages stand on this. The faces
translate at the last moment: `gateway.caller_language` for the API, Django's active language for pages and
commands. `gateway.database.texts` keeps template and values in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, ClassVar, Self, TypeAlias

Translate = Callable[[str], str]

Translatable: TypeAlias = str
"""Annotates a table whose texts `fill_text` fills in later, so that catalogues have them."""


class FilledText(str):
    """A text with its values in it. As a string it is English; `text` is what catalogues have."""

    text: str
    values: Mapping[str, Any]
    translate_for_page: ClassVar[Translate] = staticmethod(lambda text: text)
    """Into the language of the page that is being made; `gateway.apps` sets it to Django's."""

    @classmethod
    def of(cls, english: str, text: str, values: Mapping[str, Any]) -> Self:
        """From its parts, as they were stored."""
        filled = cls(english)
        filled.text, filled.values = text, values
        return filled

    def translated(self, translate: Translate) -> str:
        """In the language of `translate`; values that are such texts themselves are translated, too."""
        values = {
            name: value.translated(translate) if isinstance(value, FilledText) else value
            for name, value in self.values.items()
        }
        return translate(self.text).format_map(values)

    def __html__(self) -> str:
        """What templates and `format_html` show, in the reader's language."""
        return escape(self.translated(FilledText.translate_for_page))


def fill_in(text: str, /, **values: Any) -> FilledText:
    """`text` with each `{name}` replaced by the value of that name. `text` is a plain literal."""
    return fill_text(text, values)


def fill_text(text: Translatable, values: Mapping[str, Any]) -> FilledText:
    """As `fill_in`, for a text out of a table that is annotated as `Translatable`."""
    kept = {
        name: value if isinstance(value, str | int | float) else str(value) for name, value in values.items()
    }
    return FilledText.of(text.format_map(kept), text, kept)


def join_texts(separator: str, texts: Sequence[str]) -> str:
    """The texts with the separator between them, each still to be translated."""
    names = [f"part_{number}" for number in range(len(texts))]
    return fill_text(separator.join(f"{{{name}}}" for name in names), dict(zip(names, texts, strict=True)))


def end_sentence(text: str) -> str:
    """As a whole sentence: with a capital in front and a full stop behind."""
    capitalised = f"{text[:1].upper()}{text[1:]}"
    if not isinstance(text, FilledText):
        return capitalised if text.endswith((".", "!", "?")) else f"{capitalised}."
    template = "{sentence}" if text.endswith((".", "!", "?")) else "{sentence}."
    return FilledText.of(template.format(sentence=capitalised), template, {"sentence": text})


def say(message: str, translate: Translate) -> str:
    """A message in the language of `translate`, which leaves alone what it does not know."""
    if isinstance(message, FilledText):
        return message.translated(translate)
    return translate(message) if message else message


def say_all(content: Any, translate: Translate | None = None) -> Any:
    """Plain values (of JSON) with their `FilledText`s as plain strings, in the language of `translate`.

    Other strings stay as they are: names and codes are no texts. Without `translate` it is English.
    """
    if isinstance(content, FilledText):
        return content.translated(translate) if translate else str(content)
    if isinstance(content, Mapping):
        return {name: say_all(value, translate) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [say_all(value, translate) for value in content]
    return content
