"""What a switch would do, and everything that speaks against it: pure, so a dry run is the real thing.

`modelops.switching.planning` gathers the facts; the switcher plans again, with fresh ones, before it acts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from gateway.wording import fill_in
from modelops.domain.fit.measured_run import serialise_estimate
from modelops.domain.fit.report import Verdict
from modelops.domain.profiles.setting import list_settings
from modelops.domain.profiles.spec import EngineKind, ProfileSpec, to_values
from modelops.domain.runtimes import get_traits
from modelops.domain.switching.plan_problems import (
    PlanFacts,
    PlanProblem,
    RunningEngine,
    find_fit_problems,
    find_replica_problems,
    find_room_problems,
    find_runtime_problems,
    to_gib,
)
from modelops.domain.switching.slot_problems import SlotFacts, find_slot_problems

ANY_SLOT = SlotFacts()
"""One that speaks against nothing."""


class PlanKind(StrEnum):
    NOTHING = "nothing"
    """The engine that serves is the one asked for."""
    START = "start"
    """Stop what serves, if anything does, and start a new engine."""
    RENAME = "rename"
    """The engine that serves already runs with these very flags: only names and limits change."""
    WAKE = "wake"
    """The target's engine sleeps on these cards; the one that serves is put to sleep instead."""

    ROLL = "roll"
    """The same model with other flags, replica by replica: the others serve meanwhile, and nothing waits."""


STARTS = frozenset({PlanKind.START, PlanKind.ROLL})
"""Plans by which an engine is started, so that everything that it needs has to be there."""

SET = "set"
"""In place of the value of an environment variable."""


