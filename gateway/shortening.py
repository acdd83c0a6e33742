"""How much of a client's own text an error repeats: 200 characters, half of them in its `param`."""

from __future__ import annotations

import re

LONGEST_ECHO = 100
"""Characters of a client's own text that a message may repeat, and as many in `param`."""

LONGEST_MESSAGE = 500
"""Of any message, whoever wrote it: the engine's own repeat what they refuse."""

_quoted = re.compile(rf"([`\"'])((?:(?!\1).){{{LONGEST_ECHO + 1},}})\1", re.DOTALL)


def shorten(text: str, longest: int = LONGEST_ECHO) -> str:
    """`text` with its middle left out where it is longer: both ends may say what is wrong."""
    if len(text) <= longest:
        return text
    end = longest // 3
    return f"{text[: longest - end - 1]}…{text[len(text) - end :]}"


def shorten_quoted(message: str) -> str:
    """`message` with all that stands between quotation marks shortened."""
    return _quoted.sub(lambda found: f"{found[1]}{shorten(found[2])}{found[1]}", message)


def shorten_echoes(message: str, param: str | None) -> tuple[str, str | None]:
    """Both, with `param` and all that the message quotes repeated only so far as LONGEST_ECHO goes."""
    if param and len(param) > LONGEST_ECHO:
        message, param = message.replace(param, shorten(param)), shorten(param)
    if len(message) > LONGEST_ECHO:
        message = shorten(shorten_quoted(message), LONGEST_MESSAGE)
    return message, param
