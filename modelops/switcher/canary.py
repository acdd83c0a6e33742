"""The first request to an engine that was started: the smallest that its model answers."""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelops.domain.tasks import TASK_PATHS, ModelTask

SAMPLES_PER_S = 16_000
"""As models of speech take it."""


@dataclass(frozen=True, kw_only=True)
class Canary:
    path: str
    request: Mapping[str, Any]
    """Arguments of `httpx.Client.post`."""
    expected: str
    """A field of the answer."""
    may_be_empty: bool = False

    def is_answered_by(self, answer: Mapping[str, Any]) -> bool:
        return self.expected in answer if self.may_be_empty else bool(answer.get(self.expected))


def choose_canary(model_name: str, tasks: Sequence[ModelTask]) -> Canary:
    """For the first of the tasks: one token of one completion, or else one word or a second of silence."""
    task = next((each for each in ModelTask if each in tasks), ModelTask.GENERATE)
    if task is ModelTask.GENERATE:
        prompt = {"model": model_name, "prompt": "1", "max_tokens": 1, "temperature": 0}
        return Canary(path="/v1/completions", request={"json": prompt}, expected="choices")
    if task is ModelTask.TRANSCRIBE:
        silence = ("silence.wav", _record_silence(), "audio/wav")
        request = {"data": {"model": model_name}, "files": {"file": silence}}
        return Canary(path=TASK_PATHS[task], request=request, expected="text", may_be_empty=True)
    given = {"text_1": "canary", "text_2": "canary"} if task is ModelTask.RERANK else {"input": "canary"}
    return Canary(path=TASK_PATHS[task], request={"json": {"model": model_name, **given}}, expected="data")


def _record_silence() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLES_PER_S)
        sound.writeframes(bytes(2 * SAMPLES_PER_S))
    return file.getvalue()
