"""The clients and drivers that every reconciler of a switcher process shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.conf import GatewayConfig
from modelops.runtimes.base import Runtime
from modelops.serving.web_presence import identify_network
from modelops.switcher.effects import Effects
from modelops.switcher.engine_control import EngineControl
from modelops.switcher.engine_sampling import EngineSampler
from modelops.switcher.gpu_sampling import GpuSampler
from modelops.switcher.metrics import SwitcherMetrics


@dataclass(frozen=True)
class SwitcherDependencies:
    config: GatewayConfig
    runtimes: Mapping[str, Runtime]
    control: EngineControl
    effects: Effects
    gpus: GpuSampler
    loads: EngineSampler
    metrics: SwitcherMetrics = field(default_factory=SwitcherMetrics)

    def runtime_of(self, engine_runtime: str) -> Runtime:
        return self.runtimes[engine_runtime]

    def describe(self, runtime: str) -> dict[str, Any]:
        """What the runtime says of itself, with the network of this switcher, for the plan to compare."""
        return {**self.runtime_of(runtime).describe(), "network": identify_network()}
