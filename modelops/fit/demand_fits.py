"""Which profiles hold what their users ask of them at once, on the GPUs that are there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.errors import ModelNotFound
from gateway.near_names import suggest_names
from gateway.shortening import shorten
from gateway.wording import fill_in
from modelops.domain.fit.demand import Holding, Offer, UserDemand, meet_demand, sort_offers
from modelops.domain.fit.demand_text import describe_settings
from modelops.domain.profiles.spec import EngineKind
from modelops.fit.gpu_choice import GpuChoice
from modelops.fit.profile_fits import ProfileFit, assess_profiles
from modelops.models import ModelProfile

MOST_USERS = 100_000
MOST_TOKENS = 20_000_000


@dataclass(frozen=True)
class DemandFit:
    """A profile and how it holds the demand."""

    profile: ModelProfile
    offer: Offer


def choose_models(names: Sequence[str]) -> list[ModelProfile]:
    """The profiles of these slugs or repositories, in this order; without any, all that are enabled.

    Simulated ones are left out unless they are named. Raises ModelNotFound for what nothing is known of.
    """
    if not names:
        return list(ModelProfile.objects.enabled().exclude(engine=EngineKind.SIMULATOR))
    rows = list(ModelProfile.objects.all())
    known = {row.repository: row for row in reversed(rows) if row.repository} | {
        row.slug: row for row in rows
    }
    found: dict[str, ModelProfile] = {}
    for name in names:
        if name not in known:
            problem = fill_in(
                "Nothing is known of {name}: it is neither a profile nor the repository of one "
                "(manage.py add_profile).",
                name=repr(shorten(name)),
            )
            raise ModelNotFound(suggest_names(problem, name, known), param="models")
        found[known[name].slug] = known[name]
    return list(found.values())


def recommend_for(
    profiles: Iterable[ModelProfile], choice: GpuChoice, demand: UserDemand, *, keeps_order: bool = False
) -> list[DemandFit]:
    """How each holds the demand, the best first; among equals the larger model, or the order given.

    A search of some 100 ms for each, and one query.
    """
    fits = {fit.profile.slug: fit for fit in assess_profiles(profiles, choice)}
    offers = [_meet(fit, demand) for fit in fits.values()]
    return [
        DemandFit(fits[offer.candidate.slug].profile, offer)
        for offer in sort_offers(offers, keeps_order=keeps_order)
    ]


def _meet(fit: ProfileFit, demand: UserDemand) -> Offer:
    copies = fit.spec.replicas if fit.spec else 1
    return meet_demand(fit.assessment.candidate, demand, fit.gpus, fit.assessment.measured, copies=copies)


def summarise_demand(fit: DemandFit) -> dict[str, Any]:
    """Plain JSON values."""
    offer = fit.offer
    return {
        "id": fit.profile.slug,
        "name": fit.profile.display_name,
        "holding": str(offer.holding),
        "why": offer.why,
        "sure_requests": offer.sure_requests,
        "expected_requests": offer.expected_requests,
        "margin": offer.margin,
        "verdict": str(offer.report.verdict),
        "tensor_parallel_size": offer.report.tensor_parallel_size,
        "context": offer.report.max_model_len,
        "changes": dict(offer.changes),
        "settings": describe_settings(offer),
        "costs": list(offer.costs),
    }


def find_best(fits: Iterable[DemandFit]) -> Holding:
    """How the best of them holds it; unknown where there is none."""
    places = list(Holding)
    return min((fit.offer.holding for fit in fits), key=places.index, default=Holding.UNKNOWN)
