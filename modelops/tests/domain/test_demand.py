"""Which models hold so many requests at once, at the lower edge of the estimate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from modelops.domain.fit.demand import Holding, Offer, UserDemand, meet_demand, sort_offers
from modelops.domain.fit.recommendation import Candidate
from modelops.domain.fit.report import Verdict
from modelops.domain.fit.specs import EngineSettings, Gpu
from modelops.tests.domain.fit_examples import make_gpu, make_model

SETTINGS = EngineSettings(vllm_version="0.33.0", max_model_len=16384)
TWO = (make_gpu(),) * 2


def make_candidate(slug: str = "eight", **changes: Any) -> Candidate:
    model = make_model(max_position_embeddings=131072, **changes)
    return Candidate(slug, model, SETTINGS, is_tensor_parallel_auto=True)


def meet(
    users: int, tokens: int, candidate: Candidate | None = None, gpus: tuple[Gpu, ...] | None = TWO
) -> Offer:
    return meet_demand(candidate or make_candidate(), UserDemand(users, tokens), gpus)


def test_profile_that_holds_the_demand_is_left_as_it_is() -> None:
    offer = meet(4, 4096)

    assert (offer.holding, offer.changes, offer.costs) == (Holding.HOLDS, (), ())
    assert offer.sure_requests == int(offer.report.count_sure_requests(4096))
    assert offer.sure_requests < offer.expected_requests
    assert offer.margin == round(offer.sure_requests / 4, 2)


def test_least_change_that_holds_the_demand_is_taken_and_has_its_price() -> None:
    offer = meet(40, 4096)

    assert (offer.holding, offer.report.verdict) == (Holding.HOLDS, Verdict.FITS)
    assert dict(offer.changes) == {"tensor_parallel_size": 2}
    assert offer.costs == ("takes a card more, which another model cannot use then",)
    assert meet(offer.sure_requests, 4096).changes == offer.changes
    assert meet(offer.sure_requests + 1, 4096).changes != offer.changes


def test_longer_requests_than_the_profile_allows_lengthen_its_context() -> None:
    offer = meet(1, 20000)

    assert (offer.holding, dict(offer.changes)) == (Holding.HOLDS, {"max_model_len": 20000})


def test_batch_has_room_for_each_user() -> None:
    small = replace(make_candidate(), settings=replace(SETTINGS, max_num_seqs=2))

    offer = meet(8, 1000, small)

    assert offer.holding is Holding.HOLDS
    assert (dict(offer.changes)["max_num_seqs"], offer.sure_requests) == (8, 8)


def test_what_no_settings_hold_says_how_much_they_do_hold() -> None:
    offer = meet(5000, 4096)

    assert (offer.holding, offer.changes) == (Holding.LACKS, ())
    assert offer.why.startswith(f"holds only {offer.expected_requests} requests of 4,096 tokens at once")
    assert "even with --tensor-parallel-size 2" in offer.why
    assert 0 < offer.margin < 1


def test_demand_between_the_edges_is_tight() -> None:
    settings = replace(SETTINGS, kv_cache_dtype="fp8", enforce_eager=True, tensor_parallel_size=2)
    frugal = replace(make_candidate("fp8"), settings=settings, is_tensor_parallel_auto=False)
    most = meet(10_000, 4000, frugal)

    offer = meet(most.expected_requests, 4000, frugal)

    assert most.sure_requests < most.expected_requests
    assert offer.holding is Holding.TIGHT
    assert f"surely only {offer.sure_requests}" in offer.why


def test_fewer_cards_than_the_profile_asks_for_are_tried_too() -> None:
    split = replace(
        make_candidate(), settings=replace(SETTINGS, tensor_parallel_size=2), is_tensor_parallel_auto=False
    )

    offer = meet(2, 4096, split, TWO[:1])

    assert (offer.holding, dict(offer.changes)) == (Holding.HOLDS, {"tensor_parallel_size": 1})


def test_copies_share_the_users() -> None:
    alone = meet(14, 4096, gpus=TWO[:1])

    shared = meet_demand(make_candidate(), UserDemand(14, 4096), TWO[:1], copies=2)

    assert alone.changes
    assert shared.sure_requests >= 14
    assert (shared.holding, shared.changes) == (Holding.HOLDS, ())


@pytest.mark.parametrize(
    ("candidate", "gpus", "tokens", "holding", "why"),
    [
        (make_candidate(), TWO, 200_000, Holding.LACKS, "131,072 positions"),
        (make_candidate(), (), 4096, Holding.LACKS, "there is none"),
        (make_candidate(), None, 4096, Holding.UNKNOWN, "nothing has read them"),
        (replace(make_candidate(), model=None, problem="no config"), TWO, 4096, Holding.UNKNOWN, "no config"),
        (replace(make_candidate(), needs_gpu=False), TWO, 4096, Holding.UNKNOWN, "simulated"),
        (
            replace(make_candidate(), settings=replace(SETTINGS, is_pooling=True)),
            TWO,
            4096,
            Holding.LACKS,
            "writes no text",
        ),
        (make_candidate(num_hidden_layers=300), TWO, 4096, Holding.LACKS, "leave nothing"),
    ],
)
def test_what_cannot_be_judged_or_helped_says_why(
    candidate: Candidate, gpus: tuple[Gpu, ...] | None, tokens: int, holding: Holding, why: str
) -> None:
    offer = meet(2, tokens, candidate, gpus)

    assert offer.holding is holding
    assert why in offer.why
    assert (offer.sure_requests, offer.margin) == (0, 0.0)


def test_those_that_hold_it_come_first_then_the_larger_or_the_one_named_first() -> None:
    offers = [
        meet(8, 4096, make_candidate("huge", num_hidden_layers=300)),
        meet(8, 4096, make_candidate("small", num_hidden_layers=16)),
        meet(8, 4096, make_candidate("eight")),
    ]

    by_size, as_named = sort_offers(offers), sort_offers(offers, keeps_order=True)

    assert [each.candidate.slug for each in by_size] == ["eight", "small", "huge"]
    assert [each.candidate.slug for each in as_named] == ["small", "eight", "huge"]
