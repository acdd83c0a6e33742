"""The bodies of chat requests, and the error that names what is wrong with one.

`/api/chat` refuses unknown fields. `/v1` is parsed only as far as the gateway acts on it: everything
else is the engine's to judge, and passes through untouched.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta

from chat.caps import LONGEST_ENTRY, apply_caps
from chat.field_caps import GENERATION_CAPS, FieldCaps
from chat.lax_values import read_boolean
from chat.media import check_media
from chat.message_schemas import MAX_TEXT, ChatMessage, check_messages
from conversations.models import MAX_MODEL_NAME
from gateway.bodies import NOT_JSON, decode_json, holds_nul, not_json_message
from gateway.conf_requests import RequestConfig
from gateway.errors import InvalidRequest
from gateway.shortening import LONGEST_ECHO, shorten
from gateway.wording import fill_in

MAX_FILES = 1000
"""More than MAX_MESSAGE_FILES can be."""

StopSequence = Annotated[str, Meta(min_length=1, max_length=LONGEST_ENTRY)]


class AnswerRequest(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """How an answer is generated and sent: the body of `/regenerate` and `/continue`."""

    model: Annotated[str, Meta(max_length=MAX_MODEL_NAME)] = "current"
    stream: bool = False
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    stop: StopSequence | Annotated[list[StopSequence], Meta(max_length=4)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | None = None
    on_disconnect: Literal["finish", "cancel"] = "finish"
    truncation: Literal["error", "oldest"] = "error"
    """What becomes of a prompt that does not fit the context: refused, or without its oldest turns."""


class ChatRequest(AnswerRequest, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The body of POST /api/chat: either `messages` or `content`, with or without `conversation_id`."""

    messages: Annotated[list[ChatMessage], Meta(min_length=1, max_length=1000)] | None = None
    content: Annotated[str, Meta(max_length=MAX_TEXT)] | None = None
    """What the user says; may be empty or absent beside `file_ids`."""
    file_ids: Annotated[list[UUID], Meta(max_length=MAX_FILES)] = []
    conversation_id: UUID | None = None
    parent_id: UUID | None = None
    client_message_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,128}$(?!\n)")] | None = None
    store: bool = True


SAMPLING_FIELDS = ("temperature", "top_p", "max_tokens", "stop", "seed")
TOOL_FIELDS = ("tools", "tool_choice")

Parsed = TypeVar("Parsed", bound=AnswerRequest)

_chat_decoder = msgspec.json.Decoder(ChatRequest)
_answer_decoder = msgspec.json.Decoder(AnswerRequest)
_location = re.compile(r"(?P<problem>.*?) - at `\$\.?(?P<path>[^`]*)`$", re.DOTALL)
_unknown_field = re.compile(r"unknown field `(?P<name>.*)`", re.DOTALL)
_missing_field = re.compile(r"missing required field `(?P<name>[^`]*)`")


def parse_chat_request(
    body: bytes, config: RequestConfig, *, conversation_id: UUID | None = None
) -> ChatRequest:
    """The request, which goes on with `conversation_id` where its path names one.

    Raises InvalidRequest that names the field.
    """
    request = _decode(body, _chat_decoder, config)
    if conversation_id is not None:
        if request.conversation_id is not None:
            raise InvalidRequest("The path names the conversation already.", param="conversation_id")
        request = msgspec.structs.replace(request, conversation_id=conversation_id)
    _check_combination(request, config)
    return request


def parse_answer_request(body: bytes, config: RequestConfig) -> AnswerRequest:
    """A request that says nothing new; its body may be empty. Raises InvalidRequest, naming the field."""
    return _decode(body or b"{}", _answer_decoder, config)


