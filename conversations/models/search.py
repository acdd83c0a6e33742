"""The index that searches read, but for its terms.

Terms are in a column that Django does not know on PostgreSQL, and in a table of FTS5 on SQLite, from which
triggers remove those of a row that is deleted (migration 0016). Whoever changes one of these tables on SQLite
later has to make its triggers again, as Django makes a new table then.

An entry's id is that of its bucket and its place there, so that the entries of an account are in the order in
which they were made.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class SearchKind(models.TextChoices):
    MESSAGES = "m", "Messages"
    TITLES = "t", "Titles"


class SearchMark(models.Model):
    """How far the index of an account has come. Its row is locked by whoever writes the index."""

    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="+"
    )
    indexed_to = models.UUIDField(help_text="Every message up to this id has its entry.")
    touched_to = models.DateTimeField(
        null=True, help_text="What went on in conversations before then is in the index."
    )
    checked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Search mark of {self.pk}"


class SearchBucket(models.Model):
    """Some thousand entries of one account; every term of theirs begins with the bucket's id.

    So the lists of an index are as long in a large database as in a small one.
    """

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    kind = models.CharField(max_length=1, choices=SearchKind)
    used = models.PositiveIntegerField(default=0, help_text="Places given to entries.")
    has_long = models.BooleanField(
        default=False, help_text="Whether a text of it has too many terms to be found by them."
    )
    oldest_at = models.DateTimeField()
    newest_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["owner", "kind", "id"], name="search_bucket_of_owner")]

    def __str__(self) -> str:
        return f"Search bucket {self.pk}"


class MessageEntry(models.Model):
    """A message in the index."""

    id = models.BigIntegerField(primary_key=True)
    message = models.OneToOneField("Message", on_delete=models.CASCADE, related_name="+")
    conversation_id = models.UUIDField()
    created_at = models.DateTimeField(help_text="Of the message.")
    size_bytes = models.IntegerField(help_text="Of the message as it was indexed: a text that goes on grows.")

    def __str__(self) -> str:
        return f"Search entry of message {self.message_id}"


class TitleEntry(models.Model):
    """The title of a conversation in the index, or to be put there by the next search."""

    conversation = models.OneToOneField(
        "Conversation", primary_key=True, on_delete=models.CASCADE, related_name="+"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    entry_id = models.BigIntegerField(null=True, unique=True)
    created_at = models.DateTimeField(null=True, help_text="Of the conversation.")
    is_stale = models.BooleanField(default=True, help_text="The title changed since it was indexed.")

    class Meta:
        indexes = [
            models.Index(fields=["owner"], condition=Q(is_stale=True), name="title_entry_stale"),
        ]

    def __str__(self) -> str:
        return f"Search entry of conversation {self.pk}"
