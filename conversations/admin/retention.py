"""How long conversations are kept, by the role of their owner."""

from __future__ import annotations

from django import forms
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.utils.translation import gettext_lazy

from conversations.models import RetentionRule
from gateway.audit import AuditedAdmin

MOST_DAYS = 36_500


class RetentionRuleForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable
    role = forms.ChoiceField(label=gettext_lazy("Role"))
    days = forms.IntegerField(
        min_value=1,
        max_value=MOST_DAYS,
        label=gettext_lazy("Days"),
        help_text=gettext_lazy(
            "manage.py purge_conversations removes, for good, conversations in which nothing was said for so "
            "long. Pinned and archived ones are no exception. Try --dry-run first."
        ),
    )

    class Meta:
        model = RetentionRule
        fields = ["role", "days"]

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        roles = get_user_model()._meta.get_field("role").choices
        self.fields["role"].choices = roles  # type: ignore[attr-defined]


@admin.register(RetentionRule)
class RetentionRuleAdmin(AuditedAdmin):
    form = RetentionRuleForm
    list_display = ["role", "days", "updated_at"]
