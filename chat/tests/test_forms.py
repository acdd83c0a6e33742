"""A form on its way through the gateway: bounded, on disk where it is large, and written anew."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat.field_caps import AUDIO_CAPS
from chat.form_fields import is_set, read_fields, write_fields
from chat.form_parsing import FormParser, PartBegun
from chat.forms import MAX_FIELD_BYTES, MEMORY_BYTES, Form, FormBody, read_form
from gateway.conf_requests import RequestConfig
from gateway.errors import InvalidRequest, RequestTooLarge

TYPE = "multipart/form-data; boundary=xyz"


def field(name: str, value: bytes = b"", *, filename: str | None = None) -> bytes:
    file = "" if filename is None else f'; filename="{filename}"\r\nContent-Type: audio/wav'
    return f'--xyz\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + value + b"\r\n"


async def read(*parts: bytes, max_file_bytes: int = 2**30) -> Form:
    async def body() -> AsyncIterator[bytes]:
        for part in (*parts, b"--xyz--\r\n"):
            for start in range(0, len(part), 65_536):
                yield part[start : start + 65_536]

    return await read_form(TYPE, body(), max_file_bytes=max_file_bytes)


async def parts_of(body: FormBody) -> list[tuple[PartBegun, bytes]]:
    """What the engine reads."""
    parser = FormParser(body.content_type)
    parts: list[tuple[PartBegun, bytes]] = []
    sent = 0
    async for piece in body.pieces():
        sent += len(piece)
        for event in parser.feed(piece):
            if isinstance(event, PartBegun):
                parts.append((event, b""))
            else:
                parts[-1] = (parts[-1][0], parts[-1][1] + event)
    parser.finish()
    assert sent == len(body)
    return parts


@pytest.mark.parametrize("size", [0, 1, MEMORY_BYTES, MEMORY_BYTES + 1, 3 * MEMORY_BYTES + 7])
async def test_engine_gets_the_file_as_it_came(size: int) -> None:
    sound = (bytes(range(256)) * (size // 256 + 1))[:size]
    form = await read(field("file", sound, filename="a b.wav"), field("model", b"current"))

    parts = await parts_of(FormBody([("model", "whisper"), ("prompt", "말")], form.file))
    again = await parts_of(FormBody([], form.file))
    form.close()

    assert form.fields == [("model", "current")]
    assert parts == [
        (PartBegun("model", None, ""), b"whisper"),
        (PartBegun("prompt", None, ""), "말".encode()),
        (PartBegun("file", "a b.wav", "audio/wav"), sound),
    ]
    assert again[-1][1] == sound


async def test_names_from_clients_end_no_header() -> None:
    form = await read(field("file", b"x", filename="a%22.wav"))
    form.file.filename = 'a"\r\nX: y'

    [name, file] = await parts_of(FormBody([('b"\r\n\r\nz', "1")], form.file))

    assert name[0].name == "b%22%0D%0A%0D%0Az"
    assert file[0].filename == "a%22%0D%0AX: y"


async def test_file_is_bounded_where_it_ends_too_late() -> None:
    with pytest.raises(RequestTooLarge, match="MAX_AUDIO_BYTES"):
        await read(field("file", b"a" * 1001, filename="a"), max_file_bytes=1000)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [field("model", b"a")],
        [field("sound", b"a", filename="a")],
        [field("file", b"a", filename="a")] * 2,
        [field("file", b"a")],
        [field("file", b"a", filename="a"), field("prompt", b"\xff")],
        [field("file", b"a", filename="a"), field("prompt", b"a" * (MAX_FIELD_BYTES + 1))],
        [field("file", b"a", filename="a"), *[field("x")] * 129],
    ],
)
async def test_form_has_one_file_and_few_fields(parts: list[bytes]) -> None:
    with pytest.raises(InvalidRequest):
        await read(*parts)


def fields_of(*fields: tuple[str, str]) -> dict[str, Any]:
    return read_fields(fields, AUDIO_CAPS, RequestConfig(max_output_tokens=10))


def test_fields_pass_as_they_came_and_lists_stay_lists() -> None:
    fields = [
        ("language", "ko"),
        ("timestamp_granularities[]", "word"),
        ("timestamp_granularities[]", "segment"),
        ("temperature", "0.2"),
        ("vllm_xargs", '{"a":1}'),
    ]

    body = fields_of(*fields, ("cache_salt", "mine"))

    assert list(write_fields(body)) == [("model", ""), *fields]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ([("model", "a"), ("model", "b")], "model"),
        ([("max_completion_tokens", "11")], "max_completion_tokens"),
        ([("n", "100000")], "n"),
        ([("use_beam_search", "true")], "use_beam_search"),
        ([("vllm_xargs", "{")], "vllm_xargs"),
        ([("vllm_xargs", '{"priority": 1}')], "vllm_xargs"),
        ([("priority", "1")], "priority"),
    ],
)
def test_fields_are_bounded_as_those_of_json_are(fields: list[tuple[str, str]], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        fields_of(*fields)

    assert refused.value.param == param


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("1", True), ("False", False), ("0", False)])
def test_booleans_are_read_as_the_engine_does(value: str, expected: bool) -> None:
    assert is_set({"stream": value}, "stream") is expected


def test_what_is_no_boolean_is_refused() -> None:
    assert is_set({}, "stream") is False
    with pytest.raises(InvalidRequest, match="`stream` must be true or false"):
        is_set({"stream": "maybe"}, "stream")
