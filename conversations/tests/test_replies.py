"""An answer's row from its first checkpoint to its end, by its own process or by the sweeper."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from conversations.models import Message, MessageStatus
from conversations.replies import (
    Checkpoint,
    Sweep,
    close_replies,
    save_checkpoints,
    sweep_orphans,
)
from conversations.tests.turn_items import outcome

pytestmark = pytest.mark.django_db

Start = Callable[..., Message]


def checkpoint(answer: Message, content: str, reasoning: str = "") -> Checkpoint:
    return Checkpoint(message_id=answer.id, content=content, reasoning=reasoning, lease_s=60)


def test_end_of_an_answer_is_kept_in_full(start_answer: Start) -> None:
    answer = start_answer()
    calls = [{"id": "c1", "type": "function", "function": {"name": "날씨", "arguments": '{"도시": "서울"}'}}]

    results = close_replies(
        [
            outcome(
                answer,
                content="안녕 👋",
                reasoning="hm",
                tool_calls=calls,
                model="tiny",
                finish_reason="tool_calls",
                prompt_tokens=5,
                completion_tokens=7,
                usage_source="engine",
                ttft_ms=12,
                latency_ms=340,
            )
        ]
    )

    assert results == [None]
    row = Message.objects.values().get(pk=answer.pk)
    assert (
        row
        | {
            "status": "complete",
            "content": "안녕 👋",
            "reasoning": "hm",
            "tool_calls": calls,
            "error_code": "",
            "model": "tiny",
            "finish_reason": "tool_calls",
            "prompt_tokens": 5,
            "completion_tokens": 7,
            "usage_source": "engine",
            "ttft_ms": 12,
            "latency_ms": 340,
            "lease_expires_at": None,
        }
        == row
    )


def test_answer_without_tool_calls_has_none(start_answer: Start) -> None:
    answer = start_answer()

    close_replies([outcome(answer)])

    assert Message.objects.filter(pk=answer.pk, tool_calls__isnull=True, prompt_tokens=None).exists()


def test_closed_answer_stays_as_it_is(start_answer: Start) -> None:
    answer = start_answer()
    close_replies([outcome(answer, content="first")])
    before = Message.objects.values().get(pk=answer.pk)

    close_replies([outcome(answer, content="second", status=MessageStatus.ERROR, error_code="late")])
    save_checkpoints([checkpoint(answer, "third")])

    assert Message.objects.values().get(pk=answer.pk) == before


def test_checkpoint_keeps_the_text_so_far_and_extends_the_lease(start_answer: Start) -> None:
    answer = start_answer(lease_s=1)

    save_checkpoints([checkpoint(answer, "so far", "thinking")])

    answer.refresh_from_db()
    assert (answer.status, answer.content, answer.reasoning) == ("streaming", "so far", "thinking")
    assert answer.lease_expires_at is not None
    assert answer.lease_expires_at > timezone.now() + timedelta(seconds=50)


def test_batch_closes_each_answer_with_its_own_end(start_answer: Start) -> None:
    answers = [start_answer() for _ in range(3)]
    close_replies([outcome(answers[1], content="earlier")])

    results = close_replies([outcome(a, content=f"text {n}") for n, a in enumerate(answers)])

    assert results == [None, None, None]
    rows = [Message.objects.get(pk=a.pk).content for a in answers]
    assert rows == ["text 0", "earlier", "text 2"]


def test_end_of_an_answer_that_is_gone_is_no_error(start_answer: Start) -> None:
    answer = start_answer()
    answer.conversation.delete()

    assert close_replies([outcome(answer)]) == [None]


def test_closing_frees_the_conversation_for_the_next_answer(start_answer: Start) -> None:
    first = start_answer()
    close_replies([outcome(first)])

    Message.objects.create(
        conversation=first.conversation,
        owner=first.owner,
        role="assistant",
        status="streaming",
        lease_expires_at=timezone.now(),
    )

    assert Message.objects.filter(conversation=first.conversation).count() == 2


@pytest.mark.parametrize("write", ["close", "checkpoint"])
def test_twenty_answers_are_one_statement(start_answer: Start, write: str) -> None:
    answers = [start_answer() for _ in range(20)]

    with CaptureQueriesContext(connection) as queries:
        if write == "close":
            close_replies([outcome(answer) for answer in answers])
        else:
            save_checkpoints([checkpoint(answer, "so far") for answer in answers])

    updates = [q for q in queries.captured_queries if "UPDATE" in q["sql"]]
    assert len(updates) == 1


def test_sweep_closes_answers_whose_lease_ran_out_and_keeps_their_text(start_answer: Start) -> None:
    dead, alive = start_answer(lease_s=-1, content="half"), start_answer(lease_s=30)

    assert sweep_orphans([Sweep()]) == [1]

    dead.refresh_from_db()
    alive.refresh_from_db()
    assert (dead.status, dead.error_code, dead.content) == ("error", "interrupted", "half")
    assert dead.lease_expires_at is None
    assert alive.status == "streaming"


def test_sweep_of_everything_closes_running_answers_too(start_answer: Start) -> None:
    start_answer(lease_s=30)
    finished = start_answer()
    close_replies([outcome(finished)])

    assert sweep_orphans([Sweep(everything=True)]) == [1]

    finished.refresh_from_db()
    assert finished.status == "complete"


def test_second_sweep_finds_nothing(start_answer: Start) -> None:
    start_answer(lease_s=-1)

    assert sweep_orphans([Sweep(), Sweep()]) == [1, 0]


def test_answer_that_was_swept_by_mistake_has_the_last_word_once(start_answer: Start) -> None:
    answer = start_answer(lease_s=-1)
    sweep_orphans([Sweep()])

    close_replies([outcome(answer, content="alive after all")])
    close_replies([outcome(answer, content="again", status=MessageStatus.ERROR, error_code="late")])

    answer.refresh_from_db()
    assert (answer.status, answer.error_code, answer.content) == ("complete", "", "alive after all")


def test_checkpoint_after_the_sweep_does_not_reopen_the_answer(start_answer: Start) -> None:
    answer = start_answer(lease_s=-1, content="half")
    sweep_orphans([Sweep()])

    save_checkpoints([checkpoint(answer, "more than half")])

    answer.refresh_from_db()
    assert (answer.status, answer.content, answer.lease_expires_at) == ("error", "half", None)
