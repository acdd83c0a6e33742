"""Images in a chat: measured, told of, and refused where the model sees none."""

from __future__ import annotations

import base64
import io
from typing import Any

import aiohttp
import pytest
from PIL import Image

from modelops.simulator.images import ReceivedImage, measure_image
from modelops.tests.simulator.conftest import serve_here
from modelops.tests.simulator.wire_helpers import ask


def draw(kind: str, size: tuple[int, int], **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, kind, **options)
    return buffer.getvalue()


def picture_body(*images: bytes) -> dict[str, Any]:
    parts = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(i).decode()}"}}
        for i in images
    ]
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "Look"}, *parts]}]}


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("GIF", {}),
        ("BMP", {}),
        ("WebP", {"lossless": True}),
        ("WebP", {"lossless": False}),
    ],
)
def test_an_image_is_measured_by_its_header(kind: str, options: dict[str, Any]) -> None:
    assert measure_image(draw(kind, (640, 75), **options)) == ReceivedImage(kind, 640, 75)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF1234WEBPVP8 "])
def test_what_is_no_image_is_not_measured(data: bytes) -> None:
    assert measure_image(data) is None


async def test_the_answer_says_which_images_came(agent_engine: aiohttp.ClientSession) -> None:
    _, body = await ask(agent_engine, picture_body(draw("PNG", (64, 48)), draw("JPEG", (800, 600))))

    content = body["choices"][0]["message"]["content"]
    assert "Images received: PNG 64×48, JPEG 800×600." in content


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--limit-mm-per-prompt", '{"image": 1}'), "At most 1 image(s) may be provided in one prompt."),
        (("--limit-mm-per-prompt", '{"image": {"count": 0}}'), "chat-a is not a multimodal model"),
        (("--language-model-only",), "chat-a is not a multimodal model"),
        ((), "Failed to load image: cannot identify image file"),
    ],
)
async def test_images_are_refused_as_vllm_refuses_them(flags: tuple[str, ...], message: str) -> None:
    images = (draw("PNG", (1, 1)), b"" if not flags else draw("PNG", (1, 1)))
    async with serve_here(*flags) as engine:
        status, body = await ask(engine, picture_body(*images))

    assert (status, body["error"]["message"]) == (400, message)


async def test_an_address_is_not_fetched(agent_engine: aiohttp.ClientSession) -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}

    status, body = await ask(agent_engine, {"messages": [{"role": "user", "content": [part]}]})

    assert status == 400
    assert "fetches no URL" in body["error"]["message"]
