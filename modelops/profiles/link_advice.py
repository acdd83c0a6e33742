"""Advice for imported profiles: what the cards here need that the other machine's did not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.wording import FilledText, fill_in
from modelops.domain.profiles.link_settings import find_missing, list_link_settings
from modelops.domain.profiles.spec import to_values
from modelops.fit.gpu_choice import GpuChoice
from modelops.profiles.adding import ProposedProfile

MissingSettings = Mapping[str, Mapping[str, Any]]


def find_missing_link_settings(proposed: ProposedProfile, choice: GpuChoice) -> MissingSettings:
    """What the profile should say of cards without a direct path to each other, and does not."""
    gpus = choice.select(proposed.spec.gpu_selection)
    if gpus is None:
        return {}
    ranks = proposed.assessment.settings.tensor_parallel_size
    wanted = list_link_settings(gpus, ranks, has_peer_access=choice.has_peer_access)
    return find_missing(proposed.spec, wanted)


def describe_missing(missing: MissingSettings) -> FilledText:
    names = [f"{key}: {value}" for values in missing.values() for key, value in sorted(values.items())]
    return fill_in(
        "The cards here have no direct path to each other: without {settings} an engine on several of them "
        "hangs or is slow.",
        settings=", ".join(names),
    )


def add_missing(proposed: ProposedProfile, missing: MissingSettings) -> dict[str, Any]:
    """The values of the profile with these settings."""
    values = to_values(proposed.spec)
    return {**values, **{name: {**values[name], **added} for name, added in missing.items()}}
