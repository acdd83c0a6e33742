"""Sounds on their way to the engine: a form with a file, in any order, bounded and counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from chat.endpoints import AUDIO_ENDPOINTS
from chat.forms import MEMORY_BYTES
from chat.tests.scripted_engine import ScriptedEngine, usage_event
from chat.tests.streams import error_of
from gateway.tests.live import GatewayProcess, wait_until

PATH = "/v1/audio/transcriptions"
SOUND = b"RIFF" + bytes(range(256)) * 9
TEXT = b'{"text":"Hello there.","usage":{"type":"duration","seconds":2}}'


def delta(content: str, **choice: Any) -> bytes:
    chunk = {"object": "transcription.chunk", "choices": [{"delta": {"content": content}, **choice}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


STREAM = delta("Hello") + delta(" there.", finish_reason="stop")
USAGE = usage_event(prompt_tokens=150, completion_tokens=4)
DONE = b"data: [DONE]\n\n"


@pytest.fixture
def engine(scripted_engine: ScriptedEngine) -> Iterator[ScriptedEngine]:
    scripted_engine.reply(TEXT, content_type="application/json")
    for heard in (scripted_engine.received_paths, scripted_engine.received_bodies):
        heard.clear()
    yield scripted_engine


def part(name: str, value: bytes, head: str = "") -> bytes:
    return f'--xyz\r\nContent-Disposition: form-data; name="{name}"{head}\r\n\r\n'.encode() + value + b"\r\n"


def send(client: httpx.Client, *parts: bytes, path: str = PATH) -> httpx.Response:
    headers = {"Content-Type": "multipart/form-data; boundary=xyz"}
    return client.post(path, content=b"".join(parts) + b"--xyz--\r\n", headers=headers)


FILE = part("file", SOUND, '; filename="a.wav"\r\nContent-Type: audio/wav')


@pytest.mark.parametrize("endpoint", AUDIO_ENDPOINTS, ids=lambda row: row.path)
@pytest.mark.parametrize("parts", [[FILE, part("model", b"current")], [part("model", b""), FILE], [FILE]])
def test_file_goes_to_the_engine_with_the_name_of_its_model(
    odd_client: httpx.Client, engine: ScriptedEngine, endpoint: Any, parts: list[bytes]
) -> None:
    answer = send(odd_client, *parts, part("language", b"ko"), path=endpoint.path)

    assert (answer.status_code, answer.content) == (200, TEXT)
    [received] = engine.received_bodies
    assert engine.received_paths == [endpoint.path]
    assert b'name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n' + SOUND + b"\r\n--" in received
    assert received.count(b'name="model"') == 1
    assert b'name="model"\r\n\r\nscripted\r\n' in received
    assert b'name="language"\r\n\r\nko\r\n' in received
    assert b"include_usage" not in received


def test_file_that_is_too_large_for_memory_arrives_whole(
    odd_client: httpx.Client, engine: ScriptedEngine
) -> None:
    sound = bytes(range(251)) * (5 * MEMORY_BYTES // 251)

    answer = odd_client.post(PATH, data={"model": "scripted"}, files={"file": ("a.mp3", sound)})

    assert answer.status_code == 200
    assert sound in engine.received_bodies[0]


@pytest.mark.parametrize("wants_usage", [False, True])
def test_stream_has_the_engines_events_and_is_counted(
    odd_gateway: GatewayProcess, engine: ScriptedEngine, wants_usage: bool
) -> None:
    engine.reply(STREAM + USAGE + DONE)
    asked = [part("stream", b"true")] + ([part("stream_include_usage", b"true")] if wants_usage else [])

    with odd_gateway.client("admin") as client:
        answer = send(client, FILE, *asked)
        used = wait_until(
            lambda: [
                row
                for row in client.get("/api/usage?group_by=endpoint").json()["data"]
                if row["endpoint"] == PATH
            ],
            what="the use to be stored",
        )

    assert answer.content == STREAM + (USAGE if wants_usage else b"") + DONE
    assert engine.received_bodies[0].count(b'name="stream_include_usage"\r\n\r\ntrue') == 1
    assert used[0]["prompt_tokens"] % 150 == 0


def test_text_is_counted_about_where_the_engine_counts_no_tokens(
    odd_gateway: GatewayProcess, engine: ScriptedEngine
) -> None:
    path = "/v1/audio/translations"
    with odd_gateway.client("admin") as client:
        answer = send(client, FILE, part("response_format", b"text"), path=path)
        [used] = wait_until(
            lambda: [
                row
                for row in client.get("/api/usage?group_by=endpoint").json()["data"]
                if row["endpoint"] == path
            ],
            what="the use to be stored",
        )

    assert answer.content == TEXT
    assert (used["prompt_tokens"], used["completion_tokens"]) == (0, len("Hello there.") // 4)


def test_file_beyond_the_bound_is_refused_with_the_setting(
    odd_client: httpx.Client, engine: ScriptedEngine
) -> None:
    answer = send(odd_client, part("file", b"a" * (25 * 2**20 + 1), '; filename="a.wav"'))

    assert (answer.status_code, error_of(answer)["code"]) == (413, "request_too_large")
    assert "MAX_AUDIO_BYTES" in error_of(answer)["message"]
    assert engine.received_paths == []


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data; boundary=xyz", b"--xyz--\r\n"),
        ("multipart/form-data; boundary=xyz", FILE),
        ("multipart/form-data; boundary=xyz", FILE + part("stream", b"maybe") + b"--xyz--"),
    ],
)
def test_what_is_no_form_with_a_file_is_refused(
    odd_client: httpx.Client, engine: ScriptedEngine, content_type: str, body: bytes
) -> None:
    answer = odd_client.post(PATH, content=body, headers={"Content-Type": content_type})

    assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_request")
    assert engine.received_paths == []


def test_stranger_sends_no_file(odd_gateway: GatewayProcess, engine: ScriptedEngine) -> None:
    answer = httpx.post(odd_gateway.url + PATH, files={"file": SOUND})

    assert (answer.status_code, error_of(answer)["code"]) == (401, "invalid_api_key")


def test_engine_without_the_path_is_named(odd_client: httpx.Client, engine: ScriptedEngine) -> None:
    engine.reply(b'{"detail": "Not Found"}', status=404, content_type="application/json")

    answer = send(odd_client, FILE)

    assert (answer.status_code, error_of(answer)["code"]) == (404, "task_not_supported")
