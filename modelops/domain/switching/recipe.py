"""The recipe of an engine: everything that starts exactly this engine, now or after a crash.

A switch stores it with its accepted plan, so that whichever switcher carries it out starts what was planned,
although the profile may have been edited or deleted by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import msgspec

from modelops.domain.fit.engine_defaults import find_default_utilization
from modelops.domain.profiles.engine_args import build_environment, find_image_version
from modelops.domain.profiles.spec import EngineKind, ProfileSpec, to_values
from modelops.domain.switching.plan import Plan

SWITCH_FIELDS = frozenset({"wakes", "parks_old", "keeps_sleepers", "starts_beside"})
"""What a recipe says of its switch alone."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The values of an engine's row that are known before its start, and what sleeps meanwhile.

    The fields' names are the keys of the stored JSON. `spec` holds the profile's settings as they were, in
    the form of `to_values`; the properties read from it what the switcher decides by.
    """

    profile: str
    spec: Mapping[str, Any]
    model_name: str
    """What requests to the engine must name."""
    names: tuple[str, ...]
    """The names that clients may use."""
    runtime: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    image_digest: str = ""
    """Of the image that was prefetched; empty until then, and for a runtime without images."""
    gpus: tuple[str, ...] = ()
    gpu_name: str = ""
    estimate: Mapping[str, Any] | None = None
    """What the fit check expects the start to measure, in bytes."""

    wakes: str = ""
    """The name of the sleeping engine to wake instead of starting one."""
    parks_old: bool = False
    """Whether the old engine is put to sleep instead of being stopped."""
    keeps_sleepers: bool = False
    """Whether engines that sleep in the slot stay."""
    starts_beside: bool = False
    """Whether the old engine serves until this one is verified."""

    @property
    def is_simulated(self) -> bool:
        return self.spec.get("engine") == EngineKind.SIMULATOR

    @property
    def is_pooling(self) -> bool:
        """Whether the engine embeds or classifies instead of generating."""
        flags: Mapping[str, Any] = self.spec.get("extra_flags") or {}
        return flags.get("runner") == "pooling"

    @property
    def can_sleep(self) -> bool:
        return bool(self.spec.get("enable_sleep_mode"))

    @property
    def least_context(self) -> int | None:
        """The context that the profile insists on, in tokens; None where it takes what fits."""
        value = self.spec.get("max_model_len")
        return int(value) if value else None

    @property
    def gpu_memory_utilization(self) -> float:
        """The share of each card that the engine insists on: as given, else the default of its version."""
        share: float | None = self.spec.get("gpu_memory_utilization")
        return share or find_default_utilization(find_image_version(self.image))

    @property
    def shutdown_timeout_s(self) -> float:
        return float(self.spec.get("shutdown_timeout_s") or 0)

    @property
    def accelerator_type(self) -> str:
        return str(self.spec.get("accelerator_type") or "")

    @property
    def replicas(self) -> int:
        return int(self.spec.get("replicas") or 1)

    @property
    def max_replicas(self) -> int:
        return int(self.spec.get("max_replicas") or self.replicas)

    @property
    def weights_bytes(self) -> int | None:
        size: int | None = self.spec.get("weights_bytes")
        return size

    def with_context(self, max_model_len: int, arguments: list[str]) -> Self:
        """The same engine with another context, and the arguments that say so."""
        spec = {**self.spec, "max_model_len": max_model_len}
        return replace(self, spec=spec, arguments=tuple(arguments))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, which `from_json` takes back."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def to_engine_values(self) -> dict[str, Any]:
        """The fields of an engine's row."""
        return {name: value for name, value in self.to_json().items() if name not in SWITCH_FIELDS}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The recipe as `to_json` wrote it, also in an older version: what is missing takes its default, and
        keys it does not know are passed over. Raises ValueError for what is no recipe."""
        return msgspec.convert(values, cls)


ENGINE_FIELDS = tuple(name for name in Recipe.__dataclass_fields__ if name not in SWITCH_FIELDS)
"""Fields of an engine's row that a later start of just the same engine needs."""


def build_recipe(plan: Plan, spec: ProfileSpec) -> Recipe:
    """The recipe of an accepted plan; its image's digest, and what sleeps, are for the switcher to add."""
    return Recipe(
        profile=spec.slug,
        spec=to_values(spec),
        model_name=spec.served_names[0],
        names=(*spec.served_names, *spec.lora_adapters),
        runtime=spec.runtime,
        arguments=plan.arguments,
        environment=build_environment(spec),
        image=spec.image,
        gpus=plan.gpu_uuids,
        gpu_name=plan.gpu_name,
        starts_beside=plan.starts_beside,
        estimate=dict(plan.estimate),
    )
