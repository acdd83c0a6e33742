"""Removes conversations for good, in as many statements for many messages as for few."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from django.db import connection, transaction

from conversations.models import Conversation, Feedback, Message, MessageEntry, SharedLink, TitleEntry


def remove_conversations(ids: Collection[uuid.UUID]) -> None:
    """Remove these conversations with all that belongs to them. The files of messages are not among it.

    Django's own cascade reads the messages first, and deletes them a hundred at a time. Constraints hold all
    the same: the database checks them at the end of the transaction.
    """
    messages = Message.objects.filter(conversation__in=ids)
    with transaction.atomic():
        Conversation.objects.filter(pk__in=ids).update(head=None)
        SharedLink.objects.filter(conversation__in=ids).delete()
        Feedback.objects.filter(message__in=messages.values("pk")).delete()
        MessageEntry.objects.filter(message__in=messages.values("pk")).delete()
        TitleEntry.objects.filter(conversation__in=ids).delete()
        for rows in (messages, Conversation.objects.filter(pk__in=ids)):
            rows._raw_delete(connection.alias)
