"""The GPUs of this machine: read through NVML, stored and judged as plain values.

Only the process that owns the GPUs imports `modelops.hardware.nvml`, which loads NVIDIA's library. The web
process takes stored readings from `modelops.hardware.sampling`.
"""

from modelops.hardware.fit_gpus import explain_left_out, to_fit_gpus
from modelops.hardware.notices import list_problems
from modelops.hardware.problems import HardwareProblem, ProblemCode
from modelops.hardware.readings import (
    GpuLink,
    GpuProcess,
    GpuReading,
    HardwareReading,
    LinkPath,
    PcieLink,
)

__all__ = [
    "GpuLink",
    "GpuProcess",
    "GpuReading",
    "HardwareProblem",
    "HardwareReading",
    "LinkPath",
    "PcieLink",
    "ProblemCode",
    "explain_left_out",
    "list_problems",
    "to_fit_gpus",
]
