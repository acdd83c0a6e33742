"""What a started engine is asked first, by the tasks of its model."""

from __future__ import annotations

import io
import wave

import pytest

from modelops.domain.tasks import ModelTask
from modelops.switcher.canary import choose_canary


@pytest.mark.parametrize(
    ("tasks", "path"),
    [
        ([ModelTask.GENERATE, ModelTask.TRANSCRIBE], "/v1/completions"),
        ([ModelTask.EMBED, ModelTask.RERANK, ModelTask.POOL], "/v1/embeddings"),
        ([ModelTask.RERANK, ModelTask.CLASSIFY, ModelTask.POOL], "/score"),
        ([ModelTask.CLASSIFY, ModelTask.POOL], "/classify"),
        ([ModelTask.POOL], "/pooling"),
        ([ModelTask.TRANSCRIBE], "/v1/audio/transcriptions"),
        ([], "/v1/completions"),
    ],
)
def test_engine_is_asked_for_the_first_of_its_tasks(tasks: list[ModelTask], path: str) -> None:
    assert choose_canary("m", tasks).path == path


def test_silence_is_a_second_of_sound_and_may_have_no_text() -> None:
    canary = choose_canary("m", [ModelTask.TRANSCRIBE])

    name, sound, kind = canary.request["files"]["file"]
    with wave.open(io.BytesIO(sound)) as read:
        seconds = read.getnframes() / read.getframerate()

    assert (name, kind, seconds) == ("silence.wav", "audio/wav", 1.0)
    assert canary.is_answered_by({"text": ""})
    assert not canary.is_answered_by({})


def test_numbers_and_choices_are_no_empty_lists() -> None:
    canary = choose_canary("m", [ModelTask.EMBED])

    assert canary.is_answered_by({"data": [1]})
    assert not canary.is_answered_by({"data": []})
