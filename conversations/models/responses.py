"""Responses of OpenAI's that were stored on request: what was asked, and the object that was answered."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from conversations.models.messages import MAX_MODEL_NAME
from gateway.ids import new_id

MAX_ITEM_ID = 128


class ResponseStatus(models.TextChoices):
    IN_PROGRESS = "in_progress", "In progress"
    COMPLETED = "completed", "Completed"
    INCOMPLETE = "incomplete", "Incomplete"
    CANCELLED = "cancelled", "Cancelled"
    FAILED = "failed", "Failed"


class StoredResponse(models.Model):
    """One response. JSON is kept as text: nothing is searched in it, and it may hold escaped NULs."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="stored_responses"
    )
    thread_id = models.UUIDField(db_index=True, help_text="The id of the first response of those before it.")
    previous_id = models.UUIDField(null=True, blank=True, help_text="No key: that one may be gone by now.")
    status = models.CharField(max_length=20, choices=ResponseStatus, default=ResponseStatus.IN_PROGRESS)
    model = models.CharField(max_length=MAX_MODEL_NAME, blank=True)
    input = models.TextField(help_text="The request's own items, as a JSON list.")
    answer = models.TextField(blank=True, help_text="The response object, as JSON.")
    size_bytes = models.IntegerField(default=0, help_text="Of both texts.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=ResponseStatus.values), name="response_status"
            )
        ]

    def __str__(self) -> str:
        return f"Response {self.pk}"


class ResponseItem(models.Model):
    """Where an item of a stored response's output is found that a later request names by its id."""

    response = models.ForeignKey(StoredResponse, on_delete=models.CASCADE, related_name="items")
    item_id = models.CharField(max_length=MAX_ITEM_ID, db_index=True)

    class Meta:
        ordering = ["response", "id"]

    def __str__(self) -> str:
        return f"Item {self.item_id} of {self.response_id}"
