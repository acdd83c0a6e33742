"""Messages that are sent again with their `client_message_id`: what was asked then, and the answer to it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from conversations.models import Message, MessageRole, MessageStatus
from gateway.errors import ClientMessageIdReused, PermissionDenied

STARTS, CONTINUES = "n", "c"
"""How the digest of a request begins that starts a conversation, and of one that goes on with one."""


@dataclass(frozen=True, kw_only=True)
class RepeatKey:
    """By what a repeat is recognised, and by what its neighbour that only looks like one."""

    owner_id: uuid.UUID
    client_message_id: str
    request_digest: str = ""
    """Of all that decides what is asked, after STARTS or CONTINUES; see `chat.request_digest`."""
    conversation_id: uuid.UUID | None = None
    may_read: bool = True
    """Whether the credential may reach what is stored."""


@dataclass(frozen=True)
class AskedMessage:
    """A stored message that has a client_message_id, and its last answer."""

    id: uuid.UUID
    conversation_id: uuid.UUID
    request_digest: str = ""
    deleted_at: datetime | None = None
    """Of its conversation."""
    answer_id: uuid.UUID | None = None
    answer_status: str = ""

    @property
    def is_answered(self) -> bool:
        """Whether its answer is to be repeated: an error is tried again."""
        return self.answer_id is not None and self.answer_status not in {
            MessageStatus.STREAMING,
            MessageStatus.ERROR,
        }

    def check_repeat(self, key: RepeatKey) -> None:
        """Raises PermissionDenied, or ClientMessageIdReused unless `key`'s request asks for the same.

        A client that lost the answer may know by now which conversation its message started, and name it.
        """
        if not key.may_read:
            raise PermissionDenied("This API key lacks the scope history.")
        if not self.request_digest or not key.request_digest:
            return  # stored before digests were
        if self.request_digest[1:] != key.request_digest[1:]:
            raise ClientMessageIdReused(param="client_message_id")
        is_same_place = (
            self.request_digest.startswith(STARTS)
            if key.conversation_id is None
            else key.conversation_id == self.conversation_id
        )
        if not is_same_place:
            raise ClientMessageIdReused(param="client_message_id")


AskedByKey = dict[tuple[uuid.UUID, str], AskedMessage]


def load_asked(keys: Sequence[RepeatKey]) -> AskedByKey:
    """The stored messages that these keys repeat, by owner and client_message_id. Two queries at most."""
    if not keys:
        return {}
    rows = Message.objects.filter(
        client_message_id__in={key.client_message_id for key in keys},
        owner_id__in={key.owner_id for key in keys},
    ).values_list(
        *("owner_id", "client_message_id", "id", "conversation_id", "request_digest"),
        "conversation__deleted_at",
    )
    found = {(owner_id, key or ""): rest for owner_id, key, *rest in rows}
    answers = _last_answers(id_ for id_, *_rest in found.values()) if found else {}
    return {key: AskedMessage(*rest, *answers.get(rest[0], (None, ""))) for key, rest in found.items()}


def _last_answers(asked: Iterable[uuid.UUID]) -> dict[uuid.UUID, tuple[uuid.UUID, str]]:
    rows = Message.objects.filter(parent_id__in=list(asked), role=MessageRole.ASSISTANT).order_by("id")
    return {
        parent: (id_, status)
        for parent, id_, status in rows.values_list("parent_id", "id", "status")
        if parent is not None
    }
