"""The clients and drivers that every reconciler of a switcher process shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.conf import GatewayConfig
from modelops.runtimes.base import Runtime
from modelops.switcher.effects import Effects
from modelops.switcher.engine_control import EngineControl
from modelops.switcher.gpu_sampling import GpuSampler


@dataclass(frozen=True)
class SwitcherDependencies:
    config: GatewayConfig
    runtimes: Mapping[str, Runtime]
    control: EngineControl
    effects: Effects
    gpus: GpuSampler

    def runtime_of(self, engine_runtime: str) -> Runtime:
        return self.runtimes[engine_runtime]
