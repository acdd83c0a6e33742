"""What is counted of answers that are no chats."""

from __future__ import annotations

import pytest

from chat.content_headers import ContentHeaders
from chat.plain_wires import read_bytes_of_numbers, read_plain_transcript, read_transcript
from chat.transcript import Usage
from gateway.errors import GatewayError


@pytest.mark.parametrize(
    ("body", "usage", "text"),
    [
        (b'{"text":"Hi","usage":{"type":"duration","seconds":2}}', None, "Hi"),
        (b'{"text":"Hi"}', None, "Hi"),
        (b'{"text":"Hi","duration":1.5,"language":"en","segments":[]}', None, "Hi"),
        (b'{"text":"Hi","usage":{"type":"tokens","input_tokens":9,"output_tokens":2}}', Usage(9, 2), ""),
        (b'{"text":null}', None, ""),
    ],
)
def test_text_of_a_sound_is_counted_where_its_tokens_are_not(
    body: bytes, usage: Usage | None, text: str
) -> None:
    completion = read_transcript(body)

    assert (completion.body, completion.usage, completion.text) == (body, usage, text)


@pytest.mark.parametrize(
    "body", [b'{"error":{"message":"too long","code":400}}', b"null", b'{"detail":"no"}']
)
def test_error_in_place_of_a_text_is_one(body: bytes) -> None:
    with pytest.raises(GatewayError):
        read_transcript(body)


def test_subtitles_pass_as_they_are() -> None:
    completion = read_plain_transcript("WEBVTT\n안녕".encode(), ContentHeaders("text/vtt"))

    assert completion.text == "WEBVTT\n안녕"


@pytest.mark.parametrize(
    ("metadata", "usage"),
    [('{"usage": {"prompt_tokens": 3}}', Usage(3, None)), ("", None), ("{", None), ("[]", None)],
)
def test_numbers_in_bytes_are_counted_by_their_header(metadata: str, usage: Usage | None) -> None:
    headers = ContentHeaders("application/octet-stream", metadata)

    assert read_bytes_of_numbers(b"\0", headers).usage == usage
