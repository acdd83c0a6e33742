"""The formats that are imported: each reader makes the same trees of what its product exports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from django.db import models

from conversations.portability.readers import chatgpt, librechat, open_webui, own
from conversations.portability.trees import ImportedConversation


class ImportSource(models.TextChoices):
    OWN = "gateway", "An export of this product"
    CHATGPT = "chatgpt", "ChatGPT's export"
    OPEN_WEBUI = "open-webui", "Open WebUI's export"
    LIBRECHAT = "librechat", "LibreChat's export"


class Reader(Protocol):
    """A module of this package."""

    def recognises(self, item: Mapping[str, Any]) -> bool:
        """Whether the item has the shape of this format, by what no other one has."""

    def read(self, item: Mapping[str, Any]) -> ImportedConversation:
        """Raises UnreadableItem."""


READERS: dict[ImportSource, Reader] = {
    ImportSource.OWN: own,
    ImportSource.CHATGPT: chatgpt,
    ImportSource.OPEN_WEBUI: open_webui,
    ImportSource.LIBRECHAT: librechat,
}


def recognise(item: Mapping[str, Any]) -> ImportSource | None:
    """The format of a conversation, by its shape."""
    return next((source for source, reader in READERS.items() if reader.recognises(item)), None)
