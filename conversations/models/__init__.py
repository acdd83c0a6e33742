"""Saved conversations: each a tree of messages, one row a message, and what people keep beside them.

Only the server writes messages.
"""

from conversations.models.conversations import (
    MAX_SYSTEM_PROMPT,
    MAX_TITLE,
    Conversation,
    ConversationQuerySet,
    TitleSource,
)
from conversations.models.feedback import MAX_COMMENT, MAX_REASON, Feedback, Rating
from conversations.models.files import FileKind, StoredFile
from conversations.models.folders import Folder
from conversations.models.messages import (
    MAX_CONTENT,
    MAX_FINISH_REASON,
    MAX_MODEL_NAME,
    REFUSAL,
    ROW_BYTES,
    Message,
    MessageRole,
    MessageStatus,
    OctetLength,
    UsageSource,
)
from conversations.models.prompts import SavedPrompt
from conversations.models.responses import MAX_ITEM_ID, ResponseItem, ResponseStatus, StoredResponse
from conversations.models.retention import RetentionRule
from conversations.models.search import MessageEntry, SearchBucket, SearchKind, SearchMark, TitleEntry
from conversations.models.shared_links import SharedLink

__all__ = [
    "MAX_COMMENT",
    "MAX_CONTENT",
    "MAX_FINISH_REASON",
    "MAX_ITEM_ID",
    "MAX_MODEL_NAME",
    "MAX_REASON",
    "MAX_SYSTEM_PROMPT",
    "MAX_TITLE",
    "REFUSAL",
    "ROW_BYTES",
    "Conversation",
    "ConversationQuerySet",
    "Feedback",
    "FileKind",
    "Folder",
    "Message",
    "MessageEntry",
    "MessageRole",
    "MessageStatus",
    "OctetLength",
    "Rating",
    "ResponseItem",
    "ResponseStatus",
    "RetentionRule",
    "SavedPrompt",
    "SearchBucket",
    "SearchKind",
    "SearchMark",
    "SharedLink",
    "StoredFile",
    "StoredResponse",
    "TitleEntry",
    "TitleSource",
    "UsageSource",
]
