"""Messages for people: English, with their values kept apart, so that they can be said in another language.

No Django here: `gateway.errors` and what raises them stand on this. `gateway.caller_language` translates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class FilledText(str):
    """A text with its values in it. As a string it is English; `text` is what catalogues have."""

    text: str
    values: Mapping[str, Any]

    def translated(self, translate: Callable[[str], str]) -> str:
        """In the language of `translate`; values that are such texts themselves are translated, too."""
        values = {
            name: value.translated(translate) if isinstance(value, FilledText) else value
            for name, value in self.values.items()
        }
        return translate(self.text).format_map(values)


def fill_in(text: str, **values: Any) -> FilledText:
    """`text` with each `{name}` replaced by the value of that name. `text` is a plain literal."""
    filled = FilledText(text.format_map(values))
    filled.text, filled.values = text, values
    return filled


def say(message: str, translate: Callable[[str], str]) -> str:
    """A message in the language of `translate`, which leaves alone what it does not know."""
    if isinstance(message, FilledText):
        return message.translated(translate)
    return translate(message) if message else message
