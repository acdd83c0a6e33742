"""Sessions: rotate their tokens, end them."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

from django.db.models import F, QuerySet
from django.utils import timezone
from rest_framework_simplejwt.settings import api_settings

from accounts.audit import record_audit
from accounts.change_origin import SYSTEM, ChangeOrigin
from accounts.login_trail import record_logout
from accounts.models import AuditEvent, Session, User
from accounts.principals import check_session
from accounts.stamps import account_change
from accounts.tokens import Claims, TokenPair, new_jti, sign_pair, verify_refresh_token
from gateway.conf import get_config
from gateway.database.pruning import prune_rows
from gateway.errors import NotFound, TokenReused

MOST_LISTED = 100


def refresh_session(*, refresh_token: str, origin: ChangeOrigin) -> tuple[User, TokenPair]:
    """The next pair of the token's session.

    A refresh token works once. Whoever else presents it within REFRESH_GRACE seconds gets the same
    successor (parallel refreshes, lost answers); after that the session is ended, as somebody copied the
    token. Raises AuthenticationFailed, TokenExpired, TokenRevoked or TokenReused.
    """
    claims = verify_refresh_token(refresh_token)
    is_first = _rotate(claims, origin)
    session = check_session(Session.objects.select_related("user").filter(pk=claims.credential.id).first())
    if not is_first and not _is_lost_answer(session, claims):
        _end_reused(session, origin)
        raise TokenReused
    return session.user, sign_pair(session)


def _rotate(claims: Claims, origin: ChangeOrigin) -> bool:
    """Make the token's successor the current one; False when it is not, or no longer, the current one."""
    now = timezone.now()
    current = Session.objects.filter(
        pk=claims.credential.id,
        user_id=claims.credential.user_id,
        refresh_jti=claims.jti,
        revoked_at=None,
    )
    changed = current.update(
        previous_jti=claims.jti,
        refresh_jti=new_jti(),
        rotated_at=now,
        last_used_at=now,
        expires_at=now + api_settings.REFRESH_TOKEN_LIFETIME,
        user_agent=origin.user_agent,
        address=origin.address,
    )
    return changed == 1


def _is_lost_answer(session: Session, claims: Claims) -> bool:
    grace = timedelta(seconds=get_config().refresh_grace_s)
    return session.previous_jti == claims.jti and timezone.now() - session.rotated_at <= grace


def _end_reused(session: Session, origin: ChangeOrigin) -> None:
    with account_change(session.user_id):
        _end(Session.objects.filter(pk=session.pk), Session.EndReason.REUSE)
        record_audit(
            origin=ChangeOrigin(SYSTEM.via, address=origin.address, request_id=origin.request_id),
            action=AuditEvent.Action.SESSION_REUSED,
            target=session.user,
            changes={"session": str(session.pk)},
        )


def log_out(*, refresh_token: str, everywhere: bool = False, origin: ChangeOrigin) -> None:
    """End the token's session, whatever became of the token since; idempotent.

    Or every session of its account, cookies too: for that the token has to be one that would be refreshed.
    Raises AuthenticationFailed or TokenExpired, and for `everywhere` TokenRevoked or TokenReused.
    """
    claims = verify_refresh_token(refresh_token)
    own = Session.objects.filter(pk=claims.credential.id, user_id=claims.credential.user_id)
    if not everywhere:
        with account_change(claims.credential.user_id):
            if _end(own, Session.EndReason.LOGOUT):
                user = User.objects.get(pk=claims.credential.user_id)
                record_logout(user=user, session_id=claims.credential.id, origin=origin)
        return
    session = check_session(own.select_related("user").first())
    if session.refresh_jti != claims.jti and not _is_lost_answer(session, claims):
        _end_reused(session, origin)
        raise TokenReused
    end_sessions(
        [session.user],
        reason=Session.EndReason.LOGOUT,
        origin=replace(origin, actor=session.user),
        action=AuditEvent.Action.LOGGED_OUT,
    )


def list_sessions(user: User) -> QuerySet[Session]:
    """Where `user` is logged in, most recently used first, a hundred at most."""
    return Session.objects.filter(
        user=user,
        revoked_at=None,
        account_version=user.token_version,
        expires_at__gt=timezone.now(),
    )[:MOST_LISTED]


def end_own_session(*, user: User, session_id: uuid.UUID, origin: ChangeOrigin) -> None:
    """End one of the user's sessions, on record.

    Raises NotFound for anybody else's, and for one that has ended.
    """
    with account_change(user.pk):
        own = Session.objects.filter(pk=session_id, user=user, account_version=user.token_version)
        if not _end(own, Session.EndReason.REVOKED):
            raise NotFound
        record_logout(user=user, session_id=session_id, origin=origin)


def end_session(*, session: Session, origin: ChangeOrigin) -> bool:
    """End somebody's session, on record; False when it had ended."""
    with account_change(session.user_id):
        ended = _end(Session.objects.filter(pk=session.pk), Session.EndReason.ADMIN)
        if ended:
            record_audit(
                origin=origin,
                action=AuditEvent.Action.SESSIONS_REVOKED,
                target=session.user,
                changes={"session": str(session.pk)},
            )
    return bool(ended)


def end_sessions(
    users: Collection[User],
    *,
    reason: Session.EndReason,
    origin: ChangeOrigin,
    action: AuditEvent.Action = AuditEvent.Action.SESSIONS_REVOKED,
    is_forced: bool = False,
) -> int:
    """End every session and cookie of these accounts; how many sessions that were. API keys stay.

    Raises DependencyUnavailable without Redis, unless forced: see `account_change`.
    """
    with account_change(*(user.pk for user in users), is_forced=is_forced):
        ended = 0
        for user in users:
            ended += end_sessions_within_change(user, reason)
            record_audit(origin=origin, action=action, target=user)
    return ended


def end_sessions_within_change(user: User, reason: Session.EndReason) -> int:
    """The same for a caller that is inside `account_change`. Moves the account to its next version."""
    User.objects.filter(pk=user.pk).update(token_version=F("token_version") + 1)
    user.refresh_from_db(fields=["token_version"])
    return _end(Session.objects.filter(user=user), reason)


def mark_ended(user: User, reason: Session.EndReason) -> None:
    """Say of every session of an account why it ended, after the account moved to its next version."""
    _end(Session.objects.filter(user=user), reason)


def mark_session_ended(session_id: uuid.UUID, reason: Session.EndReason) -> bool:
    """Say why a session ended whose cookie is gone; False when it had ended. No process caches cookies."""
    return _end(Session.objects.filter(pk=session_id), reason) == 1


def prune_sessions(*, older_than: timedelta, is_dry_run: bool) -> int:
    """Delete sessions that ended longer ago than that; how many."""
    limit = timezone.now() - older_than
    ended = Session.objects.filter(expires_at__lt=limit) | Session.objects.filter(revoked_at__lt=limit)
    return prune_rows(ended, is_dry_run=is_dry_run)


def _end(sessions: QuerySet[Session], reason: Session.EndReason) -> int:
    return sessions.filter(revoked_at=None).update(revoked_at=timezone.now(), revoked_reason=reason)
