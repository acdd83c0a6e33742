"""Slots, engines and switches: the switcher writes these, so the admin only shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from gateway.errors import GatewayError
from modelops.domain.causes import RootCause
from modelops.domain.measured_run import name_as_estimate
from modelops.domain.report_text import format_bytes
from modelops.models import DEFAULT_SLOT, Engine, Slot, Switch
from modelops.switch_audit import cancel_recorded_switch
from modelops.switch_pages import cancel, find_actor, send_progress, show_switch
from modelops.switch_selectors import read_log_tail
from modelops.switch_status import find_default_status, find_slot_status

NOT_KNOWN = "–"
SHOWN_LOG_LINES = 500

SIZE_LABELS = {
    "weights_bytes": "weights",
    "activation_bytes": "activation",
    "non_torch_bytes": "outside PyTorch",
    "cuda_graph_bytes": "CUDA graphs",
    "kv_cache_bytes": "KV cache",
    "kv_cache_tokens": "KV cache, tokens",
    "max_concurrency": "requests of full context at once",
}
"""As an estimate names its sizes."""


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable
    """Rows to look at."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Switch)
class SwitchAdmin(ReadOnlyAdmin):
    """The history; the page of a switch shows how it goes, or went."""

    list_display = ["change", "status", "cause", "actor_name", "via", "reason", "started", "duration", "slot"]
    list_filter = ["state", "via", "to_profile", "slot"]
    search_fields = ["to_profile", "from_profile", "actor_name", "reason"]
    list_select_related = ["slot"]
    list_per_page = 50
    actions = ["cancel_selected"]

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view
        return [
            path("<uuid:switch_id>/progress/", page(send_progress), name="modelops_switch_progress"),
            path("<uuid:switch_id>/cancel/", page(cancel), name="modelops_switch_cancel"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return show_switch(request, self.admin_site, object_id)

    @admin.display(description="from → to")
    def change(self, row: Switch) -> str:
        return str(row)

    @admin.display(description="state", ordering="state")
    def status(self, row: Switch) -> SafeString:
        return format_html('<span class="switch-{}">{}</span>', row.state, row.get_state_display())

    @admin.display
    def cause(self, row: Switch) -> str:
        return RootCause.parse(row.root_cause).message if row.root_cause else NOT_KNOWN

    @admin.display(description="started (UTC)", ordering="created_at")
    def started(self, row: Switch) -> str:
        return f"{row.created_at:%Y-%m-%d %H:%M:%S}"

    @admin.display
    def duration(self, row: Switch) -> str:
        return f"{((row.ended_at or timezone.now()) - row.created_at).total_seconds():.1f} s"

    @admin.action(description="Cancel")
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Switch]) -> None:
        for row in queryset:
            try:
                cancel_recorded_switch(row.pk, find_actor(request), request=request)
            except GatewayError as exc:
                self.message_user(request, f"{row}: {exc.message}", messages.ERROR)
            else:
                self.message_user(request, f"{row}: asked to end.", messages.SUCCESS)


@admin.register(Engine)
class EngineAdmin(ReadOnlyAdmin):
    """What was started, what was expected of its memory, and what its log told."""

    list_display = [
        *("name", "profile", "state", "weights", "kv_cache", "kv_tokens"),
        *("max_model_len", "started", "start_up", "slot"),
    ]
    list_filter = ["state", "profile", "slot", "runtime"]
    search_fields = ["name", "profile", "model_name"]
    list_select_related = ["slot"]
    list_per_page = 50
    readonly_fields = ["sizes", "log_lines"]
    fieldsets = [
        (None, {"fields": ["name", "slot", "profile", "state", "model_name", "names", "max_model_len"]}),
        ("Memory of each GPU", {"fields": ["sizes"]}),
        (
            "Run",
            {"fields": ["runtime", "image", "image_digest", "gpus", "gpu_name", "arguments", "environment"]},
        ),
        (
            "Life",
            {"fields": ["created_at", "ready_at", "ended_at", "phase_seconds", "exit_code", "end_reason"]},
        ),
        ("Log", {"fields": ["log_lines"]}),
    ]

    @admin.display(description="weights: estimate / actual")
    def weights(self, row: Engine) -> str:
        return _compare(row, "weights_bytes")

    @admin.display(description="KV cache: estimate / actual")
    def kv_cache(self, row: Engine) -> str:
        return _compare(row, "kv_cache_bytes")

    @admin.display(description="KV tokens: estimate / actual")
    def kv_tokens(self, row: Engine) -> str:
        return _compare(row, "kv_cache_tokens")

    @admin.display(description="started (UTC)", ordering="created_at")
    def started(self, row: Engine) -> str:
        return f"{row.created_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="start-up")
    def start_up(self, row: Engine) -> str:
        return f"{(row.ready_at - row.created_at).total_seconds():.1f} s" if row.ready_at else NOT_KNOWN

    @admin.display(description="estimate and actual")
    def sizes(self, row: Engine) -> SafeString:
        lines = [(label, *_list_sizes(row, name)) for name, label in SIZE_LABELS.items()]
        return render_to_string("admin/modelops/engine_sizes.html", {"lines": lines})

    @admin.display(description="last lines")
    def log_lines(self, row: Engine) -> SafeString:
        lines, _last_id = read_log_tail(row, SHOWN_LOG_LINES)
        return format_html('<pre class="engine-log">{}</pre>', "\n".join(lines) or NOT_KNOWN)


@admin.register(Slot)
class SlotAdmin(ReadOnlyAdmin):
    """Sets of GPUs and what they serve."""

    list_display = ["slug", "status", "serves", "desired_profile", "gate", "problem_message", "gpus"]
    list_select_related = ["active_engine"]
    readonly_fields = ["status", "serves"]
    fieldsets = [
        (None, {"fields": ["slug", "status", "serves", "desired_profile", "gpus"]}),
        ("Engines", {"fields": ["active_engine", "last_good_engine", "generation"]}),
        ("Gate", {"fields": ["gate", "epoch", "changed_at"]}),
        ("Trouble", {"fields": ["problem", "failed_restarts", "retry_at"]}),
        ("Lease", {"fields": ["lease_holder", "lease_expires_at", "fence"]}),
    ]

    @admin.display(description="state")
    def status(self, row: Slot) -> SafeString:
        found = find_default_status() if row.slug == DEFAULT_SLOT else find_slot_status(row)
        return format_html('<span class="switch-{}">{}</span>', str(found.state), str(found.state))

    @admin.display
    def serves(self, row: Slot) -> str:
        found = find_default_status() if row.slug == DEFAULT_SLOT else find_slot_status(row)
        return found.current_profile or NOT_KNOWN

    @admin.display(description="problem")
    def problem_message(self, row: Slot) -> str:
        return RootCause.parse(row.problem).message if row.problem else NOT_KNOWN


def _compare(row: Engine, name: str) -> str:
    return " / ".join(_list_sizes(row, name))


def _list_sizes(row: Engine, name: str) -> tuple[str, str]:
    """What was expected and what the log told."""
    return _write_size(row.estimate or {}, name), _write_size(name_as_estimate(row.actual or {}), name)


def _write_size(sizes: Mapping[str, Any], name: str) -> str:
    size = sizes.get(name)
    if size is None:
        return NOT_KNOWN
    return format_bytes(size) if name.endswith("_bytes") else f"{size:,.10g}"
