"""Add a profile for any repository: its facts from the hub, a proposal for the GPUs, a disabled row."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from gateway.errors import Conflict, InvalidRequest
from gateway.wording import fill_in
from modelops.domain.errors import FieldError, UnknownLayoutError
from modelops.domain.fit.recommendation import Assessment, advise, assess_candidate, to_candidate
from modelops.domain.profiles.imports.imported_profile import ImportedProfile
from modelops.domain.profiles.proposal import Subject, propose_profile, select_config
from modelops.domain.profiles.setting import leave_defaults_out
from modelops.domain.profiles.spec import ProfileSpec, to_values
from modelops.fit.gpu_choice import GpuChoice
from modelops.fit.profile_fits import describe_invalid
from modelops.models import ModelProfile
from modelops.models.profile_reading import read_own_profile
from modelops.profiles.seed_yaml import write_document

if TYPE_CHECKING:
    # The hub's library takes most of a second to import: only the command that asks the hub needs it.
    from modelops.profiles.hub import RepositoryFacts

MOST_SLUG_CHARACTERS = 58
"""Of a name to which something is added, so that it stays a name."""


@dataclass(frozen=True)
class ProposedProfile:
    """A valid profile and how it fits, with suggestions."""

    spec: ProfileSpec
    assessment: Assessment

    @property
    def exported(self) -> dict[str, Any]:
        """As in a file of profiles: fields at their defaults are left out."""
        return leave_defaults_out(ProfileSpec, to_values(self.spec))

    @property
    def yaml(self) -> str:
        return write_document({"profiles": [self.exported]})


def propose(facts: RepositoryFacts, choice: GpuChoice, *, slug: str | None = None) -> ProposedProfile:
    """A profile for the repository on these GPUs. Raises InvalidRequest for a model that is not understood
    and for a slug that is no slug.
    """
    subject = Subject(
        repository=facts.repository,
        commit=facts.commit,
        config=facts.config,
        facts=facts.checkpoint,
        gpus=choice.gpus,
        has_peer_access=choice.has_peer_access,
        source=_name_source(facts),
    )
    try:
        proposal = propose_profile(subject, slug=slug)
    except (FieldError, UnknownLayoutError) as exc:
        message = fill_in(
            "{repository}: its config.json is not understood: {problem}",
            repository=facts.repository,
            problem=exc.wording,
        )
        raise InvalidRequest(message, param="repository") from exc
    return ProposedProfile(_read_spec(proposal.values), advise(proposal.assessment, choice.gpus))


def propose_imported(
    imported: ImportedProfile, facts: RepositoryFacts | None, choice: GpuChoice, *, slug: str | None = None
) -> ProposedProfile:
    """The profile of somebody else's start of an engine, with the settings that were given there.

    Without facts its verdict is unknown. Raises InvalidRequest where settings and model do not agree.
    """
    known = {} if facts is None else describe_facts(facts)
    return restore_proposal({**imported.values, **known, **({"slug": slug} if slug else {})}, choice)


def restore_proposal(values: Mapping[str, Any], choice: GpuChoice) -> ProposedProfile:
    """The proposal that was shown as these values, judged anew. Raises InvalidRequest."""
    spec = _read_spec(values)
    gpus = choice.select(spec.gpu_selection)
    return ProposedProfile(spec, advise(assess_candidate(to_candidate(spec), gpus), gpus))


def _read_spec(values: Mapping[str, Any]) -> ProfileSpec:
    reading = read_own_profile(values)
    if reading.spec is None:
        problem = reading.problems[0]
        raise InvalidRequest(problem.wording, param=problem.field)
    return reading.spec


def describe_facts(facts: RepositoryFacts) -> dict[str, Any]:
    """What the hub says of a model, as values of a profile."""
    draft = {"draft_config": select_config(facts.draft_config)} if facts.draft_config else {}
    return {
        **draft,
        "revision": facts.commit,
        "config": select_config(facts.config),
        "parameters": facts.parameters,
        "weights_bytes": facts.weights_bytes,
        "facts_source": _name_source(facts),
    }


def save_proposal(proposed: ProposedProfile, *, is_enabled: bool = False) -> ModelProfile:
    """Store the profile, disabled unless it is to be enabled. Raises Conflict when the name is taken."""
    profile = ModelProfile()
    profile.set_values(replace(proposed.spec, is_enabled=is_enabled, is_default=False))
    if ModelProfile.objects.filter(slug=profile.slug).exists():
        raise _name_conflict(profile.slug)
    try:
        profile.full_clean()
        with transaction.atomic():
            profile.save()
    except ValidationError as exc:
        raise InvalidRequest(describe_invalid(exc)) from exc
    except IntegrityError as exc:
        raise _name_conflict(profile.slug) from exc
    return profile


def duplicate_profile(profile: ModelProfile) -> ModelProfile:
    """A disabled copy under a free name, no default, to be changed and tried. Raises InvalidRequest for a
    profile that is not valid.
    """
    copy = ModelProfile()
    for name, value in profile.get_values().items():
        setattr(copy, name, value)
    copy.slug = find_free_slug(f"{profile.slug[:MOST_SLUG_CHARACTERS]}-copy")
    copy.display_name = f"{profile.display_name[:93]} (copy)"
    copy.is_enabled = copy.is_default = False
    if copy.served_model_name == profile.slug:
        copy.served_model_name = ""  # the name stays the original's
    try:
        copy.full_clean()
    except ValidationError as exc:
        raise InvalidRequest(
            fill_in(
                "The profile {slug} cannot be copied: {problem}",
                slug=profile.slug,
                problem=describe_invalid(exc),
            )
        ) from exc
    copy.save()
    return copy


def find_free_slug(stem: str) -> str:
    """The name itself, or with the lowest number that makes it free."""
    shortened = stem[:MOST_SLUG_CHARACTERS].rstrip("-.")
    taken = set(ModelProfile.objects.filter(slug__startswith=shortened).values_list("slug", flat=True))
    names = (stem if number == 1 else f"{shortened}-{number}" for number in itertools.count(1))
    return next(name for name in names if name not in taken)


def _name_conflict(slug: str) -> Conflict:
    return Conflict(
        fill_in("There is a profile {slug} already: choose another name.", slug=repr(slug)), param="slug"
    )


def _name_source(facts: RepositoryFacts) -> str:
    where = "the local cache of the hub" if facts.is_from_cache else "the hub"
    gate = " The repository is gated: the engine needs HF_TOKEN." if facts.is_gated else ""
    return f"{facts.repository} at {facts.commit}, read from {where}.{gate}"


def summarise_facts(facts: RepositoryFacts) -> Mapping[str, Any]:
    return {
        "repository": facts.repository,
        "commit": facts.commit,
        "parameters": facts.parameters,
        "parameters_by_dtype": dict(facts.parameters_by_dtype),
        "weights_bytes": facts.weights_bytes,
        "gated": facts.is_gated,
        "from_cache": facts.is_from_cache,
    }
