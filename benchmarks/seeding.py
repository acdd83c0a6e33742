"""Stores conversations: `python -m benchmarks.seeding USERNAME NUMBERxTURNS …`.

Runs with the gateway's settings; prints `{turns: [[conversation id, id of its last answer], …]}`.
"""

from __future__ import annotations

import json
import os
import sys

import django

WORDS = "a few words about nothing much, as people write them"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    django.setup()
    username, *kinds = sys.argv[1:]
    made = {}
    for kind in kinds:
        number, turns = map(int, kind.split("x"))
        made[turns] = [add_conversation(username, turns) for _ in range(number)]
    print(json.dumps(made))


def add_conversation(username: str, turns: int) -> tuple[str, str]:
    from accounts.models import User
    from conversations.models import Conversation, Message

    owner = User.objects.get(username=username)
    conversation = Conversation.objects.create(owner=owner)
    rows: list[Message] = []
    for number in range(2 * turns):
        rows.append(
            Message(
                conversation=conversation,
                owner=owner,
                parent=rows[-1] if rows else None,
                role="assistant" if number % 2 else "user",
                content=WORDS,
            )
        )
    Message.objects.bulk_create(rows)
    Conversation.objects.filter(pk=conversation.pk).update(head=rows[-1])
    return str(conversation.pk), str(rows[-1].pk)


if __name__ == "__main__":
    main()
