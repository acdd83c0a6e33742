"""Read a profile from plain values, with every problem it has."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gateway.wording import fill_in
from modelops.domain.errors import FieldError
from modelops.domain.profiles.conflicts import find_hardware_conflicts, find_profile_conflicts
from modelops.domain.profiles.hardware_spec import HardwareSpec
from modelops.domain.profiles.kinds import Problems
from modelops.domain.profiles.setting import list_settings
from modelops.domain.profiles.spec import ProfileSpec, Spec

SpecT = TypeVar("SpecT", ProfileSpec, HardwareSpec)


@dataclass(frozen=True)
class Reading(Generic[SpecT]):
    """`spec` is None exactly when there are problems."""

    spec: SpecT | None
    problems: tuple[FieldError, ...]


def read_profile(
    values: Mapping[str, Any], *, trusted_repositories: Collection[str] = ()
) -> Reading[ProfileSpec]:
    """Read a profile; what is missing takes its default. Never raises for what `values` holds.

    Only `trusted_repositories` may have code that the engine runs.
    """
    settings, problems = _read_settings(ProfileSpec, values)
    if problems:
        return Reading(None, tuple(problems))
    spec = ProfileSpec(**settings)
    conflicts = find_profile_conflicts(spec, trusted_repositories=trusted_repositories)
    return Reading(None if conflicts else spec, tuple(conflicts))


def read_hardware(values: Mapping[str, Any]) -> Reading[HardwareSpec]:
    """Read a hardware profile in the same way."""
    settings, problems = _read_settings(HardwareSpec, values)
    if problems:
        return Reading(None, tuple(problems))
    spec = HardwareSpec(**settings)
    conflicts = find_hardware_conflicts(spec)
    return Reading(None if conflicts else spec, tuple(conflicts))


def _read_settings(spec_type: type[Spec], values: Mapping[str, Any]) -> tuple[dict[str, Any], Problems]:
    problems: Problems = []
    settings: dict[str, Any] = {}
    known = {each.name: each for each in list_settings(spec_type)}
    for name in values:
        if name not in known:
            problems.append(FieldError(str(name), fill_in("is not a field of a profile")))
    for name, each in known.items():
        if name in values:
            settings[name] = each.kind.read(name, values[name], problems)
        elif each.is_required:
            problems.append(FieldError(name, fill_in("is missing")))
        else:
            settings[name] = each.default
    return settings, problems
