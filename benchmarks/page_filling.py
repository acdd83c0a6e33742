"""What the pages' benchmark shows: `fill()` runs within the gateway, by `manage.py shell`.

Prints `ID` and the id of the long conversation.
"""

from __future__ import annotations

import datetime
from typing import Any

from benchmarks.page_texts import MARKDOWN

READER = "demo"
CONVERSATIONS = 5_000
LONG_MESSAGES = 4_000
ROWS_AT_A_TIME = 1_000


def fill() -> None:
    from accounts.models import User

    reader = User.objects.get(username=READER)
    now = datetime.datetime.now(datetime.UTC)
    for number in range(0, CONVERSATIONS - 1, ROWS_AT_A_TIME):
        add_short_ones(reader, range(number, min(number + ROWS_AT_A_TIME, CONVERSATIONS - 1)), now)
    print("ID", add_long_one(reader, now))


def add_short_ones(reader: Any, numbers: range, now: datetime.datetime) -> None:
    """Of a question and an answer each."""
    from conversations.models import Conversation, Message

    conversations = [
        Conversation(owner=reader, title=f"Conversation {number}", created_at=used_at, updated_at=used_at)
        for number in numbers
        for used_at in [now - datetime.timedelta(hours=number)]
    ]
    questions, answers = [], []
    for conversation in conversations:
        common = {"conversation": conversation, "owner": reader, "created_at": conversation.created_at}
        questions.append(Message(**common, role="user", content="A question?"))
        answers.append(Message(**common, role="assistant", content="An answer.", parent=questions[-1]))
    Conversation.objects.bulk_create(conversations)
    Message.objects.bulk_create(questions)
    Message.objects.bulk_create(answers)
    for conversation, answer in zip(conversations, answers, strict=True):
        conversation.head = answer
    Conversation.objects.bulk_update(conversations, ["head"], batch_size=500)


def add_long_one(reader: Any, now: datetime.datetime) -> str:
    """Every other message is an answer in Markdown, with lists, tables and code."""
    from conversations.models import Conversation, Message

    conversation = Conversation.objects.create(owner=reader, title="Long", created_at=now, updated_at=now)
    rows: list[Message] = []
    for number in range(LONG_MESSAGES):
        is_answer = number % 2 == 1
        rows.append(
            Message(
                conversation=conversation,
                owner=reader,
                parent=rows[-1] if rows else None,
                role="assistant" if is_answer else "user",
                content=f"Message {number}.\n\n{MARKDOWN if is_answer else 'A question?'}",
                model="speaker" if is_answer else "",
            )
        )
    Message.objects.bulk_create(rows, batch_size=ROWS_AT_A_TIME)
    conversation.head = rows[-1]
    conversation.save(update_fields=["head"])
    return str(conversation.pk)
