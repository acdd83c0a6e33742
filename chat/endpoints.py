"""The chat plane's paths, each written down here alone.

A path of OpenAI's that engines answer is one row of `OPENAI_ENDPOINTS`. Its route, the scope that it needs,
the caps on its body, the call to the engine and its entry in the OpenAPI document follow from the row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from accounts.scopes import Scope
from chat.field_caps import (
    AUDIO_CAPS,
    BATCH_CAPS,
    GENERATION_CAPS,
    MESSAGE_CAPS,
    POOLING_CAPS,
    RESPONSE_CAPS,
    TOKEN_CAPS,
    FieldCaps,
)
from chat.message_wire import MESSAGE_WIRE
from chat.plain_wires import AUDIO_WIRE, POOLING_WIRE
from chat.response_wire import ResponseRecord
from chat.wires import CHAT_WIRE, Wire
from gateway.envelopes import ANTHROPIC_PATH
from modelops.serving.model_tasks import POOLING_TASKS, ModelTask

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
RESPONSE_PATH = "/v1/responses/{response_id}"
RESPONSE_CANCEL_PATH = RESPONSE_PATH + "/cancel"
RESPONSE_ITEMS_PATH = RESPONSE_PATH + "/input_items"
CONVERSATION_PATHS = (CANCEL_PATH, REGENERATE_PATH, CONTINUE_PATH, STREAM_PATH)
"""Those of this plane among the paths of conversations; Django answers the others."""
POSTED_CONVERSATION_PATHS = (MESSAGES_PATH,)
"""Those of which this plane answers POST, and Django the rest."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A POST that is passed on to the engine, with what the gateway does about its body."""

    path: str
    """The same at the engine, unless there is an `engine_path`."""
    summary: str
    """For the OpenAPI document."""
    scope: Scope
    """What an API key needs for it, or else one of `other_scopes`."""
    caps: FieldCaps
    limits_output: bool = True
    """Whether a profile's `max_output_tokens` applies: False where the answer is not generated text."""
    can_stream: bool = True
    """Whether the engine answers `"stream": true` with events; False where it ignores the field."""
    output_fields: tuple[str, ...] = ("max_tokens", "max_completion_tokens")
    """Those that bound the answer's tokens; the first is set where the request names none."""
    asks_for_usage: bool = True
    """Whether the engine counts the tokens of a stream only where `stream_options` asks for it."""
    make_wire: Callable[[], Wire] = lambda: CHAT_WIRE
    """In which form the engine answers, and errors are told, for one request."""
    tag: str = "openai"
    """For the OpenAPI document."""
    generates: bool = True
    """Whether tokens are generated: False where those of the prompt are all that is counted."""
    uses_model: bool = True
    """False where the tokenizer alone works, and nothing is counted."""
    tasks: frozenset[ModelTask] = frozenset({ModelTask.GENERATE})
    """A model answers that has one of these; none says that every model does."""
    other_scopes: tuple[Scope, ...] = ()
    engine_path: str = ""
    is_form: bool = False
    """Whether the body is a form with a file, and no JSON."""
    is_salted: bool = True
    """Whether the engine takes a `cache_salt` with it."""

    @property
    def scopes(self) -> tuple[Scope, ...]:
        return (self.scope, *self.other_scopes)


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

RESPONSES = Endpoint(
    path="/v1/responses",
    summary="OpenAI's responses",
    scope=Scope.CHAT,
    caps=RESPONSE_CAPS,
    output_fields=("max_output_tokens",),
    asks_for_usage=False,
    make_wire=lambda: ResponseRecord().make_wire(),
)
MESSAGES = Endpoint(
    path=ANTHROPIC_PATH,
    summary="Anthropic's messages",
    scope=Scope.CHAT,
    caps=MESSAGE_CAPS,
    output_fields=("max_tokens",),
    asks_for_usage=False,
    make_wire=lambda: MESSAGE_WIRE,
    tag="anthropic",
)
COUNT_TOKENS = Endpoint(
    path=f"{ANTHROPIC_PATH}/count_tokens",
    summary="Anthropic's count of a prompt's tokens",
    scope=Scope.CHAT,
    caps=MESSAGE_CAPS,
    limits_output=False,
    can_stream=False,
    generates=False,
    uses_model=False,
    is_salted=False,
    asks_for_usage=False,
    make_wire=lambda: MESSAGE_WIRE,
    tag="anthropic",
)

