"""What administrators allow whom, and what was used of it."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from accounts.models.groups import AccountGroup
from accounts.models.keys import ApiKey
from accounts.models.users import Role
from gateway.ids import new_id
from gateway.wording import fill_in, fill_text

MAX_LIMIT = 10**12
MAX_WINDOW_S = 31 * 86_400
MAPPED_PREFIX = 96  # of ::ffff:0:0/96, the IPv4 addresses in IPv6


class LimitKind(models.TextChoices):
    REQUESTS = "requests", "Requests per window"
    TOKENS = "tokens", "Tokens per window"
    STREAMS = "streams", "Answers at a time"


class LimitSubject(models.TextChoices):
    DEFAULT = "default", "Everybody"
    ROLE = "role", "A role"
    GROUP = "group", "A group"
    USER = "user", "An account"
    KEY = "key", "An API key"
    ADDRESS = "address", "An address, without a credential"


def validate_network(value: str) -> None:
    normalise_network(value)


def normalise_network(value: str) -> str:
    """A network in its one form: `10.0.0.0/8`, one address without `/32`, mapped IPv4 as IPv4.

    Raises ValidationError.
    """
    try:
        network = ipaddress.ip_network(value)
    except ValueError as exc:
        raise ValidationError("Enter a network such as 10.0.0.0/8, or one address.") from exc
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None and network.prefixlen >= MAPPED_PREFIX:
        network = ipaddress.ip_network((mapped, network.prefixlen - MAPPED_PREFIX))
    return str(network.network_address) if network.num_addresses == 1 else str(network)


# Each subject with the columns that say which one it is; the others are empty.
_IS_EMPTY = {
    "role": Q(role=""),
    "group": Q(group=None),
    "user": Q(user=None),
    "api_key": Q(api_key=None),
    "network": Q(network=""),
}


def _names_only(*columns: str) -> Q:
    condition = Q()
    for column, is_empty in _IS_EMPTY.items():
        condition &= ~is_empty if column in columns else is_empty
    return condition


class Limit(models.Model):
    """One number for one subject. What it means together with others: `accounts.limits.rules`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=10, choices=LimitKind)
    subject = models.CharField(max_length=10, choices=LimitSubject)
    role = models.CharField(max_length=10, choices=Role, blank=True)
    group = models.ForeignKey(
        AccountGroup, null=True, blank=True, on_delete=models.CASCADE, related_name="limits"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="limits"
    )
    api_key = models.ForeignKey(
        ApiKey,
        verbose_name="API key",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="limits",
    )
    network = models.CharField(
        max_length=43,
        blank=True,
        validators=[validate_network],
        help_text="For an address: a network such as 10.0.0.0/8; empty: every address.",
    )
    value = models.PositiveBigIntegerField(
        validators=[MaxValueValidator(MAX_LIMIT)], help_text="At most this many; 0: no limit."
    )
    window_s = models.PositiveIntegerField(
        "window, in seconds",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_WINDOW_S)],
        help_text="For requests and tokens; answers at a time have none.",
    )
    updated_at = models.DateTimeField(auto_now=True, db_index=True)

    class Meta:
        ordering = ["subject", "kind", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(subject=LimitSubject.DEFAULT) & _names_only()
                | Q(subject=LimitSubject.ROLE) & _names_only("role")
                | Q(subject=LimitSubject.GROUP) & _names_only("group")
                | Q(subject=LimitSubject.USER) & _names_only("user")
                | Q(subject=LimitSubject.KEY) & _names_only("api_key")
                | Q(subject=LimitSubject.ADDRESS, role="", group=None, user=None, api_key=None),
                name="limit_names_its_subject",
                violation_error_message="Fill in what the subject says (role, group, account, API key or "
                "network), and nothing else.",
            ),
            models.CheckConstraint(
                condition=Q(kind=LimitKind.STREAMS, window_s=None)
                # Not null in so many words: a comparison with null is unknown, which satisfies a constraint.
                | Q(
                    kind__in=[LimitKind.REQUESTS, LimitKind.TOKENS],
                    window_s__isnull=False,
                    window_s__gte=1,
                    window_s__lte=MAX_WINDOW_S,
                ),
                name="limit_has_a_window",
                violation_error_message="Requests and tokens need a window; answers at a time have none.",
            ),
            models.CheckConstraint(
                condition=~Q(subject=LimitSubject.ADDRESS) | Q(kind=LimitKind.REQUESTS),
                name="limit_of_an_address_is_of_requests",
                violation_error_message="An address is limited by its requests only.",
            ),
            models.CheckConstraint(
                condition=Q(value__gte=0, value__lte=MAX_LIMIT), name="limit_value_in_range"
            ),
            models.UniqueConstraint(
                fields=["kind"], condition=Q(subject=LimitSubject.DEFAULT), name="limit_default_once"
            ),
            models.UniqueConstraint(
                fields=["kind", "role"], condition=Q(subject=LimitSubject.ROLE), name="limit_of_role_once"
            ),
            models.UniqueConstraint(
                fields=["kind", "group"], condition=Q(subject=LimitSubject.GROUP), name="limit_of_group_once"
            ),
            models.UniqueConstraint(
                fields=["kind", "user"], condition=Q(subject=LimitSubject.USER), name="limit_of_user_once"
            ),
            models.UniqueConstraint(
                fields=["kind", "api_key"], condition=Q(subject=LimitSubject.KEY), name="limit_of_key_once"
            ),
            models.UniqueConstraint(
                fields=["kind", "network"],
                condition=Q(subject=LimitSubject.ADDRESS),
                name="limit_of_address_once",
            ),
        ]

    def __str__(self) -> str:
        return fill_in(
            "{kind} of {target}: {amount}",
            kind=fill_text(LimitKind(self.kind).label, {}),
            target=self.target,
            amount=self.amount,
        )

    def clean(self) -> None:
        """One form of a network, so that it is found once, and met by the addresses that clients have."""
        super().clean()
        if self.network:
            self.network = normalise_network(self.network)

    @property
    def target(self) -> str:
        """Whom it limits, in words."""
        match self.subject:
            case LimitSubject.ROLE:
                return fill_in("the role {role}", role=self.role)
            case LimitSubject.GROUP:
                return fill_in("the group {group}", group=self.group)
            case LimitSubject.USER:
                return str(self.user)
            case LimitSubject.KEY:
                return fill_in("the key {key}", key=self.api_key)
            case LimitSubject.ADDRESS:
                return self.network or fill_in("every address")
        return fill_in("everybody")

    @property
    def amount(self) -> str:
        """How much, in words."""
        if not self.value:
            return fill_in("no limit")
        if self.window_s is None:
            return str(self.value)
        return fill_in("{count} in {seconds} s", count=self.value, seconds=self.window_s)
