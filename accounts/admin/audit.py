"""The audit trail, to read, to filter and to take away as CSV."""

from __future__ import annotations

import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from accounts.audit_words import list_changes, name_target, say_action, say_changes
from accounts.models import AuditEvent
from gateway.admin_lists import TypedFilter, UncountedAdmin, typed
from gateway.audit import ReadOnlyAdmin
from gateway.downloads import answer_download, make_name, write_rows_as_csv
from gateway.ids import first_id_at, parse_id

CSV_COLUMNS = (
    *("at", "last_at", "repeats", "actor_id", "actor_name", "via", "action", "target_type", "target_id"),
    *("target_label", "changes", "address", "request_id"),
)


class ActorFilter(TypedFilter):
    """What somebody did, by the name that they had then, or by the id of their account."""

    title = gettext_lazy("actor")
    parameter_name = "actor"

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        value = (self.value() or "").strip()
        if "\0" in value:  # no row of PostgreSQL's holds it
            return queryset.none()
        if actor_id := parse_id(value):
            return queryset.filter(actor_id=actor_id)
        return queryset.filter(actor_name=value) if value else queryset


class TargetFilter(TypedFilter):
    """What it was about: the name that it had then, or its id."""

    title = gettext_lazy("what it was about")
    parameter_name = "about"

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        value = (self.value() or "").strip()
        if "\0" in value:
            return queryset.none()
        return queryset.filter(Q(target_id=value) | Q(target_label=value)) if value else queryset


class SinceFilter(TypedFilter):
    """The rows from the beginning of a day (UTC) on, by the time in their ids."""

    title = gettext_lazy("day, and later")
    parameter_name = "since"
    input_type = "date"

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        value = self.value()
        if not value:
            return queryset
        try:
            day = datetime.date.fromisoformat(value)
            midnight = datetime.datetime.combine(day, datetime.time(), datetime.UTC)
            return queryset.filter(pk__gte=first_id_at(midnight))
        except (ValueError, OverflowError) as exc:
            raise IncorrectLookupParameters from exc


@admin.register(AuditEvent)
class AuditEventAdmin(UncountedAdmin, ReadOnlyAdmin):
    change_list_template = "admin/accounts/auditevent/change_list.html"
    list_display = ["when", "actor_name", "what", "target", "short_changes", "repeats", "via", "address"]
    list_filter = [
        SinceFilter,
        ActorFilter,
        typed("action", title=gettext_lazy("action"), suggestions=AuditEvent.Action.values),
        TargetFilter,
        typed("target_type", title=gettext_lazy("kind of target")),
        "via",
    ]
    fields = [
        *("when", "last_at", "repeats", "actor_name", "actor_id", "via", "what", "target", "target_id"),
        *("all_changes", "address", "request_id"),
    ]
    readonly_fields = ["when", "what", "target", "all_changes"]
    ordering = ["-at", "-pk"]
    """Not by the id alone: that of a failed log-in tells the hour only."""

    search_fields = ["actor_name", "target_label", "=target_id", "=request_id", "=address"]

    def get_urls(self) -> list[Any]:
        download = self.admin_site.admin_view(self.download)
        return [path("csv/", download, name="accounts_auditevent_csv"), *super().get_urls()]

    def download(self, request: HttpRequest) -> HttpResponseBase:
        """The rows of the list with the same filters, all pages of it."""
        try:
            rows = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            return HttpResponseRedirect(reverse("admin:accounts_auditevent_changelist"))
        pieces = write_rows_as_csv(rows, CSV_COLUMNS)
        return answer_download(pieces, "text/csv; charset=utf-8", make_name("audit", "csv"))

    @admin.display(description=gettext_lazy("time (UTC)"))
    def when(self, event: AuditEvent) -> str:
        """To the second, as a trail is compared with logs."""
        return f"{event.at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description=gettext_lazy("action"))
    def what(self, event: AuditEvent) -> str:
        return say_action(event.action)

    @admin.display(description=gettext_lazy("what it was about"))
    def target(self, event: AuditEvent) -> str:
        shown = name_target(event)
        page = _page_of(event)
        return format_html('<a href="{}">{}</a>', page, shown) if page else shown

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """With the event in words as its heading."""
        event = self.get_object(request, unquote(object_id))
        heading = {"subtitle": f"{say_action(event.action)}: {name_target(event)}"} if event else {}
        return super().change_view(request, object_id, form_url, {**heading, **(extra_context or {})})

    @admin.display(description=gettext_lazy("changes"))
    def all_changes(self, event: AuditEvent) -> SafeString:
        lines = list_changes(event) or [("–", "")]
        return format_html_join("", "<div>{} {}</div>", ((name, said) for name, said in lines))

    @admin.display(description=gettext_lazy("changes"), empty_value="")
    def short_changes(self, event: AuditEvent) -> str:
        return say_changes(event)


def _page_of(event: AuditEvent) -> str | None:
    """Where the admin shows what an event was about, if it is still there; None where no page does."""
    if not event.target_id:
        return None
    for model in admin.site._registry:
        if model._meta.model_name == event.target_type:
            name = f"admin:{model._meta.app_label}_{event.target_type}_change"
            return reverse(name, args=[event.target_id])
    return None
