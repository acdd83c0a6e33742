"""What administrators and owners did, and from where."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy

from gateway.ids import new_id


class Via(models.TextChoices):
    ADMIN = "admin", "Admin pages"
    PAGE = "page", "Pages"
    REST = "rest", "REST"
    CHAT = "chat", "A chat request"
    COMMAND = "command", "Command line"
    SYSTEM = "system", "The gateway itself"


class AuditEvent(models.Model):
    """Append-only, but for failed log-ins (`accounts.login_trail`).

    Names stand beside ids, so that the trail outlives what it tells of.
    """

    class Action(models.TextChoices):
        LOGGED_IN = "logged_in", gettext_lazy("Logged in")
        LOGIN_FAILED = "login_failed", gettext_lazy("Log-in failed")
        LOGGED_OUT = "logged_out", gettext_lazy("Logged out")
        USER_CREATED = "user_created", gettext_lazy("Account created")
        USER_REGISTERED = "user_registered", gettext_lazy("Account registered")
        USER_CHANGED = "user_changed", gettext_lazy("Account changed")
        USER_DELETED = "user_deleted", gettext_lazy("Account deleted")
        ROLE_CHANGED = "role_changed", gettext_lazy("Role changed")
        USER_ACTIVATED = "user_activated", gettext_lazy("Account activated")
        USER_DEACTIVATED = "user_deactivated", gettext_lazy("Account deactivated")
        IDENTITY_LINKED = "identity_linked", gettext_lazy("Account linked to the identity provider")
        IDENTITY_UNLINKED = (
            "identity_unlinked",
            gettext_lazy("Account no longer linked to the identity provider"),
        )
        PASSWORD_CHANGED = "password_changed", gettext_lazy("Password changed by its owner")
        PASSWORD_RESET = "password_reset", gettext_lazy("Password reset")
        SESSIONS_REVOKED = "sessions_revoked", gettext_lazy("Sessions ended")
        SESSION_REUSED = "session_reused", gettext_lazy("Session ended: a used refresh token came back")
        KEY_ISSUED = "key_issued", gettext_lazy("API key issued")
        KEY_CHANGED = "key_changed", gettext_lazy("API key changed")
        KEY_ROTATED = "key_rotated", gettext_lazy("API key rotated")
        KEY_REVOKED = "key_revoked", gettext_lazy("API key revoked")
        LIMIT_CREATED = "limit_created", gettext_lazy("Limit set")
        LIMIT_CHANGED = "limit_changed", gettext_lazy("Limit changed")
        LIMIT_DELETED = "limit_deleted", gettext_lazy("Limit removed")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    at = models.DateTimeField(default=timezone.now, db_index=True)
    repeats = models.PositiveIntegerField(
        default=1, help_text="How often it happened; more than once for failed log-ins."
    )
    last_at = models.DateTimeField("last time", null=True, blank=True)
    actor_id = models.UUIDField(null=True, blank=True)
    actor_name = models.CharField(max_length=150, blank=True)
    via = models.CharField(max_length=10, choices=Via)
    # No choices: what other parts of the gateway put on record has names of its own.
    action = models.CharField(max_length=40)
    target_type = models.CharField(max_length=40)
    target_id = models.CharField(max_length=64)
    target_label = models.CharField(max_length=200, blank=True)
    changes = models.JSONField(default=dict, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    request_id = models.CharField(max_length=128, blank=True)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["target_type", "target_id"], name="audit_of_target"),
            models.Index(fields=["actor_id", "-at"], name="audit_of_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target_label}"
