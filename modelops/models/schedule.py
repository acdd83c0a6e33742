"""Windows of the week in which slots serve other profiles, and how far each slot has followed them.

Operators write the windows (`modelops.switching.scheduling`), the switcher what it has carried out.
"""

from __future__ import annotations

from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.utils import timezone

from gateway.caller_language import say_lazily
from gateway.database.texts import TextsField
from gateway.ids import new_id
from gateway.wording import fill_in
from modelops.domain.switching.schedule import Window, find_overlap
from modelops.domain.switching.states import DrainPolicy
from modelops.models.profiles import ModelProfile
from modelops.models.slots import Slot

LONGEST_DRAIN_S = 86_400
DAYS = range(7)


class ScheduleWindow(models.Model):
    """A part of some days of the week in which a slot serves another profile than its usual one."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slot = models.ForeignKey(Slot, on_delete=models.CASCADE, related_name="windows")
    name = models.CharField(max_length=80, help_text="Stands in the reason of its switches.")
    weekdays = models.JSONField(default=list, help_text="On which it begins: 0 is Monday, 6 is Sunday.")
    begins = models.TimeField("from", help_text="As clocks in its time zone show it.")
    ends = models.TimeField("to", help_text="On the next day where that is not later than its beginning.")
    time_zone = models.CharField(
        max_length=64, default=timezone.get_current_timezone_name, help_text="Such as Asia/Seoul."
    )
    profile = models.CharField(max_length=64, help_text="What the slot serves meanwhile.")
    drain_policy = models.CharField(
        max_length=10,
        blank=True,
        choices=[(policy.value, policy.value) for policy in DrainPolicy],
        help_text="What happens to answers that run for longer; empty means SWITCH_DRAIN_POLICY.",
    )
    drain_timeout_s = models.PositiveIntegerField(
        "drain time-out in seconds",
        null=True,
        blank=True,
        validators=[MaxValueValidator(LONGEST_DRAIN_S)],
        help_text="How long running answers get; empty means SWITCH_DRAIN_TIMEOUT.",
    )
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["slot__slug", "begins", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["slot", "name"],
                name="schedule_window_name_is_unique",
                violation_error_message="Another window of this slot has this name.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def to_window(self) -> Window:
        return Window(
            id=str(self.pk),
            name=self.name,
            weekdays=frozenset(self.weekdays),
            begins=self.begins,
            ends=self.ends,
            zone=self.time_zone,
            profile=self.profile,
        )

    def clean(self) -> None:
        """Raise ValidationError, keyed by the field, for what makes no sense or overlaps another window."""
        super().clean()
        days = self.weekdays
        if not isinstance(days, list) or not days or any(type(day) is not int for day in days):
            raise ValidationError({"weekdays": [say_lazily(fill_in("Choose at least one day."))]})
        if not set(days) <= set(DAYS):
            raise ValidationError({"weekdays": [say_lazily(fill_in("Days are numbers from 0 to 6."))]})
        self.weekdays = sorted(set(days))
        if self.time_zone not in available_timezones():
            unknown = fill_in("There is no time zone {name}.", name=repr(self.time_zone))
            raise ValidationError({"time_zone": [say_lazily(unknown)]})
        if not ModelProfile.objects.enabled().filter(slug=self.profile).exists():
            missing = fill_in("There is no enabled profile {name}.", name=repr(self.profile))
            raise ValidationError({"profile": [say_lazily(missing)]})
        if self.is_active and self.begins is not None and self.ends is not None and self.slot_id:
            self._refuse_overlap()

    def _refuse_overlap(self) -> None:
        others = type(self).objects.filter(slot=self.slot_id, is_active=True).exclude(pk=self.pk)
        found = find_overlap(self.to_window(), [each.to_window() for each in others], timezone.now())
        if found is not None:
            text = fill_in("It overlaps the window “{name}”.", name=found.name)
            raise ValidationError({"begins": [say_lazily(text)]})


class SlotSchedule(models.Model):
    """How far a slot has followed its windows. Only the switcher writes these."""

    slot = models.OneToOneField(Slot, primary_key=True, on_delete=models.CASCADE, related_name="schedule")
    done_key = models.CharField(max_length=120, blank=True, help_text="Of the last edge that was seen.")
    usual_profile = models.CharField(
        max_length=64, blank=True, help_text="What it served before the window that goes on."
    )
    problem = TextsField(null=True, help_text="Why the last edge could not be carried out.")

    def __str__(self) -> str:
        return self.done_key
