"""Where images, sounds and files in messages may come from.

The engine fetches URLs from inside the network: the cloud's metadata service, the database, `file:`. The
gateway does not see redirects, nor names that resolve to internal addresses. So by default a medium has to be
in the request, as a `data:` URL. Embeddings are refused: they are tensors that the engine unpacks.

vLLM takes a medium's `uuid` for its only key in the caches of media, which all users share: whoever names
another's gets that one's medium, or has the other see theirs. So each user's ids are made their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from chat.caps import LONGEST_ID
from chat.nesting import is_nested_deeper
from gateway.errors import InvalidRequest
from gateway.wording import FilledText, fill_in

DEEPEST_MESSAGE = 32
"""Far more than the content of any message or the call of any tool."""

_public_https = re.compile(
    # Host names that the public DNS can have: no address in any notation, no single label, no user part.
    r"https://(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9](?::443)?(?:[/?][\x21-\x5b\x5d-\x7e]*)?",
    re.IGNORECASE,
)
_inner_name = re.compile(
    r"https://[^/?:]*\.(?:localhost|local|internal|intranet|lan|home|corp|arpa|test)(?=[:/?]|$)", re.I
)


def check_media(
    body: dict[str, Any],
    policy: str,
    *,
    make_private: Callable[[str], str],
    inputs: Iterable[str] = ("input",),
    takes_chats: bool = False,
    has_called_input: bool = False,
) -> None:
    """Checks the shape of `messages`, and where media in them and in `inputs` come from.

    With `takes_chats`, `messages` may be a list of chats.

    `policy` is MEDIA_URLS: off or https. Each medium's `uuid` is replaced by what `make_private` makes of it.
    `has_called_input`: see `chat.field_caps.FieldCaps`. Raises InvalidRequest.
    """
    parts = _Parts(policy, make_private, has_called_input)
    if (messages := body.get("messages")) is not None:
        if not isinstance(messages, list):
            raise InvalidRequest("messages: expected a list of objects.", param="messages")
        for index, message in enumerate(messages):
            if takes_chats and isinstance(message, list):
                for place, inner in enumerate(message):
                    _check_message(inner, f"messages.{index}.{place}", parts)
            elif not _is_plain(message):
                _check_message(message, f"messages.{index}", parts)
    for name in inputs:
        if name != "messages" and isinstance(given := body.get(name), list | dict):
            _check_depth(given, name)
            parts.check(given, path=name, is_url=name == "images")


def _is_plain(message: object) -> bool:
    """Whether all that it says is text, as most messages do."""
    return (
        type(message) is dict
        and {*map(type, message.values())} == {str}
        and "tool_calls" not in message
        and "function_call" not in message
    )


def _check_message(message: object, path: str, parts: _Parts) -> None:
    """An object, whose content is a text or a list of objects. vLLM reads anything else in its own way."""
    if not isinstance(message, dict):
        raise InvalidRequest(fill_in("{path}: expected an object.", path=path), param=path)
    for name, value in message.items():
        if isinstance(value, list | dict):
            _check_depth(value, f"{path}.{name}")
    content = message.get("content")
    if content is not None and not isinstance(content, str):
        _check_objects(content, f"{path}.content", fill_in("a text or a list of objects"))
        parts.check(content, path=f"{path}.content", is_url=False)
    if (calls := message.get("tool_calls")) is not None:
        _check_objects(calls, f"{path}.tool_calls", fill_in("a list of objects"))
        for index, call in enumerate(calls):
            _check_function(call.get("function"), f"{path}.tool_calls.{index}.function")
    _check_function(message.get("function_call"), f"{path}.function_call")


def _check_objects(value: object, path: str, expected: str) -> None:
    if not isinstance(value, list):
        raise InvalidRequest(
            fill_in("{path}: expected {expected}.", path=path, expected=expected), param=path
        )
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise InvalidRequest(
                fill_in("{path}.{index}: expected an object.", path=path, index=index),
                param=f"{path}.{index}",
            )


def _check_function(value: object, path: str) -> None:
    if value is not None and not isinstance(value, dict):
        raise InvalidRequest(fill_in("{path}: expected an object.", path=path), param=path)


def _check_depth(value: object, path: str) -> None:
    if is_nested_deeper(value, DEEPEST_MESSAGE):
        raise InvalidRequest(
            fill_in(
                "{path}: this gateway allows a nesting of {deepest_message} at most.",
                path=path,
                deepest_message=DEEPEST_MESSAGE,
            ),
            param=path,
        )


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of a message's content, in whichever shape."""

    policy: str
    make_private: Callable[[str], str]
    has_called_input: bool

    def check(self, value: Any, *, path: str, is_url: bool) -> None:
        if isinstance(value, dict):
            self._check_object(value, path)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                self.check(inner, path=f"{path}.{index}", is_url=is_url)
        elif is_url and isinstance(value, str) and not is_allowed_url(value, self.policy):
            wanted = describe_allowed_urls(self.policy)
            raise InvalidRequest(
                fill_in(
                    "{path}: expected {wanted}. The gateway lets nothing else be fetched.",
                    path=path,
                    wanted=wanted,
                ),
                param=path,
            )

    def _check_object(self, value: dict[str, Any], path: str) -> None:
        is_call = self.has_called_input and value.get("type") == "tool_use"
        for key, inner in value.items():
            if is_call and key == "input":
                continue
            if key.lower().endswith("embeds"):
                raise InvalidRequest(
                    fill_in("{path}: embeddings are not for clients to give.", path=path), param=path
                )
            if key == "uuid" and inner is not None:
                value[key] = self._private_id(inner, f"{path}.uuid")
            elif key != "annotations":  # what an earlier answer cited; nothing fetches that
                # `image_url`, `audio_url`, `video_url`, `file_url`, `url`, `uri`, in whichever shape.
                is_link = key.lower().endswith(("url", "uri"))
                self.check(inner, path=f"{path}.{key}", is_url=is_link)

    def _private_id(self, value: object, path: str) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST_ID:
            raise InvalidRequest(
                fill_in(
                    "{path}: expected a text of 1 to {longest_id} characters.",
                    path=path,
                    longest_id=LONGEST_ID,
                ),
                param=path,
            )
        return self.make_private(value)


def describe_allowed_urls(policy: str) -> FilledText:
    return fill_in("a data: URL") if policy == "off" else fill_in("a data: or public https: URL")


def is_allowed_url(url: str, policy: str) -> bool:
    if url.startswith("data:"):
        return True
    return policy == "https" and _public_https.fullmatch(url) is not None and _inner_name.match(url) is None