def _decode(body: bytes, decoder: msgspec.json.Decoder[Parsed], config: RequestConfig) -> Parsed:
    if holds_nul(body):
        raise InvalidRequest("The body holds a NUL character, which cannot be stored.")
    try:
        request = decoder.decode(body)
    except msgspec.ValidationError as exc:
        raise _name_field(str(exc)) from exc
    except NOT_JSON as exc:
        raise InvalidRequest(not_json_message(body, exc)) from exc
    if request.max_tokens is not None and request.max_tokens > config.max_output_tokens:
        message = fill_in("max_tokens: this gateway allows {most} at most.", most=config.max_output_tokens)
        raise InvalidRequest(message, param="max_tokens")
    if request.tools is not None or request.tool_choice is not None:
        given = {name: value for name in TOOL_FIELDS if (value := getattr(request, name)) is not None}
        apply_caps(given, GENERATION_CAPS, config)
    return request


def _name_field(text: str) -> InvalidRequest:
    located = _location.match(text)
    problem, path = (located["problem"], located["path"]) if located else (text, "")
    inner = _unknown_field.search(problem) or _missing_field.search(problem)
    param = shorten(".".join(part for part in (path, inner["name"] if inner else "") if part))
    if inner:
        problem = problem.replace(inner[0], inner[0].partition("`")[0].rstrip())
    elif len(quoted := problem.partition("'")[2]) > LONGEST_ECHO:  # may hold the quotation mark itself
        problem = problem.replace(quoted, shorten(quoted))
    return InvalidRequest(f"{param}: {problem}" if param else problem, param=param or None)


def _check_combination(request: ChatRequest, config: RequestConfig) -> None:
    if request.messages is not None and request.file_ids:
        raise InvalidRequest("`file_ids` belongs to `content`; `messages` have parts.", param="file_ids")
    if (request.messages is None) == (request.content is None and not request.file_ids):
        raise InvalidRequest("Give either `messages` or `content`.", param="messages")
    if request.messages is not None:
        check_messages(
            request.messages, config, goes_on=request.conversation_id is not None, is_stored=request.store
        )
    elif not request.content and not request.file_ids:
        raise InvalidRequest(
            "content: expected a text of at least 1 character, or files beside it.", param="content"
        )
    elif len(request.file_ids) > config.max_message_files:
        message = fill_in("file_ids: a message has {most} files at most.", most=config.max_message_files)
        raise InvalidRequest(message, param="file_ids")
    if request.parent_id is not None and request.conversation_id is None:
        raise InvalidRequest("`parent_id` needs `conversation_id`.", param="parent_id")
    if not request.store:
        for name in ("conversation_id", "client_message_id"):
            if getattr(request, name) is not None:
                raise InvalidRequest(fill_in("`{name}` needs `store` to be true.", name=name), param=name)


def parse_openai_request(
    body: bytes, caps: FieldCaps, config: RequestConfig, *, make_private: Callable[[str], str]
) -> dict[str, Any]:
    """The body of a /v1 request as a mapping, without the fields that the gateway sets itself.

    Checks the fields that the gateway acts on, the shape of messages, the sources of media, and `caps`. Ids
    of media become what `make_private` makes of them. A NUL character may be in it: what is stored of such
    bodies is JSON, in which it is escaped. Raises InvalidRequest.
    """
    try:
        content = decode_json(body)
    except NOT_JSON as exc:
        raise InvalidRequest(not_json_message(body, exc)) from exc
    if not isinstance(content, dict):
        raise InvalidRequest("The body must be a JSON object.")
    if content.get("model") is None:
        content["model"] = ""
    if not isinstance(content["model"], str):
        raise InvalidRequest("`model` must be a string.", param="model")
    if (stream := content.get("stream")) is not None:
        if (is_stream := read_boolean(stream)) is None:
            raise InvalidRequest("`stream` must be true or false.", param="stream")
        content["stream"] = is_stream
    if not isinstance(content.get("stream_options") or {}, dict):
        raise InvalidRequest("`stream_options` must be an object.", param="stream_options")
    check_media(
        content,
        config.media_urls,
        make_private=make_private,
        inputs=(*(caps.inputs or ("input",)), *caps.prompt_fields),
        takes_chats=caps.takes_chats,
        has_called_input=caps.has_called_input,
    )
    return apply_caps(content, caps, config)
