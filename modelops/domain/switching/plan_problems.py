"""What a plan is made from, and what can speak against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.wording import fill_in
from modelops.domain.clusters import ClusterRoom, Room
from modelops.domain.engine_log.causes import Cause
from modelops.domain.engine_log.failures import describe_cause
from modelops.domain.fit.report import FitReport, Verdict
from modelops.domain.images import is_allowed_image
from modelops.domain.profiles.spec import EngineKind, ProfileSpec
from modelops.domain.runtimes import get_traits

HUB_FREE_SHARE = 1.05
"""A download needs a little more disk than its size says."""


NO_CLUSTER_ROOM = "no_cluster_room"
CLUSTER_FULL = "cluster_full"
"""There would be room, were others not there."""


@dataclass(frozen=True)
class PlanProblem:
    """Something that speaks against the switch. Only what may be forced is overridden by `force`."""

    code: str
    message: str
    advice: str = ""
    may_be_forced: bool = False


@dataclass(frozen=True)
class RunningEngine:
    """What a plan compares of the engine that serves the slot now."""

    name: str
    profile: str
    runtime: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    image: str
    image_digest: str
    spec: Mapping[str, Any]
    gpus: tuple[str, ...] = ()
    followers: int = 0
    """Replicas of it that requests go to as well."""

    @property
    def served_names(self) -> tuple[str, ...]:
        """As `ProfileSpec.served_names`, of what was started."""
        slug = self.spec.get("slug") or self.profile
        return (self.spec.get("served_model_name") or slug, slug, *(self.spec.get("aliases") or ()))


@dataclass(frozen=True)
class Placement:
    """The cards that the engine would get. `uuids` is empty where it needs none or none is known."""

    uuids: tuple[str, ...] = ()
    gpu_name: str = ""
    wanted: int = 0
    """By each replica."""
    is_known: bool = True
    replicas: int = 1
    available: int = 0
    """Cards for all replicas together."""
    further_uuids: tuple[str, ...] = ()
    """Those of them that replicas beside the first would get."""


@dataclass(frozen=True)
class PlanFacts:
    """What is known when the plan is made. `runtime` is None while no switcher has described any."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    placement: Placement
    report: FitReport
    runtime: Mapping[str, Any] | None
    running: RunningEngine | None
    sleeping_engine: str = ""
    """Name of the target's engine where it sleeps in this slot."""
    distant_web: str = ""
    """A host whose web process does not share the switcher's loopback address; empty where all do."""
    box: str = ""
    """Of the slot, in words; empty while it is no box's."""
    typical_seconds: float | None = None
    """How long earlier starts of the profile took, in the median."""
    typical_wake_seconds: float | None = None
    """How long waking its engine took before."""
    room: ClusterRoom | None = None
    """Of a cluster; None for other runtimes."""

    @property
    def has_room_beside(self) -> bool:
        """The engine that serves may go on until its successor is verified: on a cluster with room for both,
        and on one that a forced switch expects to grow."""
        running = self.running
        is_on_cluster = running is not None and get_traits(running.runtime).places_engines
        return is_on_cluster and self.room is not None and self.room.room is not Room.AFTER


def find_runtime_problems(spec: ProfileSpec, facts: PlanFacts) -> list[PlanProblem]:
    problems, runtime = [], facts.runtime
    if not spec.is_enabled:
        problems.append(
            PlanProblem("disabled", fill_in("The profile is disabled."), fill_in("Enable it first."))
        )
    if runtime is None:
        problems.append(_explain_no_switcher(facts.box))
        return problems
    if facts.distant_web and get_traits(spec.runtime).is_on_loopback:
        problems.append(_explain_distant_web(facts.distant_web))
    described = runtime.get(spec.runtime)
    if described is None:
        problems.append(
            PlanProblem(
                "runtime_missing",
                fill_in("The switcher has no runtime {runtime}.", runtime=repr(spec.runtime)),
                fill_in("Restart it."),
            )
        )
    elif described.get("problem"):
        # The simulated engine needs no program of anybody else's.
        if spec.engine == EngineKind.SIMULATOR and get_traits(spec.runtime).brings_simulator:
            return problems
        problems.append(PlanProblem("runtime_unusable", described["problem"], described.get("advice", "")))
    else:
        problems += _find_resource_problems(spec, described)
    return problems


def _explain_distant_web(host: str) -> PlanProblem:
    return PlanProblem(
        "unreachable_from_web",
        fill_in(
            "The engine would be a child process of the switcher, on 127.0.0.1 where that "
            "runs, which the web process on {host} does not reach.",
            host=host,
        ),
        fill_in(
            "Use a profile that runs in Docker, or run web and switcher on one machine, outside of "
            "containers."
        ),
    )