@dataclass(frozen=True)
class Plan:
    kind: PlanKind
    profile: str
    from_profile: str
    runtime: str
    image: str
    arguments: tuple[str, ...]
    environment: tuple[str, ...]
    """Names only."""
    gpu_uuids: tuple[str, ...]
    gpu_name: str
    tensor_parallel_size: int
    max_model_len: int | None
    fetches: tuple[str, ...]
    """What has to be there before anything stops, in words."""
    fit: Mapping[str, Any]
    diff: tuple[Mapping[str, Any], ...]
    problems: tuple[PlanProblem, ...] = ()
    warnings: tuple[str, ...] = ()
    is_forced: bool = False
    sleeping_engine: str = ""
    typical_seconds: float | None = None
    starts_beside: bool = False
    """What serves goes on until the new engine is verified, and no request waits."""
    estimate: Mapping[str, Any] = field(default_factory=dict)
    """What the fit check expects of the start, to be compared with what it measures."""

    @property
    def is_accepted(self) -> bool:
        return not self.refusals

    @property
    def refusals(self) -> tuple[PlanProblem, ...]:
        """The problems that stand; `force` takes away what may be forced."""
        return tuple(p for p in self.problems if not (self.is_forced and p.may_be_forced))

    @property
    def overridden(self) -> tuple[PlanProblem, ...]:
        return tuple(p for p in self.problems if self.is_forced and p.may_be_forced)

    def serialise(self) -> dict[str, Any]:
        """JSON values; texts stay `FilledText`s, which `TextsField` keeps."""
        values = asdict(self)
        values |= {"kind": str(self.kind), "accepted": self.is_accepted, "forced": self.is_forced}
        del values["is_forced"]
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def make_plan(
    spec: ProfileSpec,
    facts: PlanFacts,
    *,
    fit: Mapping[str, Any],
    slot: SlotFacts = ANY_SLOT,
    force: bool = False,
) -> Plan:
    """The plan for serving `spec`. `fit` is the report in its public form, which the plan carries along."""
    kind = _choose_kind(spec, facts)
    problems = [*find_slot_problems(spec, slot), *find_runtime_problems(spec, facts)]
    warnings: list[str] = []
    if kind is PlanKind.RENAME:
        problems += find_replica_problems(facts.placement)
    if kind in (*STARTS, PlanKind.RENAME):
        problems += find_room_problems(facts)
    if kind in STARTS:
        problems += find_fit_problems(facts)
        if facts.report.verdict in (Verdict.UNKNOWN, Verdict.TIGHT):
            warnings.append(
                _first(facts.report.reasons) or fill_in("the fit is {verdict}", verdict=facts.report.verdict)
            )
    return Plan(
        kind=kind,
        profile=spec.slug,
        from_profile=facts.running.profile if facts.running else "",
        runtime=spec.runtime,
        image=spec.image,
        arguments=facts.arguments,
        environment=tuple(facts.environment),
        gpu_uuids=facts.placement.uuids,
        gpu_name=facts.placement.gpu_name,
        tensor_parallel_size=max(1, facts.placement.wanted // max(1, spec.pipeline_parallel_size)),
        max_model_len=facts.report.max_model_len or spec.max_model_len,
        fetches=tuple(_list_fetches(spec, facts)) if kind in STARTS else (),
        fit=fit,
        diff=tuple(_list_differences(spec, facts.running)),
        problems=tuple(problems),
        warnings=tuple(warnings),
        is_forced=force,
        sleeping_engine=facts.sleeping_engine,
        typical_seconds=_choose_typical_seconds(kind, facts),
        starts_beside=kind is PlanKind.START and facts.has_room_beside,
        estimate=serialise_estimate(facts.report),
    )


def runs_the_same_engine(
    spec: ProfileSpec, arguments: Sequence[str], environment: Mapping[str, str], running: RunningEngine
) -> bool:
    """Whether the running engine was started with just these settings, its served names aside."""
    return (
        spec.runtime == running.runtime
        and spec.image == running.image
        and spec.engine == running.spec.get("engine")
        and spec.accelerator_type == (running.spec.get("accelerator_type") or "")
        and _has_same_bounds(spec, running)
        and list(spec.gpu_selection) == list(running.spec.get("gpu_selection") or ())
        and dict(environment) == dict(running.environment)
        and without_names(arguments) == without_names(running.arguments)
    )


def _has_same_bounds(spec: ProfileSpec, running: RunningEngine) -> bool:
    """A fixed number of replicas changes while they serve; the bounds of one that follows the load do not."""
    most = running.spec.get("max_replicas")
    if spec.max_replicas is None and most is None:
        return True
    return (spec.replicas, spec.max_replicas) == (running.spec.get("replicas") or 1, most)


def without_names(arguments: Sequence[str]) -> tuple[str, ...]:
    """The arguments without `--served-model-name` and its values."""
    kept: list[str] = []
    is_name = False
    for argument in arguments:
        if argument.startswith("--"):
            is_name = argument == "--served-model-name"
        if not is_name:
            kept.append(argument)
    return tuple(kept)


def _choose_kind(spec: ProfileSpec, facts: PlanFacts) -> PlanKind:
    running = facts.running
    if running is not None and _may_roll(spec, facts, running):
        return PlanKind.ROLL
    if facts.sleeping_engine:
        return PlanKind.WAKE
    if running is not None and runs_the_same_engine(spec, facts.arguments, facts.environment, running):
        return PlanKind.NOTHING if running.spec == to_values(spec) else PlanKind.RENAME
    return PlanKind.START


def _choose_typical_seconds(kind: PlanKind, facts: PlanFacts) -> float | None:
    if kind is PlanKind.WAKE:
        return facts.typical_wake_seconds
    return facts.typical_seconds if kind is PlanKind.START else None


def _may_roll(spec: ProfileSpec, facts: PlanFacts, running: RunningEngine) -> bool:
    """Whether another engine is to answer to the same names, and can take the place of one replica."""
    before = running.spec
    return (
        running.followers > 0
        and spec.replicas > 1
        and spec.runtime == running.runtime
        and spec.engine == before.get("engine")
        and spec.repository == before.get("repository")
        and spec.served_names == tuple(dict.fromkeys(running.served_names))
        and list(spec.gpu_selection) == list(before.get("gpu_selection") or ())
        and len(facts.placement.uuids) == len(running.gpus)
        and not runs_the_same_engine(spec, facts.arguments, facts.environment, running)
    )


def _list_fetches(spec: ProfileSpec, facts: PlanFacts) -> list[str]:
    fetches: list[str] = []
    traits = get_traits(spec.runtime)
    described = (facts.runtime or {}).get(spec.runtime) or {}
    images = described.get("images")
    if traits.needs_image and images is not None and spec.image not in images:
        fetches.append(fill_in("image {image}", image=spec.image))
    if spec.engine != EngineKind.SIMULATOR and traits.fetches_weights:
        fetches.append(_describe_weights(spec))
    return fetches


def _describe_weights(spec: ProfileSpec) -> str:
    if not spec.weights_bytes:
        return fill_in("weights of {repository}, as far as they are not cached", repository=spec.repository)
    return fill_in(
        "weights of {repository} ({size} GiB), as far as they are not cached",
        repository=spec.repository,
        size=to_gib(spec.weights_bytes),
    )


def _list_differences(spec: ProfileSpec, running: RunningEngine | None) -> list[dict[str, Any]]:
    """The settings of the engine that change, with what they were."""
    if running is None:
        return []
    differences = []
    for each in list_settings(ProfileSpec):
        if not each.is_engine_setting or each.name == "environment":
            continue
        before, after = running.spec.get(each.name), _plain(getattr(spec, each.name))
        if _plain(before) != after:
            differences.append({"setting": each.name, "from": before, "to": after})
    differences += _list_environment_differences(running.spec.get("environment") or {}, spec.environment)
    return differences


def _list_environment_differences(
    before: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """By name alone, as everywhere in a plan."""
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            was, will_be = (SET if name in each else None for each in (before, after))
            yield {
                "setting": f"environment.{name}",
                "from": was,
                "to": "another value" if was and will_be else will_be,
            }


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


def _first(reasons: Sequence[str]) -> str:
    return reasons[0] if reasons else ""
