"""Where in the admin a remedy against a failure is carried out."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from modelops.domain.engine_log.remedies import (
    ChangeSetting,
    CheckFit,
    EditProfile,
    FreeGpu,
    Retry,
    RetryWithContext,
)
from modelops.models import DEFAULT_SLOT, ModelProfile
from modelops.switching.remedies import RemedyOffer


def find_remedy_link(offer: RemedyOffer) -> str:
    """The page that does it, or asks before it does; empty where only the command line helps."""
    remedy, profile = offer.remedy, offer.profile
    if isinstance(remedy, FreeGpu):
        return reverse("admin:modelops_hardwaresample_changelist")
    if profile is None or isinstance(remedy, ChangeSetting):
        return ""
    match remedy:
        case RetryWithContext(length):
            return _find_confirmation(profile, offer.slot, max_model_len=length, keep="yes")
        case Retry():
            return _find_confirmation(profile, offer.slot)
        case EditProfile(fields):
            change = reverse("admin:modelops_modelprofile_change", args=[profile.pk])
            return f"{change}#id_{fields[0]}" if fields else change
        case CheckFit():
            return f"{reverse('admin:modelops_modelprofile_fit')}?{urlencode({'profile': profile.slug})}"


def _find_confirmation(profile: ModelProfile, slot: str, **query: Any) -> str:
    """The page of a switch in this slot, which the address names where it is not the default one."""
    if slot != DEFAULT_SLOT:
        query["slot"] = slot
    path = reverse("admin:modelops_modelprofile_switch", args=[profile.pk])
    return f"{path}?{urlencode(query)}" if query else path
