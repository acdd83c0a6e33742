"""Plans for a slot, made from rows alone: the profile, the last reading of the GPUs, what switchers said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models.functions import Now

from gateway.errors import SwitchRefused
from gateway.wording import fill_in
from modelops.domain.fit.report import Verdict
from modelops.domain.profiles.engine_args import build_environment, build_serve_arguments
from modelops.domain.profiles.spec import IDLE_SETTINGS, EngineKind, ProfileSpec, to_values
from modelops.domain.runtimes import get_traits
from modelops.domain.switching.cluster_room import find_room
from modelops.domain.switching.plan import Plan, make_plan
from modelops.domain.switching.plan_problems import Placement, PlanFacts, RunningEngine
from modelops.domain.switching.slot_problems import SlotFacts
from modelops.fit.gpu_choice import GpuChoice, restrict
from modelops.fit.profile_fits import ProfileFit, check_profile, describe_invalid
from modelops.fit.summary import summarise_fit
from modelops.models import Engine, EngineState, ModelProfile, Slot, WebPresence
from modelops.serving.start_history import find_typical_seconds, find_typical_wake_seconds
from modelops.serving.web_presence import SILENT_FOR
from modelops.switching.boxes import get_box_choice
from modelops.switching.card_claims import find_foreign_cards
from modelops.switching.switchers import describe_box, find_present


def plan_switch(
    slot: Slot,
    profile: ModelProfile,
    *,
    force: bool = False,
    max_model_len: int | None = None,
    runtime_facts: Mapping[str, Any] | None = None,
    choice: GpuChoice | None = None,
) -> Plan:
    """What serving `profile` on `slot` would mean now.

    `max_model_len` replaces the profile's, for another try with less. `runtime_facts` and `choice` are the
    switcher's own fresh ones; others leave them out. Raises SwitchRefused for a profile that is not valid.
    """
    spec = build_planned_spec(profile, max_model_len)
    # A profile that names its cards itself is not confined to the slot's.
    choice = choice if choice is not None else get_box_choice(slot)
    if not spec.gpu_selection:
        choice = restrict_to_slot(choice, slot)
    fit = check_profile(profile, choice, spec=spec)
    placement = place_engine(slot, spec, fit, choice)
    described = runtime_facts if runtime_facts is not None else find_runtime_facts(slot)
    arguments = build_serve_arguments(
        spec,
        tensor_parallel_size=fit.assessment.settings.tensor_parallel_size,
        max_model_len=max_model_len,
    )
    running = to_running_engine(slot.active_engine)
    described_runtime = (described or {}).get(spec.runtime) or {}
    facts = PlanFacts(
        arguments=tuple(arguments),
        environment=build_environment(spec),
        placement=placement,
        report=fit.report,
        runtime=described,
        distant_web=find_distant_web(described_runtime),
        box=describe_box(slot.box, slot.box_host),
        running=running,
        sleeping_engine=find_sleeping_engine(slot, spec),
        typical_seconds=find_typical_seconds(spec.slug),
        typical_wake_seconds=find_typical_wake_seconds(spec.slug),
        room=find_room(spec, arguments, described_runtime, running, is_fresh=runtime_facts is not None),
    )
    return make_plan(spec, facts, fit=summarise_fit(fit), slot=find_slot_facts(slot, placement), force=force)


def restrict_to_slot(choice: GpuChoice, slot: Slot) -> GpuChoice:
    """The slot's cards; none for one that has none."""
    if choice.gpus is not None and not slot.has_gpus:
        return replace(choice, gpus=(), names=())
    return restrict(choice, slot.gpus)


def find_slot_facts(slot: Slot, placement: Placement) -> SlotFacts:
    return SlotFacts(
        name=slot.slug,
        runtime=slot.runtime,
        has_gpus=slot.has_gpus,
        is_retiring=slot.retiring_at is not None or slot.retired_at is not None,
        foreign_cards=find_foreign_cards(slot, placement.uuids + placement.further_uuids),
    )


