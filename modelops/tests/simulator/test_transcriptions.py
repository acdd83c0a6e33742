"""Recordings sent as forms, and what is said of them."""

from __future__ import annotations

import io
import json
import struct
import wave

import aiohttp
import openai
import pytest

from modelops.simulator.audio import ReceivedAudio, measure_audio

TRANSCRIPTIONS = "/v1/audio/transcriptions"


def record(seconds: float, *, rate: int = 8000) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(rate)
        recording.writeframes(bytes(2 * int(seconds * rate)))
    return buffer.getvalue()


def make_form(data: bytes | None = None, **fields: str) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("file", record(1.5) if data is None else data, filename="speech.wav")
    for name, value in fields.items():
        form.add_field(name, value)
    return form


def make_text_form() -> aiohttp.FormData:
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("file", "text")
    return form


def make_flac(*, rate: int, samples: int) -> bytes:
    packed = rate << 44 | samples
    return b"fLaC" + bytes(4) + bytes(10) + struct.pack(">Q", packed) + bytes(16)


@pytest.mark.parametrize(
    ("data", "kind", "duration_s"),
    [
        (record(1.5), "WAV", 1.5),
        (make_flac(rate=16000, samples=48000), "FLAC", 3.0),
        (b"ID3\x04" + bytes(20), "MP3", None),
        (b"\xff\xfb\x90" + bytes(20), "MP3", None),
        (b"OggS" + bytes(20), "Ogg", None),
        (bytes(4) + b"ftypM4A " + bytes(20), "MP4", None),
    ],
)
def test_a_recording_is_told_by_its_header(data: bytes, kind: str, duration_s: float | None) -> None:
    assert measure_audio(data) == ReceivedAudio(kind, len(data), duration_s)


@pytest.mark.parametrize("data", [b"", b"hello there", b"RIFF", b"fLaC"])
def test_what_is_no_recording_is_not_measured(data: bytes) -> None:
    assert measure_audio(data) is None


async def test_the_client_gets_a_transcript_of_what_it_sent(sdk: openai.AsyncOpenAI) -> None:
    answer = await sdk.audio.transcriptions.create(model="chat-a", file=("speech.wav", record(1.5)))

    assert answer.text.startswith("This is a simulated transcript: nothing was listened to.")
    assert "WAV, 1.5 s, 24,044 bytes" in answer.text


async def test_usage_is_the_duration_in_whole_seconds(agent_engine: aiohttp.ClientSession) -> None:
    async with agent_engine.post(TRANSCRIPTIONS, data=make_form(language="ko")) as response:
        body = await response.json()

    assert list(body) == ["text", "usage"]
    assert body["usage"] == {"type": "duration", "seconds": 2}
    assert body["text"].startswith("이것은 시뮬레이션 받아쓰기입니다.")


async def test_a_translation_has_no_usage(agent_engine: aiohttp.ClientSession) -> None:
    async with agent_engine.post("/v1/audio/translations", data=make_form(language="ko")) as response:
        body = await response.json()

    assert list(body) == ["text"]
    assert body["text"].startswith("This is a simulated transcript")


async def test_the_verbose_format_has_one_segment(agent_engine: aiohttp.ClientSession) -> None:
    async with agent_engine.post(TRANSCRIPTIONS, data=make_form(response_format="verbose_json")) as response:
        body = await response.json()

    assert list(body) == ["duration", "language", "text", "segments", "words"]
    (segment,) = body["segments"]
    assert (segment["start"], segment["end"], segment["text"]) == (0.0, 1.5, body["text"])


async def test_a_transcript_is_streamed_in_chunks(agent_engine: aiohttp.ClientSession) -> None:
    form = make_form(stream="true", stream_include_usage="true")

    async with agent_engine.post(TRANSCRIPTIONS, data=form) as response:
        text = (await response.read()).decode()

    events = [event.removeprefix("data: ") for event in text.split("\n\n") if event]
    assert events[-1] == "[DONE]"
    *chunks, last, usage = map(json.loads, events[:-1])
    assert {chunk["object"] for chunk in chunks} == {"transcription.chunk"}
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks).startswith("This is a")
    assert last["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == len(chunks) + 1


@pytest.mark.parametrize(
    ("form", "status", "message"),
    [
        (lambda: make_form(b"hello"), 400, "Invalid or unsupported audio file."),
        (lambda: make_form(response_format="srt"), 400, "Currently only support response_format"),
        (lambda: make_form(response_format="diarized_json"), 400, "Currently do not support diarized_json"),
        (lambda: make_form(stream_include_usage="true"), 400, "Stream options can only be defined"),
        (
            lambda: make_form(stream="true", response_format="verbose_json"),
            400,
            "verbose_json format doesn't support streaming case",
        ),
        (lambda: make_form(model="nope"), 404, "The model `nope` does not exist."),
        (lambda: make_form(temperature="warm"), 400, "1 validation error"),
        (make_text_form, 422, "Expected 'file' to be a file-like object"),
        (lambda: aiohttp.FormData({"file": "text", "model": "chat-a"}), 400, "1 validation error"),
        (lambda: {"model": "chat-a"}, 400, "1 validation error"),
    ],
)
async def test_a_form_is_refused_in_vllms_words(
    agent_engine: aiohttp.ClientSession, form: object, status: int, message: str
) -> None:
    assert callable(form)
    async with agent_engine.post(TRANSCRIPTIONS, data=form()) as response:
        body = await response.json()

    assert response.status == status
    assert body["error"]["message"].startswith(message)
