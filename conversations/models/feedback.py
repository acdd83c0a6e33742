"""What people thought of answers."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from conversations.models.messages import Message
from gateway.wording import fill_in

MAX_REASON = 50
MAX_COMMENT = 4_000


class Rating(models.IntegerChoices):
    UP = 1, "Good"
    DOWN = -1, "Bad"


class Feedback(models.Model):
    """One a message, as only its owner can read the answer."""

    message = models.OneToOneField(
        Message, primary_key=True, on_delete=models.CASCADE, related_name="feedback"
    )
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="feedback")
    rating = models.SmallIntegerField(choices=Rating)
    reason = models.CharField(max_length=MAX_REASON, blank=True)
    comment = models.TextField(blank=True, max_length=MAX_COMMENT)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-updated_at", "-message_id"]
        verbose_name_plural = "feedback"
        constraints = [
            models.CheckConstraint(condition=models.Q(rating__in=Rating.values), name="feedback_rating")
        ]
        indexes = [models.Index(fields=["-updated_at", "-message"], name="feedback_by_age")]

    def __str__(self) -> str:
        return fill_in("Feedback on {id}", id=self.message_id)
