"""What one /v1 request may ask of the engine: numbers, lists and words with a bound, and nothing internal.

vLLM reads `"16384"` and `16384.0` as numbers, too, so capped fields are read as it does, and go on as plain
numbers. What is not known here is bounded all the same: no field of a request is large but those that have
to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from chat.argument_caps import ARGUMENT_FIELDS, check_arguments
from chat.field_caps import FieldCaps
from chat.input_counts import check_inputs, count_inputs
from chat.lax_values import LARGEST_NUMBER, read_boolean, read_whole_number
from chat.nesting import is_nested_deeper
from chat.refused_fields import OWN_FIELDS, REFUSED_FIELDS
from gateway.conf_requests import OPERATORS_FIELDS, RequestConfig
from gateway.errors import InvalidRequest
from gateway.shortening import LONGEST_ECHO
from gateway.wording import fill_in

LONGEST_ENTRY = 1000
"""Characters of a stop sequence or an argument: the engine compares the former with every token's text."""

MAX_FIELDS = 128
"""More than vLLM knows. It logs the names of those that it does not."""

LONGEST_ID = 128
"""Characters of an id."""

ID_FIELDS = frozenset(
    {
        *("user", "safety_identifier", "session_id", "prompt_cache_key"),
        *("previous_response_id", "conversation_id", "service_tier"),
    }
)
"""Copied into logs, traces and tables of the engine, and kept there."""

LARGE_FIELDS = frozenset({"messages", "prompt", "input", "suffix", "documents"})
"""Become the prompt: the model's context is their bound."""

SHAPED_FIELDS = frozenset({"messages", "input"})
"""How deep these are is for `chat.media` to see."""

SHORT_TEXT = 8
"""Characters in which nothing is nested deeper than the least that MAX_SCHEMA_DEPTH can be."""

TOOL_FIELDS = ("tools", "functions")

_costly = frozenset(OPERATORS_FIELDS)
_tools = frozenset(TOOL_FIELDS)

LARGEST_PATTERN = 128
"""Of `repetition_detection`: vLLM's scheduler compares this many tokens this many times after every token."""


def apply_caps(body: dict[str, Any], caps: FieldCaps, config: RequestConfig) -> dict[str, Any]:
    """`body` without the fields that the gateway sets itself. Raises InvalidRequest that names the field."""
    names = body.keys()
    numbers: dict[str, int] = {}
    for name in caps.numbers.keys() & names:
        _check_number(body, name, getattr(config, caps.numbers[name]), numbers)
    for name in caps.lengths.keys() & names:
        _check_length(body, name, getattr(config, caps.lengths[name]))
    for name in ARGUMENT_FIELDS & names:
        check_arguments(body, name)
    _check_sequences(body, caps, config.max_sequences, numbers)
    for name in caps.inputs.keys() & names:
        check_inputs(
            name, body[name], takes_tokens=name in caps.tokens, limit=getattr(config, caps.inputs[name])
        )
    for name in caps.refused & names:
        raise InvalidRequest(fill_in("`{name}` is not for clients to set.", name=name), param=name)
    own = OWN_FIELDS & names
    for name in REFUSED_FIELDS & own:
        if body[name] not in (None, 0):
            raise InvalidRequest(fill_in("`{name}` is not for clients to set.", name=name), param=name)
    for name in _costly & names:
        if body[name] not in (None, False, {}) and name not in config.engine_fields:
            raise InvalidRequest(fill_in("`{name}` is not for clients to set.", name=name), param=name)
    if _tools & names:
        _check_tools(body, config)
    if "repetition_detection" in body:
        _check_repetition_detection(body)
    _check_all_fields(body, caps, config)
    if own or numbers:
        return {name: value for name, value in body.items() if name not in own} | numbers
    return body


def _check_tools(body: Mapping[str, Any], config: RequestConfig) -> None:
    """A list of objects in each field, and so many and so large in both together."""
    offered = [name for name in TOOL_FIELDS if body.get(name) is not None]
    for name in offered:
        tools = body[name]
        if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
            raise InvalidRequest(fill_in("{name}: expected a list of objects.", name=name), param=name)
        if len(tools) > config.max_tools:
            message = fill_in(
                "{name}: this gateway allows {max_tools} entries at most.",
                name=name,
                max_tools=config.max_tools,
            )
            raise InvalidRequest(message, param=name)
        _check_depth(name, tools, config.max_schema_depth)
    if offered and len(msgspec.json.encode([body[name] for name in offered])) > config.max_tools_bytes:
        message = fill_in(
            "{name}: this gateway allows {max_tools_bytes} bytes at most, all tools together.",
            name=offered[0],
            max_tools_bytes=config.max_tools_bytes,
        )
        raise InvalidRequest(message, param=offered[0])


def _check_repetition_detection(body: Mapping[str, Any]) -> None:
    name = "repetition_detection"
    value = body.get(name)
    if value is None:
        return
    numbers = [read_whole_number(number) for number in value.values()] if isinstance(value, dict) else [None]
    if any(number is None or not 0 <= number <= LARGEST_PATTERN for number in numbers):
        message = fill_in(
            "{name}: expected an object of whole numbers from 0 to {largest_pattern}.",
            name=name,
            largest_pattern=LARGEST_PATTERN,
        )
        raise InvalidRequest(message, param=name)


