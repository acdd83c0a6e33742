"""Read profiles and the GPUs they are checked against, and say how each profile fits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from django.core.exceptions import ValidationError
from django.db import DatabaseError

from gateway.caller_language import describe_error
from gateway.errors import ModelNotFound, NotFound
from gateway.near_names import suggest_names
from gateway.shortening import shorten
from gateway.wording import fill_in, join_texts
from modelops.domain.fit.gpu_needs import Need, find_needs
from modelops.domain.fit.recommendation import (
    Assessment,
    Candidate,
    advise,
    assess_candidate,
    sort_by_rank,
    to_candidate,
)
from modelops.domain.fit.report import Aim, FitReport
from modelops.domain.fit.specs import EngineSettings, Gpu
from modelops.domain.profiles.parsers import list_parser_notes
from modelops.domain.profiles.spec import ProfileSpec
from modelops.domain.runtimes import get_traits
from modelops.fit.card_evidence import add_card_starts
from modelops.fit.cluster_cards import select_cards
from modelops.fit.engine_versions import add_seen_version
from modelops.fit.gpu_choice import GpuChoice, choose_planned, choose_seen
from modelops.fit.last_starts import LastStart, MeasuredEngines, choose_last_start, load_measured_engines
from modelops.fit.replica_cards import choose_cards_of_one
from modelops.hardware import HardwareReading
from modelops.hardware.sampling import latest_reading
from modelops.models import HardwareProfile, ModelProfile

READING_AGE_S = 24 * 3600.0
"""Older readings say nothing of the GPUs; how old one is, is shown beside each verdict."""

FRESH_READING_AGE_S = 120.0
REMEMBERED_ASSESSMENTS = 128


@dataclass(frozen=True)
class ProfileFit:
    """A profile and how it fits. `spec` is None for a row that is not valid any more."""

    profile: ModelProfile
    spec: ProfileSpec | None
    assessment: Assessment
    last_start: LastStart | None = None
    """The newest good start with these settings on such cards; its sizes are in the assessment."""
    gpus: tuple[Gpu, ...] | None = None
    """The cards that were asked about, with what earlier starts told of them."""

    @property
    def report(self) -> FitReport:
        return self.assessment.report


def get_profile(slug: str) -> ModelProfile:
    """Raises ModelNotFound, naming profiles that were perhaps meant."""
    profile = ModelProfile.objects.filter(slug=slug).first()
    if profile is None:
        problem = fill_in("There is no profile {name}.", name=repr(shorten(slug)))
        slugs = ModelProfile.objects.order_by("slug").values_list("slug", flat=True)
        raise ModelNotFound(suggest_names(problem, slug, slugs), param="profile_id")
    return profile


def get_hardware_profile(slug: str) -> HardwareProfile:
    """Raises NotFound, naming those that there are."""
    found = HardwareProfile.objects.filter(slug=slug).first() if "\0" not in slug else None
    if found is None:
        slugs = list(HardwareProfile.objects.values_list("slug", flat=True))
        known = ", ".join(slugs) or fill_in("none is loaded")
        problem = fill_in(
            "There is no hardware profile {name}; there are: {known}.", name=repr(shorten(slug)), known=known
        )
        raise NotFound(suggest_names(problem, slug, slugs), param="hardware")
    return found


def get_gpu_choice(hardware: str | None = None) -> GpuChoice:
    """A hardware profile's cards, else those that the sampler saw last; one query. Raises NotFound."""
    if hardware:
        return choose_planned(get_hardware_profile(hardware).to_spec())
    return choose_seen(latest_reading(max_age_s=READING_AGE_S))


def find_gpu_choice(hardware: str | None = None) -> GpuChoice:
    """As `get_gpu_choice`, for pages: an unknown hardware profile leads to unknown GPUs, not to an error."""
    try:
        return get_gpu_choice(hardware)
    except NotFound as exc:
        return GpuChoice(None, exc.wording)


def find_sampled_reading(*, max_age_s: float = FRESH_READING_AGE_S) -> HardwareReading | None:
    """The sampler's newest reading; None without one, and without a database that has its table."""
    try:
        return latest_reading(max_age_s=max_age_s)
    except DatabaseError:
        return None


def assess_profiles(profiles: Iterable[ModelProfile], choice: GpuChoice) -> list[ProfileFit]:
    """How each profile fits, without suggestions, in the order given. One query, for what was measured."""
    listed = list(profiles)
    measured = load_measured_engines(profile.slug for profile in listed)
    return [_assess(profile, choice, measured) for profile in listed]


