"""The settings about what one request may ask of the engine."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.env import one_of, setting, some_of, url_with_scheme, whole_number

OPERATORS_FIELDS = ("media_io_kwargs", "mm_processor_kwargs", "use_beam_search")
"""How many frames are decoded, how large an image is made, one engine request per beam and token."""


@dataclass(frozen=True, kw_only=True)
class RequestConfig:
    """A part of `gateway.conf.GatewayConfig`. Each cap holds before the engine hears of the request."""

    max_output_tokens: int = setting(
        "MAX_OUTPUT_TOKENS",
        131_072,
        "Largest max_tokens that a request may name; without one the model's context is the bound.",
        whole_number(1),
    )
    max_engine_body_bytes: int = setting(
        "MAX_ENGINE_BODY_BYTES",
        32 * 2**20,
        "Largest body on `/v1` that comes with a good credential: an image of 20 MB takes 28 MB of JSON. At "
        "least MAX_BODY_BYTES.",
        whole_number(1024, 2**30),
    )
    max_large_bodies: int = setting(
        "MAX_LARGE_BODIES",
        4,
        "Bodies on `/v1` above MAX_BODY_BYTES that one process holds at a time, each about three times in "
        "memory; one account has half of them at most.",
        whole_number(1),
    )
    max_sequences: int = setting(
        "MAX_SEQUENCES",
        256,
        "Answers that one request may have generated: `n` times the prompts of a batch.",
        whole_number(1),
    )
    max_inputs: int = setting(
        "MAX_INPUTS",
        2048,
        "Texts, documents or chats that one request may have embedded, scored or classified.",
        whole_number(1),
    )
    max_audio_bytes: int = setting(
        "MAX_AUDIO_BYTES",
        25 * 2**20,
        "Largest file that may be transcribed or translated. vLLM has a bound of its own "
        "(VLLM_MAX_AUDIO_CLIP_FILESIZE_MB, 25).",
        whole_number(1024, 2**30),
    )
    max_stop_sequences: int = setting(
        "MAX_STOP_SEQUENCES",
        128,
        "Entries of `stop`, `stop_token_ids`, `bad_words` and `logprob_token_ids` in one request.",
        whole_number(1),
    )
    max_token_ids: int = setting(
        "MAX_TOKEN_IDS",
        1024,
        "Entries of `allowed_token_ids` and `logit_bias` in one request.",
        whole_number(0),
    )
    max_tools: int = setting("MAX_TOOLS", 128, "Tools that one request may offer.", whole_number(0))
    max_tools_bytes: int = setting(
        "MAX_TOOLS_BYTES",
        256 * 1024,
        "Length of all tools of one request together, as JSON.",
        whole_number(0),
    )
    max_schema_bytes: int = setting(
        "MAX_SCHEMA_BYTES",
        64 * 1024,
        "Length, as JSON, of a schema, an expression or a grammar that an answer has to follow, and of any "
        "other field but messages, prompts, documents and tools.",
        whole_number(1024),
    )
    max_schema_depth: int = setting(
        "MAX_SCHEMA_DEPTH",
        64,
        "How deep a schema, a tool, an expression or a grammar may be nested; vLLM's compilers recurse.",
        whole_number(8, 200),
    )
    engine_fields: tuple[str, ...] = setting(
        "ENGINE_FIELDS",
        (),
        f"Fields of a request, separated by commas, that clients may set though they decide what it costs "
        f"the engine: {', '.join(OPERATORS_FIELDS)}.",
        some_of(*OPERATORS_FIELDS),
    )
    max_logprobs: int = setting(
        "MAX_LOGPROBS", 20, "Log probabilities per token that one request may ask for.", whole_number(0)
    )
    max_answer_bytes: int = setting(
        "MAX_ANSWER_BYTES", 64 * 2**20, "Longest answer taken from the engine.", whole_number(1024)
    )
    max_conversation_bytes: int = setting(
        "MAX_CONVERSATION_BYTES",
        16 * 2**20,
        "Stored text of one conversation, with 1 KiB more for each message; 0 switches the limit off.",
        whole_number(0),
    )
    max_account_bytes: int = setting(
        "MAX_ACCOUNT_BYTES",
        2**30,
        "Stored text of all conversations of one account, counted likewise, and its files; once a minute at "
        "least. 0 switches the limit off.",
        whole_number(0),
    )
    max_message_files: int = setting(
        "MAX_MESSAGE_FILES", 16, "Images and documents in one message.", whole_number(0, 1000)
    )
    media_urls: str = setting(
        "MEDIA_URLS",
        "off",
        "Where images and sounds in messages may come from: off (only data: URLs, which carry them) or https "
        "(the engine fetches them from any public host name; restrict its --allowed-media-domains, too).",
        one_of("off", "https"),
    )
    prompt_cache: str = setting(
        "PROMPT_CACHE",
        "user",
        "Who shares the engine's cache of prompts: user (everybody has their own) or shared (faster for "
        "equal system prompts, but response times tell whether somebody else asked the same).",
        one_of("user", "shared"),
    )
    otlp_endpoint: str = setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        "Collector that gets traces of answers by OTLP over HTTP, as http://collector:4318 "
        "(docs/tracing.md); empty: none are made.",
        url_with_scheme("http", "https"),
    )
