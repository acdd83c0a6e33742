"""Fills a database: `python -m benchmarks.filling USERNAME MESSAGES CONVERSATIONS OWN OWN_MESSAGES`.

The account USERNAME gets OWN of the CONVERSATIONS and OWN_MESSAGES of the MESSAGES; one of its
conversations has LONGEST messages. The others belong to accounts that are made here. The texts are of made-up
words, English and Korean, as unequally frequent as words are; the same arguments make the same texts.

Runs with the gateway's settings, on a migrated database. Prints what the benchmark asks for as JSON:
`longest` and `typical`, each the id of a conversation.
"""

from __future__ import annotations

import datetime
import itertools
import json
import os
import random
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from accounts.models import User
    from conversations.models import Conversation, Message

LONGEST = 4000
TYPICAL = 20
"""Messages of the conversation whose detail is read."""
CONVERSATIONS_OF_OTHERS = 200
ROWS_AT_A_TIME = 5000
WORDS = 4000
WORDS_OF_MESSAGE = 24
SPAN = datetime.timedelta(days=300)
"""How far back the first conversation lies."""
ENGLISH = ("ba", "der", "lin", "mo", "net", "pra", "sto", "tur", "vex", "zil", "con", "fig", "shu", "ter")
KOREAN = "가나다라마바사아자차하고노도로모보소오조초호구누두루무부수우주추후기니디리미비시이지치히"


@dataclass(frozen=True, slots=True)
class Share:
    """What an owner has."""

    owner: User
    conversations: int
    messages: int


class Writer:
    """Makes up texts."""

    def __init__(self) -> None:
        self._random = random.Random(12)  # noqa: S311 - the same texts each time
        self._words = [self._make_word() for _ in range(WORDS)]
        self._weights = list(itertools.accumulate(1 / rank for rank in range(1, WORDS + 1)))

    def write(self) -> str:
        return " ".join(self._random.choices(self._words, cum_weights=self._weights, k=WORDS_OF_MESSAGE))

    def word_at(self, rank: int) -> str:
        """The word that is the most frequent but `rank`."""
        return self._words[rank]

    def _make_word(self) -> str:
        if self._random.random() < 0.5:
            return "".join(self._random.choices(KOREAN, k=self._random.randint(2, 4)))
        return "".join(self._random.choices(ENGLISH, k=self._random.randint(1, 4)))


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    django.setup()
    from accounts.models import User

    username, *numbers = sys.argv[1:]
    messages, conversations, own, own_messages = map(int, numbers)
    reader = User.objects.get(username=username)
    shares = [Share(reader, own, own_messages)]
    others = conversations - own
    accounts = [
        User.objects.create_user(f"person-{number}")
        for number in range(-(-others // CONVERSATIONS_OF_OTHERS))
    ]
    for number, account in enumerate(accounts):
        owned = others * (number + 1) // len(accounts) - others * number // len(accounts)
        shares.append(Share(account, owned, (messages - own_messages) * owned // others))
    writer = Writer()
    for share in shares:
        fill(share, writer, has_longest=share.owner == reader)
    analyse()
    print(json.dumps({"longest": find(reader, LONGEST), "typical": find(reader, TYPICAL)}))


def fill(share: Share, writer: Writer, *, has_longest: bool) -> None:
    """Store what an owner has, a batch of rows at a time."""
    rows: list[Message] = []
    pending: list[Conversation] = []
    for conversation, made in make_conversations(share, writer, has_longest=has_longest):
        pending.append(conversation)
        rows += made
        if len(rows) >= ROWS_AT_A_TIME:
            store(pending, rows)
    store(pending, rows)


def make_conversations(
    share: Share, writer: Writer, *, has_longest: bool
) -> Iterator[tuple[Conversation, list[Message]]]:
    from conversations.models import Conversation

    sizes = split(share, has_longest=has_longest)
    now = datetime.datetime.now(datetime.UTC)
    for number, size in enumerate(sizes):
        used_at = now - SPAN * (len(sizes) - number) / len(sizes)
        conversation = Conversation(
            owner=share.owner, title=writer.write()[:60], created_at=used_at, updated_at=used_at
        )
        yield conversation, make_messages(conversation, size, writer, used_at)


def split(share: Share, *, has_longest: bool) -> list[int]:
    """How many messages each conversation has."""
    special = [LONGEST, TYPICAL] if has_longest else []
    number = share.conversations - len(special)
    left = share.messages - sum(special)
    # The conversation of the usual size is the one used last: the first of the list.
    return [
        *special[:1],
        *(left * (n + 1) // number - left * n // number for n in range(number)),
        *special[1:],
    ]


def make_messages(
    conversation: Conversation, size: int, writer: Writer, moment: datetime.datetime
) -> list[Message]:
    from conversations.models import Message

    rows: list[Message] = []
    for number in range(size):
        created_at = moment + datetime.timedelta(milliseconds=number)
        rows.append(
            Message(
                id=id_at(created_at),
                conversation=conversation,
                owner=conversation.owner,
                parent=rows[-1] if rows else None,
                role="assistant" if number % 2 else "user",
                content=writer.write(),
                model="m" if number % 2 else "",
                created_at=created_at,
            )
        )
    return rows


def id_at(moment: datetime.datetime) -> uuid.UUID:
    """A UUIDv7 of that moment."""
    from gateway.ids import first_id_at, new_id

    return uuid.UUID(int=first_id_at(moment).int | (new_id().int & ((1 << 80) - 1)))


def store(conversations: list[Conversation], messages: list[Message]) -> None:
    """Store these rows, and empty both lists."""
    from django.db import transaction

    from conversations.models import Conversation, Message

    heads = {message.conversation_id: message for message in messages}
    with transaction.atomic():
        Conversation.objects.bulk_create(conversations)
        Message.objects.bulk_create(messages)
        for conversation in conversations:
            conversation.head = heads.get(conversation.pk)
        Conversation.objects.bulk_update(conversations, ["head"], batch_size=500)
    conversations.clear()
    messages.clear()


def analyse() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE" if connection.vendor == "sqlite" else "VACUUM ANALYZE")


def find(owner: User, size: int) -> str:
    """The last used conversation with that many messages."""
    from django.db.models import Count

    found = owner.conversations.annotate(size=Count("messages")).filter(size=size).latest("updated_at")
    return str(found.pk)


if __name__ == "__main__":
    main()
