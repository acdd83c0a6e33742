"""Slots, engines and switches: the switcher writes these, so the admin only shows them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from gateway.admin_lists import UncountedAdmin, typed
from gateway.audit import ReadOnlyAdmin
from gateway.caller_language import say_here
from gateway.errors import GatewayError
from gateway.wording import Translatable, fill_in, fill_text, say
from modelops.admin.outcomes import OutcomeFilter, has_shorter_context, make_badge
from modelops.admin.sleeper_pages import end_asleep, show_sleepers
from modelops.admin.switch_history import (
    cancel,
    download_log,
    keep,
    send_progress,
    show_switch,
)
from modelops.admin.switch_pages import find_actor
from modelops.domain.engine_log.causes import RootCause
from modelops.domain.fit.measured_run import name_as_estimate
from modelops.domain.fit.report_text import format_bytes
from modelops.domain.profiles.spec import EngineKind
from modelops.domain.switching.names import name_phase
from modelops.models import DEFAULT_SLOT, Engine, Switch
from modelops.switching.cancelling import cancel_switch
from modelops.switching.selectors import ended_by_request, read_log_tail

NOT_KNOWN = "–"
SHOWN_LOG_LINES = 500

SIZE_LABELS: Mapping[str, Translatable] = {
    "weights_bytes": "weights",
    "activation_bytes": "activation",
    "non_torch_bytes": "outside PyTorch",
    "cuda_graph_bytes": "CUDA graphs",
    "kv_cache_bytes": "KV cache",
    "kv_cache_tokens": "KV cache, tokens",
    "max_concurrency": "requests of full context at once",
}
"""As an estimate names its sizes."""
LISTED_SIZES: Mapping[str, Translatable] = {
    "weights_bytes": "weights",
    "kv_cache_bytes": "KV cache",
    "kv_cache_tokens": "KV tokens",
}


@admin.register(Switch)
class SwitchAdmin(UncountedAdmin, ReadOnlyAdmin):
    """The history; the page of a switch shows how it goes, or went."""

    change_list_template = "admin/modelops/switch/change_list.html"
    list_display = ["change", "outcome", "asked", "started"]
    list_filter = [OutcomeFilter, "via", typed("to_profile"), "slot"]
    search_fields = ["to_profile", "from_profile", "actor_name", "reason"]
    list_select_related = ["slot"]
    list_per_page = 50
    actions = ["cancel_selected"]

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view
        return [
            path("<uuid:switch_id>/progress/", page(send_progress), name="modelops_switch_progress"),
            path("<uuid:switch_id>/cancel/", page(cancel), name="modelops_switch_cancel"),
            path("<uuid:switch_id>/keep-context/", page(keep), name="modelops_switch_keep"),
            path("<uuid:switch_id>/log/", page(download_log), name="modelops_switch_log"),
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

    @admin.display(description=gettext_lazy("from → to"))
    def change(self, row: Switch) -> SafeString:
        slot = "" if row.slot.slug == DEFAULT_SLOT else gettext("in {slot}").format(slot=row.slot)
        return _stack(f"{row.from_profile or gettext('nothing')} → {row.to_profile}", slot)

    @admin.display(description=gettext_lazy("outcome"))
    def outcome(self, row: Switch) -> SafeString:
        badge = make_badge(row, is_reduced=has_shorter_context(row))
        why = "" if ended_by_request(row) or not row.root_cause else RootCause.parse(row.root_cause).message
        return _stack(_badge(badge.css, badge.text), say(why, gettext))

    @admin.display(description=gettext_lazy("asked for by"))
    def asked(self, row: Switch) -> SafeString:
        return _stack(
            f"{row.actor_name or NOT_KNOWN}, {row.get_via_display()}", say_here(row.get_text("reason"))
        )

    @admin.display(description=gettext_lazy("started (UTC)"))
    def started(self, row: Switch) -> SafeString:
        seconds = ((row.ended_at or timezone.now()) - row.created_at).total_seconds()
        return _stack(f"{row.created_at:%Y-%m-%d %H:%M:%S}", f"{seconds:.1f} s")

    @admin.action(description=gettext_lazy("Cancel"))
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Switch]) -> None:
        for row in queryset:
            try:
                cancel_switch(row.pk, find_actor(request))
            except GatewayError as exc:
                self.message_user(request, f"{row}: {say(exc.wording, gettext)}", messages.ERROR)
            else:
                asked = fill_in("{switch}: asked to end.", switch=str(row))
                self.message_user(request, say(asked, gettext), messages.SUCCESS)


@admin.register(Engine)
class EngineAdmin(UncountedAdmin, ReadOnlyAdmin):
    """What was started, what was expected of its memory, and what its log reported."""

    change_list_template = "admin/modelops/engine/change_list.html"
    list_display = ["engine", "state", "memory", "context", "started"]
    list_filter = ["state", typed("profile"), "slot", typed("runtime")]
    search_fields = ["name", "profile", "model_name"]
    list_select_related = ["slot"]
    list_per_page = 50
    readonly_fields = [
        *("sizes", "known_names", "gpu_list", "command", "variables", "phases", "why", "log_lines"),
    ]
    fieldsets = [
        (
            None,
            {"fields": ["name", "slot", "profile", "state", "model_name", "known_names", "max_model_len"]},
        ),
        ("Memory of each GPU", {"fields": ["sizes"]}),
        (
            "Run",
            {"fields": ["runtime", "image", "image_digest", "gpu_list", "gpu_name", "command", "variables"]},
        ),
        (
            "Life",
            {
                "fields": [
                    "replica",
                    "created_at",
                    "ready_at",
                    "leaving_since",
                    "ended_at",
                    "phases",
                    "exit_code",
                    "why",
                ]
            },
        ),
        ("Log", {"fields": ["log_lines"]}),
    ]

    def get_urls(self) -> list[URLPattern]:
        show = partial(show_sleepers, site=self.admin_site)
        own = [
            path("asleep/", self.admin_site.admin_view(show), name="modelops_engine_asleep"),
            path(
                "<uuid:engine_id>/end-asleep/",
                self.admin_site.admin_view(end_asleep),
                name="modelops_engine_end_asleep",
            ),
        ]
        return [*own, *super().get_urls()]

    @admin.display
    def engine(self, row: Engine) -> SafeString:
        if row.slot.slug == DEFAULT_SLOT:
            return _stack(row.name, row.profile)
        return _stack(row.name, gettext("{profile}, in {slot}").format(profile=row.profile, slot=row.slot))

    @admin.display(description="expected / measured")
    def memory(self, row: Engine) -> SafeString:
        if row.spec.get("engine") == EngineKind.SIMULATOR:
            return _stack(NOT_KNOWN, gettext("simulated: it uses no GPU"))
        listed = [(fill_text(label, {}), *_list_sizes(row, name)) for name, label in LISTED_SIZES.items()]
        known = [line for line in listed if line[1:] != (NOT_KNOWN, NOT_KNOWN)]
        return format_html_join("", "<div>{}: {} / {}</div>", known) or _stack(NOT_KNOWN)

    @admin.display
    def context(self, row: Engine) -> str:
        return NOT_KNOWN if row.max_model_len is None else f"{row.max_model_len:,}"

    @admin.display(description="started (UTC)")
    def started(self, row: Engine) -> SafeString:
        took_s = (row.ready_at - row.created_at).total_seconds() if row.ready_at else None
        ready = "" if took_s is None else gettext("ready in {seconds} s").format(seconds=f"{took_s:.1f}")
        return _stack(f"{row.created_at:%Y-%m-%d %H:%M:%S}", ready)

    @admin.display(description="estimate and actual")
    def sizes(self, row: Engine) -> SafeString:
        lines = [(fill_text(label, {}), *_list_sizes(row, name)) for name, label in SIZE_LABELS.items()]
        return render_to_string("admin/modelops/engine_sizes.html", {"lines": lines})

    @admin.display(description="names")
    def known_names(self, row: Engine) -> str:
        return ", ".join(row.names) or NOT_KNOWN

    @admin.display(description="GPUs")
    def gpu_list(self, row: Engine) -> str:
        return ", ".join(map(str, row.gpus)) or NOT_KNOWN

    @admin.display(description="command")
    def command(self, row: Engine) -> SafeString:
        return format_html("<code>{}</code>", shlex.join(map(str, row.arguments)) or NOT_KNOWN)

    @admin.display(description="environment")
    def variables(self, row: Engine) -> SafeString:
        lines = [(f"{name}={value}",) for name, value in row.environment.items()]
        return format_html_join("", "<div><code>{}</code></div>", lines) or _stack(NOT_KNOWN)

    @admin.display(description="seconds in each phase")
    def phases(self, row: Engine) -> str:
        told = (
            f"{say(name_phase(phase), gettext)} {spent:.1f} s" for phase, spent in row.phase_seconds.items()
        )
        return ", ".join(told) or NOT_KNOWN

    @admin.display(description="reason of its end")
    def why(self, row: Engine) -> str:
        return say(row.why_ended, gettext) or NOT_KNOWN

    @admin.display(description="last lines")
    def log_lines(self, row: Engine) -> SafeString:
        lines, _last_id = read_log_tail(row, SHOWN_LOG_LINES)
        return format_html('<pre class="log engine-log">{}</pre>', "\n".join(lines) or NOT_KNOWN)


def _badge(css: str, text: str) -> SafeString:
    return format_html('<span class="badge {}">{}</span>', css, text)


def _stack(first: object, below: str = "") -> SafeString:
    """Two lines of one cell: at 1280 pixels a list of changes has room for five columns."""
    quiet = format_html('<div class="quiet">{}</div>', below) if below else ""
    return format_html("{}{}", first, quiet)


def _list_sizes(row: Engine, name: str) -> tuple[str, str]:
    """What was expected and what the log reported, side by side."""
    return _write_size(row.estimate or {}, name), _write_size(name_as_estimate(row.actual or {}), name)


def _write_size(sizes: Mapping[str, Any], name: str) -> str:
    size = sizes.get(name)
    if size is None:
        return NOT_KNOWN
    return format_bytes(size) if name.endswith("_bytes") else f"{size:,.10g}"
