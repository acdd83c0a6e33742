"""Remedies as buttons of the admin: where each leads, and what stands beside it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext

from gateway.wording import say
from modelops.domain.engine_log.causes import RootCause
from modelops.domain.engine_log.remedies import (
    ChangeSetting,
    CheckFit,
    EditProfile,
    FreeGpu,
    Retry,
    RetryWithContext,
)
from modelops.domain.fit.report_text import format_bytes
from modelops.models import ModelProfile
from modelops.switching.remedies import GpuHolder, RemedyOffer, offer_remedies_for


@dataclass(frozen=True)
class RemedyButton:
    """`link` is empty for what is done outside of the gateway."""

    kind: str
    title: str
    hint: str
    link: str
    command: str
    holders: tuple[tuple[GpuHolder, str], ...]
    """With the memory in words."""


def make_buttons(cause: RootCause, slug: str, slot: str) -> list[RemedyButton]:
    """What helps against the cause, the likeliest first."""
    return [_make_button(offer) for offer in offer_remedies_for(cause, slug, slot)]


def _make_button(offer: RemedyOffer) -> RemedyButton:
    return RemedyButton(
        str(offer.remedy.kind),
        title=say(offer.title, gettext),
        hint=say(offer.hint, gettext),
        link=_find_link(offer),
        command=offer.command,
        holders=tuple(
            (each, format_bytes(each.used_bytes) if each.used_bytes is not None else "–")
            for each in offer.holders
        ),
    )


def _find_link(offer: RemedyOffer) -> str:
    remedy, profile = offer.remedy, offer.profile
    if isinstance(remedy, FreeGpu):
        return reverse("admin:modelops_hardwaresample_changelist")
    if profile is None or isinstance(remedy, ChangeSetting):
        return ""
    match remedy:
        case RetryWithContext(length):
            return f"{_find_confirmation(profile)}?{urlencode({'max_model_len': length, 'keep': 'yes'})}"
        case Retry():
            return _find_confirmation(profile)
        case EditProfile(fields):
            change = reverse("admin:modelops_modelprofile_change", args=[profile.pk])
            return f"{change}#id_{fields[0]}" if fields else change
        case CheckFit():
            return f"{reverse('admin:modelops_modelprofile_fit')}?{urlencode({'profile': profile.slug})}"


def _find_confirmation(profile: ModelProfile) -> str:
    return reverse("admin:modelops_modelprofile_switch", args=[profile.pk])
