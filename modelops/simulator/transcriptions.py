"""``/v1/audio/transcriptions`` and ``/v1/audio/translations``: nothing is heard, and the text says so."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.multipart import BodyPartReader

from modelops.simulator import tokenizer
from modelops.simulator.answers import send_answer
from modelops.simulator.audio import ReceivedAudio, measure_audio
from modelops.simulator.errors import ApiError, invalid_value, malformed
from modelops.simulator.generation import GeneratedChoice, generate_text, token_budget
from modelops.simulator.pacing import Token
from modelops.simulator.replies import compose_transcript
from modelops.simulator.requests import ENGINE, check_model, make_answer, make_meta
from modelops.simulator.sampling import Streaming, parse_sampling
from modelops.simulator.wire import DONE, Meta

_MOST_BYTES = 25 * 2**20
_FORMATS = ("text", "json", "verbose_json", "diarized_json")
_OBJECTS = {"transcribe": "transcription.chunk", "translate": "translation.chunk"}
_NUMBERS = ("temperature", "top_p", "seed", "max_completion_tokens")
_SWITCHES = ("stream", "stream_include_usage", "stream_continuous_usage_stats")


@dataclass(frozen=True, slots=True)
class _Upload:
    """A form that was sent: its fields as a JSON body would have them, and its recording."""

    body: Mapping[str, Any]
    audio: ReceivedAudio


async def create_transcription(request: web.Request) -> web.StreamResponse:
    """``POST /v1/audio/transcriptions``."""
    return await _answer_upload(request, task="transcribe")


async def create_translation(request: web.Request) -> web.StreamResponse:
    """``POST /v1/audio/translations``."""
    return await _answer_upload(request, task="translate")


async def _answer_upload(request: web.Request, *, task: str) -> web.StreamResponse:
    engine = request.app[ENGINE]
    settings = engine.settings
    upload = await _read_upload(request)
    body = upload.body
    check_model(body, settings)
    _check_format(body, settings.canonical_name)
    sampling = parse_sampling(body, max_model_len=settings.max_model_len, default_max_tokens=None)
    budget = token_budget(
        prompt_tokens=0, max_model_len=settings.max_model_len, max_tokens=sampling.max_tokens
    )
    language = str(body.get("language") or "en")
    reply = compose_transcript(str(upload.audio), language=language if task == "transcribe" else "en")
    choice = generate_text(reply, index=0, sampling=sampling, budget=budget, with_reasoning=False)
    meta = make_meta(request, body, settings, prefix=task, prompt_tokens=tokenizer.count(_get_prompt(body)))
    streaming = Streaming(
        stream=bool(body.get("stream")),
        include_usage=bool(body.get("stream_include_usage")),
        continuous_usage=bool(body.get("stream_continuous_usage_stats")),
    )
    answer = make_answer(
        engine,
        body,
        meta=meta,
        choices=[choice],
        streaming=streaming,
        wire=AudioWire(meta, streaming, object_name=_OBJECTS[task]),
        whole=lambda: _write_whole(choice, upload, task=task, language=language),
    )
    return await send_answer(request, engine, answer)


def _get_prompt(body: Mapping[str, Any]) -> str:
    return str(body.get("prompt") or "")


async def _read_upload(request: web.Request) -> _Upload:
    """Raises ApiError 400 or 422 for a form without a recording, or with one that is none."""
    if not request.content_type.startswith("multipart/"):
        raise malformed("missing", path="body.file", message="Field required", found="None")
    fields: dict[str, Any] = {}
    recording: bytes | None = None
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None:
            continue
        if part.name != "file":
            fields[part.name.removesuffix("[]")] = await part.text()
        elif part.filename is None:
            message = "Expected 'file' to be a file-like object, not 'str'."
            raise ApiError(message, status=422, kind="Unprocessable Entity")
        else:
            recording = await _read_file(part)
    if recording is None:
        raise malformed("missing", path="body.file", message="Field required", found="None")
    audio = measure_audio(recording)
    if audio is None:
        raise ApiError("Invalid or unsupported audio file.")
    return _Upload(_read_fields(fields), audio)


async def _read_file(part: BodyPartReader) -> bytes:
    data = bytearray()
    while chunk := await part.read_chunk(2**16):
        data += chunk
        if len(data) > _MOST_BYTES:
            raise invalid_value(
                "Maximum file size exceeded", param="audio_filesize_mb", value=len(data) / 2**20
            )
    return bytes(data)


def _read_fields(fields: Mapping[str, str]) -> dict[str, Any]:
    """The texts of a form as the values that they stand for."""
    body: dict[str, Any] = dict(fields)
    for name in _NUMBERS:
        if name in body:
            body[name] = _read_number(name, body[name])
    for name in _SWITCHES:
        body[name] = str(body.get(name, "")).lower() in ("true", "1", "on", "yes", "t", "y")
    asked = next((name for name in _SWITCHES[1:] if body[name]), None)
    if asked is not None and not body["stream"]:
        raise invalid_value("Stream options can only be defined when `stream=True`.", param=asked)
    if "vllm_xargs" in body:
        try:
            body["vllm_xargs"] = json.loads(body["vllm_xargs"])
        except ValueError as exc:
            message = f"Failed to parse vllm_xargs. Must be valid JSON: {exc}"
            raise invalid_value(message, param="vllm_xargs") from exc
    return body


def _read_number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as exc:
        message = "Input should be a valid number, unable to parse string as a number"
        raise malformed("float_parsing", path=f"body.{name}", message=message, found=text) from exc


def _check_format(body: Mapping[str, Any], model: str) -> None:
    wanted = body.get("response_format") or "json"
    if wanted not in _FORMATS:
        raise ApiError(
            "Currently only support response_format: `text`, `json`, `verbose_json` or `diarized_json`"
        )
    if wanted == "diarized_json":
        raise ApiError(f"Currently do not support diarized_json for {model}")
    if wanted == "verbose_json" and body.get("stream"):
        raise ApiError(f"{wanted} format doesn't support streaming case")


def _write_whole(choice: GeneratedChoice, upload: _Upload, *, task: str, language: str) -> bytes:
    """The text as JSON, whichever format was asked for but the verbose one, as vLLM does."""
    text = "".join(step.text for step in choice.steps)
    duration_s = upload.audio.duration_s or 0.0
    if upload.body.get("response_format") == "verbose_json":
        return msgspec.json.encode(
            {
                "duration": duration_s,
                "language": language,
                "text": text,
                "segments": [_write_segment(text, duration_s)],
                "words": None,
            }
        )
    usage = {"type": "duration", "seconds": math.ceil(duration_s)}
    return msgspec.json.encode({"text": text, "usage": usage} if task == "transcribe" else {"text": text})


def _write_segment(text: str, duration_s: float) -> dict[str, Any]:
    """All of it as one segment."""
    return {
        "id": 0,
        "avg_logprob": 0.0,
        "compression_ratio": 1.0,
        "end": duration_s,
        "no_speech_prob": None,
        "seek": 0,
        "start": 0.0,
        "temperature": 0.0,
        "text": text,
        "tokens": tokenizer.encode(text),
    }


class AudioWire:
    """Events of a streamed transcription: chunks with one choice each, without its index."""

    opens_at_once = False

    def __init__(self, meta: Meta, streaming: Streaming, *, object_name: str) -> None:
        self.meta = meta
        self._streaming = streaming
        self._object_name = object_name

    def opening(self, choices: Sequence[GeneratedChoice]) -> bytes:
        return b""

    def token(self, token: Token) -> bytes:
        if not token.is_last and not token.step.text:
            return b""
        choice: dict[str, Any] = {"delta": {"content": token.step.text}}
        if token.is_last:
            choice |= {
                "finish_reason": token.choice.finish_reason,
                "stop_reason": token.choice.stop_reason,
            }
        usage = self._usage(token.number) if self._streaming.continuous_usage else {}
        return self._event([choice], usage)

    def closing(self, choices: Sequence[GeneratedChoice]) -> bytes:
        tokens = sum(len(choice.steps) for choice in choices)
        return (self._event([], self._usage(tokens)) if self._streaming.include_usage else b"") + DONE

    def failing(self, error: ApiError) -> bytes:
        return f"data: {json.dumps(error.payload())}\n\n".encode() + DONE

    def _usage(self, completion_tokens: int) -> dict[str, Any]:
        prompt_tokens = self.meta.prompt_tokens
        total = prompt_tokens + completion_tokens
        counted = {"prompt_tokens": prompt_tokens, "total_tokens": total}
        return {"usage": {**counted, "completion_tokens": completion_tokens}}

    def _event(self, choices: list[dict[str, Any]], usage: dict[str, Any]) -> bytes:
        chunk = {
            "id": self.meta.request_id,
            "object": self._object_name,
            "created": self.meta.created,
            "model": self.meta.model,
            "choices": choices,
            **usage,
        }
        return b"data: " + msgspec.json.encode(chunk) + b"\n\n"
