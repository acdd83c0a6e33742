"""Profiles with their verdicts, hardware profiles, and what the GPUs do."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import JSONField, QuerySet
from django.forms import Textarea
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import URLPattern, reverse
from django.utils.safestring import mark_safe
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy

from gateway.audit import AuditedAdmin, ReadOnlyAdmin
from modelops.admin.duplicating import duplicate_profiles, link_form
from modelops.admin.fit_pages import MOST_REPORTS, show_hardware
from modelops.admin.form_check import render_parts
from modelops.admin.profile_list import NOT_KNOWN, HardwareFilter, ProfileChangeList, ProfileColumns
from modelops.admin.profile_urls import list_profile_urls
from modelops.domain.profiles.setting import Section, list_settings
from modelops.domain.profiles.spec import ProfileSpec
from modelops.fit.profile_fits import check_profile, find_gpu_choice
from modelops.models import HardwareProfile, HardwareSample, ModelProfile
from modelops.profiles.seeding import export_profiles

FIRST_IN_SECTION = (
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "max_model_len",
    "gpu_memory_utilization",
    "parameters",
    "weights_bytes",
)
"""What is changed most, and is short, stands above the rest of its section."""

SECTION_NOTES = {
    Section.MEMORY: "An empty tensor parallel size or context means auto; another empty number, the engine's "
    "default."
}

JSON_EXAMPLES = {
    "environment": '{"NCCL_P2P_DISABLE": "1"}',
    "limit_mm_per_prompt": '{"image": 4, "video": 0}',
    "hf_overrides": '{"rope_scaling": {"rope_type": "yarn", "factor": 4.0, '
    '"original_max_position_embeddings": 32768}}',
    "speculative_config": '{"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 4}',
    "lora_adapters": '{"sql": "maker/llama-3.1-8b-sql-lora"}',
    "default_chat_template_kwargs": '{"enable_thinking": false}',
    "override_generation_config": '{"temperature": 0.6, "top_p": 0.95}',
    "structured_outputs_config": '{"backend": "xgrammar"}',
    "allowed_media_domains": '["images.example.org"]',
}

SETTING_HELP = {
    "extra_flags": format_lazy(
        gettext_lazy(
            "JSON without the dashes of the flags, for example {example}. docs/profiles.md lists them."
        ),
        example='{"disable-custom-all-reduce": true}',
    ),
    "replicas": gettext_lazy("Equal engines that share the requests, each on cards of its own."),
    "max_replicas": gettext_lazy(
        "Most of them on a Ray cluster, by load; empty means that many and no more."
    ),
    "accelerator_type": gettext_lazy(
        "Kind of cards on a Ray cluster, as its nodes name them, such as A10G; cpu for none."
    ),
    **{
        name: format_lazy(gettext_lazy("JSON, for example {example}."), example=example)
        for name, example in JSON_EXAMPLES.items()
    },
}
"""For settings whose form nobody guesses."""


def list_setting_fieldsets() -> list[tuple[str | None, Any]]:
    """The settings of a profile by their sections, in the order of the table but for `FIRST_IN_SECTION`."""
    settings = {each.name: each.section for each in list_settings(ProfileSpec)}
    ordered = dict.fromkeys((*FIRST_IN_SECTION, *settings))
    fieldsets = []
    for section in Section:
        names = [name for name in ordered if settings[name] is section]
        note = SECTION_NOTES.get(section)
        options = {"fields": names} if note is None else {"fields": names, "description": note}
        fieldsets.append((section.value or None, options))
    return fieldsets


@admin.register(ModelProfile)
class ModelProfileAdmin(ProfileColumns, AuditedAdmin):
    list_display = [
        "slug",
        "name",
        "verdict",
        "largest_context",
        "tensor_parallel",
        "concurrency",
        "switch",
    ]
    list_filter = [HardwareFilter, "is_enabled", "engine", "runtime", "quantization"]
    search_fields = ["slug", "display_name", "repository", "description_en", "description_ko"]
    ordering = ["slug"]
    list_per_page = 50
    actions = ["switch_to", "check_gpu_fit", "export_yaml", "duplicate"]
    formfield_overrides = {JSONField: {"widget": Textarea(attrs={"rows": 4, "cols": 80})}}
    readonly_fields = ["fit_report", "drift", "created_at", "updated_at"]
    fieldsets = [
        (gettext_lazy("GPU fit"), {"fields": ["fit_report"]}),
        *list_setting_fieldsets(),
        (gettext_lazy("History"), {"fields": ["drift", "created_at", "updated_at"]}),
    ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ProfileChangeList

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if help_text := SETTING_HELP.get(db_field.name):
            kwargs["help_text"] = help_text
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        return [*list_profile_urls(self), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"title": gettext("Profiles"), **(extra_context or {})}
        return super().changelist_view(request, context)

    @admin.display(description=gettext_lazy("on the GPUs that are there"))
    def fit_report(self, row: ModelProfile) -> str:
        if row.pk is None or row._state.adding:
            return gettext("Save the profile to see how it fits.")
        choice = find_gpu_choice()
        return mark_safe(render_parts(check_profile(row, choice), choice)["report"])  # noqa: S308 - a template's

    @admin.display(description=gettext_lazy("changed since it was loaded"))
    def drift(self, row: ModelProfile) -> str:
        return ", ".join(row.find_drift()) or NOT_KNOWN

    @admin.action(description=gettext_lazy("Switch to this profile"))
    def switch_to(self, request: HttpRequest, queryset: QuerySet[ModelProfile]) -> HttpResponse | None:
        if queryset.count() != 1:
            self.message_user(request, gettext("Choose one profile to switch to."), messages.ERROR)
            return None
        return HttpResponseRedirect(reverse("admin:modelops_modelprofile_switch", args=[queryset.get().pk]))

    @admin.action(description=gettext_lazy("Check GPU fit"))
    def check_gpu_fit(self, request: HttpRequest, queryset: QuerySet[ModelProfile]) -> HttpResponse:
        query = QueryDict(mutable=True)
        query.setlist("profile", [row.slug for row in queryset[:MOST_REPORTS]])
        if hardware := request.GET.get(HardwareFilter.parameter_name):
            query["hardware"] = hardware
        return HttpResponseRedirect(f"{reverse('admin:modelops_modelprofile_fit')}?{query.urlencode()}")

    @admin.action(description=gettext_lazy("Export YAML"))
    def export_yaml(self, request: HttpRequest, queryset: QuerySet[ModelProfile]) -> HttpResponse:
        slugs = [row.slug for row in queryset]
        name = slugs[0] if len(slugs) == 1 else "model-profiles"
        return HttpResponse(
            export_profiles(slugs),
            content_type="application/yaml; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}.yml"'},
        )

    @admin.action(description=gettext_lazy("Duplicate"))
    def duplicate(self, request: HttpRequest, queryset: QuerySet[ModelProfile]) -> HttpResponse | None:
        copies = duplicate_profiles(request, self, queryset)
        if len(copies) == 1 and queryset.count() == 1:
            return HttpResponseRedirect(link_form(copies[0]))
        return None


@admin.register(HardwareProfile)
class HardwareProfileAdmin(AuditedAdmin):
    list_display = ["slug", "display_name", "gpu_count", "gpu_name", "gpu_memory_mib", "has_nvlink"]
    search_fields = ["slug", "display_name", "gpu_name"]
    ordering = ["slug"]
    readonly_fields = ["created_at", "updated_at"]


@admin.register(HardwareSample)
class HardwareSampleAdmin(ReadOnlyAdmin):
    """Shows the page about the hardware in place of a list of samples, whose rows are JSON."""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return show_hardware(request, self.admin_site)
