"""The images of a request: counted, and measured by their own headers, never shown to anything."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modelops.simulator.bodies import Body
from modelops.simulator.errors import ApiError
from modelops.simulator.flags import ServeSettings

_TEXT_PARTS = ("text", "refusal", "input_text", "output_text", "thinking", None)
_NOT_AN_IMAGE = "Failed to load image: cannot identify image file"


@dataclass(frozen=True, slots=True)
class ReceivedImage:
    """Format and size in pixels, as the image's own header says."""

    kind: str
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.kind} {self.width}×{self.height}"


def read_images(messages: Sequence[Body], settings: ServeSettings) -> list[ReceivedImage]:
    """The images of all messages in their order; raises ApiError 400 for what the model cannot take."""
    urls = [url for message in messages for url in _list_urls(message.get("content"), settings)]
    if len(urls) > settings.most_images:
        raise ApiError(f"At most {settings.most_images} image(s) may be provided in one prompt.")
    return [_read_image(url) for url in urls]


def _list_urls(content: object, settings: ServeSettings) -> Iterator[object]:
    for part in content if isinstance(content, list) else ():
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in _TEXT_PARTS:
            continue
        if not settings.most_images:
            raise ApiError(f"{settings.canonical_name} is not a multimodal model")
        if kind != "image_url":
            modality = str(kind).removeprefix("input_").removesuffix("_url")
            raise ApiError(f"At most 0 {modality}(s) may be provided in one prompt.")
        image_url = part.get("image_url")
        yield image_url.get("url") if isinstance(image_url, dict) else image_url


def _read_image(url: object) -> ReceivedImage:
    if not isinstance(url, str) or not url.startswith("data:image/"):
        raise ApiError("Failed to load image: the simulated engine fetches no URL.")
    head, _, encoded = url.partition(",")
    try:
        data = base64.b64decode(encoded, validate=True) if head.endswith(";base64") else b""
    except binascii.Error as exc:
        raise ApiError(f"Failed to load image: {exc}") from exc
    image = measure_image(data)
    if image is None:
        raise ApiError(_NOT_AN_IMAGE)
    return image


def measure_image(data: bytes) -> ReceivedImage | None:
    """Format and size from the header of a PNG, JPEG, GIF, WebP or BMP; None for anything else."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return ReceivedImage("PNG", *struct.unpack_from(">II", data, 16))
        if data.startswith((b"GIF87a", b"GIF89a")):
            return ReceivedImage("GIF", *struct.unpack_from("<HH", data, 6))
        if data.startswith(b"BM"):
            width, height = struct.unpack_from("<ii", data, 18)
            return ReceivedImage("BMP", width, abs(height))
        if data.startswith(b"\xff\xd8"):
            return _measure_jpeg(data)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _measure_webp(data)
    except struct.error:
        return None
    return None


def _measure_jpeg(data: bytes) -> ReceivedImage | None:
    """Walk over the segments to the frame's header, of which there is one kind for each coding."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return ReceivedImage("JPEG", width, height)
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _measure_webp(data: bytes) -> ReceivedImage | None:
    match data[12:16]:
        case b"VP8X":
            width = int.from_bytes(data[24:27], "little") + 1
            return ReceivedImage("WebP", width, int.from_bytes(data[27:30], "little") + 1)
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", data, 21)
            return ReceivedImage("WebP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return ReceivedImage("WebP", width & 0x3FFF, height & 0x3FFF)
    return None
