"""Profiles as the desk shows them, each with its verdict. Judged anew only when something it depends on has
changed: the check of fifty profiles would be more work than all the rest of the desk."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from typing import Any

from django.db.models import Count, Max
from django.urls import reverse

from modelops.domain.fit.specs import GIB
from modelops.domain.profiles.spec import EngineKind
from modelops.fit.gpu_choice import choose_seen
from modelops.fit.profile_fits import ProfileFit, assess_profiles
from modelops.hardware import HardwareReading
from modelops.models import Engine, ModelProfile

LONGEST_LIFE_S = 300.0


class ProfileCards:
    """Remembers the cards. Not safe to use from several threads at once."""

    def __init__(self) -> None:
        self._signature: Hashable = None
        self._read_at = 0.0
        self._cards: list[dict[str, Any]] = []
        self.on_gpus: frozenset[str] = frozenset()
        """The profiles among them that run on GPUs."""

    def read(self, reading: HardwareReading | None, engines: Sequence[Engine]) -> list[dict[str, Any]]:
        """The enabled profiles by name; one query while nothing has changed.

        `engines` are those that serve.
        """
        signature = (_sign_rows(engines), _sign_cards(reading))
        is_old = time.monotonic() - self._read_at > LONGEST_LIFE_S
        if signature != self._signature or is_old:
            fits = assess_profiles(ModelProfile.objects.enabled().order_by("slug"), choose_seen(reading))
            self._cards = [_describe(fit) for fit in fits]
            self.on_gpus = frozenset(
                fit.profile.slug for fit in fits if fit.profile.engine != EngineKind.SIMULATOR
            )
            self._signature, self._read_at = signature, time.monotonic()
        return self._cards


def _sign_rows(engines: Sequence[Engine]) -> Hashable:
    """Changes when a profile does, and when a start has been measured."""
    row = ModelProfile.objects.aggregate(count=Count("pk"), newest=Max("updated_at"))
    return row["count"], row["newest"], tuple((each.pk, bool(each.actual)) for each in engines)


def _sign_cards(reading: HardwareReading | None) -> Hashable:
    """Which cards there are, and what others than us hold of them, to the GiB."""
    if reading is None:
        return None
    return tuple(
        (gpu.uuid, gpu.name, gpu.total_bytes, max(0, (gpu.used_bytes or 0) - gpu.our_bytes) // GIB)
        for gpu in reading.usable_gpus
    )


def _describe(fit: ProfileFit) -> dict[str, Any]:
    profile, report = fit.profile, fit.report
    return {
        "slug": profile.slug,
        "name": profile.display_name,
        "is_default": profile.is_default,
        "verdict": str(report.verdict),
        "limit": str(report.limit),
        "why": fit.assessment.why,
        "context": fit.assessment.context,
        "tensor_parallel_size": fit.assessment.settings.tensor_parallel_size,
        "quantization": profile.quantization,
        "url": reverse("admin:modelops_modelprofile_change", args=[profile.pk]),
        "switch_url": reverse("admin:modelops_modelprofile_switch", args=[profile.pk]),
        "fit_url": f"{reverse('admin:modelops_modelprofile_fit')}?profile={profile.slug}",
    }
