"""Groups of accounts, for limits that hold for each of their members."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from gateway.ids import new_id

MAX_GROUP_NAME = 150


class AccountGroup(models.Model):
    """Accounts that an administrator, or a claim of the identity provider, put together.

    It gives no rights: those come with the role. Its limits are rows of `Limit`.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=MAX_GROUP_NAME)
    claim_value = models.CharField(
        "value of the claim",
        max_length=255,
        blank=True,
        help_text="Whom the identity provider gives this value of OIDC_GROUPS_CLAIM is a member; empty: the "
        "name of the group.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = "group"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                Lower("name"),
                name="group_name_unique_ignoring_case",
                violation_error_message="There is a group with this name.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class GroupMembership(models.Model):
    """That an account is in a group, and who says so."""

    class Source(models.TextChoices):
        ADMIN = "admin", "An administrator"
        CLAIM = "claim", "The identity provider"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    group = models.ForeignKey(AccountGroup, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships", verbose_name="account"
    )
    source = models.CharField(max_length=10, choices=Source, default=Source.ADMIN)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        verbose_name = "member"
        ordering = ["user__username"]
        constraints = [models.UniqueConstraint(fields=["group", "user"], name="membership_once")]

    def __str__(self) -> str:
        return str(self.user)
