"""The messages of /api/chat: texts, images and files, calls of tools and their results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from chat.media import describe_allowed_urls, is_allowed_url
from conversations.models.messages import MAX_CONTENT, MAX_TOOL_CALL_ID
from gateway.bodies import NOT_JSON
from gateway.conf_requests import RequestConfig
from gateway.errors import InvalidRequest
from gateway.wording import FilledText, fill_in

MAX_TEXT = MAX_CONTENT
MAX_PARTS = 1000

Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
CallId = Annotated[str, Meta(min_length=1, max_length=MAX_TOOL_CALL_ID)]


class TextPart(msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag_field="type", tag="text"):
    text: Text


class ImageUrl(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    url: Annotated[str, Meta(min_length=1)]
    detail: Literal["auto", "low", "high"] | None = None


class ImageUrlPart(
    msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag_field="type", tag="image_url"
):
    image_url: ImageUrl


class ImagePart(msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag_field="type", tag="image"):
    file_id: UUID


class FilePart(msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag_field="type", tag="file"):
    file_id: UUID


ContentPart = TextPart | ImageUrlPart | ImagePart | FilePart


class CalledFunction(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    name: Annotated[str, Meta(min_length=1, max_length=MAX_TOOL_CALL_ID)]
    arguments: Annotated[str, Meta(max_length=MAX_TEXT)]


class CalledTool(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    id: CallId
    function: CalledFunction
    type: Literal["function"] = "function"


class ChatMessage(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    role: Literal["system", "user", "assistant", "tool"]
    content: (
        Annotated[str, Meta(max_length=MAX_TEXT)]
        | Annotated[list[ContentPart], Meta(min_length=1, max_length=MAX_PARTS)]
        | None
    ) = None
    tool_calls: Annotated[list[CalledTool], Meta(min_length=1, max_length=128)] | None = None
    tool_call_id: CallId | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is a text and nothing else, as most messages are."""
        return type(self.content) is str and self.tool_calls is None and self.tool_call_id is None


def check_messages(
    messages: Sequence[ChatMessage], config: RequestConfig, *, goes_on: bool, is_stored: bool
) -> None:
    """Raises InvalidRequest. `goes_on`: they follow a conversation that is stored, of which only the server
    writes the answers.
    """
    for place, message in enumerate(messages):
        path = f"messages[{place}]"
        if goes_on and message.role not in ("user", "tool"):
            raise InvalidRequest(
                fill_in(
                    "{path}: with `conversation_id`, messages are results of tools and what the user says.",
                    path=f"{path}.role",
                ),
                param=f"{path}.role",
            )
        if message.is_plain and message.role != "tool":
            if not message.content:
                raise _wrong(f"{path}.content", fill_in("expected a text of at least 1 character"))
        else:
            _check_message(message, path, config, is_stored=is_stored)
    if messages[-1].role not in ("user", "tool"):
        raise InvalidRequest("The last message must have the role `user` or `tool`.", param="messages")


def _check_message(message: ChatMessage, path: str, config: RequestConfig, *, is_stored: bool) -> None:
    if message.tool_calls is not None and message.role != "assistant":
        raise _wrong(f"{path}.tool_calls", fill_in("only the assistant calls tools"))
    if (message.tool_call_id is not None) != (message.role == "tool"):
        raise _wrong(f"{path}.tool_call_id", fill_in("messages of the role `tool` have one, and no others"))
    if isinstance(message.content, list):
        if message.role != "user":
            raise _wrong(f"{path}.content", fill_in("only the user's messages have parts; expected a text"))
        _check_parts(message.content, f"{path}.content", config, is_stored=is_stored)
    elif message.role == "tool":
        if message.content is None:
            raise _wrong(f"{path}.content", fill_in("expected a text"))
    elif not message.content and message.tool_calls is None:
        raise _wrong(f"{path}.content", fill_in("expected a text or parts"))
    for place, call in enumerate(message.tool_calls or ()):
        _check_arguments(call.function.arguments, f"{path}.tool_calls[{place}].function.arguments")


def _check_parts(parts: Sequence[ContentPart], path: str, config: RequestConfig, *, is_stored: bool) -> None:
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    if sum(map(len, texts)) > MAX_TEXT:
        raise _wrong(
            path, fill_in("expected texts of {most} characters at most, all together", most=MAX_TEXT)
        )
    if len(parts) - len(texts) > config.max_message_files:
        raise _wrong(path, fill_in("a message has {most} files at most", most=config.max_message_files))
    for place, part in enumerate(parts):
        if isinstance(part, ImageUrlPart):
            _check_url(part.image_url.url, f"{path}[{place}].image_url.url", config, is_stored=is_stored)


def _check_url(url: str, path: str, config: RequestConfig, *, is_stored: bool) -> None:
    if is_stored and not url.startswith("data:"):
        raise _wrong(
            path, fill_in("expected a data: URL. A conversation that is stored keeps its images itself")
        )
    if not is_allowed_url(url, config.media_urls):
        wanted = describe_allowed_urls(config.media_urls)
        problem = fill_in("expected {wanted}. The gateway lets nothing else be fetched", wanted=wanted)
        raise _wrong(path, problem)


def _check_arguments(arguments: str, path: str) -> None:
    """An object in JSON, or nothing: engines refuse a prompt with anything else."""
    try:
        is_object = not arguments or isinstance(msgspec.json.decode(arguments), dict)
    except NOT_JSON:
        is_object = False
    if not is_object:
        raise _wrong(path, fill_in("expected an object in JSON"))


def _wrong(path: str, problem: FilledText) -> InvalidRequest:
    return InvalidRequest(fill_in("{path}: {problem}.", path=path, problem=problem), param=path)
