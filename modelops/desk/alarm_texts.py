"""What is wrong with GPUs, in the words of the desk: shorter than `modelops.hardware`'s, and translated."""

from __future__ import annotations

from gateway.wording import fill_in
from modelops.domain.fit.specs import GIB
from modelops.hardware import GpuReading, HardwareProblem, HardwareReading, ProblemCode

NAMED_PROCESSES = 3


def say_gpu_problem(problem: HardwareProblem, reading: HardwareReading) -> tuple[str, str]:
    """Message and advice; those of the reading itself, in English, for what has no words here."""
    index = problem.gpu_index
    gpu = next((each for each in reading.gpus if each.index == index), None)
    match problem.code:
        case ProblemCode.GPU_LOST:
            return (
                fill_in("GPU {index} is lost: it no longer answers on the PCIe bus.", index=index),
                fill_in(
                    "Look for `Xid` lines in `sudo dmesg`. Check power cables, power supply and temperature, "
                    "then reboot. Until then only models that fit on the other GPUs can be served."
                ),
            )
        case ProblemCode.GPU_NEEDS_RESET:
            return (
                fill_in("GPU {index} stopped after an error and needs a reset.", index=index),
                fill_in(
                    "End every process on it, then run `sudo nvidia-smi --gpu-reset -i {index}`, or reboot.",
                    index=index,
                ),
            )
        case ProblemCode.MEMORY_TAKEN if gpu is not None:
            return _say_taken(gpu)
        case ProblemCode.LIBRARY_MISSING | ProblemCode.NO_GPU:
            return (
                fill_in("The switcher sees no GPU."),
                fill_in(
                    "Install the NVIDIA driver. In a container, start the switcher with the GPUs "
                    "(`--gpus all`) and with `utility` in NVIDIA_DRIVER_CAPABILITIES."
                ),
            )
        case ProblemCode.VERSION_MISMATCH:
            return (
                fill_in("The NVIDIA driver was updated, and the old module still runs."),
                fill_in("Reboot the host at a quiet moment. Until then no engine can be started."),
            )
        case _:
            return problem.message, problem.advice


def _say_taken(gpu: GpuReading) -> tuple[str, str]:
    foreign = [process for process in gpu.processes or () if not process.is_ours]
    if not foreign:
        return (
            fill_in("Memory of GPU {index} is held by processes that are not listed.", index=gpu.index),
            fill_in("Run `nvidia-smi` on the host, as root, to see them."),
        )
    largest = sorted(foreign, key=lambda process: process.used_bytes or 0, reverse=True)[:NAMED_PROCESSES]
    names = ", ".join(f"{process.name or '?'} (pid {process.pid})" for process in largest)
    held = sum(process.used_bytes or 0 for process in foreign)
    return (
        fill_in(
            "{held} GiB of GPU {index} are held by {names}, which is not this gateway's.",
            held=f"{held / GIB:.1f}",
            index=gpu.index,
            names=names,
        ),
        fill_in(
            "End it if nobody needs it. Otherwise lower gpu_memory_utilization in the profile, or choose a "
            "model that fits into what is left."
        ),
    )
