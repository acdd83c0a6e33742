"""Which fields of which kind of /v1 request are bounded by which setting; `chat.caps` bounds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, kw_only=True)
class FieldCaps:
    """Which setting of `RequestConfig` bounds which field of a body."""

    numbers: Mapping[str, str]
    lengths: Mapping[str, str]
    """Of lists and objects of numbers and texts; each text has LONGEST_ENTRY characters at most."""
    batch: str = ""
    """The field that may hold several inputs. Together they have `max_sequences` answers at most."""
    answers_per_input: tuple[str, ...] = ()
    """The fields that ask for several answers to each input."""
    prompt_fields: frozenset[str] = frozenset()
    """Become the prompt, besides LARGE_FIELDS."""
    has_called_input: bool = False
    """Whether messages hold what tools were called with as objects: nothing of that is fetched."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Fields with what the engine only reads, one or a list: the setting that bounds how many."""
    tokens: frozenset[str] = frozenset()
    """Those of them that may be one list of token numbers."""
    refused: frozenset[str] = frozenset()

    @property
    def takes_chats(self) -> bool:
        """Whether `messages` may be a list of chats."""
        return self.batch == "messages" or "messages" in self.inputs


GENERATION_CAPS = FieldCaps(
    numbers={
        **dict.fromkeys(
            ("max_tokens", "max_completion_tokens", "max_output_tokens", "min_tokens"), "max_output_tokens"
        ),
        **dict.fromkeys(("logprobs", "top_logprobs", "prompt_logprobs"), "max_logprobs"),
    },
    lengths={
        **dict.fromkeys(("stop", "stop_token_ids", "bad_words", "logprob_token_ids"), "max_stop_sequences"),
        **dict.fromkeys(("allowed_token_ids", "logit_bias"), "max_token_ids"),
    },
    batch="prompt",
    # `best_of` are generated, though only `n` are shown.
    answers_per_input=("n", "best_of"),
)
"""Of chats and completions alike: vLLM accepts the fields of one in the other."""

RESPONSE_CAPS = FieldCaps(
    numbers={"max_output_tokens": "max_output_tokens", "top_logprobs": "max_logprobs"},
    lengths={
        **dict.fromkeys(("stop", "stop_token_ids"), "max_stop_sequences"),
        "logit_bias": "max_token_ids",
    },
    prompt_fields=frozenset({"instructions"}),
)
"""Of OpenAI's responses."""

MESSAGE_CAPS = FieldCaps(
    numbers={"max_tokens": "max_output_tokens"},
    lengths={"stop_sequences": "max_stop_sequences"},
    prompt_fields=frozenset({"system"}),
    has_called_input=True,
)
"""Of Anthropic's messages."""
BATCH_CAPS = replace(GENERATION_CAPS, batch="messages")
"""Of several chats in one request, each of them with an answer."""

POOLING_CAPS = FieldCaps(
    numbers={},
    lengths={},
    inputs=dict.fromkeys(
        (
            *("input", "messages", "query", "queries", "documents", "items"),
            *("text_1", "text_2", "data_1", "data_2", "texts", "images", "inputs"),
        ),
        "max_inputs",
    ),
    tokens=frozenset({"input"}),
    # For plugins of the engine, which fetch what it names.
    refused=frozenset({"data"}),
)
"""Of embeddings, scores and classes, whose fields differ in little but their names."""

AUDIO_CAPS = FieldCaps(
    numbers={"max_completion_tokens": "max_output_tokens"}, lengths={}, answers_per_input=("n",)
)
"""Of transcriptions; `n` are the beams of a search."""

TOKEN_CAPS = FieldCaps(
    numbers={},
    lengths={},
    inputs=dict.fromkeys(("prompt", "messages", "tokens"), "max_inputs"),
    tokens=frozenset({"tokens"}),
)
