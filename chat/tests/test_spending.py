"""What answers are charged."""

from __future__ import annotations

from typing import Any

import pytest

from chat.endpoints import COMPLETIONS
from chat.pace import FIRST_GUESS_TOKENS_PER_S, Pace
from chat.routing import call_for_openai
from chat.transcript import Transcript, decode_chunk
from modelops.serving.routes import Route

ROUTE = Route(base_url="http://engine", model="m", slot="s", max_output_tokens=70)


@pytest.mark.parametrize(
    ("body", "choices"),
    [
        ({"prompt": "x"}, 1),
        ({"prompt": "x", "n": 3}, 3),
        ({"prompt": "x", "n": 1, "best_of": 4}, 4),
        ({"prompt": ["x", "y"], "n": 3}, 6),
        ({"prompt": [1, 2, 3]}, 1),
        ({"prompt": [[1, 2], [3]]}, 2),
        ({"prompt": "x", "n": None}, 1),
    ],
)
def test_every_text_that_is_generated_counts(body: dict[str, Any], choices: int) -> None:
    call = call_for_openai(ROUTE, endpoint=COMPLETIONS, body=body, salt={}, traceparent=None)

    assert (call.choices, call.max_tokens) == (choices, 70)


def test_pace_follows_the_answers() -> None:
    pace = Pace()
    at_first = pace.tokens_in(2)

    pace.note(100, 10)
    measured = pace.tokens_in(2)
    pace.note(1000, 10)
    pace.note(0, 10)
    pace.note(5, 0)

    assert (at_first, measured) == (FIRST_GUESS_TOKENS_PER_S * 2, 20)
    assert pace.tokens_per_s == pytest.approx(28)


def test_text_that_comes_in_large_pieces_is_measured_by_its_size() -> None:
    transcript = Transcript()

    transcript.add(decode_chunk('{"choices":[{"delta":{"content":"한글","reasoning":"abcd"}}]}'.encode()))

    assert transcript.text_bytes == 10
