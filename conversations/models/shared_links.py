"""Links by which people who have no account read a branch of a conversation."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from conversations.models.conversations import Conversation
from conversations.models.messages import Message
from gateway.ids import new_id
from gateway.wording import fill_in


class SharedLink(models.Model):
    """What was said up to `head` when it was shared, until it expires; deleting the row revokes it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="shared_links")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="shared_links")
    head = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return fill_in("Shared link {id}", id=self.pk)
