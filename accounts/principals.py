"""The authenticated caller and its rights, the same for a session, an API key and a cookie."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from django.utils import timezone

from accounts.models import ApiKey, Role, Session, User
from accounts.scopes import Scope
from gateway.errors import AuthenticationFailed, PermissionDenied, TokenExpired, TokenRevoked
from gateway.wording import fill_in


class CredentialKind(StrEnum):
    SESSION = "session"
    """A JWT; the id is its session's."""
    KEY = "key"
    COOKIE = "cookie"


class Credential(NamedTuple):
    """What a genuine token or key says about itself; `check_credentials` says whether it is good."""

    kind: CredentialKind
    id: uuid.UUID
    user_id: uuid.UUID


@dataclass(frozen=True)
class Principal:
    """An authenticated caller: the account, and the rights of the credential that was used."""

    user_id: uuid.UUID
    username: str
    role: Role
    default_system_prompt: str = ""
    kind: CredentialKind = CredentialKind.SESSION
    credential_id: uuid.UUID | None = None
    """Of the session or the key."""
    scopes: frozenset[Scope] | None = None
    """None: everything."""
    models: tuple[str, ...] = ()
    """Names of the models that may be used; empty: every model."""
    ends_at: datetime | None = None
    """When the session or key ends by itself."""
    last_used_at: datetime | None = field(default=None, compare=False)

    @property
    def is_admin(self) -> bool:
        """An administrator in person: an administrator's API key has no more rights than anybody's."""
        return self.role == Role.ADMIN and self.kind != CredentialKind.KEY

    @property
    def key_id(self) -> uuid.UUID | None:
        return self.credential_id if self.kind == CredentialKind.KEY else None

    @property
    def session_id(self) -> uuid.UUID | None:
        return None if self.kind == CredentialKind.KEY else self.credential_id

    def has(self, *scopes: str) -> bool:
        """Whether the credential has one of these scopes."""
        return self.scopes is None or not self.scopes.isdisjoint(scopes)

    def require(self, *scopes: str) -> None:
        """Raises PermissionDenied unless the credential has one of these scopes."""
        if not self.has(*scopes):
            raise PermissionDenied(
                fill_in("This API key lacks the scope {scopes}.", scopes=" or ".join(map(str, scopes)))
            )

    def may_use_model(self, name: str) -> bool:
        return not self.models or name in self.models

    def require_model(self, name: str) -> None:
        """Raises PermissionDenied when the credential is for other models."""
        if not self.may_use_model(name):
            raise PermissionDenied(
                fill_in("This API key may not use the model `{model}`.", model=name), param="model"
            )


def check_credentials(
    credentials: Sequence[Credential],
) -> list[tuple[User, Principal] | AuthenticationFailed]:
    """For each credential its account and principal, or the error if it is not good; two queries at most."""
    now = timezone.now()
    sessions = _load_sessions(c.id for c in credentials if c.kind == CredentialKind.SESSION)
    keys = _load_keys(c.id for c in credentials if c.kind == CredentialKind.KEY)
    results: list[tuple[User, Principal] | AuthenticationFailed] = []
    for credential in credentials:
        try:
            if credential.kind == CredentialKind.KEY:
                results.append(_check_key(keys.get(credential.id), now))
            else:
                results.append(_check_own_session(sessions.get(credential.id), credential))
        except AuthenticationFailed as refusal:
            results.append(refusal)
    return results


def check_session(session: Session | None) -> Session:
    """Raises TokenRevoked or TokenExpired unless the session's tokens are good."""
    if (
        session is None
        or session.revoked_at is not None
        or not session.user.is_active
        or session.account_version != session.user.token_version
    ):
        raise TokenRevoked
    if session.expires_at <= timezone.now():
        raise TokenExpired("The session has expired. Log in again.")
    return session


def principal_of_cookie(user: User, session_id: uuid.UUID | None) -> Principal:
    return _principal(user, CredentialKind.COOKIE, session_id)


def _check_own_session(session: Session | None, credential: Credential) -> tuple[User, Principal]:
    good = check_session(session)
    if good.user_id != credential.user_id:
        raise TokenRevoked
    return good.user, _principal(
        good.user,
        CredentialKind.SESSION,
        good.id,
        ends_at=good.expires_at,
        last_used_at=good.last_used_at,
    )


def _check_key(key: ApiKey | None, now: datetime) -> tuple[User, Principal]:
    if key is None or key.revoked_at is not None or not key.user.is_active:
        raise TokenRevoked
    if key.ends_at is not None and key.ends_at <= now:
        raise TokenExpired("The API key has expired.")
    key.user.is_narrowed = True
    return key.user, _principal(
        key.user,
        CredentialKind.KEY,
        key.id,
        scopes=frozenset(Scope(name) for name in key.scopes),
        models=tuple(key.allowed_models),
        ends_at=key.ends_at,
        last_used_at=key.last_used_at,
    )


def _principal(
    user: User,
    kind: CredentialKind,
    credential_id: uuid.UUID | None,
    *,
    scopes: frozenset[Scope] | None = None,
    models: tuple[str, ...] = (),
    ends_at: datetime | None = None,
    last_used_at: datetime | None = None,
) -> Principal:
    return Principal(
        user_id=user.pk,
        username=user.username,
        role=Role(user.role),
        default_system_prompt=user.default_system_prompt,
        kind=kind,
        credential_id=credential_id,
        scopes=scopes,
        models=models,
        ends_at=ends_at,
        last_used_at=last_used_at,
    )


def _load_sessions(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Session]:
    wanted = set(ids)
    rows = Session.objects.filter(pk__in=wanted).select_related("user") if wanted else ()
    return {row.pk: row for row in rows}


def _load_keys(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, ApiKey]:
    wanted = set(ids)
    rows = ApiKey.objects.filter(pk__in=wanted).select_related("user") if wanted else ()
    return {row.pk: row for row in rows}
