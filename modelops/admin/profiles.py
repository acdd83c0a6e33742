"""Profiles with their verdicts, hardware profiles, and what the GPUs do."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db import transaction
from django.db.models import JSONField, QuerySet
from django.forms import Textarea
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from gateway.audit import AuditedAdmin, ReadOnlyAdmin
from gateway.errors import GatewayError
from modelops.admin.fit_pages import MOST_REPORTS, describe_fit, render_fit, show_fit, show_hardware
from modelops.admin.switch_pages import show_switch_request
from modelops.domain.profiles.setting import Section, list_settings
from modelops.domain.profiles.spec import ProfileSpec
from modelops.fit.profile_fits import ProfileFit, assess_profiles, check_profile, find_gpu_choice
from modelops.models import HardwareProfile, HardwareSample, ModelProfile
from modelops.profiles.adding import duplicate_profile
from modelops.profiles.seeding import export_profiles

NOT_KNOWN = "–"
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


class HardwareFilter(admin.SimpleListFilter):
    """Which GPUs the verdicts are about. Filters no rows."""

    title = "GPUs to check on"
    parameter_name = "hardware"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(HardwareProfile.objects.values_list("slug", "display_name"))

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        yield {**first, "display": "the GPUs that are there"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset


class ProfileChangeList(ChangeList):
    """Reads the hardware once and gives every row of the page its fit."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.hardware = find_gpu_choice(request.GET.get(HardwareFilter.parameter_name))
        rows = list(self.result_list)
        for row, fit in zip(rows, assess_profiles(rows, self.hardware), strict=True):
            row.fit = fit
        self.result_list = rows


def get_fit(row: ModelProfile) -> ProfileFit:
    fit: ProfileFit = row.fit  # type: ignore[attr-defined]  # set by ProfileChangeList
    return fit


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
class ModelProfileAdmin(AuditedAdmin):
    list_display = [
        "slug",
        "verdict",
        "largest_context",
        "tensor_parallel",
        "concurrency",
        "is_enabled",
        "is_default",
        "display_name",
    ]
    list_filter = [HardwareFilter, "is_enabled", "engine", "runtime", "quantization"]
    search_fields = ["slug", "display_name", "repository", "description_en", "description_ko"]
    ordering = ["slug"]
    list_per_page = 50
    actions = ["switch_to", "check_gpu_fit", "export_yaml", "duplicate"]
    formfield_overrides = {JSONField: {"widget": Textarea(attrs={"rows": 4, "cols": 80})}}
    readonly_fields = ["fit_report", "drift", "created_at", "updated_at"]
    fieldsets = [
        ("GPU fit", {"fields": ["fit_report"]}),
        *list_setting_fieldsets(),
        ("History", {"fields": ["drift", "created_at", "updated_at"]}),
    ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ProfileChangeList

    def get_urls(self) -> list[URLPattern]:
        fit = self.admin_site.admin_view(self.show_fit)
        switch = self.admin_site.admin_view(self.show_switch_request)
        return [
            path("fit/", fit, name="modelops_modelprofile_fit"),
            path("<uuid:profile_id>/switch/", switch, name="modelops_modelprofile_switch"),
            *super().get_urls(),
        ]

    def show_fit(self, request: HttpRequest) -> HttpResponse:
        return show_fit(request, self.admin_site)

    def show_switch_request(self, request: HttpRequest, profile_id: uuid.UUID) -> HttpResponse:
        return show_switch_request(request, self.admin_site, get_object_or_404(ModelProfile, pk=profile_id))

    @admin.display(description="verdict")
    def verdict(self, row: ModelProfile) -> SafeString:
        return describe_fit(get_fit(row))

    @admin.display(description="largest context")
    def largest_context(self, row: ModelProfile) -> str:
        return format_count(get_fit(row).report.max_model_len_that_fits)

    @admin.display(description="tensor parallel")
    def tensor_parallel(self, row: ModelProfile) -> str:
        """What `auto` stands for on these GPUs is said as such."""
        size = get_fit(row).assessment.settings.tensor_parallel_size
        return f"{size} (auto)" if row.tensor_parallel_size is None else str(size)

    @admin.display(description="requests at once")
    def concurrency(self, row: ModelProfile) -> str:
        return format_count(get_fit(row).report.max_concurrency)

    @admin.display(description="on the GPUs that are there")
    def fit_report(self, row: ModelProfile) -> str:
        if row.pk is None or row._state.adding:
            return "Save the profile to see how it fits."
        choice = find_gpu_choice()
        return render_fit(check_profile(row, choice), choice)

    @admin.display(description="changed since it was loaded")
    def drift(self, row: ModelProfile) -> str:
        return ", ".join(row.find_drift()) or NOT_KNOWN

    @admin.action(description="Switch to this profile")
    def switch_to(self, request: HttpRequest, queryset: QuerySet[ModelProfile]) -> HttpResponse | None:
        if queryset.count() != 1:
            self.message_user(request, "Choose one profile to switch to.", messages.ERROR)
            return None
        return HttpResponseRedirect(reverse("admin:modelops_modelprofile_switch", args=[queryset.get().pk]))

    @admin.action(description="Check GPU fit")
    def check_gpu_fit(self, request: HttpRequest, queryset: QuerySet[ModelProfile]) -> HttpResponse:
        query = QueryDict(mutable=True)
        query.setlist("profile", [row.slug for row in queryset[:MOST_REPORTS]])
        if hardware := request.GET.get(HardwareFilter.parameter_name):
            query["hardware"] = hardware
        return HttpResponseRedirect(f"{reverse('admin:modelops_modelprofile_fit')}?{query.urlencode()}")

    @admin.action(description="Export YAML")
    def export_yaml(self, request: HttpRequest, queryset: QuerySet[ModelProfile]) -> HttpResponse:
        slugs = [row.slug for row in queryset]
        name = slugs[0] if len(slugs) == 1 else "model-profiles"
        return HttpResponse(
            export_profiles(slugs),
            content_type="application/yaml; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}.yml"'},
        )

    @admin.action(description="Duplicate")
    def duplicate(self, request: HttpRequest, queryset: QuerySet[ModelProfile]) -> HttpResponse | None:
        copies = []
        for row in queryset:
            try:
                with transaction.atomic():
                    copies.append(duplicate_profile(row))
                    self.record("created", copies[-1], request, {"copy_of": row.slug})
            except GatewayError as exc:
                self.message_user(request, exc.message, messages.ERROR)
        for copy in copies:
            self.log_addition(request, copy, "Duplicated.")
            link = reverse("admin:modelops_modelprofile_change", args=[copy.pk])
            text = format_html('Made <a href="{}">{}</a>, disabled.', link, copy.slug)
            self.message_user(request, text, messages.SUCCESS)
        if len(copies) == 1 and queryset.count() == 1:
            return HttpResponseRedirect(reverse("admin:modelops_modelprofile_change", args=[copies[0].pk]))
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


def format_count(number: float | None) -> str:
    return NOT_KNOWN if number is None else f"{number:,.10g}"
