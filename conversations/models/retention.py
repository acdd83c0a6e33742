"""How long conversations are kept."""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models

from gateway.wording import fill_in

MAX_ROLE = 10


class RetentionRule(models.Model):
    """Conversations of accounts with this role are deleted when nothing was said in them for so long."""

    role = models.CharField(max_length=MAX_ROLE, unique=True)
    days = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["role"]

    def __str__(self) -> str:
        return fill_in("{role}: {days} days", role=self.role, days=self.days)
