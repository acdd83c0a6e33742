"""Answers that are no chats: numbers, as JSON or as bytes, and the text of sounds, as JSON or as it is."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from chat.content_headers import ContentHeaders
from chat.transcript import Usage
from chat.whole_answers import Completion, read_completion
from chat.wires import CHAT_WIRE
from gateway.bodies import NOT_JSON


class _Metadata(msgspec.Struct):
    usage: Usage | None = None


class _SoundUsage(msgspec.Struct):
    """Of vLLM's in seconds alone, which are no tokens; OpenAI's models count tokens."""

    input_tokens: int | None = None
    output_tokens: int | None = None


class _Transcript(msgspec.Struct):
    text: str | None = None
    usage: _SoundUsage | None = None


_decode_metadata = msgspec.json.Decoder(_Metadata).decode
_decode_transcript = msgspec.json.Decoder(_Transcript).decode


def read_bytes_of_numbers(body: bytes, headers: ContentHeaders) -> Completion:
    """vLLM's `"encoding_format": "bytes"`, which has its usage in a header."""
    try:
        usage = _decode_metadata(headers.metadata).usage
    except NOT_JSON:
        usage = None
    return Completion(body, usage, is_unfinished=False)


def read_transcript(body: bytes) -> Completion:
    """Its text is what there is to count where the engine counts no tokens.

    Raises what an error means in its place.
    """
    completion = read_completion(body)
    try:
        read = _decode_transcript(body)
    except NOT_JSON:
        return completion
    used = read.usage
    if used is not None and (used.input_tokens is not None or used.output_tokens is not None):
        return completion._replace(usage=Usage(used.input_tokens, used.output_tokens))
    return completion._replace(usage=None, text=read.text or "")


def read_plain_transcript(body: bytes, _headers: ContentHeaders) -> Completion:
    """`"response_format": "text"` or subtitles, of engines that have them."""
    return Completion(body, None, is_unfinished=False, text=body.decode(errors="replace"))


POOLING_WIRE = replace(CHAT_WIRE, read_other=read_bytes_of_numbers)
AUDIO_WIRE = replace(CHAT_WIRE, read_whole=read_transcript, read_other=read_plain_transcript)
