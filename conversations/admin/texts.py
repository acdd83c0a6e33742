"""Rows that hold what people wrote: it is hidden, unless an administrator was granted to see it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy

from gateway.admin_lists import UncountedAdmin
from gateway.audit import ReadOnlyAdmin, record_change

VIEW_TEXTS = "conversations.view_texts"
"""The permission; it does not come with the role of an administrator."""

BEGINNING = 80
"""How many characters of a text a list shows."""
MOST_NAMED = 10
"""Owners in one line of the audit trail."""

Field = str | Callable[[Any], str]


class WatchedAdmin(UncountedAdmin, ReadOnlyAdmin):
    """Rows with an `owner`, whose words nobody else reads without permission and without a trace.

    Without the permission a page tells how long its `texts` are, and lists neither show nor read them.
    With it lists have the beginning of one text; looking at somebody else's rows there is on record, too.
    """

    texts: ClassVar[Sequence[str]] = ()
    """Of `shown`."""
    shown: ClassVar[Sequence[str]] = ()
    """The fields of a page."""
    begins_with: ClassVar[str] = ""
    """The one of `texts` whose beginning a list shows."""
    size_in_lists: ClassVar[str] = ""
    """The column that a list shows in its place to everybody else."""

    def shows_texts(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(VIEW_TEXTS)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Field]:  # type: ignore[override]
        if self.shows_texts(request, obj):
            return [*self.shown]
        return [_size_of(self.model, name) if name in self.texts else name for name in self.shown]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Field]:  # type: ignore[override]
        return self.get_fields(request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).defer(*self.texts)
        if not self.begins_with or not self.shows_texts(request):
            return rows
        # Cut by the database: texts may be megabytes.
        cut: QuerySet[Any] = rows.annotate(text_start=Left(self.begins_with, BEGINNING + 1))
        return cut

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        first, *others = super().get_list_display(request)
        if self.begins_with and self.shows_texts(request):
            return [first, "beginning", *others]
        return [first, self.size_in_lists, *others] if self.size_in_lists else [first, *others]

    @admin.display(description=gettext_lazy("beginning"), empty_value="–")
    def beginning(self, row: Any) -> str | None:
        """In one line; only for those whose list has it."""
        line = " ".join(row.text_start.split())
        return f"{line[:BEGINNING]}…" if len(row.text_start) > BEGINNING else line or None

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        if self.begins_with and self.shows_texts(request) and isinstance(response, TemplateResponse):
            self._record_look_at_list(request, (response.context_data or {}).get("cl"))
        return response

    def _record_look_at_list(self, request: HttpRequest, changelist: Any) -> None:
        """One line for a page of the list, as there may be a hundred rows on it."""
        rows = changelist.result_list if changelist is not None else []
        theirs = [row for row in rows if row.owner_id != request.user.pk]
        if theirs:
            owners = sorted({str(row.owner) for row in theirs})
            shown = owners if len(owners) <= MOST_NAMED else [*owners[:MOST_NAMED], "…"]
            look = {"rows": len(theirs), "owners": ", ".join(shown), "texts": "beginnings shown"}
            record_change(f"{self.opts.model_name}_list_viewed", self.model, request=request, changes=look)

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