CHAT_BATCH = Endpoint(
    path="/v1/chat/completions/batch",
    summary="vLLM's batch of chats, with one choice for each",
    scope=Scope.CHAT,
    caps=BATCH_CAPS,
    can_stream=False,
)


def _pooling(
    path: str, summary: str, *tasks: ModelTask, engine_path: str = "", is_salted: bool = True
) -> Endpoint:
    """A path of models that answer with numbers instead of text."""
    return Endpoint(
        path=path,
        summary=summary,
        tasks=frozenset(tasks),
        scope=Scope.EMBEDDINGS,
        caps=POOLING_CAPS,
        limits_output=False,
        can_stream=False,
        generates=False,
        make_wire=lambda: POOLING_WIRE,
        engine_path=engine_path,
        is_salted=is_salted,
    )


POOLING_ENDPOINTS = (
    _pooling("/v1/embeddings", "OpenAI's embeddings", ModelTask.EMBED),
    _pooling("/v2/embed", "Cohere's embeddings", ModelTask.EMBED, is_salted=False),
    _pooling("/rerank", "Documents by their relevance", ModelTask.RERANK),
    _pooling("/v1/rerank", "Documents by their relevance, as Jina's clients ask", ModelTask.RERANK),
    _pooling("/v2/rerank", "Documents by their relevance, as Cohere's clients ask", ModelTask.RERANK),
    _pooling("/score", "How well pairs of texts match", ModelTask.RERANK),
    _pooling("/v1/score", "How well pairs of texts match, below the base URL of SDKs", ModelTask.RERANK),
    _pooling("/classify", "Classes of texts", ModelTask.CLASSIFY),
    _pooling(
        "/v1/classify",
        "Classes of texts, below the base URL of SDKs",
        ModelTask.CLASSIFY,
        engine_path="/classify",
    ),
    _pooling("/pooling", "What a pooling model makes of texts, as it is", *POOLING_TASKS),
)


def _tokens(path: str, summary: str) -> Endpoint:
    """A path at which the engine's tokenizer works, and its GPU does not."""
    return Endpoint(
        path=path,
        summary=summary,
        uses_model=False,
        tasks=frozenset(),
        scope=Scope.CHAT,
        other_scopes=(Scope.EMBEDDINGS,),
        caps=TOKEN_CAPS,
        limits_output=False,
        can_stream=False,
        generates=False,
        is_salted=False,
    )


TOKENIZE = _tokens("/tokenize", "The tokens of a text or a chat")
DETOKENIZE = _tokens("/detokenize", "The text of tokens")


def _audio(path: str, summary: str) -> Endpoint:
    return Endpoint(
        path=path,
        summary=summary,
        tasks=frozenset({ModelTask.TRANSCRIBE}),
        scope=Scope.CHAT,
        caps=AUDIO_CAPS,
        limits_output=False,
        make_wire=lambda: AUDIO_WIRE,
        is_form=True,
        is_salted=False,
    )


AUDIO_ENDPOINTS = (
    _audio("/v1/audio/transcriptions", "OpenAI's transcriptions of sounds"),
    _audio("/v1/audio/translations", "OpenAI's translations of sounds into English"),
)

OPENAI_ENDPOINTS = (
    *(CHAT_COMPLETIONS, COMPLETIONS, RESPONSES),
    *(MESSAGES, COUNT_TOKENS),
    *(CHAT_BATCH, *POOLING_ENDPOINTS, *AUDIO_ENDPOINTS, TOKENIZE, DETOKENIZE),
)
"""OpenAI's paths and Anthropic's, and vLLM's own beside them. Responses alone are stored."""

ROOT_PATHS = frozenset(e.path for e in OPENAI_ENDPOINTS if not e.path.startswith("/v1/"))
"""Those that are not below /v1."""
