"""Folders of conversations. A conversation is in one of them or in none (docs/adr/0012)."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from gateway.ids import new_id
from gateway.wording import fill_in

MAX_FOLDER_NAME = 100


class Folder(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="folders", db_index=False
    )
    name = models.CharField(max_length=MAX_FOLDER_NAME)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="folder_name_unique_per_owner")]

    def __str__(self) -> str:
        return fill_in("Folder {id}", id=self.pk)
