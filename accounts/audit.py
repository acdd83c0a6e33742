"""Puts administrative changes on record."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import Model

from accounts.models import AuditEvent
from accounts.origin import Origin

MAX_LABEL = 200
NEVER_RECORDED = frozenset({"password", "digest", "key", "refresh_jti", "previous_jti", "token"})


def record_audit(
    *,
    origin: Origin,
    action: str,
    target: Model,
    changes: Mapping[str, object] | None = None,
) -> AuditEvent:
    """One line of the audit trail. Call it inside the transaction of the change, so that both or none happen.

    `changes` is JSON, by custom `{field: [before, after]}`. Raises ValueError for a field that is a secret.
    """
    changes = dict(changes or {})
    if secret := NEVER_RECORDED.intersection(changes):
        raise ValueError(f"not for the audit trail: {', '.join(sorted(secret))}")
    return AuditEvent.objects.create(
        actor_id=origin.actor.pk if origin.actor else None,
        actor_name=origin.actor.username if origin.actor else "",
        via=origin.via,
        action=action,
        target_type=target._meta.model_name or "",
        target_id=str(target.pk),
        target_label=str(target)[:MAX_LABEL],
        changes=changes,
        address=origin.address,
        request_id=origin.request_id,
    )
