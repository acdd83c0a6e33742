"""Changes of a few settings of a stored profile: looked at first, then saved as they were shown."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from rest_framework.request import Request

from gateway.audit import record_change
from gateway.errors import InvalidRequest, NotFound, VersionConflict
from gateway.wording import fill_in
from modelops.domain.profiles.setting import Section, list_settings
from modelops.domain.profiles.spec import ProfileSpec
from modelops.fit.gpu_choice import GpuChoice
from modelops.fit.profile_fits import ProfileFit, check_profile, describe_invalid
from modelops.models import ModelProfile

CHANGEABLE = tuple(
    each.name for each in list_settings(ProfileSpec) if each.section is Section.MEMORY and each.decides_memory
)
"""The settings that suggestions of the fit check are about."""

_FLAGS = {"language_model_only": "language-model-only"}
"""Further flags that suggestions name like settings."""

ACCEPTED = (*CHANGEABLE, *_FLAGS)


@dataclass(frozen=True)
class SettingChange:
    """One setting before and after, as plain values. None is what `auto` or the engine's default is."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class ChangePreview:
    """What a change would do. `version` names the state of the row that it was made from."""

    profile: ModelProfile
    changes: tuple[SettingChange, ...]
    before: ProfileFit
    after: ProfileFit
    version: str


def to_settings(flags: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What is wanted as settings of a profile: further flags are put among those that it has."""
    values = {name: value for name, value in wanted.items() if name not in _FLAGS}
    further = {_FLAGS[name]: value for name, value in wanted.items() if name in _FLAGS}
    return values | ({"extra_flags": {**flags, **further}} if further else {})


def preview_change(profile: ModelProfile, wanted: Mapping[str, Any], choice: GpuChoice) -> ChangePreview:
    """The settings that would differ, with the verdicts before and after; writes nothing.

    Raises InvalidRequest for a setting that is none of `ACCEPTED`, and where the profile would be invalid.
    """
    _refuse_others(wanted)
    try:
        spec = profile.to_spec(**to_settings(profile.extra_flags, wanted))
    except ValidationError as exc:
        raise InvalidRequest(describe_invalid(exc)) from exc
    return ChangePreview(
        profile,
        tuple(
            SettingChange(name, getattr(profile, name), getattr(spec, name))
            for name in to_settings(profile.extra_flags, wanted)
            if getattr(profile, name) != getattr(spec, name)
        ),
        check_profile(profile, choice),
        check_profile(profile, choice, spec=spec),
        get_version(profile),
    )


def apply_change(
    profile_id: uuid.UUID,
    wanted: Mapping[str, Any],
    *,
    version: str,
    request: HttpRequest | Request | None,
) -> tuple[SettingChange, ...]:
    """Save the settings, with a line of the audit trail in the same transaction; returns what has changed.

    Raises NotFound, VersionConflict where the row is not what the preview was made from, and InvalidRequest
    as `preview_change`; then nothing has changed.
    """
    _refuse_others(wanted)
    with transaction.atomic():
        profile = ModelProfile.objects.select_for_update().filter(pk=profile_id).first()
        if profile is None:
            raise NotFound
        if get_version(profile) != version:
            raise VersionConflict("The profile was changed meanwhile. Look at the change once more.")
        before = profile.get_values()
        for name, value in to_settings(profile.extra_flags, wanted).items():
            setattr(profile, name, value)
        try:
            profile.full_clean()
        except ValidationError as exc:
            raise InvalidRequest(describe_invalid(exc)) from exc
        after = profile.get_values()
        changes = tuple(
            SettingChange(name, before[name], after[name]) for name in before if before[name] != after[name]
        )
        if changes:
            profile.save()
            edited = {each.name: [each.before, each.after] for each in changes}
            record_change("modelprofile_changed", profile, request=request, changes=edited)
    return changes


def get_version(profile: ModelProfile) -> str:
    """Another one after each change of the row."""
    return profile.updated_at.isoformat()


def _refuse_others(wanted: Mapping[str, Any]) -> None:
    others = sorted(set(wanted) - set(ACCEPTED))
    if others:
        raise InvalidRequest(fill_in("{field}: cannot be changed here.", field=others[0]), param=others[0])