def _check_all_fields(body: Mapping[str, Any], caps: FieldCaps, config: RequestConfig) -> None:
    """No field is large or deep that need not be, known or unknown."""
    if len(body) > MAX_FIELDS:
        raise InvalidRequest(fill_in("A request has {max_fields} fields at most.", max_fields=MAX_FIELDS))
    for name, value in body.items():
        if len(name) > LONGEST_ECHO:
            raise InvalidRequest(
                fill_in("A field's name has {longest_echo} characters at most.", longest_echo=LONGEST_ECHO),
                param=name,
            )
        kind = type(value)
        if kind is list or kind is dict or (kind is str and len(value) > SHORT_TEXT):
            _check_size(name, value, caps, config)
        elif kind is int and abs(value) > LARGEST_NUMBER:
            raise InvalidRequest(fill_in("{name}: a number has 64 bits at most.", name=name), param=name)


def _check_size(
    name: str, value: str | list[Any] | dict[str, Any], caps: FieldCaps, config: RequestConfig
) -> None:
    if name in ID_FIELDS and len(value) > LONGEST_ID:
        raise InvalidRequest(
            fill_in(
                "{name}: this gateway allows {longest_id} characters at most.",
                name=name,
                longest_id=LONGEST_ID,
            ),
            param=name,
        )
    if name == "model" or name in SHAPED_FIELDS or name in caps.lengths or name in TOOL_FIELDS:
        return
    if name in LARGE_FIELDS or name in caps.inputs or name in caps.prompt_fields:
        _check_depth(name, value, config.max_schema_depth, counts_texts=False)
        return
    if len(msgspec.json.encode(value)) > config.max_schema_bytes:
        message = fill_in(
            "{name}: this gateway allows {max_schema_bytes} bytes at most.",
            name=name,
            max_schema_bytes=config.max_schema_bytes,
        )
        raise InvalidRequest(message, param=name)
    _check_depth(name, value, config.max_schema_depth)


def _check_depth(name: str, value: object, limit: int, *, counts_texts: bool = True) -> None:
    if is_nested_deeper(value, limit, counts_texts=counts_texts):
        raise InvalidRequest(
            fill_in("{name}: this gateway allows a nesting of {limit} at most.", name=name, limit=limit),
            param=name,
        )


def _check_sequences(body: Mapping[str, Any], caps: FieldCaps, limit: int, numbers: dict[str, int]) -> None:
    """At most `limit` answers: the inputs of the batch times the answers to each."""
    inputs = count_inputs(caps.batch, body.get(caps.batch)) if caps.batch else 1
    if inputs > limit:
        raise InvalidRequest(
            fill_in("{batch}: a batch has {limit} entries at most.", batch=caps.batch, limit=limit),
            param=caps.batch,
        )
    for name in caps.answers_per_input:
        _check_number(body, name, limit // max(1, inputs), numbers)


def _check_number(body: Mapping[str, Any], name: str, limit: int, numbers: dict[str, int]) -> None:
    """Puts the number into `numbers` where the body writes it in another way, such as `"512"`."""
    value = body.get(name)
    if value is None or value is True or value is False:  # `logprobs` of a chat is a yes or no
        return
    number = read_whole_number(value)
    if number is None:
        if name == "logprobs" and read_boolean(value) is not None:
            return
        raise InvalidRequest(fill_in("{name}: expected a whole number.", name=name), param=name)
    if number < 0:
        raise InvalidRequest(fill_in("{name}: expected at least 0.", name=name), param=name)
    if number > limit:
        raise InvalidRequest(
            fill_in("{name}: this gateway allows {limit} at most.", name=name, limit=limit), param=name
        )
    if type(value) is not int:
        numbers[name] = number


def _check_length(body: Mapping[str, Any], name: str, limit: int) -> None:
    value = body.get(name)
    if isinstance(value, list | dict) and len(value) > limit:
        raise InvalidRequest(
            fill_in("{name}: this gateway allows {limit} entries at most.", name=name, limit=limit),
            param=name,
        )
    entries = _entries_of(value)
    if any(isinstance(entry, list | dict) for entry in entries):
        raise InvalidRequest(fill_in("{name}: expected numbers and texts.", name=name), param=name)
    if any(map(_is_long, entries)):
        raise InvalidRequest(
            fill_in(
                "{name}: an entry has {longest_entry} characters at most.",
                name=name,
                longest_entry=LONGEST_ENTRY,
            ),
            param=name,
        )


def _entries_of(value: object) -> list[Any]:
    """Of a list; of an object, names and values; anything else is one."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list) else [value]


def _is_long(value: object) -> bool:
    """Also a number that none of the engine's types holds, which JSON may write with any number of digits."""
    if isinstance(value, int):
        return abs(value) > LARGEST_NUMBER
    return isinstance(value, str) and len(value) > LONGEST_ENTRY