def rank_profiles(profiles: Iterable[ModelProfile], choice: GpuChoice) -> list[ProfileFit]:
    """How each profile fits, as `assess_profiles` says, the best first."""
    fits = {fit.profile.slug: fit for fit in assess_profiles(profiles, choice)}
    return [fits[each.candidate.slug] for each in sort_by_rank(fit.assessment for fit in fits.values())]


def check_profile(
    profile: ModelProfile,
    choice: GpuChoice,
    *,
    spec: ProfileSpec | None = None,
    aim: Aim = Aim.AS_ASKED,
) -> ProfileFit:
    """How one profile fits, with suggestions for the aim: a search of up to some 100 ms, and one query.

    `spec` is what would be served where that is not the row's own.
    """
    measured = load_measured_engines([profile.slug])
    return _advise(_assess(profile, choice, measured, spec), aim)


def check_profiles(
    profiles: Iterable[ModelProfile], choice: GpuChoice, *, aim: Aim = Aim.AS_ASKED
) -> list[ProfileFit]:
    """How each profile fits, with suggestions for the aim, in the order given; one query in all."""
    return [_advise(fit, aim) for fit in assess_profiles(profiles, choice)]


def _advise(fit: ProfileFit, aim: Aim) -> ProfileFit:
    assessment = advise(fit.assessment, fit.gpus, aim)
    if fit.spec is None:
        return replace(fit, assessment=assessment)
    notes = (*assessment.report.notes, *list_parser_notes(fit.spec))
    return replace(fit, assessment=replace(assessment, report=replace(assessment.report, notes=notes)))


def find_profile_needs(profile: ModelProfile) -> tuple[tuple[Need, ...], str]:
    """Sets of GPUs that would run the profile, the least memory first; else none and why. Some 100 ms."""
    try:
        candidate = to_candidate(profile.to_spec())
    except ValidationError as exc:
        return (), fill_in("the profile is not valid: {problem}", problem=describe_invalid(exc))
    if not candidate.needs_gpu:
        return (), fill_in("a simulated engine: it needs no GPU")
    if candidate.model is None:
        return (), candidate.problem
    needs = find_needs(candidate.model, candidate.settings, candidate.facts)
    return needs, "" if needs else fill_in("none of the known cards runs it, not even eight of one kind")


def describe_invalid(exc: ValidationError) -> str:
    """What is wrong with a row, field by field, in one line."""
    fields = exc.error_dict if hasattr(exc, "error_dict") else {"": exc.error_list}
    problems = []
    for name, errors in fields.items():
        for error in errors:
            text = describe_error(error)
            problems.append(fill_in("{field}: {reason}", field=name, reason=text) if name else text)
    return join_texts("; ", problems)


def _assess(
    profile: ModelProfile, choice: GpuChoice, measured: MeasuredEngines, spec: ProfileSpec | None = None
) -> ProfileFit:
    try:
        spec = spec or profile.to_spec()
    except ValidationError as exc:
        problem = fill_in("the profile is not valid: {problem}", problem=describe_invalid(exc))
        candidate = Candidate(profile.slug, None, EngineSettings(), problem=problem)
        return ProfileFit(profile, None, assess_candidate(candidate, choice.gpus), gpus=choice.gpus)
    gpus = choose_cards_of_one(spec, select_cards(spec, choice))
    start = choose_last_start(spec, measured.of_profiles.get(profile.slug, ()), gpus)
    run = start.run if start is not None else None
    if gpus is not None:
        # A cluster's engines run on cards of other boxes.
        uuids = frozenset() if get_traits(spec.runtime).places_engines else choice.uuids
        gpus = add_card_starts(spec, gpus, measured.of_cards, uuids)
    started = (*measured.of_profiles.get(profile.slug, ()), *measured.of_cards)
    candidate = add_seen_version(to_candidate(spec), spec, started)
    return ProfileFit(profile, spec, _assess_remembered(candidate, gpus, run), start, gpus)


# By value, so that nothing ever has to be forgotten: an edited profile is another candidate. The check of
# twelve profiles on two cards takes 160 ms, a remembered one 15.
_assess_remembered = lru_cache(maxsize=REMEMBERED_ASSESSMENTS)(assess_candidate)
