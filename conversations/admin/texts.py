"""Rows that hold what people wrote: it is hidden, unless an administrator was granted to see it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from gateway.admin_lists import UncountedAdmin
from gateway.audit import ReadOnlyAdmin

VIEW_TEXTS = "conversations.view_texts"
"""The permission; it does not come with the role of an administrator."""

Field = str | Callable[[Any], str]


class WatchedAdmin(UncountedAdmin, ReadOnlyAdmin):
    """Rows with an `owner`, whose words nobody else reads without permission and without a trace.

    Without the permission a page tells how long its `texts` are. Lists neither show them nor read them.
    """

    texts: ClassVar[Sequence[str]] = ()
    """Of `shown`."""
    shown: ClassVar[Sequence[str]] = ()
    """The fields of a page."""

    def shows_texts(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(VIEW_TEXTS)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Field]:  # type: ignore[override]
        if self.shows_texts(request, obj):
            return [*self.shown]
        return [_size_of(self.model, name) if name in self.texts else name for name in self.shown]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Field]:  # type: ignore[override]
        return self.get_fields(request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer(*self.texts)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None and obj.owner_id != request.user.pk:
            look = {"owner": str(obj.owner), "texts": "shown" if self.shows_texts(request, obj) else "hidden"}
            self.record("viewed", obj, request, look)
        return super().render_change_form(request, context, add, change, form_url, obj)


def _size_of(model: type[Model], name: str) -> Callable[[Any], str]:
    """The field of a page that says how long a text is."""

    @admin.display(description=str(getattr(model._meta.get_field(name), "verbose_name", name)))
    def size(row: Any) -> str:
        value = getattr(row, name)
        if not value:
            return "empty"
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return f"{len(text.encode())} bytes, hidden"

    return size
