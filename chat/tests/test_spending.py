"""What answers are charged."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from chat.endpoints import COMPLETIONS, OPENAI_ENDPOINTS
from chat.generation import ClientLeft, Generation, Timeouts
from chat.pace import FIRST_GUESS_TOKENS_PER_S, Pace
from chat.routing import call_for_openai
from chat.slot_queues import RouteRequest
from chat.spending import spent_by
from chat.tests.admission_bench import Bench
from chat.transcript import Transcript, decode_chunk
from chat.upstream import EngineGateway
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


@pytest.mark.parametrize(
    ("path", "prompt_tokens"), [("/v1/embeddings", 1000), ("/tokenize", 0), ("/v1/messages/count_tokens", 0)]
)
def test_reader_that_leaves_is_charged_for_what_the_model_reads_alone(path: str, prompt_tokens: int) -> None:
    endpoint = next(endpoint for endpoint in OPENAI_ENDPOINTS if endpoint.path == path)
    left = Generation(
        admission=Bench().admission,
        request=RouteRequest("m", is_stream=False),
        engine=EngineGateway(connect_timeout_s=1),
        make_call=partial(call_for_openai, endpoint=endpoint, body={}, salt={}, traceparent=None),
        timeouts=Timeouts(first_byte_s=1, idle_s=1, total_s=1, send_s=1, ping_s=1),
        model="m",
        max_bytes=1,
        endpoint=path,
        counts_prompt=endpoint.uses_model,
    )
    left.sent_bytes = 4000

    spent = spent_by(left, ClientLeft())

    assert (spent.prompt_tokens, spent.completion_tokens) == (prompt_tokens, 0)
