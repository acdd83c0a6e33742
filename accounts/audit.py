"""Records administrative changes in the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Model
from django.utils import translation
from rest_framework.request import Request

from accounts.change_origin import COMMAND, ChangeOrigin, origin_of
from accounts.models import AuditEvent, User, Via
from gateway.audit import ChatCaller, Requester
from gateway.metrics import AUDIT_EVENTS

MAX_LABEL = 200
NEVER_RECORDED = frozenset({"password", "digest", "key", "refresh_jti", "previous_jti", "token"})


def record_audit(
    *,
    origin: ChangeOrigin,
    action: str,
    target: Model | type[Model],
    changes: Mapping[str, object] | None = None,
) -> AuditEvent:
    """One line of the audit trail. Call it inside the transaction of the change, so that both or none happen.

    A `target` that is a class stands for its rows. `changes` is JSON, by custom `{field: [before, after]}`.
    Raises ValueError for a field that is a secret.
    """
    count_audit(action)
    return AuditEvent.objects.create(
        **event_columns(origin=origin, action=action, target=target, changes=changes or {})
    )


def count_audit(action: str) -> None:
    """Count a line of the trail once the change that it tells of is there to stay."""
    transaction.on_commit(AUDIT_EVENTS.labels(action).inc)


def event_columns(
    *, origin: ChangeOrigin, action: str, target: Model | type[Model], changes: Mapping[str, object]
) -> dict[str, Any]:
    """The columns of an event, for `record_audit`."""
    if secret := NEVER_RECORDED.intersection(changes):
        raise ValueError(f"not for the audit trail: {', '.join(sorted(secret))}")
    return {
        "actor_id": origin.actor.pk if origin.actor else None,
        "actor_name": origin.actor_name,
        "via": origin.via,
        "action": action,
        "target_type": target._meta.model_name or "",
        "target_id": str(target.pk) if isinstance(target, Model) else "",
        "target_label": _label(target)[:MAX_LABEL],
        "changes": dict(changes),
        "address": origin.address,
        "request_id": origin.request_id,
    }


def keep_change(
    *,
    action: str,
    target: Model | type[Model],
    request: Requester,
    changes: Mapping[str, object],
) -> AuditEvent:
    """The sink of `gateway.audit`, for apps that may not import this one."""
    return record_audit(origin=_find_origin(request), action=action, target=target, changes=changes)


def _find_origin(request: Requester) -> ChangeOrigin:
    if request is None:
        return COMMAND
    if isinstance(request, ChatCaller):
        actor = User(pk=request.user_id, username=request.username)
        return ChangeOrigin(Via.CHAT, actor, address=request.address, request_id=request.request_id)
    user = request.user if isinstance(request.user, User) else None
    return origin_of(request, via=Via.REST if isinstance(request, Request) else Via.ADMIN, actor=user)


def _label(target: Model | type[Model]) -> str:
    """In English, whoever reads what: a trail in the languages of its actors cannot be searched."""
    with translation.override("en"):
        return str(target) if isinstance(target, Model) else str(target._meta.verbose_name_plural)
