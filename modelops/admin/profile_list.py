"""The list of profiles: what is served stands first, and each row has its verdict and its button."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.db.models import Case, QuerySet, Value, When
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from modelops.admin.fit_pages import describe_fit, link_fit
from modelops.fit.profile_fits import ProfileFit, assess_profiles, find_gpu_choice
from modelops.models import HardwareProfile, ModelProfile
from modelops.switching.profile_standings import IDLE, ProfileStanding, find_standings

NOT_KNOWN = "–"


class HardwareFilter(admin.SimpleListFilter):
    """Which GPUs the verdicts are about. Filters no rows."""

    title = gettext_lazy("GPUs to check on")
    parameter_name = "hardware"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(HardwareProfile.objects.values_list("slug", "display_name"))

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        yield {**first, "display": gettext("the GPUs that are there")}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset


class ProfileChangeList(ChangeList):
    """Reads hardware and slots once, and gives every row of the page its fit and its standing."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.standings = find_standings()
        super().__init__(*args, **options)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """What is served first, unless a column was chosen to sort by."""
        ordering = super().get_ordering(request, queryset)
        served = [slug for slug, standing in self.standings.items() if standing.is_served]
        if ORDER_VAR in self.params or not served:
            return ordering
        return [Case(When(slug__in=served, then=Value(0)), default=Value(1)).asc(), *ordering]

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        hardware = request.GET.get(HardwareFilter.parameter_name, "")
        self.hardware = find_gpu_choice(hardware)
        rows = list(self.result_list)
        for row, fit in zip(rows, assess_profiles(rows, self.hardware), strict=True):
            row.fit, row.standing = fit, self.standings.get(row.slug, IDLE)
            row.report_link = link_fit(row, hardware)
        self.result_list = rows


def get_fit(row: ModelProfile) -> ProfileFit:
    fit: ProfileFit = row.fit  # type: ignore[attr-defined]  # set by ProfileChangeList
    return fit


def get_standing(row: ModelProfile) -> ProfileStanding:
    standing: ProfileStanding = row.standing  # type: ignore[attr-defined]  # set by ProfileChangeList
    return standing


class ProfileColumns:
    """The columns of the list, as methods of its admin class."""

    @admin.display(description=gettext_lazy("name"), ordering="display_name")
    def name(self, row: ModelProfile) -> SafeString:
        return render_to_string(
            "admin/modelops/modelprofile/name.html", {"profile": row, "standing": get_standing(row)}
        )

    @admin.display(description=gettext_lazy("verdict"))
    def verdict(self, row: ModelProfile) -> SafeString:
        link = row.report_link  # type: ignore[attr-defined]  # as above
        return format_html('<a href="{}">{}</a>', link, describe_fit(get_fit(row)))

    @admin.display(description=gettext_lazy("largest context"))
    def largest_context(self, row: ModelProfile) -> str:
        return format_count(get_fit(row).report.max_model_len_that_fits)

    @admin.display(description=gettext_lazy("tensor parallel"))
    def tensor_parallel(self, row: ModelProfile) -> str:
        """What `auto` stands for on these GPUs is said as such."""
        size = get_fit(row).assessment.settings.tensor_parallel_size
        return f"{size} (auto)" if row.tensor_parallel_size is None else str(size)

    @admin.display(description=gettext_lazy("requests at once"))
    def concurrency(self, row: ModelProfile) -> str:
        return format_count(get_fit(row).report.max_concurrency)

    @admin.display(description=gettext_lazy("switch"))
    def switch(self, row: ModelProfile) -> SafeString:
        return render_to_string(
            "admin/modelops/modelprofile/switch_cell.html", {"profile": row, "standing": get_standing(row)}
        )


def format_count(number: float | None) -> str:
    return NOT_KNOWN if number is None else f"{number:,.10g}"
