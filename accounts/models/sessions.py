"""Where an account is logged in."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from gateway.ids import new_id
from gateway.wording import fill_in

MAX_USER_AGENT = 200


class Session(models.Model):
    """A log-in, and the cookie or the family of tokens that came from it; it ends as a whole.

    Of tokens exactly one refresh token is current. The one before it is remembered, so that a client
    which lost the answer to its refresh is told apart from a thief who comes late.
    """

    class Kind(models.TextChoices):
        TOKENS = "tokens", "Access and refresh tokens"
        COOKIE = "cookie", "A cookie of the admin pages"

    class EndReason(models.TextChoices):
        LOGOUT = "logout", "Logged out"
        REVOKED = "revoked", "Ended by its owner"
        ADMIN = "admin", "Ended by an administrator"
        PASSWORD = "password", "The password changed"
        DEACTIVATED = "deactivated", "The account was deactivated"
        REUSE = "reuse", "A used refresh token came back"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sessions")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.TOKENS)
    account_version = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(db_index=True)
    user_agent = models.CharField(max_length=MAX_USER_AGENT, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    refresh_jti = models.CharField(max_length=32)
    previous_jti = models.CharField(max_length=32, blank=True)
    rotated_at = models.DateTimeField(default=timezone.now)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_reason = models.CharField(max_length=12, choices=EndReason, blank=True)

    class Meta:
        ordering = ["-last_used_at"]
        indexes = [models.Index(fields=["user", "-last_used_at"], name="session_of_user")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(revoked_at=None, revoked_reason="")
                | (models.Q(revoked_at__isnull=False) & ~models.Q(revoked_reason="")),
                name="session_end_has_a_reason",
            )
        ]

    def __str__(self) -> str:
        client = self.user_agent or fill_in("unknown client")
        return fill_in("{client}, {at}", client=client, at=f"{self.created_at:%Y-%m-%d %H:%M}")
