"""Changes that other processes still have to hear of."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from gateway.ids import new_id


class UnannouncedChange(models.Model):
    """A change of an account's rights that was forced while Redis was away (`accounts.stamps`)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # No foreign key: the change may be the end of the account.
    user_id = models.UUIDField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["at"]

    def __str__(self) -> str:
        return f"account {self.user_id}"
