"""Asks the engine how many tokens a prompt has."""

from __future__ import annotations

import asyncio

import msgspec

from chat.routing import CONTINUE_FIELDS
from chat.upstream import EngineCall, EngineGateway
from conversations.branches import Prompt
from gateway.bodies import NOT_JSON
from gateway.errors import ContextLengthExceeded, GatewayError, UpstreamUnavailable
from modelops.serving.routes import Route

TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 32 * 2**20
"""The answer lists the tokens, about ten bytes each."""


class _Count(msgspec.Struct):
    """vLLM's answer without the tokens themselves, which are skipped and not made into objects."""

    count: int


async def count_tokens(
    engine: EngineGateway, route: Route, prompt: Prompt, *, continues: bool = False
) -> int | None:
    """The tokens of the prompt as the model's chat template renders it; None where the engine does not say.

    Then it has no /tokenize, or is busy, and judges the prompt itself. Raises ContextLengthExceeded when it
    refuses to count for that reason. With `continues`, the last message is an answer to go on with.
    """
    ending = CONTINUE_FIELDS if continues else {"add_generation_prompt": True}
    body = {"model": route.model, "messages": prompt, **ending}
    call = EngineCall("/tokenize", msgspec.json.encode(body))
    received = bytearray()

    def take(data: bytes) -> None:
        received.extend(data)
        if len(received) > MAX_ANSWER_BYTES:
            raise UpstreamUnavailable("The engine's count is too long.")

    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            engine.open(route.base_url, call, api_key=route.api_key) as answer,
        ):
            await answer.relay(take)
        return msgspec.json.decode(received, type=_Count).count
    except ContextLengthExceeded:
        raise
    except (GatewayError, TimeoutError, *NOT_JSON):
        return None
