"""A proposed profile as pages show it: its settings, its memory and its verdict."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.safestring import SafeString
from django.utils.translation import gettext

from modelops.admin.fit_pages import FitView, describe_fit, view_fit
from modelops.domain.fit.report_text import format_bytes
from modelops.domain.profiles.setting import Section, list_settings
from modelops.domain.profiles.spec import ProfileSpec, to_values
from modelops.fit.gpu_choice import GpuChoice
from modelops.fit.profile_fits import ProfileFit
from modelops.models import ModelProfile
from modelops.profiles.adding import ProposedProfile
from modelops.switching.plan_text import write_value

if TYPE_CHECKING:
    from modelops.profiles.hub import RepositoryFacts

SHOWN_SECTIONS = (
    Section.MODEL,
    Section.PLACEMENT,
    Section.MEMORY,
    Section.FURTHER_FLAGS,
    Section.USE,
)
AUTOMATIC = ("max_model_len", "tensor_parallel_size")
NOT_SHOWN = ("is_enabled", "is_default")


@dataclass(frozen=True)
class ProposalView:
    """`values` are JSON for a hidden field: what is shown is what is saved."""

    spec: ProfileSpec
    settings: Sequence[tuple[str, str]]
    view: FitView
    verdict: SafeString
    values: str


def view_proposal(proposed: ProposedProfile, choice: GpuChoice) -> ProposalView:
    fit = ProfileFit(ModelProfile(slug=proposed.spec.slug), proposed.spec, proposed.assessment)
    return ProposalView(
        proposed.spec,
        list_given_settings(proposed.spec),
        view_fit(fit, choice),
        describe_fit(fit),
        json.dumps(to_values(proposed.spec)),
    )


def list_facts(facts: RepositoryFacts) -> list[tuple[str, str]]:
    """What the hub says of the model, in words."""
    lines = [(gettext("Commit"), facts.commit)]
    if facts.parameters is not None:
        lines.append((gettext("Parameters"), f"{facts.parameters:,}"))
    if facts.weights_bytes is not None:
        lines.append((gettext("Weights"), format_bytes(facts.weights_bytes)))
    where = gettext("the local cache of the hub") if facts.is_from_cache else gettext("the hub")
    lines.append((gettext("Read from"), where))
    if facts.is_gated:
        text = gettext("Gated: the engine needs HF_TOKEN, of an account that was let in.")
        lines.append((gettext("Access"), text))
    return lines


def list_given_settings(spec: ProfileSpec) -> list[tuple[str, str]]:
    """Name and value of what the engine is started with, where it is not the default."""
    found = []
    for each in list_settings(ProfileSpec):
        value = getattr(spec, each.name)
        is_given = value != each.default or each.name in AUTOMATIC
        if each.section in SHOWN_SECTIONS and is_given and each.name not in NOT_SHOWN:
            is_auto = value is None and each.name in AUTOMATIC
            found.append((each.name, "auto" if is_auto else write_value(value)))
    return found
