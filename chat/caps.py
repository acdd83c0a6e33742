"""What one /v1 request may ask of the engine: numbers, lists and words with a bound, and nothing internal.

vLLM reads `"16384"` and `16384.0` as numbers, too, so a capped field that is no plain number is refused here
instead of passing for none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.conf_requests import RequestConfig
from gateway.errors import InvalidRequest


@dataclass(frozen=True, kw_only=True)
class FieldCaps:
    """Which setting of `RequestConfig` bounds which field of a body."""

    numbers: Mapping[str, str]
    lengths: Mapping[str, str]
    """Of lists and objects; each text in them has LONGEST_ENTRY characters at most."""
    batch: str = ""
    """The field that may hold several inputs. Together they have `max_sequences` answers at most."""
    answers_per_input: tuple[str, ...] = ()
    """The fields that ask for several answers to each input."""


GENERATION_CAPS = FieldCaps(
    numbers={
        **dict.fromkeys(("max_tokens", "max_completion_tokens", "max_output_tokens"), "max_output_tokens"),
        **dict.fromkeys(("logprobs", "top_logprobs", "prompt_logprobs"), "max_logprobs"),
    },
    lengths={
        **dict.fromkeys(("stop", "stop_token_ids", "bad_words", "logprob_token_ids"), "max_stop_sequences"),
        **dict.fromkeys(("tools", "functions"), "max_tools"),
    },
    batch="prompt",
    # `best_of` are generated, though only `n` are shown.
    answers_per_input=("n", "best_of"),
)
"""Of chats and completions alike: vLLM accepts the fields of one in the other."""

LONGEST_ENTRY = 1000
"""Characters of a stop sequence or an argument: the engine compares the former with every token's text."""

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


def apply_caps(body: dict[str, Any], caps: FieldCaps, config: RequestConfig) -> dict[str, Any]:
    """`body` without the fields that the gateway sets itself. Raises InvalidRequest that names the field."""
    names = body.keys()
    for name in caps.numbers.keys() & names:
        _check_number(body, name, getattr(config, caps.numbers[name]))
    for name in caps.lengths.keys() & names:
        _check_length(body, name, getattr(config, caps.lengths[name]))
    for name in ARGUMENT_FIELDS & names:
        _check_arguments(body, name)
    _check_sequences(body, caps, config.max_sequences)
    own = OWN_FIELDS & names
    for name in REFUSED_FIELDS & own:
        if body[name] not in (None, 0):
            raise InvalidRequest(f"`{name}` is not for clients to set.", param=name)
    return {name: value for name, value in body.items() if name not in own} if own else body


def _check_sequences(body: Mapping[str, Any], caps: FieldCaps, limit: int) -> None:
    """At most `limit` answers: the inputs of the batch times the answers to each."""
    inputs = _count_inputs(body.get(caps.batch)) if caps.batch else 1
    if inputs > limit:
        raise InvalidRequest(f"{caps.batch}: a batch has {limit} {caps.batch}s at most.", param=caps.batch)
    for name in caps.answers_per_input:
        _check_number(body, name, limit // max(1, inputs))


def _count_inputs(value: object) -> int:
    """A list of numbers is one input in tokens; a list of texts or of lists is a batch."""
    is_batch = isinstance(value, list) and any(not isinstance(item, int) for item in value)
    return len(value) if is_batch and isinstance(value, list) else 1


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
