"""Plans for a slot that is a cluster: judged by what it has, and by the cards that the profile asks for."""

from __future__ import annotations

from typing import Any

import pytest

from modelops.domain.fit.report import Verdict
from modelops.domain.profiles.engine_args import build_environment
from modelops.domain.switching.plan import Plan, PlanKind
from modelops.fit.gpu_choice import choose_given
from modelops.fit.profile_fits import check_profile
from modelops.models import Engine, ModelProfile
from modelops.switching.plan_text import describe_plan
from modelops.switching.planning import plan_switch
from modelops.switching.slots import get_slot
from modelops.tests.fit_rows import save_large, save_profile
from modelops.tests.switch_rows import announce_switcher, serve

pytestmark = pytest.mark.django_db


def save_on_cluster(slug: str, **values: Any) -> ModelProfile:
    return save_profile(slug, **({"runtime": "ray", "image": "", "accelerator_type": "L40S"} | values))


def describe(*, cards: int, free: int, **applications: int) -> dict[str, Any]:
    node = {"cpus": 64.0, "cards": cards, "free_cpus": 64.0, "free_cards": free, "accelerators": ["L40S"]}
    return {"ray": {"problem": "", "nodes": [node], "applications": applications}}


def plan(profile: ModelProfile, facts: dict[str, Any], **options: Any) -> Plan:
    return plan_switch(get_slot(), profile, runtime_facts=facts, **options)


def serve_on_cluster(**values: Any) -> Engine:
    profile = save_on_cluster("serving", **values)
    announce_switcher(facts=describe(cards=8, free=8))
    engine = serve("serving")
    environment = build_environment(profile.to_spec())
    Engine.objects.filter(pk=engine.pk).update(runtime="ray", image="", environment=environment)
    return engine


def test_what_serves_goes_on_where_the_cluster_has_room_for_both() -> None:
    engine = serve_on_cluster()
    wanted = save_on_cluster("wanted", replicas=2)

    beside = plan(wanted, describe(cards=4, free=2, **{engine.name: 1}))
    after = plan(wanted, describe(cards=4, free=1, **{engine.name: 1}))

    assert beside.is_accepted
    assert beside.starts_beside
    assert beside.gpu_uuids == ()
    assert "beside the one that serves" in "\n".join(describe_plan(beside))
    assert after.is_accepted
    assert not after.starts_beside


def test_more_than_there_is_is_refused_with_figures_and_forced_only_beside_what_serves() -> None:
    engine = serve_on_cluster()
    wanted = save_on_cluster("wanted", replicas=3)
    facts = describe(cards=2, free=1, **{engine.name: 1})

    refused = plan(wanted, facts)
    forced = plan(wanted, facts, force=True)
    full = plan(wanted, describe(cards=8, free=0, **{engine.name: 1}))

    [problem] = refused.refusals
    assert problem.code == "no_cluster_room"
    assert "asks for 3 GPUs of the type L40S (3 replicas with 1 each). The cluster has 2" in problem.message
    assert forced.is_accepted
    assert forced.starts_beside
    assert [each.code for each in full.refusals] == ["cluster_full"]


def test_a_report_that_may_be_old_refuses_only_what_the_cluster_can_never_hold() -> None:
    serve_on_cluster()
    wanted = save_on_cluster("wanted", replicas=3)

    announce_switcher(facts=describe(cards=8, free=0))
    full = plan_switch(get_slot(), wanted)
    announce_switcher(facts=describe(cards=2, free=2))
    small = plan_switch(get_slot(), wanted)

    assert full.is_accepted
    assert [each.code for each in small.refusals] == ["no_cluster_room"]


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ({"replicas": 1}, {"replicas": 2}, PlanKind.RENAME),
        ({"replicas": 1, "max_replicas": 4}, {"replicas": 2, "max_replicas": 4}, PlanKind.START),
        ({}, {"accelerator_type": ""}, PlanKind.START),
        ({}, {}, PlanKind.NOTHING),
    ],
)
def test_a_fixed_number_of_replicas_changes_in_place(
    before: dict[str, Any], after: dict[str, Any], kind: PlanKind
) -> None:
    serve_on_cluster(**before)
    profile = ModelProfile.objects.get(slug="serving")
    for name, value in after.items():
        setattr(profile, name, value)
    profile.full_clean()
    profile.save()

    assert plan(profile, describe(cards=8, free=8)).kind is kind


def test_the_fit_is_judged_on_the_type_of_cards_and_not_on_those_of_this_machine() -> None:
    here = choose_given(())

    small = check_profile(save_on_cluster("small"), here)
    tight = check_profile(save_large(runtime="ray", image="", accelerator_type="L4"), here)
    unknown = check_profile(save_on_cluster("any", accelerator_type=""), here)

    assert small.report.verdict is Verdict.FITS
    assert tight.report.verdict is not Verdict.FITS
    assert unknown.report.verdict is Verdict.UNKNOWN