def build_planned_spec(profile: ModelProfile, max_model_len: int | None) -> ProfileSpec:
    """The profile as a switch would serve it: with this context, if one is given.

    Raises SwitchRefused for a profile that is not valid.
    """
    replaced = {} if max_model_len is None else {"max_model_len": max_model_len}
    try:
        return profile.to_spec(**replaced)
    except ValidationError as exc:
        message = fill_in(
            "The profile {slug} is not valid: {problem}",
            slug=repr(profile.slug),
            problem=describe_invalid(exc),
        )
        raise SwitchRefused(message, param="profile_id") from exc


def place_engine(slot: Slot, spec: ProfileSpec, fit: ProfileFit, choice: GpuChoice) -> Placement:
    """The first cards of the profile's selection, or else of the slot's, for the first of its replicas; none
    for a simulated engine."""
    if spec.engine == EngineKind.SIMULATOR:
        return Placement()
    settings = fit.assessment.settings
    wanted = settings.gpu_count
    if get_traits(spec.runtime).places_engines:
        return Placement(gpu_name=spec.accelerator_type, wanted=wanted, is_known=False)
    if choice.gpus is None or (fit.report.verdict is Verdict.UNKNOWN and not choice.gpus):
        return Placement(wanted=wanted, is_known=False)
    uuids, names = list_cards(choice, spec.gpu_selection or slot.gpus)
    total = wanted * spec.replicas
    return Placement(
        tuple(uuids[:wanted]),
        names[0] if names else "",
        wanted,
        replicas=spec.replicas,
        available=min(len(uuids), total),
        further_uuids=tuple(uuids[wanted:total]),
    )


def list_cards(choice: GpuChoice, allowed: Sequence[object]) -> tuple[list[str], list[str]]:
    """The UUIDs of the cards with one of these names, and what they are; of all cards where none is given."""
    uuids: list[str] = []
    names: list[str] = []
    for gpu, known_as in zip(choice.gpus or (), choice.names, strict=True):
        if allowed and not known_as.intersection(map(str, allowed)):
            continue
        uuids.append(max(known_as, key=len))
        names.append(gpu.name)
    return uuids, names


def to_running_engine(engine: Engine | None) -> RunningEngine | None:
    if engine is None:
        return None
    return RunningEngine(
        name=engine.name,
        profile=engine.profile,
        runtime=engine.runtime,
        arguments=tuple(engine.arguments),
        environment=engine.environment,
        image=engine.image,
        image_digest=engine.image_digest,
        spec=engine.spec,
        gpus=tuple(engine.gpus),
        followers=count_serving_followers(engine),
    )


def count_serving_followers(leader: Engine) -> int:
    """The replicas beside it that requests go to."""
    if (leader.spec.get("replicas") or 1) == 1:
        return 0
    return Engine.objects.filter(
        slot=leader.slot_id, replica__gt=0, state=EngineState.SERVING, leaving_since=None
    ).count()


def find_runtime_facts(slot: Slot | None = None) -> Mapping[str, Any] | None:
    """What the switcher of the slot's box said of its runtimes; None when none was heard of lately."""
    switcher = find_present(slot)
    return switcher.facts if switcher else None


def find_distant_web(runtime: Mapping[str, Any]) -> str:
    """The host of a web process that runs in another network than the switcher; empty for none."""
    if not runtime.get("network"):
        return ""
    present = WebPresence.objects.filter(seen_at__gte=Now() - SILENT_FOR).exclude(network="")
    return present.exclude(network=runtime["network"]).values_list("host", flat=True).first() or ""


def find_sleeping_engine(slot: Slot, spec: ProfileSpec) -> str:
    """The one that was started with just these settings: an edited profile is not what sleeps."""
    sleepers = Engine.objects.filter(slot=slot, state=EngineState.ASLEEP, profile=spec.slug)
    wanted = _without_idle(to_values(spec))
    return next((engine.name for engine in sleepers if _without_idle(engine.spec) == wanted), "")


def _without_idle(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a profile but for when its engine rests, which the engine knows nothing of."""
    return {name: value for name, value in values.items() if name not in IDLE_SETTINGS}
