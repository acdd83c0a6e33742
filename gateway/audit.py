"""Records administrative changes, for apps that may not import `accounts`, which stores the audit trail."""

from __future__ import annotations

import os
import pwd
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from django.conf import settings
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.module_loading import import_string
from rest_framework.request import Request

from gateway.admin_lists import DeclaredFilters

SHOWN_LENGTH = 200


@dataclass(frozen=True)
class ChatCaller:
    """The user who caused a change by a chat request, which is no request of Django's."""

    user_id: uuid.UUID
    username: str
    address: str | None = None
    request_id: str = ""


Requester = HttpRequest | Request | ChatCaller | None
"""None: somebody on the command line."""


class Sink(Protocol):
    """The type of the function that the setting AUDIT_SINK names."""

    def __call__(
        self,
        *,
        action: str,
        target: Model | type[Model],
        request: Requester,
        changes: Mapping[str, object],
    ) -> object: ...


def record_change(
    action: str,
    target: Model | type[Model],
    *,
    request: Requester,
    changes: Mapping[str, object] | None = None,
) -> None:
    """One line of the audit trail: who did this, to what, from where.

    Call it inside the transaction of the change, so that both or none happen. `changes` is JSON, by custom
    `{field: [before, after]}`; no secrets, and nothing that users said.
    """
    sink: Sink = import_string(settings.AUDIT_SINK)
    sink(action=action, target=target, request=request, changes=changes or {})


def operating_system_user() -> str:
    """The user who runs this process, by its user id and not by the environment."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run under a number that has no name
        return f"uid {os.getuid()}"


class AuditedAdmin(DeclaredFilters):
    """Rows that the admin adds, changes and deletes on record."""

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            if not change:
                self.record("created", obj, request)
            elif form.changed_data:
                edited = {name: _describe_edit(form, name) for name in form.changed_data}
                self.record("changed", obj, request, edited)

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        with transaction.atomic():
            self.record("deleted", obj, request)
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            for obj in queryset:
                self.delete_model(request, obj)

    def record(
        self, what: str, obj: Model, request: HttpRequest, changes: Mapping[str, object] | None = None
    ) -> None:
        record_change(f"{obj._meta.model_name}_{what}", obj, request=request, changes=changes)


class ReadOnlyAdmin(AuditedAdmin):
    """Rows that the admin shows. They can be deleted, on record, where `may_delete` is set."""

    may_delete = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_delete and super().has_delete_permission(request, obj)


def _describe_edit(form: Any, name: str) -> object:
    """The values before and after for a short, plain field; "changed" for others, which may hold secrets."""
    values = [form.initial.get(name), form.cleaned_data.get(name)]
    is_shown = all(
        value is None or isinstance(value, bool | int | float) or _is_short(value) for value in values
    )
    return values if is_shown else "changed"


def _is_short(value: object) -> bool:
    return isinstance(value, str) and len(value) <= SHOWN_LENGTH
