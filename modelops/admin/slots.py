"""Slots: what each serves, and why the last switch of it failed, with what can be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy, gettext_noop

from gateway.audit import ReadOnlyAdmin
from gateway.wording import say
from modelops.admin.remedy_buttons import make_buttons
from modelops.admin.slot_pages import apply, show_changing, show_making, show_retiring, wrap
from modelops.admin.switch_history import translate_cause
from modelops.models import Slot
from modelops.switching.boxes import KnownBox, find_box_of, list_boxes, name_cards
from modelops.switching.remedies import Failure, RemedyOffer, offer_remedies
from modelops.switching.slot_details import name_life
from modelops.switching.slot_status import ServiceState, SlotStatus, find_slot_statuses
from modelops.switching.status import find_failure, find_retry_at

NOT_KNOWN = "–"
LIFE_BADGES = {
    "retired": ("is-quiet", gettext_noop("retired")),
    "retiring": ("is-warn", gettext_noop("being retired")),
}
STATE_BADGES = {
    ServiceState.READY: ("is-good", gettext_noop("ready")),
    ServiceState.DEGRADED: ("is-bad", gettext_noop("degraded")),
    ServiceState.NONE: ("is-quiet", gettext_noop("none")),
    ServiceState.RESTING: ("is-quiet", gettext_noop("resting")),
    ServiceState.STARTING: ("is-quiet", gettext_noop("starting")),
    ServiceState.LOADING: ("is-quiet", gettext_noop("loading")),
    ServiceState.SWITCHING: ("is-quiet", gettext_noop("switching")),
    ServiceState.UNREACHABLE: ("is-bad", gettext_noop("unreachable")),
}


@dataclass(frozen=True)
class SlotState:
    """A slot, with what is wrong with it and what helps."""

    status: SlotStatus
    failure: Failure | None
    offers: Sequence[RemedyOffer]


class SlotChangeList(ChangeList):
    """Finds the states of all rows of a page at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        boxes = list_boxes()
        for row, state in zip(rows, _find_states(rows), strict=True):
            row.found_state = state
            row.known_boxes = boxes
        self.result_list = rows


@admin.register(Slot)
class SlotAdmin(ReadOnlyAdmin):
    """Sets of GPUs and what they serve."""

    list_display = ["slot", "status", "cards", "acts", "trouble"]
    list_select_related = ["active_engine"]
    ordering = [F("retired_at").asc(nulls_first=True), "slug"]
    readonly_fields = ["status", "trouble", "cards"]
    fieldsets = [
        (None, {"fields": ["slug", "status", "trouble", "desired_profile", "box", "box_host"]}),
        (gettext_lazy("Cards"), {"fields": ["cards", "gpus", "has_gpus", "runtime"]}),
        (gettext_lazy("Engines"), {"fields": ["active_engine", "last_good_engine", "generation"]}),
        (gettext_lazy("Gate"), {"fields": ["gate", "epoch", "changed_at"]}),
        (gettext_lazy("Trouble"), {"fields": ["problem", "failed_restarts", "retry_at"]}),
        (
            gettext_lazy("Replicas"),
            {"fields": ["replica_problem", "failed_replicas", "replica_retry_at"]},
        ),
        (gettext_lazy("Lease"), {"fields": ["lease_holder", "lease_expires_at", "fence"]}),
    ]

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view
        return [
            path("make/", page(partial(show_making, site=self.admin_site)), name="modelops_slot_make"),
            path("divide/<slug:template>/", page(apply), name="modelops_slot_template"),
            path("<uuid:slot_id>/cards/", wrap(self, show_changing), name="modelops_slot_cards"),
            path("<uuid:slot_id>/retire/", wrap(self, show_retiring), name="modelops_slot_retire"),
            *super().get_urls(),
        ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SlotChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Slot]:
        return super().get_queryset(request).select_related("active_engine")

    @admin.display(description=gettext_lazy("slot"), ordering="slug")
    def slot(self, row: Slot) -> SafeString:
        return format_html('{}<div class="quiet">{}</div>', row.slug, row.box_host or row.box or NOT_KNOWN)

    @admin.display(description=gettext_lazy("serves"))
    def status(self, row: Slot) -> SafeString:
        found = _get_state(row).status
        css, word = LIFE_BADGES.get(name_life(row)) or STATE_BADGES[found.state]
        return format_html(
            '<span class="badge {}">{}</span><div>{}</div>',
            css,
            say(word, gettext),
            found.current_profile or NOT_KNOWN,
        )

    @admin.display(description=gettext_lazy("last failure"))
    def trouble(self, row: Slot) -> str:
        return render_to_string("admin/modelops/slot/trouble.html", describe_trouble(_get_state(row)))

    @admin.display(description=gettext_lazy("GPUs"))
    def cards(self, row: Slot) -> SafeString:
        if not row.has_gpus:
            return format_html("{}", gettext("none"))
        # As the list has found them for all its rows, which may be none.
        boxes: Sequence[KnownBox] = row.known_boxes if hasattr(row, "known_boxes") else list_boxes()
        named = name_cards([str(gpu) for gpu in row.gpus], find_box_of(row, boxes))
        runtime = gettext("%(runtime)s only") % {"runtime": row.runtime} if row.runtime else ""
        return format_html(
            '{}<div class="quiet">{}</div>', say(named, gettext) or gettext("all of the box"), runtime
        )

    @admin.display(description=gettext_lazy("change"))
    def acts(self, row: Slot) -> str:
        if row.retired_at is not None:
            return ""
        return render_to_string("admin/modelops/slot/acts.html", {"slot": row})


def _get_state(row: Slot) -> SlotState:
    """As the list has found it for all its rows; for a row alone it is found now."""
    if not hasattr(row, "found_state"):
        row.found_state = _find_states([row])[0]  # type: ignore[attr-defined]
    state: SlotState = row.found_state  # type: ignore[attr-defined]
    return state


def _find_states(rows: Sequence[Slot]) -> list[SlotState]:
    """In a handful of queries, however many rows there are."""
    statuses = find_slot_statuses(rows)
    failures = [find_failure(status) for status in statuses]
    offers = iter(offer_remedies([each for each in failures if each is not None]))
    return [
        SlotState(status, failure, next(offers) if failure else [])
        for status, failure in zip(statuses, failures, strict=True)
    ]


def describe_trouble(state: SlotState) -> dict[str, Any]:
    """What is wrong now, else why the last switch failed, and what helps: as `last_error` of the API."""
    return {
        "failed": state.status.last_failed,
        "cause": translate_cause(state.failure.cause) if state.failure else None,
        "buttons": make_buttons(state.offers),
        "retry_at": find_retry_at(state.status.slot) if state.failure else None,
    }
