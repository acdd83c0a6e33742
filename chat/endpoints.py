"""The chat plane's paths, each written down here alone.

A path of OpenAI's that engines answer is one row of `OPENAI_ENDPOINTS`. Its route, the scope that it needs,
the caps on its body, the call to the engine and its entry in the OpenAPI document follow from the row.
"""

from __future__ import annotations

from dataclasses import dataclass

from accounts.scopes import Scope
from chat.caps import GENERATION_CAPS, FieldCaps

CHAT_PATH = "/api/chat"
MODEL_EVENTS_PATH = "/api/models/events"
MODELS_PATH = "/v1/models"
MODEL_PATH = "/v1/models/{model_id:path}"
MESSAGES_PATH = "/api/conversations/{conversation_id:uuid}/messages"
MESSAGE_PATH = MESSAGES_PATH + "/{message_id:uuid}"
CANCEL_PATH = MESSAGE_PATH + "/cancel"
REGENERATE_PATH = MESSAGE_PATH + "/regenerate"
CONTINUE_PATH = MESSAGE_PATH + "/continue"
STREAM_PATH = MESSAGE_PATH + "/stream"
CONVERSATION_PATHS = (CANCEL_PATH, REGENERATE_PATH, CONTINUE_PATH, STREAM_PATH)
"""Those of this plane among the paths of conversations; Django answers the others."""
POSTED_CONVERSATION_PATHS = (MESSAGES_PATH,)
"""Those of which this plane answers POST, and Django the rest."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A POST that is passed on to the engine, with what the gateway does about its body."""

    path: str
    """The same at the gateway and at the engine."""
    summary: str
    """For the OpenAPI document."""
    scope: Scope
    """What an API key needs for it."""
    caps: FieldCaps
    limits_output: bool = True
    """Whether a profile's `max_output_tokens` applies: False where the answer is not generated text."""
    can_stream: bool = True
    """Whether the engine answers `"stream": true` with events; False where it ignores the field."""


CHAT_COMPLETIONS = Endpoint(
    path="/v1/chat/completions",
    summary="OpenAI's chat completions",
    scope=Scope.CHAT,
    caps=GENERATION_CAPS,
)
COMPLETIONS = Endpoint(
    path="/v1/completions",
    summary="OpenAI's completions",
    scope=Scope.CHAT,
    caps=GENERATION_CAPS,
)

OPENAI_ENDPOINTS = (CHAT_COMPLETIONS, COMPLETIONS)
