"""One look at the GPUs, as frozen values that go to JSON and back.

A field that card or driver does not offer is None. Every field has a default, so that a reading stored
by an older version still loads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

import msgspec

from modelops.hardware.problems import HardwareProblem


class LinkPath(StrEnum):
    """What lies between two GPUs, nearest first. In brackets the letters of `nvidia-smi topo -m`."""

    NVLINK = "nvlink"
    """[NV#]"""
    SAME_BOARD = "same_board"
    PCIE_SWITCH = "pcie_switch"
    """One PCIe switch [PIX]."""
    PCIE_SWITCHES = "pcie_switches"
    """Several PCIe switches, no host bridge [PXB]."""
    HOST_BRIDGE = "host_bridge"
    """The host bridge of one CPU [PHB]."""
    NUMA_NODE = "numa_node"
    """Several host bridges of one NUMA node [NODE]."""
    SYSTEM = "system"
    """The interconnect between CPUs [SYS]."""


@dataclass(frozen=True)
class GpuLink:
    """The way from GPU `first` to GPU `second`, by index. With peer access each reads the other's memory."""

    first: int
    second: int
    path: LinkPath | None = None
    nvlinks: int = 0
    has_peer_access: bool | None = None


@dataclass(frozen=True)
class PcieLink:
    """Generation and lanes in use and at most; an idle card falls back to generation 1."""

    generation: int | None = None
    width: int | None = None
    max_generation: int | None = None
    max_width: int | None = None


@dataclass(frozen=True)
class GpuProcess:
    """A process with memory on a GPU, by the process id of NVML's namespace (the host's, as a rule)."""

    pid: int
    used_bytes: int | None = None
    name: str | None = None
    is_ours: bool = False
    container: str | None = None
    """For whoever knows the containers; NVML does not."""


@dataclass(frozen=True)
class GpuReading:
    """One card. With a `problem` it cannot serve; what was read before the problem is kept.

    `total_bytes` is the driver's figure (24576 MiB on a 24 GB card), more than an engine can see.
    `reserved_bytes` is the driver's own part; `used_bytes` leaves it out where that part is known.
    """

    index: int
    name: str | None = None
    uuid: str | None = None
    total_bytes: int | None = None
    used_bytes: int | None = None
    free_bytes: int | None = None
    reserved_bytes: int | None = None
    utilization_percent: int | None = None
    memory_utilization_percent: int | None = None
    temperature_c: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    graphics_clock_mhz: int | None = None
    memory_clock_mhz: int | None = None
    compute_capability: tuple[int, int] | None = None
    pci_bus_id: str | None = None
    pcie: PcieLink | None = None
    processes: tuple[GpuProcess, ...] | None = None
    """None when the driver does not tell."""
    problem: HardwareProblem | None = None

    @property
    def is_usable(self) -> bool:
        return self.problem is None

    @property
    def our_bytes(self) -> int:
        """What our own processes hold, as far as the driver tells."""
        return sum(process.used_bytes or 0 for process in self.processes or () if process.is_ours)


@dataclass(frozen=True)
class HardwareReading:
    """Every GPU of one machine at one moment. A `problem` here means that none could be read."""

    taken_at: datetime
    driver_version: str | None = None
    cuda_version: str | None = None
    """The newest CUDA that the driver supports, such as 12.8."""
    gpus: tuple[GpuReading, ...] = ()
    links: tuple[GpuLink, ...] = ()
    problem: HardwareProblem | None = None

    @property
    def usable_gpus(self) -> tuple[GpuReading, ...]:
        return tuple(gpu for gpu in self.gpus if gpu.is_usable)

    def to_json(self) -> dict[str, Any]:
        """JSON values, which `from_json` takes back; problems keep the templates of their texts."""
        values: dict[str, Any] = msgspec.to_builtins(self, enc_hook=str)
        if self.problem:
            values["problem"] = self.problem.to_json()
        for gpu, written in zip(self.gpus, values["gpus"], strict=True):
            if gpu.problem:
                written["problem"] = gpu.problem.to_json()
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Raises ValueError for what is not a reading; fields it does not know are passed over."""
        return msgspec.convert(values, cls)
