"""The page that asks how many people use a model at once, and answers which profiles hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext, gettext_lazy

from modelops.admin.fit_pages import write_change
from modelops.domain.fit.demand import Holding, UserDemand
from modelops.domain.fit.demand_text import describe_demand, describe_holding, describe_settings
from modelops.fit.demand_fits import MOST_TOKENS, MOST_USERS, DemandFit, choose_models, recommend_for
from modelops.fit.profile_fits import find_gpu_choice
from modelops.models import HardwareProfile, ModelProfile

BADGES = {
    Holding.HOLDS: "is-good",
    Holding.TIGHT: "is-warn",
    Holding.LACKS: "is-bad",
    Holding.UNKNOWN: "is-quiet",
}


class DemandForm(forms.Form):
    """All of the question but the GPUs."""

    users = forms.IntegerField(
        min_value=1, max_value=MOST_USERS, label=gettext_lazy("People who ask at once")
    )
    tokens = forms.IntegerField(
        min_value=1,
        max_value=MOST_TOKENS,
        label=gettext_lazy("Tokens of each request, with its answer"),
    )


@dataclass(frozen=True)
class OfferView:
    """One profile as the template shows it. `query` leads to the preview of its changes, if any."""

    fit: DemandFit
    word: str
    badge: str
    settings: str
    query: str
    can_serve: bool
    costs: Sequence[str] = ()


def show_demand(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """The form, and below it the answer where both numbers were given."""
    hardware = request.GET.get("hardware", "")
    choice = find_gpu_choice(hardware)
    is_asked = bool(request.GET.get("users") or request.GET.get("tokens"))
    form = DemandForm(request.GET if is_asked else None)
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": gettext("Which model for my users?"),
        "opts": ModelProfile._meta,
        "form": form,
        "hardware": choice,
        "hardware_profiles": HardwareProfile.objects.all(),
        "chosen_hardware": hardware,
    }
    if form.is_valid():
        demand = UserDemand(form.cleaned_data["users"], form.cleaned_data["tokens"])
        fits = recommend_for(choose_models(()), choice, demand)
        context |= {
            "demand": describe_demand(demand),
            "offers": [_view_offer(fit, hardware) for fit in fits],
        }
    return TemplateResponse(request, "admin/modelops/demand_page.html", context)


def _view_offer(fit: DemandFit, hardware: str) -> OfferView:
    offer = fit.offer
    return OfferView(
        fit,
        describe_holding(offer),
        BADGES[offer.holding],
        describe_settings(offer),
        write_change(dict(offer.changes), hardware) if offer.changes else "",
        offer.holding in (Holding.HOLDS, Holding.TIGHT),
        offer.costs,
    )