def _explain_no_switcher(box: str) -> PlanProblem:
    advice = fill_in("Start one: manage.py run_switcher.")
    if box:
        advice = fill_in(
            "Start one there (manage.py run_switcher), or move the slot to a box that has one "
            "(manage.py move_slot)."
        )
    message = fill_in("No switcher has been heard of, so nothing could carry the switch out.")
    if box:
        message = fill_in(
            "No switcher has been heard of on {box}, where the slot is, so nothing could carry the switch "
            "out.",
            box=box,
        )
    return PlanProblem(
        "no_switcher",
        message,
        advice,
    )


def _find_resource_problems(spec: ProfileSpec, described: Mapping[str, Any]) -> list[PlanProblem]:
    problems = []
    if spec.engine == EngineKind.VLLM and described.get("vllm") == "":
        problems.append(
            PlanProblem(
                "program_missing",
                fill_in("There is no `vllm` program on the switcher's machine."),
                fill_in("Install vLLM there, or point VLLM_COMMAND at it."),
            )
        )
    traits = get_traits(spec.runtime)
    allowed = described.get("allowed_images")
    if traits.needs_image and allowed is not None and not is_allowed_image(spec.image, allowed):
        cause = describe_cause(Cause.IMAGE_REFUSED, image=spec.image)
        problems.append(PlanProblem(cause.code, cause.message, cause.advice))
    needs_gpu = spec.engine != EngineKind.SIMULATOR
    if needs_gpu and described.get("can_use_gpus") is False:
        problems.append(
            PlanProblem(
                "gpu_unavailable",
                traits.gpu_problem,
                traits.gpu_advice,
                may_be_forced=True,
            )
        )
    free_bytes, size = described.get("free_bytes"), spec.weights_bytes
    if needs_gpu and free_bytes is not None and size and free_bytes < size * HUB_FREE_SHARE:
        problems.append(
            PlanProblem(
                "no_disk",
                fill_in(
                    "The weights take {size} GiB and {free_bytes} GiB of disk are free.",
                    size=to_gib(size),
                    free_bytes=to_gib(free_bytes),
                ),
                fill_in("Make room, or force the switch if the weights are there already."),
                may_be_forced=True,
            )
        )
    return problems


def find_room_problems(facts: PlanFacts) -> list[PlanProblem]:
    """What a cluster has no room for it waits for, for ever."""
    if facts.room is None or facts.room.room is not Room.NONE:
        return []
    return [
        PlanProblem(
            NO_CLUSTER_ROOM if facts.room.is_lasting else CLUSTER_FULL,
            facts.room.message,
            fill_in(
                "Ask for fewer or other cards, free some, or force the switch if the cluster grows by itself."
            ),
            may_be_forced=True,
        )
    ]


def find_fit_problems(facts: PlanFacts) -> list[PlanProblem]:
    problems = []
    if facts.report.verdict is Verdict.DOES_NOT_FIT:
        suggestions = [s.text for s in facts.report.suggestions][:2]
        problems.append(
            PlanProblem(
                "does_not_fit",
                next(iter(facts.report.reasons), "") or fill_in("The model does not fit the GPUs."),
                _advise(suggestions),
                may_be_forced=True,
            )
        )
    placement = facts.placement
    if placement.is_known and placement.wanted > len(placement.uuids):
        problems.append(
            PlanProblem(
                "too_few_gpus",
                fill_in(
                    "The profile asks for {wanted} GPUs and {count} can be used.",
                    wanted=placement.wanted,
                    count=len(placement.uuids),
                ),
                fill_in("Choose another tensor parallel size, or check the GPUs (manage.py gpu_status)."),
                may_be_forced=True,
            )
        )
    else:
        problems += find_replica_problems(placement)
    return problems


def find_replica_problems(placement: Placement) -> list[PlanProblem]:
    """Whether there are cards for every replica."""
    if not placement.is_known or placement.wanted * placement.replicas <= placement.available:
        return []
    problem = PlanProblem(
        "too_few_gpus",
        fill_in(
            "The profile asks for {replicas} replicas of {wanted} GPUs each, and {count} GPUs can be used.",
            replicas=placement.replicas,
            wanted=placement.wanted,
            count=placement.available,
        ),
        fill_in("Choose fewer replicas, or check the GPUs (manage.py gpu_status)."),
        may_be_forced=True,
    )
    return [problem]


def _advise(suggestions: Sequence[str]) -> str:
    match suggestions:
        case []:
            return ""
        case [only]:
            return fill_in("It would run with {suggestion}.", suggestion=only)
        case [first, second, *_]:
            return fill_in("It would run with {first}, or with {second}.", first=first, second=second)
    return ""


def to_gib(size: int) -> str:
    return f"{size / 2**30:.1f}"
