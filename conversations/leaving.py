"""What an account has in this app: copied for its owner, and removed when the account is (ACCOUNT_DATA)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from functools import partial

from django.core.files.storage import default_storage
from django.db import transaction

from conversations.models import Conversation, Folder, SavedPrompt, SharedLink, StoredFile, StoredResponse
from conversations.portability.exporting import list_entries
from conversations.portability.selection import Selection
from conversations.removal import remove_conversations
from gateway.downloads import rows_entry
from gateway.zip_stream import ZipEntry

BATCH_CONVERSATIONS = 100

FOLDERS = ("id", "name", "created_at")
PROMPTS = ("id", "title", "content", "is_shared", "created_at", "updated_at")
RESPONSES = ("id", "previous_id", "status", "model", "input", "answer", "created_at", "expires_at")
LINKS = ("id", "conversation_id", "head_id", "created_at", "expires_at")


class ConversationData:
    """See `accounts.leaving.AccountData`."""

    @staticmethod
    def list_entries(user_id: uuid.UUID) -> Iterator[ZipEntry]:
        """Conversations, the trash included, as imports take them; all files, and what is beside."""
        yield from list_entries(Selection(owner_id=user_id, is_complete=True))
        yield rows_entry("folders.json", Folder.objects.filter(owner=user_id), FOLDERS)
        yield rows_entry("prompts.json", SavedPrompt.objects.filter(owner=user_id), PROMPTS)
        yield rows_entry("responses.json", StoredResponse.objects.filter(owner=user_id), RESPONSES)
        yield rows_entry("shared_links.json", SharedLink.objects.filter(owner=user_id), LINKS)

    @staticmethod
    def remove(user_id: uuid.UUID) -> None:
        """Remove the rows in this transaction, and the bytes of files after it.

        Bytes that a crash leaves are removed by `purge_conversations`. Prompts shared with everybody go, too.
        """
        files = list(StoredFile.objects.filter(owner=user_id).only("id", "owner_id"))
        ids = list(Conversation.objects.filter(owner=user_id).values_list("pk", flat=True))
        for start in range(0, len(ids), BATCH_CONVERSATIONS):
            remove_conversations(ids[start : start + BATCH_CONVERSATIONS])
        SavedPrompt.objects.filter(owner=user_id).delete()
        StoredResponse.objects.filter(owner=user_id).delete()
        Folder.objects.filter(owner=user_id).delete()
        StoredFile.objects.filter(owner=user_id).delete()
        transaction.on_commit(partial(_remove_bytes, [file.storage_name for file in files]))


def _remove_bytes(names: Sequence[str]) -> None:
    for name in names:
        default_storage.delete(name)
