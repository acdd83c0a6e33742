"""Who somebody is at the identity provider."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from gateway.ids import new_id

MAX_SUBJECT = 255
"""OpenID Connect Core 1.0, section 2: a subject has at most 255 characters."""


class ExternalIdentity(models.Model):
    """A subject of an issuer, and the account that it signs in to.

    The pair never changes and is given to nobody else (OpenID Connect Core 1.0, section 5.7). Names and
    e-mail addresses are, so an account is found by them once at most.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="identities")
    issuer = models.CharField(max_length=500, help_text="Without a slash at its end.")
    subject = models.CharField("subject at the provider", max_length=MAX_SUBJECT)
    email = models.EmailField("e-mail", blank=True, help_text="As the provider gave it at the last sign-in.")
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "external identities"
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="identity_once"),
        ]

    def __str__(self) -> str:
        return f"{self.subject} @ {self.issuer}"

    def clean(self) -> None:
        """One form of an issuer, as OIDC_ISSUER has it."""
        super().clean()
        self.issuer = self.issuer.rstrip("/")
