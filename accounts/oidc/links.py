"""Links between identities and accounts that an administrator makes and ends."""

from __future__ import annotations

from accounts.audit import record_audit
from accounts.change_origin import ChangeOrigin
from accounts.models import AuditEvent, ExternalIdentity, Session
from accounts.sessions import end_sessions_within_change
from accounts.stamps import account_change


def link_identity(*, identity: ExternalIdentity, origin: ChangeOrigin) -> None:
    """Let an identity sign in to its account, whose password goes on working."""
    with account_change(identity.user_id):
        identity.save()
        _record(AuditEvent.Action.IDENTITY_LINKED, identity, origin)


def unlink_identity(*, identity: ExternalIdentity, origin: ChangeOrigin) -> None:
    """Forget an identity, and end all sessions of the account, as nobody knows which of them it opened."""
    with account_change(identity.user_id):
        end_sessions_within_change(identity.user, Session.EndReason.ADMIN)
        _record(AuditEvent.Action.IDENTITY_UNLINKED, identity, origin)
        identity.delete()


def _record(action: str, identity: ExternalIdentity, origin: ChangeOrigin) -> None:
    is_new = action == AuditEvent.Action.IDENTITY_LINKED
    named = {"issuer": identity.issuer, "subject": identity.subject}
    changes = {name: [None, value] if is_new else [value, None] for name, value in named.items()}
    record_audit(origin=origin, action=action, target=identity.user, changes=changes)
