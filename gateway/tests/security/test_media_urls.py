"""Media that the engine would fetch: only what comes within the request passes by default."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from chat.media import check_media
from chat.tests.scripted_engine import ScriptedEngine
from chat.tests.streams import error_of
from gateway.errors import InvalidRequest

INNER_URLS = [
    "http://169.254.169.254/latest/meta-data/",
    "http://metadata.google.internal/",
    "http://127.0.0.1:6379/",
    "http://localhost:8000/v1/models",
    "http://[::1]/",
    "http://0x7f.1/",
    "http://2130706433/",
    "http://10.0.0.1/",
    "https://example.com/redirects-to-inside",
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    " http://127.0.0.1/",
    "ftp://example.com/a",
    "/etc/passwd",
    "",
]


def image(url: object) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image_url", "image_url": url}]}]


@pytest.mark.parametrize("url", INNER_URLS)
def test_engine_is_not_made_to_fetch_media(web: httpx.Client, reached: list[object], url: str) -> None:
    answer = web.post("/v1/chat/completions", json={"messages": image({"url": url})})

    assert answer.status_code == 400
    assert error_of(answer)["param"] == "messages.0.content.0.image_url.url"
    assert reached == []


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": "http://127.0.0.1/"},
        {"image_url": "http://127.0.0.1/"},
        {"type": "audio_url", "audio_url": {"url": "http://127.0.0.1/"}},
        {"type": "video_url", "video_url": {"url": "file:///etc/passwd"}},
        {"type": "input_image", "image_url": "http://127.0.0.1/"},
        {"type": "input_file", "file_url": "http://127.0.0.1/"},
        {"type": "image", "source": {"type": "url", "url": "http://127.0.0.1/"}},
        {"type": "image_url", "image_url": {"URL": "http://127.0.0.1/"}},
        {"type": "image_url", "image_url": ["http://127.0.0.1/"]},
    ],
)
def test_no_shape_of_a_medium_slips_through(part: dict[str, Any]) -> None:
    for body in ({"messages": [{"role": "user", "content": [part]}]}, {"input": [part]}):
        with pytest.raises(InvalidRequest):
            check_media(body, "off", make_private=str)


@pytest.mark.parametrize("kind", ["image_embeds", "audio_embeds", "prompt_embeds"])
@pytest.mark.parametrize("value", ["AAAA", {"image_grid_thw": "AAAA"}])
def test_engine_unpacks_no_tensors_of_clients(
    web: httpx.Client, reached: list[object], kind: str, value: object
) -> None:
    messages = [{"role": "user", "content": [{"type": kind, kind: value}]}]

    answer = web.post("/v1/chat/completions", json={"messages": messages})

    assert (answer.status_code, error_of(answer)["param"]) == (400, "messages.0.content.0")
    assert reached == []


def test_media_within_the_request_pass(web: httpx.Client, recording_engine: ScriptedEngine) -> None:
    recording_engine.received.clear()
    messages = image({"url": "data:image/png;base64,AAAA"})

    assert web.post("/v1/chat/completions", json={"messages": messages}).status_code == 200
    assert recording_engine.received[0]["messages"] == messages


def test_addresses_in_what_is_said_are_only_words(
    web: httpx.Client, recording_engine: ScriptedEngine
) -> None:
    recording_engine.received.clear()
    arguments = '{"url": "http://10.0.0.1/"}'
    messages = [
        {"role": "user", "content": "what is at http://127.0.0.1/ ?"},
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": arguments}}]},
        {
            "role": "assistant",
            "content": "see",
            "annotations": [{"url_citation": {"url": "https://a.example"}}],
        },
        {"role": "user", "content": [{"type": "text", "text": "http://127.0.0.1/"}]},
    ]

    assert web.post("/v1/chat/completions", json={"messages": messages}).status_code == 200
    assert recording_engine.received[0]["messages"] == messages


@pytest.mark.parametrize("url", ["https://images.example.com/a.png?size=1", "data:image/png;base64,AAAA"])
def test_public_hosts_pass_where_the_operator_allowed_them(url: str) -> None:
    check_media({"messages": image({"url": url})}, "https", make_private=str)


@pytest.mark.parametrize(
    "url",
    [
        *(url for url in INNER_URLS if not url.startswith("https://example.com")),
        "http://images.example.com/a.png",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://0x7f.0.0.1/",
        "https://127.1/",
        "https://localhost/",
        "https://a.localhost/",
        "https://metadata.google.internal/",
        "https://printer.local/",
        "https://user@images.example.com/",
        "https://images.example.com\\@127.0.0.1/",
        "https://images.example.com:8080/",
        "https://images.example.com#@127.0.0.1/",
        "https://images.example.com./",
        "https://images.example.com/\n",
    ],
)
def test_inner_addresses_do_not_pass_even_there(url: str) -> None:
    with pytest.raises(InvalidRequest):
        check_media({"messages": image({"url": url})}, "https", make_private=str)
