"""Saved prompts: a person's own, and those that administrators share with everybody."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from gateway.ids import new_id
from gateway.wording import fill_in

MAX_PROMPT_TITLE = 100
MAX_PROMPT = 32_000


class SavedPrompt(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_prompts", db_index=False
    )
    title = models.CharField(max_length=MAX_PROMPT_TITLE)
    content = models.TextField(max_length=MAX_PROMPT)
    is_shared = models.BooleanField(default=False, help_text="Everybody may read and use it.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["title", "id"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "title"], name="prompt_title_unique_per_owner")
        ]
        indexes = [
            models.Index(fields=["title", "id"], condition=models.Q(is_shared=True), name="prompt_shared")
        ]

    def __str__(self) -> str:
        return fill_in("Saved prompt {id}", id=self.pk)
