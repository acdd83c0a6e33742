"""Builds the call to the engine from a client's request, and lists the served models."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from chat.endpoints import CHAT_BATCH, CHAT_COMPLETIONS, Endpoint
from chat.input_counts import count_chats
from chat.lax_values import read_boolean
from chat.schemas import SAMPLING_FIELDS, TOOL_FIELDS, AnswerRequest
from chat.upstream import EngineCall
from conversations.branches import Prompt
from gateway.errors import InvalidRequest
from gateway.wording import fill_in
from modelops.serving.engine_client import ServedModel
from modelops.serving.live import LiveBoard
from modelops.serving.routes import CURRENT, Route

CONTINUE_FIELDS = {"continue_final_message": True, "add_generation_prompt": False}
"""By which vLLM goes on with the last message instead of answering it."""

_traceparent = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def call_for_chat(
    route: Route,
    *,
    request: AnswerRequest,
    prompt: Prompt,
    continues: bool,
    salt: dict[str, str],
    traceparent: str | None,
) -> EngineCall:
    """Always a stream, with usage: an answer that is cut short keeps its text, and a whole one its counts.

    With `continues`, the last message of the prompt is an answer to go on with. `salt` is from
    `chat.prompt_cache`.
    """
    payload: dict[str, Any] = {
        **salt,
        "model": route.model,
        "messages": prompt,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if continues:
        payload |= CONTINUE_FIELDS
    for name in (*SAMPLING_FIELDS, *TOOL_FIELDS):
        if (value := getattr(request, name)) is not None:
            payload[name] = value
    return _call(CHAT_COMPLETIONS, payload, route, traceparent)


def call_for_openai(
    route: Route, *, endpoint: Endpoint, body: dict[str, Any], salt: dict[str, str], traceparent: str | None
) -> EngineCall:
    """The client's body with the model's real name and `salt`. Streams always ask for usage, where the wire
    does not bring it anyway.
    """
    payload = body | {"model": route.model}
    if endpoint.is_salted:
        payload |= salt
    if endpoint.asks_for_usage and endpoint.can_stream and body.get("stream"):
        options = {**(body.get("stream_options") or {}), "include_usage": True}
        if not wants_usage(body):
            # The engine ignores it beside no `include_usage`, and would put usage into every event else.
            options.pop("continuous_usage_stats", None)
        payload["stream_options"] = options
    return _call(endpoint, payload, route, traceparent)


def limit_output(
    payload: dict[str, Any], route: Route, fields: tuple[str, ...] = CHAT_COMPLETIONS.output_fields
) -> dict[str, Any]:
    """The payload, with the profile's limit where it names none. Raises InvalidRequest for one above it."""
    limit = route.max_output_tokens
    if limit is None:
        return payload
    asked = {name: payload[name] for name in fields if payload.get(name) is not None}
    for name, tokens in asked.items():
        if isinstance(tokens, int) and tokens > limit:
            raise InvalidRequest(
                fill_in(
                    "{name}: the model `{model}` answers with {limit} tokens at most.",
                    name=name,
                    model=route.model,
                    limit=limit,
                ),
                param=name,
            )
    return payload if asked else payload | {fields[0]: limit}


def wants_usage(body: dict[str, Any]) -> bool:
    """True when the client itself asked for the usage event at the end of its stream."""
    options = body.get("stream_options") or {}
    return read_boolean(options.get("include_usage")) is True


def _call(endpoint: Endpoint, payload: dict[str, Any], route: Route, traceparent: str | None) -> EngineCall:
    if endpoint.limits_output:
        payload = limit_output(payload, route, endpoint.output_fields)
    return EngineCall(
        endpoint.engine_path or endpoint.path,
        msgspec.json.encode(payload),
        trace_of(traceparent),
        choices=_count_answers(endpoint, payload),
        max_tokens=next(
            (payload[name] for name in endpoint.output_fields if type(payload.get(name)) is int), None
        ),
    )


def trace_of(traceparent: str | None) -> str | None:
    """The header of the client's, where it is a good one."""
    return traceparent if traceparent is not None and _traceparent.fullmatch(traceparent) else None


def _count_answers(endpoint: Endpoint, payload: dict[str, Any]) -> int:
    if not endpoint.generates:
        return 0
    choices = count_choices(payload)
    return choices * count_chats(payload.get("messages")) if endpoint is CHAT_BATCH else choices


def count_choices(payload: dict[str, Any]) -> int:
    """How many texts the engine generates: `n` of them (`best_of`, where that is more) for each prompt."""
    texts = max(1, *(value for name in ("n", "best_of") if type(value := payload.get(name)) is int), 1)
    prompt = payload.get("prompt")
    if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int | float):
        return texts * len(prompt)
    return texts  # of one text, or of one list of token ids


def list_model_cards(board: LiveBoard) -> list[dict[str, Any]]:
    """The served models in OpenAI's shape, `current` last.

    Of the engine's own card only what is the clients' business: `root` is a path on its host.
    """
    cards = [_public_card(model) for model in board.list_models()]
    current = [{**cards[0], "id": CURRENT, "parent": cards[0]["id"]}] if cards else []
    return [*cards, *map(_public_card, board.list_further_models()), *current]


def _public_card(model: ServedModel) -> dict[str, Any]:
    card = model.card
    public = {name: card.get(name) for name in ("id", "object", "created", "owned_by", "max_model_len")}
    if parent := card.get("parent"):
        # An adapter's context is that of its model, which vLLM does not repeat.
        public |= {"parent": parent, "max_model_len": model.max_model_len}
    if model.tasks is not None:
        public["tasks"] = model.tasks
    if model.is_resting:
        public["resting"] = True
    return public | ({"simulated": True} if card.get("simulated") else {})
