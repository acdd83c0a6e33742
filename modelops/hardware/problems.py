"""What goes wrong with GPUs, said so that an operator knows what to do.

Codes are NVML's `nvmlReturn_t`: https://docs.nvidia.com/deploy/nvml-api/ (group nvmlDeviceEnumvs).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway.wording import Translatable, fill_in, fill_text


class ProblemCode(StrEnum):
    LIBRARY_MISSING = "library_missing"
    DRIVER_NOT_LOADED = "driver_not_loaded"
    DRIVER_TOO_OLD = "driver_too_old"
    VERSION_MISMATCH = "version_mismatch"
    NO_PERMISSION = "no_permission"
    NO_GPU = "no_gpu"
    NVML_FAILED = "nvml_failed"
    GPU_LOST = "gpu_lost"
    GPU_NEEDS_RESET = "gpu_needs_reset"
    GPU_NEEDS_POWER = "gpu_needs_power"
    GPU_NO_PERMISSION = "gpu_no_permission"
    GPU_UNREADABLE = "gpu_unreadable"
    MEMORY_TAKEN = "memory_taken"


@dataclass(frozen=True)
class HardwareProblem:
    """`message` says what is, `advice` what to do. `gpu_index` is None for the whole machine."""

    code: ProblemCode
    message: str
    advice: str
    gpu_index: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "code": str(self.code),
            "message": self.message,
            "advice": self.advice,
            "gpu_index": self.gpu_index,
        }


NO_PERMISSION = 4
INSUFFICIENT_POWER = 8
DRIVER_NOT_LOADED = 9
LIBRARY_NOT_FOUND = 12
FUNCTION_NOT_FOUND = 13
GPU_IS_LOST = 15
RESET_REQUIRED = 16
LIB_RM_VERSION_MISMATCH = 18
GPU_NOT_FOUND = 28

_MACHINE: dict[int, tuple[ProblemCode, Translatable, Translatable]] = {
    LIBRARY_NOT_FOUND: (
        ProblemCode.LIBRARY_MISSING,
        "NVIDIA's management library (libnvidia-ml.so.1) is not on this machine.",
        "Without an NVIDIA GPU this is normal, and the simulated engine needs none. With one, install the "
        "NVIDIA driver. In a container, install the NVIDIA Container Toolkit on the host and start the "
        "container with its GPUs (`--gpus all`) and with `utility` in NVIDIA_DRIVER_CAPABILITIES.",
    ),
    DRIVER_NOT_LOADED: (
        ProblemCode.DRIVER_NOT_LOADED,
        "The NVIDIA driver is installed, but its kernel module is not loaded.",
        "Run `sudo modprobe nvidia` and read `sudo dmesg | grep -i nvrm`. After a kernel update the module "
        "must be built again (`sudo dkms autoinstall`); with Secure Boot it must be signed. Then reboot.",
    ),
    LIB_RM_VERSION_MISMATCH: (
        ProblemCode.VERSION_MISMATCH,
        "The NVIDIA library and the loaded kernel module are of different versions: "
        "the driver was updated, and the old module still runs.",
        "Reboot the host at a quiet moment: an engine that runs keeps running until then, but none can "
        "start. Afterwards create GPU containers anew, so that they get the new library.",
    ),
    NO_PERMISSION: (
        ProblemCode.NO_PERMISSION,
        "This user may not use the NVIDIA driver.",
        "Look at `ls -l /dev/nvidia*` and give the user read and write access, on most systems by way of "
        "the group `video` or `render`. In a container, start it with its GPUs (`--gpus all`).",
    ),
    FUNCTION_NOT_FOUND: (
        ProblemCode.DRIVER_TOO_OLD,
        "The NVIDIA driver is too old to be read.",
        "Update the driver: vLLM needs one of CUDA 12 or newer (525 or newer).",
    ),
}

_GPU: dict[int, tuple[ProblemCode, Translatable, Translatable]] = {
    GPU_IS_LOST: (
        ProblemCode.GPU_LOST,
        "GPU {index} is lost: it no longer answers on the PCIe bus.",
        "Look for `Xid` lines in `sudo dmesg` (79 is a card that fell off the bus). Check the power cables, "
        "the power supply, the temperature and any riser, then reboot. Until then only models that fit "
        "on the other GPUs can be served.",
    ),
    RESET_REQUIRED: (
        ProblemCode.GPU_NEEDS_RESET,
        "GPU {index} stopped after an error and needs a reset.",
        "End every process on it, then run `sudo nvidia-smi --gpu-reset -i {index}`, or reboot. If it "
        "comes back, look for `Xid` lines in `sudo dmesg`.",
    ),
    INSUFFICIENT_POWER: (
        ProblemCode.GPU_NEEDS_POWER,
        "GPU {index} has no external power.",
        "Shut the machine down and attach every power cable of the card.",
    ),
    NO_PERMISSION: (
        ProblemCode.GPU_NO_PERMISSION,
        "GPU {index} may not be used by this user.",
        "Look at `ls -l /dev/nvidia{index}` and give the user read and write access. In a container, "
        "name this GPU among those it is started with.",
    ),
}
_GPU[GPU_NOT_FOUND] = _GPU[GPU_IS_LOST]

_SEE_LOG = fill_in("Read `sudo dmesg | grep -iE 'nvrm|xid'`, then reboot if nothing there says otherwise.")


def describe_machine_failure(code: int, text: str) -> HardwareProblem:
    """The problem of a machine whose NVML answers with `code`; `text` is NVML's own wording."""
    if found := _MACHINE.get(code):
        kind, message, advice = found
        return HardwareProblem(kind, fill_text(message, {}), fill_text(advice, {}))
    return HardwareProblem(
        ProblemCode.NVML_FAILED,
        fill_in("The NVIDIA driver answered: {text} (code {code}).", text=text, code=code),
        fill_in(
            "In a container that could read its GPUs before, its access was withdrawn (systemd does that "
            "when it reloads its units): create the container anew. Otherwise: {what_else}",
            what_else=_SEE_LOG,
        ),
    )


def _only_named(text: Translatable, index: int) -> dict[str, int]:
    return {"index": index} if "{index}" in text else {}


def describe_gpu_failure(index: int, code: int, text: str) -> HardwareProblem:
    """The problem of one GPU that answers with `code`; `text` is NVML's own wording."""
    if found := _GPU.get(code):
        kind, message, advice = found
        return HardwareProblem(
            kind, fill_text(message, {"index": index}), fill_text(advice, _only_named(advice, index)), index
        )
    return HardwareProblem(
        ProblemCode.GPU_UNREADABLE,
        fill_in(
            "GPU {index} cannot be read. The driver answered: {text} (code {code}).",
            index=index,
            text=text,
            code=code,
        ),
        _SEE_LOG,
        index,
    )


def describe_no_gpu() -> HardwareProblem:
    return HardwareProblem(
        ProblemCode.NO_GPU,
        fill_in("The NVIDIA driver runs, but it sees no GPU."),
        fill_in(
            "Check with `lspci | grep -i nvidia` that the card is on the bus, and with `sudo dmesg | grep -i "
            "nvrm` that the driver took it. In a container, start it with its GPUs (`--gpus all`)."
        ),
    )
