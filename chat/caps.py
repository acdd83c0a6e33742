"""What one /v1 request may ask of the engine: numbers, lists and words with a bound, and nothing internal.

vLLM reads `"16384"` and `16384.0` as numbers, too, so a capped field that is no plain number is refused here
instead of passing for none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.conf_requests import RequestConfig
from gateway.errors import InvalidRequest

NUMBER_CAPS = {
    **dict.fromkeys(("max_tokens", "max_completion_tokens", "max_output_tokens"), "max_output_tokens"),
    **dict.fromkeys(("logprobs", "top_logprobs", "prompt_logprobs"), "max_logprobs"),
}
LENGTH_CAPS = {
    **dict.fromkeys(("stop", "stop_token_ids", "bad_words", "logprob_token_ids"), "max_stop_sequences"),
    **dict.fromkeys(("tools", "functions"), "max_tools"),
}
"""Which setting bounds which field."""

LONGEST_ENTRY = 1000
"""Characters of a stop sequence or an argument: the engine compares the former with every token's text."""

SEQUENCE_FIELDS = frozenset({"n", "best_of", "prompt"})

REFUSED_FIELDS = frozenset(
    {
        *("kv_transfer_params", "ec_transfer_params", "logits_processors", "priority"),
        *("chat_template", "prompt_embeds"),
    }
)
"""Between a gateway and its engines: cache transfers name hosts to fetch from, processors name code to
import, a priority passes everybody else. A template is a program that the engine runs (CVE-2025-61620),
embeddings are tensors that it unpacks (CVE-2025-62164)."""

ARGUMENT_FIELDS = frozenset({"vllm_xargs", "chat_template_kwargs"})
"""Handed on inside the engine by name: to its processors and connectors, to the template's renderer."""

MAX_ARGUMENTS = 16

REFUSED_ARGUMENTS = REFUSED_FIELDS | {"tokenize"}
"""vLLM takes the same things by these names; `tokenize` makes the renderer block it (CVE-2025-62426)."""

DROPPED_FIELDS = frozenset({"request_id", "cache_salt"})
"""The gateway gives its own."""

OWN_FIELDS = REFUSED_FIELDS | DROPPED_FIELDS


def apply_caps(body: dict[str, Any], caps: RequestConfig) -> dict[str, Any]:
    """`body` without what is the gateway's to say. Raises InvalidRequest that names the field."""
    names = body.keys()
    for name in NUMBER_CAPS.keys() & names:
        _check_number(body, name, getattr(caps, NUMBER_CAPS[name]))
    for name in LENGTH_CAPS.keys() & names:
        _check_length(body, name, getattr(caps, LENGTH_CAPS[name]))
    for name in ARGUMENT_FIELDS & names:
        _check_arguments(body, name)
    if SEQUENCE_FIELDS & names:
        _check_sequences(body, caps.max_sequences)
    own = OWN_FIELDS & names
    for name in REFUSED_FIELDS & own:
        if body[name] not in (None, 0):
            raise InvalidRequest(f"`{name}` is not for clients to set.", param=name)
    return {name: value for name, value in body.items() if name not in own} if own else body


def _check_sequences(body: Mapping[str, Any], limit: int) -> None:
    """`n` answers for each prompt of a batch; `best_of` are generated, though only `n` are shown."""
    prompts = _count_prompts(body.get("prompt"))
    if prompts > limit:
        raise InvalidRequest(f"prompt: a batch has {limit} prompts at most.", param="prompt")
    for name in ("n", "best_of"):
        _check_number(body, name, limit // max(1, prompts))


def _count_prompts(prompt: object) -> int:
    """A list of numbers is one prompt in tokens; a list of texts or of lists is a batch."""
    is_batch = isinstance(prompt, list) and any(not isinstance(item, int) for item in prompt)
    return len(prompt) if is_batch and isinstance(prompt, list) else 1


def _check_number(body: Mapping[str, Any], name: str, limit: int) -> None:
    value = body.get(name)
    if value is None or value is True or value is False:  # `logprobs` of a chat is a yes or no
        return
    if not isinstance(value, int):
        raise InvalidRequest(f"{name}: expected a whole number.", param=name)
    if value < 0:
        raise InvalidRequest(f"{name}: expected at least 0, got {value}.", param=name)
    if value > limit:
        raise InvalidRequest(f"{name}: this gateway allows {limit} at most.", param=name)


def _check_length(body: Mapping[str, Any], name: str, limit: int) -> None:
    value = body.get(name)
    if isinstance(value, list | dict) and len(value) > limit:
        raise InvalidRequest(f"{name}: this gateway allows {limit} entries at most.", param=name)
    if any(map(_is_long, value if isinstance(value, list) else [value])):
        raise InvalidRequest(f"{name}: an entry has {LONGEST_ENTRY} characters at most.", param=name)


def _check_arguments(body: Mapping[str, Any], name: str) -> None:
    """A few small values, none of which stands for a field that is refused."""
    value = body.get(name)
    if value is None:
        return
    if not isinstance(value, dict) or len(value) > MAX_ARGUMENTS:
        raise InvalidRequest(f"{name}: expected an object of {MAX_ARGUMENTS} entries at most.", param=name)
    for key, argument in value.items():
        if key in REFUSED_ARGUMENTS:
            raise InvalidRequest(f"{name}: `{key}` is not for clients to set.", param=name)
        if isinstance(argument, list | dict) or _is_long(key) or _is_long(argument):
            message = f"{name}: expected numbers, booleans and texts of {LONGEST_ENTRY} characters at most."
            raise InvalidRequest(message, param=name)


def _is_long(value: object) -> bool:
    return isinstance(value, str) and len(value) > LONGEST_ENTRY
