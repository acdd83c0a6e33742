"""The GPUs that a question is about: named by the asker, planned, or seen by the sampler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from gateway.wording import fill_in
from modelops.domain.fit.report_text import describe_gpus
from modelops.domain.fit.specs import Gpu
from modelops.domain.profiles.engine_args import to_gpus
from modelops.domain.profiles.hardware_spec import HardwareSpec
from modelops.hardware import (
    GpuLink,
    HardwareProblem,
    HardwareReading,
    LinkPath,
    explain_left_out,
    list_problems,
    to_fit_gpus,
)


@dataclass(frozen=True)
class GpuChoice:
    """Cards to check against. `gpus` is None while nothing is known, empty where there are none.

    `names` are what a profile's GPU selection may call each card: its number, its UUID.
    `has_peer_access` is None where it is not known.
    """

    gpus: tuple[Gpu, ...] | None
    source: str
    names: tuple[frozenset[str], ...] = ()
    has_peer_access: bool | None = None
    taken_at: datetime | None = None
    problems: tuple[HardwareProblem, ...] = ()
    remarks: tuple[str, ...] = field(default=())

    @property
    def description(self) -> str:
        return fill_in("unknown GPUs") if self.gpus is None else describe_gpus(self.gpus)

    @property
    def uuids(self) -> frozenset[str]:
        """Of the cards that were seen; of none that were named or planned."""
        names = frozenset(name for each in self.names for name in each)
        return frozenset(name for name in names if not name.isdigit())

    def serialise(self) -> list[dict[str, Any]]:
        """The cards as plain JSON values."""
        return [
            {"name": gpu.name, "total_bytes": gpu.total_bytes, "free_bytes": gpu.free_bytes}
            for gpu in self.gpus or ()
        ]

    def select(self, selection: Sequence[str]) -> tuple[Gpu, ...] | None:
        """The cards that a profile's `gpu_selection` names, in its order; all of them for an empty one.

        A name that no card here has is left out, so that too few cards come back and the check says so.
        """
        if self.gpus is None or not selection:
            return self.gpus
        by_name = {name: gpu for gpu, names in zip(self.gpus, self.names, strict=True) for name in names}
        return tuple(by_name[name] for name in selection if name in by_name)


def restrict(choice: GpuChoice, allowed: Sequence[object]) -> GpuChoice:
    """Only the cards with one of these names, called what they were; all of them where none is given."""
    if choice.gpus is None or not allowed:
        return choice
    wanted = {str(name) for name in allowed}
    kept = [pair for pair in zip(choice.gpus, choice.names, strict=True) if pair[1] & wanted]
    return replace(choice, gpus=tuple(gpu for gpu, _ in kept), names=tuple(names for _, names in kept))


def choose_given(gpus: Sequence[Gpu]) -> GpuChoice:
    """Cards that the question itself names."""
    return GpuChoice(tuple(gpus), fill_in("as given"), _number(len(gpus)))


def choose_planned(spec: HardwareSpec) -> GpuChoice:
    """The cards of a hardware profile, all of their memory free."""
    gpus = to_gpus(spec)
    return GpuChoice(
        gpus,
        fill_in("hardware profile {slug}", slug=spec.slug),
        _number(len(gpus)),
        has_peer_access=spec.has_nvlink,
    )


def choose_seen(reading: HardwareReading | None) -> GpuChoice:
    """The cards of a reading, as they will be once our own engine has stopped; None: nothing was read."""
    if reading is None:
        return GpuChoice(None, fill_in("no reading yet"))
    seen = [gpu for gpu in reading.usable_gpus if gpu.total_bytes]
    return GpuChoice(
        to_fit_gpus(reading, without_ours=True),
        fill_in("as read"),
        tuple(frozenset({str(gpu.index), *([gpu.uuid] if gpu.uuid else [])}) for gpu in seen),
        has_peer_access=_has_peer_access(reading.links),
        taken_at=reading.taken_at,
        problems=list_problems(reading),
        remarks=explain_left_out(reading),
    )


def _number(count: int) -> tuple[frozenset[str], ...]:
    return tuple(frozenset({str(index)}) for index in range(count))


def _has_peer_access(links: Sequence[GpuLink]) -> bool | None:
    """Whether every pair reaches each other's memory: by NVLink, or where the driver allows it by PCIe."""
    if not links:
        return None
    known = [True if link.path is LinkPath.NVLINK else link.has_peer_access for link in links]
    return None if any(each is None for each in known) else all(known)
