"""Slots: what each serves, and why the last switch of it failed, with what can be done."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy, gettext_noop

from gateway.audit import ReadOnlyAdmin
from gateway.wording import say
from modelops.admin.remedy_buttons import make_buttons
from modelops.admin.switch_history import translate_cause
from modelops.domain.engine_log.causes import RootCause
from modelops.models import DEFAULT_SLOT, Slot
from modelops.switching.selectors import find_last_error
from modelops.switching.slot_status import ServiceState, SlotStatus, find_default_status, find_slot_status
from modelops.switching.status import find_retry_at

NOT_KNOWN = "–"
STATE_BADGES = {
    ServiceState.READY: ("is-good", gettext_noop("ready")),
    ServiceState.DEGRADED: ("is-bad", gettext_noop("degraded")),
    ServiceState.NONE: ("is-quiet", gettext_noop("none")),
    ServiceState.STARTING: ("is-quiet", gettext_noop("starting")),
    ServiceState.LOADING: ("is-quiet", gettext_noop("loading")),
    ServiceState.SWITCHING: ("is-quiet", gettext_noop("switching")),
}


@admin.register(Slot)
class SlotAdmin(ReadOnlyAdmin):
    """Sets of GPUs and what they serve."""

    list_display = ["slot", "status", "trouble", "cards"]
    list_select_related = ["active_engine"]
    readonly_fields = ["status", "trouble"]
    fieldsets = [
        (None, {"fields": ["slug", "status", "trouble", "desired_profile", "box", "box_host", "gpus"]}),
        (gettext_lazy("Engines"), {"fields": ["active_engine", "last_good_engine", "generation"]}),
        (gettext_lazy("Gate"), {"fields": ["gate", "epoch", "changed_at"]}),
        (gettext_lazy("Trouble"), {"fields": ["problem", "failed_restarts", "retry_at"]}),
        (gettext_lazy("Lease"), {"fields": ["lease_holder", "lease_expires_at", "fence"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Slot]:
        return super().get_queryset(request).select_related("active_engine")

    @admin.display(description=gettext_lazy("slot"), ordering="slug")
    def slot(self, row: Slot) -> SafeString:
        return format_html('{}<div class="quiet">{}</div>', row.slug, row.box_host or row.box or NOT_KNOWN)

    @admin.display(description=gettext_lazy("serves"))
    def status(self, row: Slot) -> SafeString:
        found = _find_status(row)
        css, word = STATE_BADGES[found.state]
        return format_html(
            '<span class="badge {}">{}</span><div>{}</div>',
            css,
            say(word, gettext),
            found.current_profile or NOT_KNOWN,
        )

    @admin.display(description=gettext_lazy("last failure"))
    def trouble(self, row: Slot) -> str:
        return render_to_string("admin/modelops/slot/trouble.html", describe_trouble(row))

    @admin.display(description=gettext_lazy("GPUs"))
    def cards(self, row: Slot) -> str:
        return ", ".join(map(str, row.gpus)) or gettext("all of the box")


def _find_status(row: Slot) -> SlotStatus:
    return find_default_status() if row.slug == DEFAULT_SLOT else find_slot_status(row)


def describe_trouble(row: Slot) -> dict[str, Any]:
    """What is wrong now, else why the last switch failed, and what helps: as `last_error` of the API."""
    failed = find_last_error(row)
    cause = row.problem or (failed.root_cause if failed else None)
    if cause is None:
        return {"failed": failed, "cause": None, "buttons": [], "retry_at": None}
    parsed = RootCause.parse(cause)
    slug = row.desired_profile if row.problem or failed is None else failed.to_profile
    return {
        "failed": failed,
        "cause": translate_cause(parsed),
        "buttons": make_buttons(parsed, slug, row.slug),
        "retry_at": find_retry_at(row),
    }
