"""Windows of the week: listed with a picture of each slot's, added and changed by a form."""

from __future__ import annotations

from typing import Any, cast
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from gateway.audit import AuditedAdmin
from gateway.wording import say
from modelops.admin.week_picture import picture_week
from modelops.models import ModelProfile, ScheduleWindow, Slot
from modelops.switching.schedule_text import DAY_NAMES, describe_days, describe_times, name_day
from modelops.switching.scheduling import find_problems, find_usual_profiles, foresee, list_windows

SHOWN_CHANGES = 6


class WindowForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable
    weekdays = forms.TypedMultipleChoiceField(
        label=gettext_lazy("Weekdays"),
        coerce=int,
        choices=[(day, name) for day, name in DAY_NAMES.items()],
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("On which it begins."),
    )
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"), choices=[(name, name) for name in sorted(available_timezones())]
    )
    profile = forms.ChoiceField(
        label=gettext_lazy("Profile"), help_text=gettext_lazy("What the slot serves meanwhile.")
    )

    class Meta:
        model = ScheduleWindow
        fields = [
            *("slot", "name", "profile", "weekdays", "begins", "ends", "time_zone"),
            *("drain_policy", "drain_timeout_s", "is_active"),
        ]
        widgets = {
            "begins": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "ends": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        slugs = set(ModelProfile.objects.enabled().values_list("slug", flat=True))
        if self.instance.profile:
            slugs.add(self.instance.profile)
        profiles = cast(forms.ChoiceField, self.fields["profile"])
        days = cast(forms.ChoiceField, self.fields["weekdays"])
        profiles.choices = [(slug, slug) for slug in sorted(slugs)]
        days.choices = [(day, say(name_day(day), gettext)) for day in DAY_NAMES]
        if self.instance._state.adding:
            self.fields["time_zone"].initial = timezone.get_current_timezone_name()
            self.fields["slot"].initial = Slot.objects.in_use().first()


@admin.register(ScheduleWindow)
class ScheduleWindowAdmin(AuditedAdmin):
    form = WindowForm
    change_list_template = "admin/modelops/schedule/change_list.html"
    change_form_template = "admin/modelops/schedule/change_form.html"
    list_display = ["name", "slot", "profile", "days", "times", "is_active"]
    list_select_related = ["slot"]
    fieldsets = [
        (None, {"fields": ["slot", "name", "profile", "is_active"]}),
        (gettext_lazy("When"), {"fields": ["weekdays", "begins", "ends", "time_zone"]}),
        (gettext_lazy("Answers that run at its edges"), {"fields": ["drain_policy", "drain_timeout_s"]}),
    ]

    @admin.display(description=gettext_lazy("weekdays"))
    def days(self, row: ScheduleWindow) -> str:
        text: str = say(describe_days(row.weekdays), gettext)
        return text

    @admin.display(description=gettext_lazy("times"), ordering="begins")
    def times(self, row: ScheduleWindow) -> str:
        text: str = say(describe_times(row), gettext)
        return text

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "weeks": describe_weeks()})

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {**(extra_context or {}), "weeks": describe_weeks()}
        return super().changeform_view(request, object_id, form_url, context)


def describe_weeks() -> list[dict[str, Any]]:
    """Each slot with active windows: its week, what comes next, and why the last edge was refused."""
    windows = [each for each in list_windows() if each.is_active]
    slots = {each.slot.pk: each.slot for each in windows}
    problems, usual, now = find_problems(slots.values()), find_usual_profiles(slots.values()), timezone.now()
    weeks = []
    for slot in slots.values():
        own = [each for each in windows if each.slot_id == slot.pk]
        zone = ZoneInfo(own[0].time_zone)
        weeks.append(
            {
                "slot": slot.slug,
                "zones": ", ".join(sorted({each.time_zone for each in own})),
                "zone": zone.key,
                "days": picture_week(own),
                "coming": [
                    {
                        "at": f"{each.at.astimezone(zone):%Y-%m-%d %H:%M}",
                        "profile": each.profile,
                        "window": each.window,
                    }
                    for each in foresee(own, usual[slot.pk], now)[:SHOWN_CHANGES]
                ],
                "problem": problems.get(slot.pk, ""),
            }
        )
    return weeks
