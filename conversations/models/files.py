"""Files that people attach to messages. Their bytes are in Django's storage, once per account and content."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from gateway.ids import new_id
from gateway.wording import fill_in

MAX_FILE_NAME = 255


class FileKind(models.TextChoices):
    IMAGE = "image", "Image"
    DOCUMENT = "document", "Document"


class StoredFile(models.Model):
    """The `parts` of messages refer to it by its id; nobody but its owner reads it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="files", db_index=False
    )
    sha256 = models.CharField(max_length=64, editable=False)
    kind = models.CharField(max_length=10, choices=FileKind, editable=False)
    media_type = models.CharField(max_length=100, editable=False)
    name = models.CharField(max_length=MAX_FILE_NAME, blank=True, help_text="As it was first uploaded.")
    size_bytes = models.PositiveIntegerField(editable=False)
    text = models.TextField(blank=True, editable=False, help_text="Of a document, as prompts hold it.")
    text_bytes = models.PositiveIntegerField(default=0, editable=False, help_text="Of `text`, in UTF-8.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    used_at = models.DateTimeField(
        default=timezone.now,
        editable=False,
        help_text="When it was uploaded last, or attached: what a message may refer to soon is not purged.",
    )

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["owner", "sha256"], name="file_stored_once_per_owner")]
        indexes = [models.Index(fields=["owner", "-id"], name="file_of_owner")]

    def __str__(self) -> str:
        return fill_in("File {id}", id=self.pk)

    @property
    def storage_name(self) -> str:
        """Where its bytes are in the storage: no other row, also of the same content, ever has this name."""
        return f"{self.owner_id}/{self.pk}"
