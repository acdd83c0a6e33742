"""Accounts, and the rights that come from their role."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts import hashing
from accounts.names import check_address, check_name, fold, skeleton
from gateway.ids import new_id

MAX_FOLDED = 800
"""Case folding makes up to three characters of one."""
MOST_FOUND = 4
"""Accounts that one log-in name can mean: by name, folded name, e-mail address and folded address."""
COMPARED_FORMS = {"username": ["folded_name", "name_skeleton"], "email": ["folded_email"]}
"""The columns that follow from another one, to be saved with it."""


VIEW_TEXTS = "conversations.view_texts"
"""The one permission that does not come with the role."""


class Role(models.TextChoices):
    USER = "user", "User"
    ADMIN = "admin", "Admin"


class UserManager(BaseUserManager["User"]):
    def create_user(
        self, username: str, email: str | None = None, password: str | None = None, **fields: Any
    ) -> User:
        """A new account. An empty e-mail address is stored as none, so that it stays unique."""
        address = self.normalize_email(email) or None
        user = self.model(username=self.model.normalize_username(username), email=address, **fields)
        user.set_password(password)
        user.full_clean(exclude=["password"])
        user.save(using=self._db)
        return user

    def create_superuser(
        self, username: str, email: str | None = None, password: str | None = None, **fields: Any
    ) -> User:
        """An admin with every right, for `manage.py createsuperuser`."""
        rights = {"role": Role.ADMIN, "may_view_texts": True}
        return self.create_user(username, email, password, **fields | rights)

    def is_address_taken(self, address: str, *, by_other_than: User | None = None) -> bool:
        """Whether somebody logs in by this e-mail address, be it theirs or their user name."""
        others = self.exclude(pk=by_other_than.pk) if by_other_than else self
        folded = fold(address)
        return others.filter(
            models.Q(email__iexact=address)
            | models.Q(username__iexact=address)
            | models.Q(folded_email=folded)
            | models.Q(folded_name=folded)
        ).exists()

    def is_name_taken(self, name: str, *, by_other_than: User) -> bool:
        """Whether somebody has this user name, or one that looks like it."""
        others = self.exclude(pk=by_other_than.pk)
        return others.filter(
            models.Q(username__iexact=name)
            | models.Q(folded_name=fold(name))
            | models.Q(name_skeleton=skeleton(name))
        ).exists()

    def find_by_login(self, login: str) -> User | None:
        """The account with this user name, else the one with this e-mail address; see `accounts.names.fold`.

        The name as it is written comes first, for accounts whose names differed in case only before the rule.
        """
        name, folded = self.model.normalize_username(login), fold(login)
        wanted = models.Q(username=name) | models.Q(folded_name=folded)
        if "@" in login:
            wanted |= models.Q(email__iexact=login) | models.Q(folded_email=folded)
        found = list(self.filter(wanted)[:MOST_FOUND])
        return min(found, key=lambda user: (user.username != name, user.folded_name != folded), default=None)


class User(AbstractBaseUser):
    """An account. Rights come from the role: an admin may do everything, a user nothing special.

    What people wrote in their conversations is for those admins only who were granted to see it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    username = models.CharField(max_length=150, unique=True, validators=[UnicodeUsernameValidator()])
    # Null for accounts that are older than the rule and collide with another one.
    folded_name = models.CharField(max_length=MAX_FOLDED, null=True, unique=True, editable=False)  # noqa: DJ001
    name_skeleton = models.CharField(max_length=MAX_FOLDED, null=True, unique=True, editable=False)  # noqa: DJ001
    folded_email = models.CharField(max_length=MAX_FOLDED, null=True, unique=True, editable=False)  # noqa: DJ001
    email = models.EmailField("e-mail", null=True, blank=True)  # noqa: DJ001 - unique when given
    role = models.CharField(max_length=10, choices=Role, default=Role.USER)
    is_active = models.BooleanField("active", default=True, help_text="Inactive accounts cannot sign in.")
    may_view_texts = models.BooleanField(
        "may view texts",
        default=False,
        help_text="Of an admin: may read what people wrote in their conversations, for support. Each look is "
        "on the audit trail. Another admin grants it.",
    )
    default_system_prompt = models.TextField(blank=True, max_length=32_000)
    locale = models.CharField(max_length=10, blank=True, help_text="Language tag such as ko or en.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    token_version = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text="Sessions are opened for one version of their account and end with it.",
    )

    is_narrowed = False
    """Set on the object, never stored, when an API key speaks for the account: keys have no admin rights."""

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["email"]

    class Meta:
        ordering = ["username"]
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_unique_ignoring_case"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="user_role_is_known"),
        ]

    def __str__(self) -> str:
        return self.username

    @property
    def is_admin(self) -> bool:
        return self.is_active and self.role == Role.ADMIN and not self.is_narrowed

    def clean(self) -> None:
        """People log in by either: a name must not be somebody else's address, nor an address their name."""
        super().clean()
        # What an account has had since before these rules may stay.
        stored = User.objects.filter(pk=self.pk).only("username", "email").first()
        has_new_name = stored is None or self.username != stored.username
        # None where a form has refused the name already.
        if self.username and has_new_name:
            self._clean_name()
        if stored is None or self.email != stored.email:
            self.clean_email()

    def _clean_name(self) -> None:
        try:
            check_name(self.username)
        except ValidationError as exc:
            raise ValidationError({"username": exc.messages}) from exc
        if "@" in self.username and fold(self.username) != fold(self.email or ""):
            message = "A user name with an @ must be the account's own e-mail address."
            raise ValidationError({"username": message})
        if User.objects.is_name_taken(self.username, by_other_than=self):
            raise ValidationError({"username": "This user name is taken, or looks like one that is."})
        self.folded_name, self.name_skeleton = fold(self.username), skeleton(self.username)

    def clean_email(self) -> None:
        """Check an e-mail address that is new to the account. Raises ValidationError naming the field."""
        if not self.email:
            self.folded_email = None
            return
        try:
            check_address(self.email)
        except ValidationError as exc:
            raise ValidationError({"email": exc.messages}) from exc
        if User.objects.is_address_taken(self.email, by_other_than=self):
            raise ValidationError({"email": "This e-mail address is taken."})
        self.folded_email = fold(self.email)

    def set_password(self, raw_password: str | None) -> None:
        """As Django does; saved as a whole, the account also moves to its next version.

        Raises ConcurrencyLimitExceeded while too many passwords are being hashed.
        """
        with hashing.hashing_gate().place():
            super().set_password(raw_password)
        self.token_version += 1

    def check_password(self, raw_password: str | None) -> bool:
        """As Django does; a stored hash that is brought up to date on the way is no new password.

        Raises ConcurrencyLimitExceeded while too many passwords are being hashed.
        """
        version = self.token_version
        with hashing.hashing_gate().place():
            is_right = super().check_password(raw_password)
        self.token_version = version
        return is_right

    def get_session_auth_hash(self) -> str:
        """What a cookie session is bound to: it ends with the password, or with this version."""
        bound_to = f"{self.token_version}:{self.password}"
        return salted_hmac("accounts.User.session", bound_to, algorithm="sha256").hexdigest()

    # What Django's admin asks of a user.

    @property
    def is_staff(self) -> bool:
        return self.is_admin

    @property
    def is_superuser(self) -> bool:
        return self.is_admin

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return self.is_admin and (perm != VIEW_TEXTS or self.may_view_texts)

    def has_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        return self.is_admin and all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_admin
