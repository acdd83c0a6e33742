"""How models hold a demand, in words: the same for a terminal, REST and a page."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.wording import Translatable, fill_in, fill_text
from modelops.domain.fit.demand import Holding, Offer, UserDemand
from modelops.domain.fit.suggestions import write_flags

HOLDING_WORDS: Mapping[Holding, Translatable] = {
    Holding.HOLDS: "holds it",
    Holding.TIGHT: "tight",
    Holding.LACKS: "too small",
    Holding.UNKNOWN: "unknown",
}


def describe_holding(offer: Offer) -> str:
    return fill_text(HOLDING_WORDS[offer.holding], {})


def describe_demand(demand: UserDemand) -> str:
    """The question, with the tokens that it comes to."""
    return fill_in(
        "{users} users at once with {tokens} tokens each: {total} tokens of KV cache",
        users=demand.users,
        tokens=f"{demand.tokens:,}",
        total=f"{demand.users * demand.tokens:,}",
    )


def describe_settings(offer: Offer) -> str:
    """What to change for it; empty where the profile does it as it is."""
    return write_flags(offer.changes)
