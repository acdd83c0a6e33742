"""Forms in pieces of any size."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from chat.form_parsing import FormParser, PartBegun
from gateway.errors import InvalidRequest

TYPE = "multipart/form-data; boundary=xyz"
FORM = (
    b"a preamble\r\n--xyz\r\n"
    b'Content-Disposition: form-data; name="model"\r\n\r\nwhisper\r\n'
    b"--xyz  \r\n"
    b'content-disposition: form-data; name="file"; filename="a \\"b\\".wav"\r\n'
    b"Content-Type: audio/wav\r\n\r\n"
    b"\r\n--xy \r\n\0\xff--xyz\r\n"
    b"\r\n--xyz\r\n"
    b'Content-Disposition: form-data; name="empty"\r\n\r\n'
    b"\r\n--xyz--\r\nan epilogue"
)
PARTS = [
    (PartBegun("model", None, ""), b"whisper"),
    (PartBegun("file", 'a "b".wav', "audio/wav"), b"\r\n--xy \r\n\0\xff--xyz\r\n"),
    (PartBegun("empty", None, ""), b""),
]


def parse(body: bytes, size: int, content_type: str = TYPE) -> list[tuple[PartBegun, bytes]]:
    """The parts with their content, of a body that comes in pieces of so many bytes."""
    parser = FormParser(content_type)
    parts: list[tuple[PartBegun, bytes]] = []
    for start in range(0, len(body), size):
        for event in parser.feed(body[start : start + size]):
            if isinstance(event, PartBegun):
                parts.append((event, b""))
            else:
                parts[-1] = (parts[-1][0], parts[-1][1] + event)
    parser.finish()
    return parts


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 64, 4096])
def test_parts_are_the_same_however_they_are_cut(size: int) -> None:
    assert parse(FORM, size) == PARTS


@pytest.mark.parametrize("size", [1, 9, 4096])
def test_forms_of_clients_are_understood(size: int) -> None:
    sound = bytes(range(256)) * 9
    request = httpx.Request(
        "POST",
        "http://gateway/",
        data={"model": "모델", "timestamp_granularities[]": ["word", "segment"]},
        files={"file": ("소리.mp3", sound, "audio/mpeg")},
    )

    parts = parse(request.read(), size, request.headers["content-type"])

    assert [(part.name, content) for part, content in parts] == [
        ("model", "모델".encode()),
        ("timestamp_granularities[]", b"word"),
        ("timestamp_granularities[]", b"segment"),
        ("file", sound),
    ]
    assert (parts[3][0].filename, parts[3][0].content_type) == ("소리.mp3", "audio/mpeg")


def test_content_is_handed_on_before_its_part_has_ended() -> None:
    parser = FormParser(TYPE)
    head = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'

    handed_on: list[Any] = [*parser.feed(head), *parser.feed(b"a" * 1000)]

    assert len(b"".join(handed_on[1:])) > 990


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form",
        FORM[:60],
        FORM.partition(b"--xyz--")[0],
        b"--xyz\r\nContent-Type: a/b\r\n\r\nx\r\n--xyz--",
        b'--xyz\r\nContent-Disposition: attachment; name="a"\r\n\r\nx\r\n--xyz--',
        b"--xyzabc\r\n\r\n\r\n--xyz--",
        b"--xyz\r\n" + b"a: b\r\n" * 5000,
        b"--xyz" + b" " * 10_000,
    ],
)
@pytest.mark.parametrize("size", [1, 4096])
def test_what_is_no_form_is_refused(body: bytes, size: int) -> None:
    with pytest.raises(InvalidRequest):
        parse(body, size)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "multipart/form-data",
        f"multipart/form-data; boundary={'a' * 71}",
        "multipart/mixed; boundary=a",
    ],
)
def test_type_that_names_no_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(InvalidRequest):
        FormParser(content_type)
